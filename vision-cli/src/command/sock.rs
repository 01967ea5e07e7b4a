//! `vision sock`

use vision_core::inventory::{Inventory, Sock, SockProtocol, SocketFilter, SocketOwners};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop, Tail};
use crate::args::SockArgs;
use crate::context::Context;
use crate::hint;
use crate::output::diagnose;
use crate::output::human::sock::{self, SockRow};

/// Lists sockets.
pub fn run(args: &SockArgs, context: &mut Context) -> Ended {
    let filter = filter(args, context)?;
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut inventory = Inventory::open(&target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let dev = context.global.interface.as_deref().map(|name| names.index(name)).transpose()?;
    let wanted = |sock: &Sock| dev.is_none_or(|dev| sock.ifindex == Some(dev));
    let owners = args.processes.then(|| inventory.socket_owners(&budget)).transpose()?;
    if let Some(gap) = owners.as_ref().and_then(SocketOwners::gap) {
        let grant = gap.needs.map(|needs| hint::grants(needs).1);
        diagnose(&gap.to_string(), grant.as_deref());
    }
    context.out.text(|out, style| sock::head(out, style, owners.is_some()))?;
    stream::list(context, "sockets", |write| {
        let consistent = inventory.sockets_each(&filter, &budget, |sock| {
            if wanted(&sock) {
                let dev = names.get(sock.ifindex);
                stop.unless(write(&SockRow::new(&sock, dev, owners.as_ref())));
            }
        })?;
        Ok(Tail { consistent, interfaces: None })
    })
}

fn filter(args: &SockArgs, context: &Context) -> Result<SocketFilter, vision_core::Error> {
    let mut filter = SocketFilter::default();
    for (wanted, protocol) in [(args.tcp, SockProtocol::Tcp), (args.udp, SockProtocol::Udp)] {
        if wanted {
            filter = filter.protocol(protocol);
        }
    }
    if let Some(family) = context.family()? {
        filter = filter.family(family);
    }
    Ok(match (args.listening, args.all) {
        (true, _) => filter.listening(),
        (false, true) => filter,
        (false, false) => filter.connected(),
    })
}
