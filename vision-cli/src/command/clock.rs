//! `vision ping --clock`

use std::net::IpAddr;

use vision_core::Error;
use vision_core::probe::ClockProbe;

use super::{Ended, destination, stream};
use crate::args::PingArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::clock::{self, Compared};

/// Compares the host's clock with ours and prints each answer as it comes.
pub fn run(args: &PingArgs, context: &mut Context) -> Ended {
    let [host] = args.hosts.as_slice() else {
        let why = format!("--clock compares one host's clock, not {}", args.hosts.len());
        return Err(Error::Invalid { what: "host", why }.into());
    };
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let to = destination::find(host, context, &target, &budget)?;
    let IpAddr::V4(addr) = to.addr else {
        let why = format!("{} is IPv6, which has no timestamp requests; try -4", to.addr);
        return Err(Error::Invalid { what: "host", why }.into());
    };
    let mut probe = ClockProbe::new(addr).interval(args.interval).wait(args.wait);
    if let Some(count) = args.count {
        probe = probe.count(count);
    }
    if let Some(ttl) = args.ttl {
        probe = probe.ttl(vision_core::Ttl(ttl));
    }
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    match context.global.source {
        Some(IpAddr::V4(source)) => probe = probe.source(source),
        Some(source) => destination::check_family(source, Some(vision_core::Family::V4))?,
        None => {}
    }
    let mut session = probe.start(&target)?;
    let ended_by = stream::follow(&mut session, &budget, context, |asked, context| {
        context.out.event(asked, |out, style| clock::line(addr, asked, out, style))
    })?;
    let report = session.finish();
    context.out.summary(&Compared::new(&report), ended_by.as_ref())?;
    let answer = if report.best().is_some() { Outcome::Yes } else { Outcome::No };
    stream::ended(ended_by, context, answer)
}
