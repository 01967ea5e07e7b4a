//! `vision ping` with many targets

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;

use vision_core::base::EventSource;
use vision_core::probe::{Df, Sweep, SweepReport, SweepSession, SweepVerdict, SweptHost};
use vision_core::{Budget, Error, Family, Result, Ttl};

use super::{Ended, destination, targets};
use crate::args::{Order, PingArgs};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::sweep::{Shown, Summed, Unresolved, Wanted};
use crate::output::{Progress, REFRESH};

/// Asks all of them and shows each once it is decided.
pub fn run(args: &PingArgs, context: &mut Context) -> Ended {
    let family = context.family()?;
    let target = context.target()?;
    let budget = context.patient_budget()?;
    let listed = targets::gather(args, family)?;
    let found = targets::resolve(listed, context, &target, &budget)?;
    let session = request(args, context, &found)?.start(&target)?;
    let mut view = View {
        args,
        names: &found.names,
        next: 0,
        held: BTreeMap::new(),
        progress: Progress::new(!context.out.is_quiet()),
    };
    let (report, ended_by) = view.follow(session, &budget, context)?;
    drop(view);
    let summed = Summed::new(&report, &found.names, &found.unresolved, wanted(args, context));
    context.out.summary(&summed, ended_by.as_ref())?;
    match ended_by {
        Some(error) if !context.out.is_json() => Err(error.into()),
        Some(error) => Ok(Outcome::Failed(error.into())),
        None => Ok(verdict(args, &report, &found.unresolved)),
    }
}

/// Whether enough of them answered.
fn verdict(args: &PingArgs, report: &SweepReport, unresolved: &[Unresolved]) -> Outcome {
    let alive = report.summary().alive;
    let enough = args.many.need.map_or(alive == report.hosts.len(), |need| alive >= need);
    match (enough, unresolved.is_empty() || args.many.need.is_some()) {
        (true, true) => Outcome::Yes,
        (_, false) => Outcome::Unknown,
        (false, true) => Outcome::No,
    }
}

fn wanted<'a>(args: &'a PingArgs, context: &Context) -> Wanted<'a> {
    let many = &args.many;
    let is_list = many.alive || many.unreachable;
    let quiet = context.out.is_quiet();
    // A network's worth of lines is no summary; a few hosts somebody named are.
    let few = many.sweep.is_empty() && many.from.is_none();
    Wanted {
        percents: &args.pct,
        hosts: quiet,
        shows_hosts: quiet && few && !is_list,
        shows_figures: !is_list || quiet || context.global.verbose > 0,
    }
}

fn request(args: &PingArgs, context: &Context, found: &targets::Found) -> Result<Sweep> {
    let sweep = Sweep::new(found.addrs.iter().copied()).scope(found.scope);
    let mut sweep = sweep.interval(args.interval).wait(args.wait).size_bytes(args.size);
    sweep = match (args.count, args.many.tries) {
        (Some(count), _) => sweep.count(count),
        (None, Some(tries)) => sweep.until_answered(tries),
        (None, None) => sweep,
    };
    if let Some(rate) = args.many.rate {
        sweep = sweep.rate(rate);
    }
    if args.df {
        sweep = sweep.df(Df::Set);
    }
    if let Some(ttl) = args.ttl {
        sweep = sweep.ttl(Ttl(ttl));
    }
    if let Some(dscp) = args.dscp {
        sweep = sweep.dscp(dscp);
    }
    if let Some(mark) = args.mark {
        sweep = sweep.mark(mark);
    }
    if let Some(name) = &context.global.interface {
        sweep = sweep.interface(name);
    }
    if let Some(source) = context.global.source {
        let first = found.addrs.first().map(|addr| Family::of(*addr));
        destination::check_family(source, first)?;
        sweep = sweep.source(source);
    }
    Ok(sweep)
}

/// What is shown while it goes on.
struct View<'a> {
    args: &'a PingArgs,
    names: &'a HashMap<IpAddr, String>,
    /// The first target not yet shown.
    next: usize,
    /// Targets that were decided before those in front of them.
    held: BTreeMap<usize, SweptHost>,
    progress: Progress,
}

impl View<'_> {
    /// Shows targets until there are no more; returns the error that ended it, if it was no budget.
    fn follow(
        &mut self,
        mut session: SweepSession,
        budget: &Budget,
        context: &mut Context,
    ) -> io::Result<(SweepReport, Option<Error>)> {
        let mut ended_by = None;
        loop {
            let slice = match self.progress.is_enabled() {
                true => budget.child(REFRESH),
                false => budget.clone(),
            };
            match next(&mut session, &slice, context)? {
                Ok(Some((at, host))) => self.take(at, host, context)?,
                Ok(None) => break,
                Err(Error::Elapsed | Error::Cancelled) if budget.remaining().is_err() => break,
                Err(Error::Elapsed | Error::Cancelled) => {}
                Err(error) => {
                    ended_by = Some(error);
                    break;
                }
            }
            self.progress.show(|| {
                let at = session.progress();
                let (decided, hosts, alive, sent) = (at.decided, at.hosts, at.alive, at.sent);
                format!("{decided} of {hosts} decided, {alive} alive, {sent} packets sent")
            });
        }
        let report = session.finish();
        self.progress.clear();
        for host in std::mem::take(&mut self.held).into_values() {
            self.show(&host, context)?;
        }
        for host in report.hosts.iter().filter(|h| h.verdict == SweepVerdict::Undecided) {
            self.show(host, context)?;
        }
        Ok((report, ended_by))
    }

    fn take(&mut self, at: usize, host: SweptHost, context: &mut Context) -> io::Result<()> {
        if self.args.many.order == Order::Decided {
            return self.show(&host, context);
        }
        if at == self.next && self.held.is_empty() {
            self.next += 1;
            return self.show(&host, context);
        }
        self.held.insert(at, host);
        while let Some(host) = self.held.remove(&self.next) {
            self.next += 1;
            self.show(&host, context)?;
        }
        Ok(())
    }

    fn show(&mut self, host: &SweptHost, context: &mut Context) -> io::Result<()> {
        let is_alive = host.verdict == SweepVerdict::Alive;
        let many = &self.args.many;
        if context.out.is_quiet() || many.alive && !is_alive || many.unreachable && is_alive {
            return Ok(());
        }
        self.progress.clear();
        let shown = Shown::new(host, self.names.get(&host.to).map(String::as_str));
        context.out.held_event(&shown, |out, style| match many.alive || many.unreachable {
            true => {
                shown.who(out)?;
                writeln!(out)
            }
            false => shown.line(out, style),
        })
    }
}

/// Takes the next target; pushes out what was written before waiting for one.
fn next(
    session: &mut SweepSession,
    budget: &Budget,
    context: &mut Context,
) -> io::Result<Result<Option<(usize, SweptHost)>>> {
    match session.try_recv() {
        Ok(None) => {
            context.out.finish()?;
            Ok(session.recv(budget))
        }
        other => Ok(other),
    }
}
