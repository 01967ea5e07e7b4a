//! Whether what waits for a neighbour's address has room: a single packet always has.

use std::net::IpAddr;
use std::time::Duration;

use super::probes::Prober;
use crate::base::{Family, Result};
use crate::doctor::UnresolvedRecord;
use crate::doctor::case::{ProbeRecord, Probing};
use crate::inventory::Link;
use crate::probe::{Df, Ping, Probe};

/// What a full-size packet takes of the queue: its room in memory, and the kernel's record of it
/// (linux/skbuff.h `SKB_TRUESIZE`).
const PIECE: u32 = 2304;
/// So many more than fit are sent.
const OVER: u32 = 2;
/// No longer queue is tried: it would need too large a packet.
const MOST: u32 = 6;
/// Routers that answer for others wait up to 0.8 seconds (ip-sysctl.rst, `proxy_delay`).
const APART: Duration = Duration::from_millis(1000);

impl Prober<'_> {
    /// Sends an echo request in more pieces than may wait for the next hop's address, where that is not known
    /// and few may; and a second one, when it is.
    pub(super) fn unresolved(&mut self, addr: IpAddr) -> Result<()> {
        let Some((neighbour, link)) = self.next_hop(addr) else { return Ok(()) };
        let ethernet = link.address.is_some_and(|it| it.to_ethernet().is_some());
        if self.again || self.probing == Probing::Passive || !ethernet || link.is_noarp() {
            return Ok(());
        }
        let queues = self.site.inventory.neighbour_queues(self.budget);
        let queues = queues.map(|dump| dump.items).unwrap_or_default();
        let own = (Family::of(neighbour), link.ifindex);
        let Some(queue) = queues.into_iter().find(|it| (it.family, it.ifindex) == own) else {
            return Ok(());
        };
        let pieces = queue.limit_bytes / PIECE + OVER;
        let Some(size) = size_of(&link, addr, pieces).filter(|_| pieces <= MOST) else {
            return Ok(());
        };
        let ping = Ping::new(addr).count(2).interval(APART).wait(APART).size_bytes(size);
        match ping.df(Df::Clear).scope(self.scope).run(&self.site.target, self.budget) {
            Ok(echoes) => {
                self.sent += echoes.echoes.len();
                let record = UnresolvedRecord { to: addr, neighbour, queue, pieces, echoes };
                self.records.push(ProbeRecord::Unresolved(record));
                Ok(())
            }
            Err(e) => self.survive("echo requests in pieces", e),
        }
    }
}

/// Bytes that make an echo request of so many fragments.
fn size_of(link: &Link, addr: IpAddr, pieces: u32) -> Option<usize> {
    // A fragment header more in IPv6; all but the last hold a multiple of eight (RFC 791 3.2, RFC 8200 4.5).
    let headers = if addr.is_ipv6() { 48 } else { 20 };
    let each = link.mtu_bytes?.checked_sub(headers)? & !7;
    usize::try_from(each * (pieces - 1)).ok()
}
