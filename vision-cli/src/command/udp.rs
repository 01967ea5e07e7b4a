//! `vision udp`

use std::net::SocketAddr;

use vision_core::probe::{Probe, UdpOutcome, UdpPayload, UdpProbe, UdpReport};
use vision_core::{Budget, Error, Family, Target};

use super::Ended;
use super::destination::{self, Destination};
use crate::args::UdpArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::udp::Asked;

/// Ports beyond these are for a scan.
const MOST: usize = 64;

/// Asks one port after the other and shows each as it is decided.
pub fn run(args: &UdpArgs, context: &mut Context) -> Ended {
    let ports: Vec<u16> = args.endpoint.ports().take(MOST + 1).collect();
    if ports.len() > MOST {
        let why = format!("more than {MOST} are for `vision scan HOST -p PORTS --udp`");
        return Err(Error::Invalid { what: "ports", why }.into());
    }
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let to = destination::find(&args.endpoint.host, context, &target, &budget)?;
    let mut asked = Asked::default();
    for port in ports {
        if budget.remaining().is_err() {
            asked.not_asked.push(port);
            continue;
        }
        let payload = args.payload.clone().unwrap_or_else(|| UdpPayload::usual(port));
        let report = ask(args, context, &to, port, &payload, (&target, &budget))?;
        asked.add(payload.to_string(), report);
    }
    context.out.report(&asked)?;
    Ok(verdict(&asked))
}

fn ask(
    args: &UdpArgs,
    context: &Context,
    to: &Destination,
    port: u16,
    payload: &UdpPayload,
    (target, budget): (&Target, &Budget),
) -> Result<UdpReport, Error> {
    let probe = UdpProbe::new(to.addr, port).scope(to.scope).tries(args.count).wait(args.wait);
    let mut probe = probe.payload(payload.bytes());
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    if let Some(source) = context.global.source {
        destination::check_family(source, Some(Family::of(to.addr)))?;
        probe = probe.source(SocketAddr::new(source, 0));
    }
    probe.run(target, budget)
}

fn verdict(asked: &Asked) -> Outcome {
    let any = |wanted: fn(&UdpOutcome) -> bool| asked.reports().any(|r| wanted(&r.outcome));
    let is_no =
        |outcome: &UdpOutcome| !matches!(outcome, UdpOutcome::Reply { .. } | UdpOutcome::Silent);
    match (any(is_no), any(|outcome| *outcome == UdpOutcome::Silent)) {
        (true, _) => Outcome::No,
        (false, true) => Outcome::Unknown,
        (false, false) if asked.not_asked.is_empty() => Outcome::Yes,
        _ => Outcome::Unknown,
    }
}
