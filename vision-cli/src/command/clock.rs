//! `vision ping --clock`

use std::net::IpAddr;

use vision_core::Error;
use vision_core::base::EventSource;
use vision_core::probe::ClockProbe;

use super::{Ended, destination};
use crate::args::PingArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::clock::{self, Compared};

/// Compares the host's clock with ours and prints each answer as it comes.
pub fn run(args: &PingArgs, context: &mut Context) -> Ended {
    let Some(host) = args.hosts.first() else {
        let why = "whose clock it is about is missing".to_owned();
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
    let ended_by = loop {
        match session.recv(&budget) {
            Ok(Some(asked)) => {
                context.out.event(&asked, |out, style| clock::line(addr, &asked, out, style))?;
            }
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => break None,
            Err(error) => break Some(error),
        }
    };
    let report = session.finish();
    context.out.summary(&Compared::new(&report), ended_by.as_ref())?;
    match ended_by {
        Some(error) if !context.out.is_json() => Err(error.into()),
        Some(error) => Ok(Outcome::Failed(error.into())),
        None if report.best().is_some() => Ok(Outcome::Yes),
        None => Ok(Outcome::No),
    }
}
