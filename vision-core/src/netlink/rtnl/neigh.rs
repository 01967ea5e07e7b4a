//! Neighbours (linux/neighbour.h), by our own walk: a dump may have 100 000 of them, and the
//! generated decoder takes longer for each.

use super::fixed;
use crate::netlink::attr::{self, Attrs, Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

pub(crate) const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;

/// In the header's flags: proxied addresses, which are listed only on request.
const NTF_PROXY: u8 = 0x08;

/// `struct ndmsg`.
const FIXED: usize = 12;

/// One neighbour as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct NeighMsg<'a> {
    pub(crate) family: u8,
    pub(crate) ifindex: u32,
    pub(crate) state: u16,
    pub(crate) flags: u8,
    pub(crate) flags_ext: u32,
    pub(crate) kind: u8,
    pub(crate) dst: Option<&'a [u8]>,
    pub(crate) lladdr: Option<&'a [u8]>,
    /// Confirmed, used, updated: ages in clock ticks of 1/100 s.
    pub(crate) ages: Option<[u32; 3]>,
    pub(crate) probes: Option<u32>,
    pub(crate) vlan: Option<u16>,
    pub(crate) vni: Option<u32>,
    pub(crate) protocol: Option<u8>,
}

/// Asks for all neighbours, or for all proxied addresses.
pub(crate) fn dump(proxies: bool) -> Request {
    let mut head = [0; FIXED];
    head[10] = if proxies { NTF_PROXY } else { 0 };
    Request::new("RTM_GETNEIGH", RTM_GETNEIGH, NLM_F_DUMP, &head)
}

/// Reads one neighbour; `None` when the message is of another type.
#[inline]
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<NeighMsg<'a>> {
    if message.kind != RTM_NEWNEIGH {
        return None;
    }
    let head: [u8; FIXED] = fixed(message.body);
    let [family, .., flags, kind] = head;
    let mut neigh = NeighMsg {
        family,
        ifindex: u32::from_ne_bytes(read(&head, 4)?),
        state: u16::from_ne_bytes(read(&head, 8)?),
        flags,
        kind,
        ..NeighMsg::default()
    };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            NDA_DST => neigh.dst = Some(value),
            NDA_LLADDR => neigh.lladdr = Some(value),
            NDA_CACHEINFO => neigh.ages = ages(value),
            NDA_PROBES => neigh.probes = attr::u32(value),
            NDA_VLAN => neigh.vlan = attr::u16(value),
            NDA_VNI => neigh.vni = attr::u32(value),
            NDA_PROTOCOL => neigh.protocol = attr::u8(value),
            NDA_FLAGS_EXT => neigh.flags_ext = attr::u32(value).unwrap_or(0),
            _ => {}
        }
    }
    Some(neigh)
}

fn ages(value: &[u8]) -> Option<[u32; 3]> {
    let [confirmed, used, updated] = [0, 4, 8].map(|at| read(value, at).map(u32::from_ne_bytes));
    Some([confirmed?, used?, updated?])
}

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_CACHEINFO: u16 = 3;
const NDA_PROBES: u16 = 4;
const NDA_VLAN: u16 = 5;
const NDA_VNI: u16 = 7;
const NDA_PROTOCOL: u16 = 12;
const NDA_FLAGS_EXT: u16 = 15;
