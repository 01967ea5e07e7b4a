//! `vision tcp --syn`

use vision_core::probe::SynProbe;
use vision_core::{Error, Family};

use super::{Ended, destination, stream};
use crate::args::TcpArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::syn::{self, Summed};

/// Sends SYNs to one port and prints the segments that answer.
pub fn run(args: &TcpArgs, context: &mut Context) -> Ended {
    let ports: Vec<u16> = args.endpoint.ports().collect();
    let [port] = ports.as_slice() else {
        let why =
            format!("--syn asks one port, not {}; `vision scan --syn` asks many", ports.len());
        return Err(Error::Invalid { what: "port", why }.into());
    };
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let budget = args.deadline.map_or_else(|| budget.clone(), |limit| budget.child(limit));
    let to = destination::find(&args.endpoint.host, context, &target, &budget)?;
    let mut probe = SynProbe::new(to.addr, *port).scope(to.scope).wait(args.wait);
    if let Some(every) = args.every {
        probe = probe.interval(every).endless();
    }
    if let Some(count) = args.count {
        probe = probe.count(count);
    }
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    if let Some(source) = context.global.source {
        destination::check_family(source, Some(Family::of(to.addr)))?;
        probe = probe.source(source);
    }
    let mut session = probe.start(&target)?;
    let at = (to.addr, *port).into();
    let ended_by = stream::follow(&mut session, &budget, context, |asked, context| {
        context.out.event(asked, |out, style| syn::line(at, asked, out, style))
    })?;
    let report = session.finish();
    context.out.summary(&Summed::new(&report), ended_by.as_ref())?;
    let all = report.accepted() > 0 && report.accepted() == report.asked.len();
    stream::ended(ended_by, context, if all { Outcome::Yes } else { Outcome::No })
}
