//! `vision ct`

use vision_core::inventory::{CtFilter, Inventory};
use vision_core::{Error, Family, Prefix, Timestamp};

use super::Ended;
use super::stream::{self, Stop, Tail};
use crate::args::CtArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ct::{Count, CtRow};

/// Lists or counts tracked connections.
pub fn run(args: &CtArgs, context: &mut Context) -> Ended {
    let filter = filter(args, context)?;
    let target = context.target()?;
    let mut inventory = Inventory::open(&target)?;
    if args.count {
        let count = inventory.conntrack_count(&context.budget()?)?;
        context.out.report(&Count::new(count))?;
        return Ok(Outcome::Yes);
    }
    let now = Timestamp::now();
    let (budget, stop) = Stop::under(context.budget()?)?;
    stream::list(context, "connections", |write| {
        let consistent = inventory.conntrack_each(&filter, &budget, |entry| {
            stop.unless(write(&CtRow { entry: &entry, now }));
        })?;
        Ok(Tail { consistent, interfaces: None })
    })
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
