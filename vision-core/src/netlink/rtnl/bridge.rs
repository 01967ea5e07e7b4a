//! Bridges (linux/if_bridge.h): forwarding entries, VLANs of ports, multicast groups.

use super::fixed;
use crate::netlink::attr::{self, Attrs, Request, be16, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

const AF_BRIDGE: u8 = 7;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
const RTM_NEWMDB: u16 = 84;
const RTM_GETMDB: u16 = 86;
const RTM_NEWVLAN: u16 = 112;
const RTM_GETVLAN: u16 = 114;

/// `struct ndmsg`.
const NEIGH: usize = 12;
/// `struct ifinfomsg`.
const LINK: usize = 16;
/// `struct br_vlan_msg` and `struct br_port_msg`.
const PORT: usize = 8;

/// One forwarding entry as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct FdbMsg<'a> {
    pub(crate) ifindex: u32,
    pub(crate) state: u16,
    pub(crate) flags: u8,
    pub(crate) flags_ext: u32,
    pub(crate) lladdr: Option<&'a [u8]>,
    pub(crate) dst: Option<&'a [u8]>,
    pub(crate) port: Option<u16>,
    pub(crate) vlan: Option<u16>,
    pub(crate) vni: Option<u32>,
    pub(crate) src_vni: Option<u32>,
    pub(crate) via_ifindex: Option<u32>,
    pub(crate) master: Option<u32>,
    pub(crate) netnsid: Option<i32>,
    pub(crate) nexthop: Option<u32>,
    /// Confirmed, used, updated: ages in clock ticks of 1/100 s.
    pub(crate) ages: Option<[u32; 3]>,
}

/// Asks for all forwarding entries.
pub(crate) fn fdb() -> Request {
    let mut head = [0; NEIGH];
    head[0] = AF_BRIDGE;
    Request::new("RTM_GETNEIGH", RTM_GETNEIGH, NLM_F_DUMP, &head)
}

/// Reads one forwarding entry; `None` when the message is of another type.
pub(crate) fn decode_fdb<'a>(message: &Message<'a>) -> Option<FdbMsg<'a>> {
    let head: [u8; NEIGH] = fixed(message.body);
    let [family, .., flags, _] = head;
    if message.kind != RTM_NEWNEIGH || family != AF_BRIDGE {
        return None;
    }
    let mut entry = FdbMsg {
        ifindex: read(&head, 4).map(u32::from_ne_bytes)?,
        state: read(&head, 8).map(u16::from_ne_bytes)?,
        flags,
        ..FdbMsg::default()
    };
    for (kind, value) in Attrs::after(message.body, NEIGH) {
        match kind {
            1 => entry.dst = Some(value),
            2 => entry.lladdr = Some(value),
            3 => entry.ages = ages(value),
            5 => entry.vlan = attr::u16(value),
            6 => entry.port = be16(value),
            7 => entry.vni = attr::u32(value),
            8 => entry.via_ifindex = attr::u32(value),
            9 => entry.master = attr::u32(value),
            10 => entry.netnsid = attr::i32(value),
            11 => entry.src_vni = attr::u32(value),
            13 => entry.nexthop = attr::u32(value),
            15 => entry.flags_ext = attr::u32(value).unwrap_or(0),
            _ => {}
        }
    }
    Some(entry)
}

fn ages(value: &[u8]) -> Option<[u32; 3]> {
    let [confirmed, used, updated] = [0, 4, 8].map(|at| read(value, at).map(u32::from_ne_bytes));
    Some([confirmed?, used?, updated?])
}

/// One VLAN, or a run of them, at one port.
#[derive(Debug, Default, Clone)]
pub(crate) struct VlanMsg<'a> {
    pub(crate) flags: u16,
    pub(crate) vid: u16,
    /// The last of a run.
    pub(crate) last: Option<u16>,
    pub(crate) state: Option<u8>,
    /// A number of attributes by their kind: bytes and packets in, bytes and packets out.
    pub(crate) stats: Option<&'a [u8]>,
    pub(crate) mcast_router: Option<u8>,
    pub(crate) neigh_suppress: Option<u8>,
}

/// Asks for the VLANs of all bridges and ports, with their counters (5.6).
pub(crate) fn vlans() -> Request {
    const BRIDGE_VLANDB_DUMP_FLAGS: u16 = 1;
    const BRIDGE_VLANDB_DUMPF_STATS: u32 = 1;
    let mut head = [0; PORT];
    head[0] = AF_BRIDGE;
    Request::new("RTM_GETVLAN", RTM_GETVLAN, NLM_F_DUMP, &head)
        .attr(BRIDGE_VLANDB_DUMP_FLAGS, &BRIDGE_VLANDB_DUMPF_STATS.to_ne_bytes())
}

/// Asks for the same the old way: with the links, and without counters.
pub(crate) fn vlans_of_links() -> Request {
    const IFLA_EXT_MASK: u16 = 29;
    const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 4;
    let mut head = [0; LINK];
    head[0] = AF_BRIDGE;
    Request::new("RTM_GETLINK", RTM_GETLINK, NLM_F_DUMP, &head)
        .attr(IFLA_EXT_MASK, &RTEXT_FILTER_BRVLAN_COMPRESSED.to_ne_bytes())
}

/// Reads the interface and its VLANs from an answer to either; `None` for other messages.
pub(crate) fn decode_vlans<'a>(message: &Message<'a>) -> Option<(u32, Vec<VlanMsg<'a>>)> {
    match message.kind {
        RTM_NEWVLAN => {
            let head: [u8; PORT] = fixed(message.body);
            let entries = Attrs::after(message.body, PORT).filter(|(kind, _)| *kind == 1);
            let vlans = entries.filter_map(|(_, entry)| vlan(entry)).collect();
            Some((read(&head, 4).map(u32::from_ne_bytes)?, vlans))
        }
        RTM_NEWLINK if message.body.first() == Some(&AF_BRIDGE) => {
            let head: [u8; LINK] = fixed(message.body);
            Some((read(&head, 4).map(u32::from_ne_bytes)?, of_link(message.body)))
        }
        _ => None,
    }
}

/// A nest of `BRIDGE_VLANDB_ENTRY_*`.
fn vlan(nest: &[u8]) -> Option<VlanMsg<'_>> {
    let mut found = VlanMsg::default();
    for (kind, value) in Attrs::new(nest) {
        match kind {
            1 => (found.flags, found.vid) = info(value)?,
            2 => found.last = attr::u16(value),
            3 => found.state = attr::u8(value),
            5 => found.stats = Some(value),
            6 => found.mcast_router = attr::u8(value),
            9 => found.neigh_suppress = attr::u8(value),
            _ => {}
        }
    }
    (found.vid != 0).then_some(found)
}

/// `struct bridge_vlan_info`.
fn info(value: &[u8]) -> Option<(u16, u16)> {
    Some((attr::u16(value)?, read(value, 2).map(u16::from_ne_bytes)?))
}

/// Runs come as two entries there, their first and their last.
fn of_link(body: &[u8]) -> Vec<VlanMsg<'_>> {
    const IFLA_AF_SPEC: u16 = 26;
    const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
    const RANGE_BEGIN: u16 = 1 << 3;
    const RANGE_END: u16 = 1 << 4;
    let mut vlans: Vec<VlanMsg<'_>> = Vec::new();
    let nest = Attrs::after(body, LINK).find(IFLA_AF_SPEC).unwrap_or_default();
    for (_, value) in Attrs::new(nest).filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO) {
        let Some((flags, vid)) = info(value) else { continue };
        match vlans.last_mut().filter(|_| flags & RANGE_END != 0) {
            Some(first) => first.last = Some(vid),
            None => {
                let flags = flags & !(RANGE_BEGIN | RANGE_END);
                vlans.push(VlanMsg { flags, vid, ..VlanMsg::default() });
            }
        }
    }
    vlans
}

/// One member of a multicast group as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct MdbMsg<'a> {
    pub(crate) ifindex: u32,
    pub(crate) state: u8,
    pub(crate) flags: u8,
    pub(crate) vid: u16,
    /// IPv4 or IPv6 address or, where it is zero, the group's link-layer address.
    pub(crate) group: &'a [u8],
    /// Ethertype that says which.
    pub(crate) proto: u16,
    pub(crate) timer: Option<u32>,
    pub(crate) filter_mode: Option<u8>,
    pub(crate) source: Option<&'a [u8]>,
    pub(crate) origin: Option<u8>,
}

/// A port where a multicast router is.
#[derive(Debug, Default)]
pub(crate) struct RouterPortMsg {
    pub(crate) ifindex: u32,
    pub(crate) timer: Option<u32>,
    pub(crate) kind: Option<u8>,
    pub(crate) vid: Option<u16>,
}

/// Asks for all multicast groups.
pub(crate) fn mdb() -> Request {
    let mut head = [0; PORT];
    head[0] = AF_BRIDGE;
    Request::new("RTM_GETMDB", RTM_GETMDB, NLM_F_DUMP, &head)
}

/// Reads the groups and router ports of one bridge; `None` when the message is of another type.
pub(crate) fn decode_mdb<'a>(
    message: &Message<'a>,
) -> Option<(u32, Vec<MdbMsg<'a>>, Vec<RouterPortMsg>)> {
    // A bridge answers with the number of the question (net/bridge/br_mdb.c `br_mdb_dump`).
    if !matches!(message.kind, RTM_NEWMDB | RTM_GETMDB) {
        return None;
    }
    let head: [u8; PORT] = fixed(message.body);
    let (mut groups, mut routers) = (Vec::new(), Vec::new());
    for (kind, nest) in Attrs::after(message.body, PORT) {
        match kind {
            // MDBA_MDB, in it MDBA_MDB_ENTRY, in it MDBA_MDB_ENTRY_INFO.
            1 => {
                for (_, entry) in Attrs::new(nest) {
                    groups.extend(Attrs::new(entry).filter_map(|(_, info)| member(info)));
                }
            }
            2 => routers.extend(Attrs::new(nest).filter_map(|(_, port)| router(port))),
            _ => {}
        }
    }
    Some((read(&head, 4).map(u32::from_ne_bytes)?, groups, routers))
}

/// `struct br_mdb_entry` and what follows it.
fn member(info: &[u8]) -> Option<MdbMsg<'_>> {
    const ENTRY: usize = 28;
    let [state, flags] = read(info, 4)?;
    let proto = read(info, 24).map(u16::from_be_bytes)?;
    let len = match proto {
        0x0800 => 4,
        0x86dd => 16,
        _ => 6,
    };
    let mut member = MdbMsg {
        ifindex: attr::u32(info)?,
        state,
        flags,
        vid: read(info, 6).map(u16::from_ne_bytes)?,
        group: info.get(8..8 + len)?,
        proto,
        ..MdbMsg::default()
    };
    for (kind, value) in Attrs::after(info, ENTRY) {
        match kind {
            1 => member.timer = attr::u32(value),
            3 => member.filter_mode = attr::u8(value),
            4 => member.source = Some(value),
            5 => member.origin = attr::u8(value),
            _ => {}
        }
    }
    Some(member)
}

fn router(port: &[u8]) -> Option<RouterPortMsg> {
    let attrs = || Attrs::after(port, 4);
    Some(RouterPortMsg {
        ifindex: attr::u32(port)?,
        timer: attrs().find(1).and_then(attr::u32),
        kind: attrs().find(2).and_then(attr::u8),
        vid: attrs().find(5).and_then(attr::u16),
    })
}
