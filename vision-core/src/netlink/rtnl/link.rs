//! Links (linux/if_link.h).

use std::ffi::CStr;

use netlink_bindings::rt_link::{
    LinkAttrs, LinkinfoAttrs, OpGetlinkDump, PropListLinkAttrs, RtnlLinkStats,
};

use super::fixed;
use crate::netlink::attr::{Attrs, Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

pub(crate) const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

/// `struct ifinfomsg`.
const FIXED: usize = 16;

/// How many counters `struct rtnl_link_stats64` has.
pub(crate) const STATS: usize = 25;

/// One link as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct LinkMsg<'a> {
    pub(crate) ifindex: u32,
    pub(crate) arphrd: u16,
    pub(crate) flags: u32,
    pub(crate) name: &'a [u8],
    pub(crate) alias: Option<&'a [u8]>,
    pub(crate) altnames: Vec<&'a [u8]>,
    pub(crate) kind: Option<&'a [u8]>,
    pub(crate) slave_kind: Option<&'a [u8]>,
    pub(crate) qdisc: Option<&'a [u8]>,
    pub(crate) address: Option<&'a [u8]>,
    pub(crate) broadcast: Option<&'a [u8]>,
    pub(crate) permanent: Option<&'a [u8]>,
    pub(crate) operstate: Option<u8>,
    pub(crate) carrier: Option<u8>,
    pub(crate) carrier_changes: Option<u32>,
    pub(crate) mtu: Option<u32>,
    pub(crate) min_mtu: Option<u32>,
    pub(crate) max_mtu: Option<u32>,
    pub(crate) txqlen: Option<u32>,
    pub(crate) tx_queues: Option<u32>,
    pub(crate) rx_queues: Option<u32>,
    pub(crate) promiscuity: Option<u32>,
    pub(crate) group: Option<u32>,
    pub(crate) master: Option<u32>,
    pub(crate) link: Option<u32>,
    pub(crate) link_netnsid: Option<i32>,
    pub(crate) stats: Option<[u64; STATS]>,
}

/// Asks for all links.
pub(crate) fn dump() -> Request {
    Request::new("RTM_GETLINK", RTM_GETLINK, NLM_F_DUMP, &[0; FIXED])
}

/// Asks for one link.
#[cfg(feature = "capture")]
pub(crate) fn get(ifindex: u32) -> Request {
    let mut fixed = [0; FIXED];
    for (to, from) in fixed.iter_mut().skip(4).zip(ifindex.to_ne_bytes()) {
        *to = from;
    }
    Request::new("RTM_GETLINK", RTM_GETLINK, 0, &fixed)
}

/// A link that is no longer in this namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) ifindex: u32,
    /// It lives on in another namespace.
    pub(crate) moved: bool,
}

/// Reads the end of a link; `None` when the message is of another type or speaks of a bridge's port.
pub(crate) fn gone(message: &Message<'_>) -> Option<Gone> {
    const IFLA_NEW_NETNSID: u16 = 45;
    let head: [u8; FIXED] = fixed(message.body);
    if message.kind != RTM_DELLINK || read(&head, 0) != Some([0]) {
        return None;
    }
    let ifindex = u32::from_ne_bytes(read(&head, 4)?);
    let moved = Attrs::after(message.body, FIXED).find(IFLA_NEW_NETNSID).is_some();
    Some(Gone { ifindex, moved })
}

/// Reads one link; `None` when the message is of another type.
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<LinkMsg<'a>> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let head: [u8; FIXED] = fixed(message.body);
    let mut link = LinkMsg {
        arphrd: u16::from_ne_bytes(read(&head, 2)?),
        ifindex: u32::from_ne_bytes(read(&head, 4)?),
        flags: u32::from_ne_bytes(read(&head, 8)?),
        ..LinkMsg::default()
    };
    // Unknown and damaged attributes come as errors; the walk goes on behind them.
    for attr in OpGetlinkDump::decode_request(message.body).1.flatten() {
        take(&mut link, attr);
    }
    Some(link)
}

fn take<'a>(link: &mut LinkMsg<'a>, attr: LinkAttrs<'a>) {
    match attr {
        LinkAttrs::Ifname(v) => link.name = v.to_bytes(),
        LinkAttrs::Ifalias(v) => link.alias = Some(v.to_bytes()),
        LinkAttrs::Qdisc(v) => link.qdisc = Some(v.to_bytes()),
        LinkAttrs::Address(v) => link.address = Some(v),
        LinkAttrs::Broadcast(v) => link.broadcast = Some(v),
        LinkAttrs::PermAddress(v) => link.permanent = Some(v),
        LinkAttrs::Operstate(v) => link.operstate = Some(v),
        LinkAttrs::Carrier(v) => link.carrier = Some(v),
        LinkAttrs::CarrierChanges(v) => link.carrier_changes = Some(v),
        LinkAttrs::Mtu(v) => link.mtu = Some(v),
        LinkAttrs::MinMtu(v) => link.min_mtu = Some(v),
        LinkAttrs::MaxMtu(v) => link.max_mtu = Some(v),
        LinkAttrs::Txqlen(v) => link.txqlen = Some(v),
        LinkAttrs::NumTxQueues(v) => link.tx_queues = Some(v),
        LinkAttrs::NumRxQueues(v) => link.rx_queues = Some(v),
        LinkAttrs::Promiscuity(v) => link.promiscuity = Some(v),
        LinkAttrs::Group(v) => link.group = Some(v),
        LinkAttrs::Master(v) => link.master = Some(v),
        LinkAttrs::Link(v) => link.link = Some(v),
        LinkAttrs::LinkNetnsid(v) => link.link_netnsid = Some(v),
        LinkAttrs::Stats64(v) => link.stats = Some(counters64(v.into_array())),
        // Kernels before 2.6.35 have only these.
        LinkAttrs::Stats(v) if link.stats.is_none() => link.stats = Some(counters32(v)),
        LinkAttrs::PropList(names) => {
            let names = names.flatten().map(|PropListLinkAttrs::AltIfname(name)| name);
            link.altnames.extend(names.map(CStr::to_bytes));
        }
        LinkAttrs::Linkinfo(info) => {
            for attr in info.flatten() {
                match attr {
                    LinkinfoAttrs::Kind(v) => link.kind = Some(v.to_bytes()),
                    LinkinfoAttrs::SlaveKind(v) => link.slave_kind = Some(v.to_bytes()),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn counters64(bytes: [u8; 8 * STATS]) -> [u64; STATS] {
    let mut counters = [0; STATS];
    for (to, from) in counters.iter_mut().zip(bytes.as_chunks().0) {
        *to = u64::from_ne_bytes(*from);
    }
    counters
}

/// The 32-bit structure has the same counters in the same order, and fewer of them.
fn counters32(stats: RtnlLinkStats) -> [u64; STATS] {
    let mut counters = [0; STATS];
    for (to, from) in counters.iter_mut().zip(stats.into_array().as_chunks().0) {
        *to = u32::from_ne_bytes(*from).into();
    }
    counters
}
