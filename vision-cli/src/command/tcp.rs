//! `vision tcp`

use std::net::SocketAddr;

use vision_core::probe::{Probe, TcpProbe, Until};
use vision_core::{Error, Family};

use super::destination::{self, Destination};
use super::{Ended, stream, syn};
use crate::args::{TcpArgs, UntilArg};
use crate::context::Context;
use crate::output::human::tcp::{self, Summed};

/// Tries to connect to every port and says what happened.
pub fn run(args: &TcpArgs, context: &mut Context) -> Ended {
    if args.syn {
        return syn::run(args, context);
    }
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let budget = args.deadline.map_or_else(|| budget.clone(), |limit| budget.child(limit));
    let to = destination::find(&args.endpoint.host, context, &target, &budget)?;
    let probe = said(rounds(request(args, context, &to)?, args), args);
    if args.count.is_none_or(|count| count == 1) && args.every.is_none() && args.until.is_none() {
        let report = probe.run(&target, &budget)?;
        let summed = Summed::at_once(&report);
        context.out.report(&summed)?;
        return Ok(summed.answer());
    }
    let mut session = probe.start(&target)?;
    let ended_by = stream::follow(&mut session, &budget, context, |attempt, context| {
        context.out.event(attempt, |out, style| tcp::line(to.addr, attempt, out, style))
    })?;
    let report = session.finish();
    let summed = Summed::streamed(&report);
    context.out.summary(&summed, ended_by.as_ref())?;
    let answer = summed.answer();
    stream::ended(ended_by, context, answer)
}

fn request(args: &TcpArgs, context: &Context, to: &Destination) -> Result<TcpProbe, Error> {
    let mut probe = TcpProbe::new(to.addr, args.endpoint.ports()).scope(to.scope).wait(args.wait);
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    let source = args.source.or(context.global.source.map(|ip| SocketAddr::new(ip, 0)));
    if let Some(source) = source {
        destination::check_family(source.ip(), Some(Family::of(to.addr)))?;
        probe = probe.source(source);
    }
    Ok(probe)
}

/// How often, and until when.
fn rounds(mut probe: TcpProbe, args: &TcpArgs) -> TcpProbe {
    if let Some(every) = args.every {
        probe = probe.interval(every).endless();
    }
    if let Some(count) = args.count {
        probe = probe.count(count);
    }
    match args.until {
        None => probe,
        Some(UntilArg::Open) => probe.until(Until::Open),
        Some(UntilArg::Closed) => probe.until(Until::Closed),
    }
}

/// What to say and hear over a connection.
fn said(mut probe: TcpProbe, args: &TcpArgs) -> TcpProbe {
    if args.banner {
        probe = probe.banner();
    }
    if let Some(bytes) = &args.send {
        probe = probe.send(bytes.clone());
    }
    match &args.expect {
        None => probe,
        Some(bytes) => probe.expect(bytes.clone()),
    }
}
