//! Looks at the sockets of the service asked about, and at the processes that should accept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Site;
use crate::base::Budget;
use crate::doctor::case::{CaseFile, Vantage, VantageRole};
use crate::doctor::traffic::{Crowd, Holder, Lingering, Throttled, Traffic};
use crate::doctor::{Question, Service};
use crate::inventory::{Sock, SockProtocol, SockState, SocketFilter};
use crate::netns::cpu;

/// Sockets kept of one kind.
const KEPT: usize = 8;
/// Sockets kept that may have sent datagrams.
const SENDERS: usize = 64;
/// With more than this many connections, the details of each would take long.
const MANY: usize = 2000;

/// What of the question concerns sockets.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    protocol: SockProtocol,
    port: u16,
}

impl Asked {
    pub(super) fn of(case: &CaseFile) -> Option<Self> {
        let Question::Reach { service, .. } = case.question else { return None };
        match service {
            Service::Udp(port) => Some(Self { protocol: SockProtocol::Udp, port }),
            other => Some(Self { protocol: SockProtocol::Tcp, port: other.tcp_port()? }),
        }
    }

    fn filter(self) -> SocketFilter {
        SocketFilter::default().protocol(self.protocol)
    }
}

/// Reads what a vantage's sockets look like now; nothing where there is nothing to tell.
pub(super) fn after(
    asked: Option<Asked>,
    site: &mut Site,
    vantage: &Vantage,
    budget: &Budget,
) -> Option<Traffic> {
    let asked = asked?;
    let mut traffic = Traffic::default();
    if vantage.role == VantageRole::Target {
        leading_out(asked, site, &mut traffic, budget);
    }
    if vantage.role == VantageRole::Destination || serves_itself(vantage) {
        serving(asked, site, &mut traffic, budget);
    }
    (traffic != Traffic::default()).then_some(traffic)
}

/// Tells whether the target asked itself.
fn serves_itself(vantage: &Vantage) -> bool {
    let mut packets = vantage.rounds.last().into_iter().flat_map(|r| &r.probes);
    packets.any(|probe| {
        let to = match probe {
            super::super::ProbeRecord::Tcp(r) => r.to,
            super::super::ProbeRecord::Udp(r) => r.to.ip(),
            _ => return false,
        };
        to.is_loopback() || vantage.owns(to)
    })
}

fn sockets(site: &mut Site, filter: &SocketFilter, budget: &Budget) -> Vec<Sock> {
    site.inventory.sockets(filter, budget).map(|dump| dump.items).unwrap_or_default()
}

fn leading_out(asked: Asked, site: &mut Site, traffic: &mut Traffic, budget: &Budget) {
    let filter = asked.filter().connected().remote_port(asked.port);
    let all = sockets(site, &filter, budget);
    let mut crowds: HashMap<IpAddr, Crowd> = HashMap::new();
    for sock in &all {
        let addr = sock.remote.to_canonical();
        let fresh = Crowd { addr, port: asked.port, ports: 0, time_wait: 0 };
        let crowd = crowds.entry(addr).or_insert(fresh);
        crowd.ports += 1;
        crowd.time_wait += u32::from(sock.state == SockState::TimeWait);
    }
    traffic.crowds = crowds.into_values().collect();
    traffic.crowds.sort_by_key(|crowd| (std::cmp::Reverse(crowd.ports), crowd.addr));
    traffic.crowds.truncate(KEPT);
    if asked.protocol == SockProtocol::Udp {
        traffic.senders = sockets(site, &asked.filter(), budget);
        let open = |s: &Sock| s.remote_port == asked.port || s.remote.is_unspecified();
        traffic.senders.retain(|sock| sock.local_port != 0 && open(sock));
        traffic.senders.sort_by_key(|sock| sock.remote.is_unspecified());
        traffic.senders.truncate(SENDERS);
    }
    let held_up = |sock: &Sock| sock.state == SockState::Established && sock.send_q > 0;
    if asked.protocol == SockProtocol::Tcp && all.len() <= MANY && all.iter().any(held_up) {
        traffic.unsent = sockets(site, &filter.details(), budget);
        traffic.unsent.retain(held_up);
        traffic.unsent.sort_by_key(|sock| std::cmp::Reverse(sock.send_q));
        traffic.unsent.truncate(KEPT);
    }
}

fn serving(asked: Asked, site: &mut Site, traffic: &mut Traffic, budget: &Budget) {
    let filter = asked.filter().local_port(asked.port);
    if asked.protocol == SockProtocol::Udp {
        traffic.unread = sockets(site, &filter.details(), budget);
    } else {
        traffic.unread = sockets(site, &filter.clone().connected(), budget);
        traffic.unread.retain(|s| s.state == SockState::Established && s.recv_q > 0);
        traffic.listeners = sockets(site, &filter.clone().listening(), budget);
        if traffic.listeners.is_empty() {
            traffic.lingering = lingering(&sockets(site, &filter.connected().details(), budget));
        }
    }
    traffic.unread.sort_by_key(|sock| std::cmp::Reverse(sock.recv_q));
    traffic.unread.truncate(KEPT);
    traffic.listeners.truncate(KEPT);
    let waiting: Vec<u32> =
        traffic.listeners.iter().filter(|s| s.recv_q > 0).map(|s| s.inode).collect();
    if waiting.is_empty() {
        return;
    }
    // A look at all processes: only where connections wait.
    let Ok(owners) = site.inventory.socket_owners(budget) else { return };
    for inode in waiting {
        let all = owners.of(inode).take(KEPT);
        traffic.holders.extend(all.filter_map(|owner| {
            let (open, limit) = descriptors(owner.pid)?;
            Some(Holder { inode, pid: owner.pid, comm: owner.comm.clone(), open, limit })
        }));
    }
    traffic.holders.truncate(KEPT);
}

/// What holds the port though nobody listens on it.
fn lingering(all: &[Sock]) -> Option<Lingering> {
    let ended = || all.iter().filter(|sock| sock.state == SockState::TimeWait);
    let rest = |sock: &Sock| sock.details.as_ref().and_then(|details| details.timer_ms);
    let longest = ended().filter_map(rest).max().unwrap_or_default();
    let sockets = u32::try_from(ended().count()).ok().filter(|count| *count > 0)?;
    Some(Lingering { sockets, longest: Duration::from_millis(longest.into()) })
}

/// Says of groups that had to wait whether the service is in them: the namespace may be that of other services too.
pub(super) fn tie(
    throttled: &mut [Throttled],
    traffic: Option<&Traffic>,
    site: &mut Site,
    budget: &Budget,
) {
    let listeners = traffic.map_or(&[][..], |traffic| &traffic.listeners);
    if throttled.is_empty() || listeners.is_empty() {
        return;
    }
    let Ok(owners) = site.inventory.socket_owners(budget) else { return };
    let holders: Vec<_> = listeners.iter().flat_map(|sock| owners.of(sock.inode)).collect();
    for held in throttled.iter_mut().filter(|_| !holders.is_empty()) {
        let own = holders.iter().find(|owner| cpu::holds(held.group.as_bytes(), owner.pid));
        held.serves = Some(own.is_some());
        if let Some(owner) = own {
            (held.pid, held.comm) = (owner.pid, owner.comm.clone());
        }
    }
}

/// How many descriptors a process has open, and how many it may have: the limit is one of numbers,
/// and one that was inherited may have a higher number.
fn descriptors(pid: u32) -> Option<(u32, u32)> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let limit: u32 = line.split_whitespace().next()?.parse().ok()?;
    let all = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let numbers = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let open = numbers.filter(|number| *number < limit).count();
    Some((u32::try_from(open).ok()?, limit))
}
