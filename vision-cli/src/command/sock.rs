//! `vision sock`

use vision_core::inventory::{Inventory, Sock, SockProtocol, SocketFilter, SocketOwners};
use vision_core::{Budget, Error};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop, Tail};
use crate::args::{SockArgs, SockFamily};
use crate::context::Context;
use crate::exit::Outcome;
use crate::hint;
use crate::output::diagnose;
use crate::output::human::sock::{self, Depth, SockRow};
use crate::output::human::sock_local::{PacketRow, UnixRow};
use crate::output::human::sock_summary::SockSummary;

/// Lists sockets, or counts them.
pub fn run(args: &SockArgs, context: &mut Context) -> Ended {
    let kinds = args.kinds();
    let filter = filter(args, &kinds, context)?;
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut inventory = Inventory::open(&target)?;
    if args.summary {
        let summary = count(&mut inventory, &budget)?;
        context.out.report(&summary)?;
        return Ok(Outcome::Yes);
    }
    let names = Names::read(&mut inventory, &budget)?;
    let dev = context.global.interface.as_deref().map(|name| names.index(name)).transpose()?;
    let wanted = |sock: &Sock| dev.is_none_or(|dev| sock.ifindex == Some(dev));
    let owners = args.processes.then(|| inventory.socket_owners(&budget)).transpose()?;
    if let Some(gap) = owners.as_ref().and_then(SocketOwners::gap) {
        let grant = gap.needs.map(|needs| hint::grants(needs).1);
        diagnose(&gap.to_string(), grant.as_deref());
    }
    context.out.text(|out, style| sock::head(out, style, owners.is_some()))?;
    let depth = Depth { info: args.info, memory: args.mem, ext: args.ext };
    let over_ip = kinds.is_empty() || !filter.protocols.is_empty();
    stream::list(context, "sockets", |write| {
        let mut tail =
            Tail { consistent: vision_core::inventory::Consistency::Unknown, interfaces: None };
        if over_ip {
            tail.consistent = inventory.sockets_each(&filter, &budget, |sock| {
                if wanted(&sock) {
                    let dev = names.get(sock.ifindex);
                    stop.unless(write(&SockRow::new(&sock, dev, owners.as_ref(), depth)));
                }
            })?;
        }
        if kinds.contains(&SockFamily::Unix) {
            let unix = inventory.unix_sockets(&budget)?;
            let rows = unix
                .items
                .iter()
                .filter(|s| args.state.is_empty() || args.state.contains(&s.state));
            for sock in rows.filter(|s| shown(args, s.peer_inode.is_some(), s.is_listening())) {
                stop.unless(write(&UnixRow::new(sock, owners.as_ref(), depth)));
            }
        }
        if kinds.contains(&SockFamily::Packet) {
            for sock in inventory.packet_sockets(&budget)?.items {
                if dev.is_none_or(|dev| sock.ifindex == Some(dev)) {
                    let dev = names.get(sock.ifindex);
                    stop.unless(write(&PacketRow::new(&sock, dev, owners.as_ref(), depth)));
                }
            }
        }
        Ok(tail)
    })
}

/// As for sockets over IP: those with a peer, those that wait, or all.
fn shown(args: &SockArgs, has_peer: bool, listens: bool) -> bool {
    args.all || !args.state.is_empty() || if args.listening { listens } else { has_peer }
}

/// Counts sockets; those of other kinds are left out where the kernel cannot list them.
fn count(inventory: &mut Inventory, budget: &Budget) -> Result<SockSummary, Error> {
    let mut summary = SockSummary::default();
    let filter = SocketFilter::default();
    let filter = [SockProtocol::Tcp, SockProtocol::Udp, SockProtocol::Raw]
        .into_iter()
        .fold(filter, SocketFilter::protocol);
    inventory.sockets_each(&filter, budget, |sock| summary.add(&sock))?;
    let absent = |e: &Error| e.errno() == Some(2);
    match inventory.unix_sockets(budget) {
        Ok(unix) => summary.unix = Some(unix.items.len()),
        Err(e) if absent(&e) => {}
        Err(e) => return Err(e),
    }
    match inventory.packet_sockets(budget) {
        Ok(packet) => summary.packet = Some(packet.items.len()),
        Err(e) if absent(&e) => {}
        Err(e) => return Err(e),
    }
    let sockstat = inventory.sockstat(budget)?;
    summary.orphaned = sockstat.get("TCP", "orphan");
    summary.fragments = sockstat.get("FRAG", "inuse");
    Ok(summary)
}

fn filter(args: &SockArgs, kinds: &[SockFamily], context: &Context) -> Result<SocketFilter, Error> {
    let mut filter = SocketFilter::default();
    for kind in kinds {
        let protocol = match kind {
            SockFamily::Tcp => SockProtocol::Tcp,
            SockFamily::Udp => SockProtocol::Udp,
            SockFamily::Raw => SockProtocol::Raw,
            SockFamily::Mptcp => SockProtocol::Mptcp,
            SockFamily::Unix | SockFamily::Packet => continue,
        };
        filter = filter.protocol(protocol);
    }
    if let Some(family) = context.family()? {
        filter = filter.family(family);
    }
    filter = args.state.iter().fold(filter, |filter, state| filter.state(*state));
    (filter.local_port, filter.remote_port) = (args.sport, args.dport);
    filter.details = args.info || args.mem || args.ext;
    Ok(match (args.listening, args.all) {
        _ if !args.state.is_empty() => filter,
        (true, _) => filter.listening(),
        (false, true) => filter,
        (false, false) => filter.connected(),
    })
}
