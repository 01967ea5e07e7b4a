//! From attributes to sets and elements. Total: what cannot be read is left out.

use super::model::{Ipset, IpsetElement, IpsetFamily};
use crate::base::LinkAddr;
use crate::firewall::Counter;
use crate::netlink::attr::{self, Attrs, be16, be32, be64};
use crate::netlink::ipset::{self, address};

/// `IPSET_ATTR_*` of a creation and of an element; those from 17 on differ between the two.
const IP: u16 = 1;
const IP_TO: u16 = 2;
const CIDR: u16 = 3;
const PORT: u16 = 4;
const PORT_TO: u16 = 5;
const TIMEOUT: u16 = 6;
const PROTO: u16 = 7;
const CADT_FLAGS: u16 = 8;
const MARK: u16 = 10;
const MARKMASK: u16 = 11;
const BITMASK: u16 = 12;

/// Reads a set's header; `None` when the message only continues the elements.
pub(super) fn set(attrs: &Attrs<'_>) -> Option<Ipset> {
    let find = |kind| attrs.clone().find(kind);
    let data = Attrs::new(find(ipset::DATA).unwrap_or_default());
    let get = |kind| data.clone().find(kind);
    let number = |kind| get(kind).and_then(be32);
    let flags = number(CADT_FLAGS).unwrap_or(0);
    let ends = |low, high| Some((address(get(low)?)?, address(get(high)?)?));
    let ports = || Some((be16(get(PORT)?)?, be16(get(PORT_TO)?)?));
    Some(Ipset {
        kind: attr::text(find(ipset::TYPENAME)?).into(),
        name: attr::text(find(ipset::SETNAME)?).into(),
        revision: find(ipset::REVISION).and_then(attr::u8).unwrap_or(0),
        family: IpsetFamily::from_raw(find(ipset::FAMILY).and_then(attr::u8).unwrap_or(0)),
        range: ends(IP, IP_TO),
        ports: ports(),
        initval: number(17),
        hashsize: number(18),
        maxelem: number(19),
        netmask: get(20).and_then(attr::u8),
        bucketsize: get(21).and_then(attr::u8),
        size: number(23),
        count: number(24).unwrap_or(0),
        references: number(25).unwrap_or(0),
        memory: number(26).unwrap_or(0),
        bitmask: get(BITMASK).and_then(address),
        markmask: number(MARKMASK),
        timeout: number(TIMEOUT),
        counters: flags & 8 != 0,
        comment: flags & 16 != 0,
        forceadd: flags & 32 != 0,
        skbinfo: flags & 64 != 0,
    })
}

/// Reads the elements of a message.
pub(super) fn elements<'a>(attrs: &Attrs<'a>) -> impl Iterator<Item = IpsetElement> + use<'a> {
    let nest = attrs.clone().find(ipset::ADT).unwrap_or_default();
    Attrs::new(nest).filter(|(kind, _)| *kind == ipset::DATA).map(|(_, nest)| element(nest))
}

fn element(nest: &[u8]) -> IpsetElement {
    let mut it = IpsetElement::default();
    let (mut packets, mut bytes) = (None, None);
    for (kind, value) in Attrs::new(nest) {
        match kind {
            IP => it.ip = address(value),
            CIDR => it.prefix = attr::u8(value),
            PORT => it.port = be16(value),
            TIMEOUT => it.timeout = be32(value),
            PROTO => it.proto = attr::u8(value),
            CADT_FLAGS => {
                let flags = be32(value).unwrap_or(0);
                it.physdev = flags & 2 != 0;
                it.nomatch = flags & 4 != 0;
                it.wildcard = flags & 128 != 0;
            }
            MARK => it.mark = be32(value),
            17 => it.mac = LinkAddr::from_bytes(value),
            18 => it.set = Some(attr::text(value).into()),
            20 => it.ip2 = address(value),
            21 => it.prefix2 = attr::u8(value),
            23 => it.iface = Some(attr::text(value).into()),
            24 => bytes = be64(value),
            25 => packets = be64(value),
            26 => it.comment = Some(attr::text(value).into()),
            27 => it.skbmark = be64(value).map(|both| ((both >> 32) as u32, both as u32)),
            28 => it.skbprio = be32(value),
            29 => it.skbqueue = be16(value),
            _ => {}
        }
    }
    it.counter = packets.zip(bytes).map(|(packets, bytes)| Counter { packets, bytes });
    it
}
