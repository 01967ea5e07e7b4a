//! `vision ct`

use vision_core::base::EventSource;
use vision_core::firewall::Flow;
use vision_core::inventory::{
    Consistency, CtEntry, CtEvents, CtFilter, CtProtocol, CtTable, Inventory,
};
use vision_core::{Budget, Error, Family, Prefix, Target, Timestamp};

use super::Ended;
use super::stream::{self, Stop, Tail};
use crate::args::{CtArgs, CtTableArg, CtVerb};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::diagnose;
use crate::output::human::ct::{Count, CtRow};
use crate::output::human::ct_more::{CpuStats, EventRow, ExpectRow, Followed, Found};

/// Lists, counts or follows tracked connections.
pub fn run(args: &CtArgs, context: &mut Context) -> Ended {
    let filter = filter(args, context)?;
    let target = context.target()?;
    if args.follow {
        return follow(&filter, args.nat, &target, context);
    }
    let mut inventory = Inventory::open(&target)?;
    if let Some(CtVerb::Get { flow, zone }) = &args.verb {
        return get(flow, *zone, &mut inventory, context);
    }
    if args.count {
        let count = inventory.conntrack_count(&context.budget()?)?;
        context.out.report(&Count::new(count))?;
        return Ok(Outcome::Yes);
    }
    if args.stats {
        let cpus = inventory.conntrack_cpus(&context.budget()?)?;
        context.out.report(&CpuStats::new(cpus))?;
        return Ok(Outcome::Yes);
    }
    match args.table {
        Some(CtTableArg::Expect) => expectations(&mut inventory, context),
        Some(CtTableArg::Dying) => table(CtTable::Dying, &filter, &mut inventory, context),
        Some(CtTableArg::Unconfirmed) => {
            table(CtTable::Unconfirmed, &filter, &mut inventory, context)
        }
        None => list(&filter, args.nat, &mut inventory, context),
    }
}

fn list(filter: &CtFilter, nat: bool, inventory: &mut Inventory, context: &mut Context) -> Ended {
    let now = Timestamp::now();
    let (budget, stop) = Stop::under(context.budget()?)?;
    let (mut rows, mut counted, mut timed) = (0_u64, false, false);
    let ended = stream::list(context, "connections", |write| {
        let consistent = inventory.conntrack_each(filter, &budget, |entry| {
            if nat && entry.translation().is_none() {
                return;
            }
            rows += 1;
            counted |= entry.original_counters.is_some();
            timed |= entry.started_at.is_some();
            stop.unless(write(&CtRow { entry: &entry, now, nat }));
        })?;
        Ok(Tail { consistent, interfaces: None })
    });
    if rows > 0 && context.global.verbose > 0 && !context.out.is_json() {
        hint(counted, "acct", "packets and bytes are not counted");
        hint(timed, "timestamp", "times are not taken");
    }
    ended
}

/// What the kernel does not keep unless it is told to, for connections made from then on.
fn hint(there: bool, switch: &str, lack: &str) {
    if !there {
        let how = format!("sysctl -w net.netfilter.nf_conntrack_{switch}=1 in the target");
        diagnose(lack, Some(&how));
    }
}

fn table(
    table: CtTable,
    filter: &CtFilter,
    inventory: &mut Inventory,
    context: &mut Context,
) -> Ended {
    let now = Timestamp::now();
    let budget = context.budget()?;
    let dump = inventory.conntrack_table(table, &budget)?;
    stream::list(context, "connections", |write| {
        let wanted = dump.items.iter().filter(|entry| admits(filter, entry));
        for entry in wanted {
            if write(&CtRow { entry, now, nat: false }).is_err() {
                break;
            }
        }
        Ok(Tail { consistent: dump.consistent, interfaces: None })
    })
}

fn expectations(inventory: &mut Inventory, context: &mut Context) -> Ended {
    let dump = inventory.conntrack_expectations(&context.budget()?)?;
    stream::list(context, "expectations", |write| {
        for expect in &dump.items {
            if write(&ExpectRow(expect)).is_err() {
                break;
            }
        }
        Ok(Tail { consistent: Consistency::Unknown, interfaces: None })
    })
}

fn get(flow: &Flow, zone: Option<u16>, inventory: &mut Inventory, context: &mut Context) -> Ended {
    let mut filter = CtFilter::default()
        .src(Prefix::host(flow.src))
        .dst(Prefix::host(flow.dst))
        .protocol(CtProtocol::from_raw(flow.protocol));
    (filter.src_port, filter.dst_port) = (flow.src_port, flow.dst_port);
    let found = inventory.conntrack_get(&filter, zone, &context.budget()?)?;
    let outcome = if found.is_some() { Outcome::Yes } else { Outcome::No };
    context.out.report(&Found::new(found))?;
    Ok(outcome)
}

/// Prints changes until the budget ends or nobody reads any more.
fn follow(filter: &CtFilter, nat: bool, target: &Target, context: &mut Context) -> Ended {
    let mut events = CtEvents::open(target)?;
    let budget: Budget = context.probing_budget(None)?;
    let mut seen = Followed::default();
    let ended = loop {
        let event = match events.recv(&budget) {
            Ok(Some(event)) => event,
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => break None,
            Err(error) => break Some(error),
        };
        let wanted = event
            .entry()
            .is_none_or(|entry| admits(filter, entry) && (!nat || entry.translation().is_some()));
        if wanted {
            seen.add(&event);
            let row = EventRow::new(&event, Timestamp::now());
            context.out.event(&row, |out, style| row.write(out, style))?;
        }
    };
    context.out.summary(&seen, ended.as_ref())?;
    Ok(match ended {
        None => Outcome::Yes,
        Some(error) => Outcome::Failed(error.into()),
    })
}

/// As the kernel would choose, where it does not.
fn admits(filter: &CtFilter, entry: &CtEntry) -> bool {
    let original = &entry.original;
    filter.family.is_none_or(|family| family == entry.family)
        && filter.protocol.is_none_or(|protocol| protocol == entry.protocol)
        && filter.src.is_none_or(|src| src.contains(original.src))
        && filter.dst.is_none_or(|dst| dst.contains(original.dst))
        && filter.src_port.is_none_or(|port| Some(port) == original.src_port)
        && filter.dst_port.is_none_or(|port| Some(port) == original.dst_port)
}

fn filter(args: &CtArgs, context: &Context) -> Result<CtFilter, Error> {
    let mut filter = CtFilter::default();
    // `--src` is the global flag that elsewhere says where to send from.
    let src = context.global.source.map(Prefix::host);
    for net in [src, args.dst].into_iter().flatten() {
        super::destination::check_family(net.addr(), context.family()?)?;
    }
    if let Some((src, dst)) = src.zip(args.dst) {
        super::destination::check_family(dst.addr(), Some(Family::of(src.addr())))?;
    }
    filter.family = context.family()?;
    filter.protocol = args.proto;
    filter.src = src;
    filter.dst = args.dst;
    filter.src_port = args.sport;
    filter.dst_port = args.dport;
    Ok(filter)
}
