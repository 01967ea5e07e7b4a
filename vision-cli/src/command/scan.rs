//! `vision scan`

use vision_core::base::EventSource;
use vision_core::probe::{
    AddrRange, Greet, Greeted, HostScan, HostsProgress, PortState, Probe, Scan, ScanReport,
    ScanSession, Technique,
};
use vision_core::{Budget, Error, Family, Result, Target};

use super::Ended;
use super::destination::{self, Destination};
use crate::args::ScanArgs;
use crate::context::Context;
use crate::output::human::hosts::Hosts;
use crate::output::human::scan::Summed;
use crate::output::{Progress, REFRESH};

/// Asks every port and says what it is.
pub fn run(args: &ScanArgs, context: &mut Context) -> Ended {
    args.check()?;
    if !args.hosts.is_empty() {
        return hosts(args, context);
    }
    let Some(host) = &args.host else {
        let why = "name a host, or a network with --hosts".to_owned();
        return Err(Error::Invalid { what: "scan", why }.into());
    };
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let to = destination::find(host, context, &target, &budget)?;
    let session = request(args, context, &to)?.start(&target)?;
    let report = follow(session, &budget, context)?;
    let greeted = match args.banner {
        true => greet(&report, args, context, (&to, &target, &budget))?,
        false => Vec::new(),
    };
    let summed = Summed::new(&report, &greeted, context.global.verbose > 0);
    context.out.report(&summed)?;
    Ok(summed.answer())
}

/// Listens to what is open.
fn greet(
    report: &ScanReport,
    args: &ScanArgs,
    context: &Context,
    (to, target, budget): (&Destination, &Target, &Budget),
) -> Result<Vec<Greeted>> {
    let open: Vec<u16> = report.in_state(PortState::Open).map(|port| port.port).collect();
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let mut greet = Greet::new(to.addr, open).scope(to.scope).wait(args.wait);
    if let Some(name) = &context.global.interface {
        greet = greet.interface(name);
    }
    if let Some(source) = context.global.source {
        greet = greet.source(source);
    }
    Ok(greet.run(target, budget)?.ports)
}

/// Asks which addresses of the networks have a host.
fn hosts(args: &ScanArgs, context: &mut Context) -> Ended {
    let family = context.family()?;
    for range in &args.hosts {
        if let Some(first) = range.iter().next() {
            destination::check_family(first, family)?;
        }
    }
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let mut scan = HostScan::new(args.hosts.iter().flat_map(AddrRange::iter)).wait(args.wait);
    if let Some(rate) = args.rate {
        scan = scan.rate(rate);
    }
    if let Some(name) = &context.global.interface {
        scan = scan.interface(name);
    }
    if let Some(source) = context.global.source {
        scan = scan.source(source);
    }
    let mut progress = Progress::new(!context.out.is_quiet());
    let report = scan.run_telling(&target, &budget, &mut |at| {
        progress.show(|| {
            let HostsProgress { stage, sweep, .. } = at;
            let (decided, hosts, alive) = (sweep.decided, sweep.hosts, sweep.alive);
            format!("{stage}: {decided} of {hosts} decided, {alive} up")
        });
    })?;
    drop(progress);
    let shown = Hosts::new(&report, context.global.verbose > 0);
    context.out.report(&shown)?;
    Ok(shown.answer())
}

fn request(args: &ScanArgs, context: &Context, to: &Destination) -> Result<Scan> {
    let technique = match (args.syn, args.udp) {
        (true, _) => Technique::HalfOpen,
        (_, true) => Technique::Udp,
        _ => Technique::Connect,
    };
    let scan = Scan::new(to.addr, args.ports.iter()).scope(to.scope);
    let mut scan = scan.technique(technique).wait(args.wait);
    if let Some(rate) = args.rate {
        scan = scan.rate(rate);
    }
    if let Some(name) = &context.global.interface {
        scan = scan.interface(name);
    }
    if let Some(source) = context.global.source {
        destination::check_family(source, Some(Family::of(to.addr)))?;
        scan = scan.source(source);
    }
    Ok(scan)
}

/// Waits for the end, with a line that says how far it has come.
fn follow(mut session: ScanSession, budget: &Budget, context: &Context) -> Result<ScanReport> {
    let mut progress = Progress::new(!context.out.is_quiet());
    loop {
        let slice = match progress.is_enabled() {
            true => budget.child(REFRESH),
            false => budget.clone(),
        };
        match session.recv(&slice) {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(Error::Elapsed | Error::Cancelled) if budget.remaining().is_err() => break,
            Err(Error::Elapsed | Error::Cancelled) => {}
            Err(error) => return Err(error),
        }
        progress.show(|| {
            let at = session.progress();
            let (decided, ports, open, sent) = (at.decided, at.ports, at.open, at.sent);
            format!("{decided} of {ports} ports, {open} open, {sent} probes sent")
        });
    }
    Ok(session.finish())
}
