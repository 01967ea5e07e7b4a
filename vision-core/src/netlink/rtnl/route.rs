//! Routes (linux/rtnetlink.h), by our own walk: the generated decoder loses gateways of the other
//! family (`RTA_VIA` is a family and an address) and takes longer where a dump may have a million.

use std::net::IpAddr;

use super::fixed;
use crate::netlink::attr::{self, Attrs, Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

pub(crate) const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

/// A cached exception, not a route of a table.
pub(crate) const RTM_F_CLONED: u32 = 0x200;
/// Answer with the table that matched.
const RTM_F_LOOKUP_TABLE: u32 = 0x1000;
/// Answer with the route of the table instead of what the look-up makes of it.
const RTM_F_FIB_MATCH: u32 = 0x2000;

/// `struct rtmsg`.
const FIXED: usize = 12;

/// One route as the kernel describes it.
///
/// Addresses stay bytes of the message: small pieces put together and copied around a few times
/// each took longer than all the rest of the walk.
#[derive(Debug, Default)]
pub(crate) struct RouteMsg<'a> {
    pub(crate) family: u8,
    pub(crate) dst_bits: u8,
    pub(crate) src_bits: u8,
    pub(crate) tos: u8,
    pub(crate) table: u32,
    pub(crate) protocol: u8,
    pub(crate) scope: u8,
    pub(crate) kind: u8,
    pub(crate) flags: u32,
    pub(crate) dst: Option<&'a [u8]>,
    pub(crate) src: Option<&'a [u8]>,
    pub(crate) iif: Option<u32>,
    pub(crate) priority: Option<u32>,
    pub(crate) prefsrc: Option<&'a [u8]>,
    pub(crate) hop: HopMsg<'a>,
    pub(crate) metrics: Option<&'a [u8]>,
    pub(crate) multipath: Option<&'a [u8]>,
    pub(crate) nexthop_id: Option<u32>,
    pub(crate) pref: Option<u8>,
    pub(crate) mark: Option<u32>,
    pub(crate) uid: Option<u32>,
    /// `struct rta_cacheinfo`: expires at byte 8 in clock ticks, error at byte 12.
    pub(crate) expires_ticks: Option<i32>,
    pub(crate) error: Option<i32>,
}

/// Where a route or one of its paths leads.
#[derive(Debug, Default)]
pub(crate) struct HopMsg<'a> {
    pub(crate) oif: Option<u32>,
    pub(crate) gateway: Option<&'a [u8]>,
    pub(crate) encap: Option<u16>,
    pub(crate) flow: Option<u32>,
}

/// One path of a multipath route.
#[derive(Debug)]
pub(crate) struct PathMsg<'a> {
    pub(crate) flags: u8,
    /// One less than the weight.
    pub(crate) hops: u8,
    pub(crate) hop: HopMsg<'a>,
}

/// What to look up; numbers as the kernel takes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lookup {
    pub(crate) family: u8,
    pub(crate) bits: u8,
    pub(crate) dst: IpAddr,
    pub(crate) src: Option<IpAddr>,
    pub(crate) iif: Option<u32>,
    pub(crate) oif: Option<u32>,
    pub(crate) mark: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) tos: u8,
    pub(crate) ip_proto: Option<u8>,
    pub(crate) sport: Option<u16>,
    pub(crate) dport: Option<u16>,
    pub(crate) fib_match: bool,
}

/// Asks for all routes of one family, or of one table of it.
pub(crate) fn dump(family: u8, table: Option<u32>) -> Request {
    let mut head = [0; FIXED];
    head[0] = family;
    Request::new("RTM_GETROUTE", RTM_GETROUTE, NLM_F_DUMP, &head)
        .maybe(RTA_TABLE, table.map(u32::to_ne_bytes))
}

/// Asks which way a packet would take.
pub(crate) fn get(lookup: &Lookup) -> Request {
    // IPv6 answers with the table in any case and, checking strictly, refuses the flag.
    let mut flags = match lookup.dst {
        IpAddr::V4(_) => RTM_F_LOOKUP_TABLE,
        IpAddr::V6(_) => 0,
    };
    if lookup.fib_match {
        flags |= RTM_F_FIB_MATCH;
    }
    let src_bits = lookup.src.map_or(0, |_| lookup.bits);
    let mut head = vec![lookup.family, lookup.bits, src_bits, lookup.tos, 0, 0, 0, 0];
    head.extend(flags.to_ne_bytes());
    Request::new("RTM_GETROUTE", RTM_GETROUTE, 0, &head)
        .attr(RTA_DST, &octets(lookup.dst))
        .maybe(RTA_SRC, lookup.src.map(octets))
        .maybe(RTA_IIF, lookup.iif.map(u32::to_ne_bytes))
        .maybe(RTA_OIF, lookup.oif.map(u32::to_ne_bytes))
        .maybe(RTA_MARK, lookup.mark.map(u32::to_ne_bytes))
        .maybe(RTA_UID, lookup.uid.map(u32::to_ne_bytes))
        .maybe(RTA_IP_PROTO, lookup.ip_proto.map(|p| [p]))
        .maybe(RTA_SPORT, lookup.sport.map(u16::to_be_bytes))
        .maybe(RTA_DPORT, lookup.dport.map(u16::to_be_bytes))
}

/// Reads one route; `None` when the message is of another type.
#[inline]
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<RouteMsg<'a>> {
    if message.kind != RTM_NEWROUTE {
        return None;
    }
    let head: [u8; FIXED] = fixed(message.body);
    let [family, dst_bits, src_bits, tos, table, protocol, scope, kind, ..] = head;
    let mut route = RouteMsg {
        family,
        dst_bits,
        src_bits,
        tos,
        table: table.into(),
        protocol,
        scope,
        kind,
        flags: u32::from_ne_bytes(read(&head, 8)?),
        ..RouteMsg::default()
    };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        take(&mut route, kind, value);
    }
    Some(route)
}

#[inline]
fn take<'a>(route: &mut RouteMsg<'a>, kind: u16, value: &'a [u8]) {
    match kind {
        RTA_DST => route.dst = Some(value),
        RTA_SRC => route.src = Some(value),
        RTA_IIF => route.iif = attr::u32(value),
        RTA_PRIORITY => route.priority = attr::u32(value),
        RTA_PREFSRC => route.prefsrc = Some(value),
        RTA_METRICS => route.metrics = Some(value),
        RTA_MULTIPATH => route.multipath = Some(value),
        // The header has room for tables below 256 only.
        RTA_TABLE => route.table = attr::u32(value).unwrap_or(route.table),
        RTA_MARK => route.mark = attr::u32(value),
        RTA_PREF => route.pref = attr::u8(value),
        RTA_UID => route.uid = attr::u32(value),
        RTA_NH_ID => route.nexthop_id = attr::u32(value),
        RTA_EXPIRES => route.expires_ticks = attr::i32(value),
        RTA_CACHEINFO => {
            route.expires_ticks = read(value, 8).map(i32::from_ne_bytes);
            route.error = read(value, 12).map(i32::from_ne_bytes);
        }
        _ => take_hop(&mut route.hop, kind, value),
    }
}

#[inline]
fn take_hop<'a>(hop: &mut HopMsg<'a>, kind: u16, value: &'a [u8]) {
    match kind {
        RTA_OIF => hop.oif = attr::u32(value),
        RTA_GATEWAY => hop.gateway = Some(value),
        RTA_VIA => hop.gateway = attr::via(value),
        RTA_FLOW => hop.flow = attr::u32(value),
        RTA_ENCAP_TYPE => hop.encap = attr::u16(value),
        _ => {}
    }
}

/// Walks the paths of a multipath route (`struct rtnexthop`).
pub(crate) fn paths<'a>(mut rest: &'a [u8]) -> impl Iterator<Item = PathMsg<'a>> {
    std::iter::from_fn(move || {
        let [l0, l1, flags, hops, i0, i1, i2, i3] = *rest.first_chunk()?;
        let len = usize::from(u16::from_ne_bytes([l0, l1]));
        let attrs = rest.get(RTNEXTHOP..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        let ifindex = u32::from_ne_bytes([i0, i1, i2, i3]);
        let mut hop = HopMsg { oif: (ifindex != 0).then_some(ifindex), ..HopMsg::default() };
        for (kind, value) in Attrs::new(attrs) {
            take_hop(&mut hop, kind, value);
        }
        Some(PathMsg { flags, hops, hop })
    })
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

const RTNEXTHOP: usize = 8;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_IIF: u16 = 3;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_MARK: u16 = 16;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_EXPIRES: u16 = 23;
const RTA_UID: u16 = 25;
const RTA_IP_PROTO: u16 = 27;
const RTA_SPORT: u16 = 28;
const RTA_DPORT: u16 = 29;
const RTA_NH_ID: u16 = 30;
