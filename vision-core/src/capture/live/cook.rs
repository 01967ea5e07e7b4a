//! From what the kernel delivers to what capture files hold.

use crate::sys::ring::block::{Entry, From};
use crate::wire::LinkType;

/// How packets of an interface are made whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Link-layer header and all, as they were on the wire.
    Plain(LinkType),
    /// Ethernet, where the kernel takes the outer VLAN tag out.
    Ethernet,
    /// Without the link-layer header, for which a cooked one stands (`LINUX_SLL2`).
    Cooked,
}

const SLL2: usize = 20;
const ADDRESSES: usize = 12;
const TAG: usize = 4;

impl Form {
    /// Chooses by the hardware type (linux/if_arp.h): what has no link-layer header that capture
    /// files know is cooked.
    pub(super) fn of(arphrd: u16) -> Self {
        match arphrd {
            // Ethernet, Metricom and the loopback.
            1 | 23 | 772 => Self::Ethernet,
            // 802.11: bare, with Prism header, with radiotap header.
            801 => Self::Plain(LinkType(105)),
            802 => Self::Plain(LinkType(119)),
            803 => Self::Plain(LinkType(127)),
            // SLIP and its kin, raw HDLC, IP in IP, SIT, raw IP, and what says that it has none.
            256..=260 | 264 | 518 | 519 | 768 | 776 | 0xfffe => Self::Plain(LinkType::RAW),
            _ => Self::Cooked,
        }
    }

    pub(super) fn link_type(self) -> LinkType {
        match self {
            Self::Plain(link_type) => link_type,
            Self::Ethernet => LinkType::ETHERNET,
            Self::Cooked => LinkType::LINUX_SLL2,
        }
    }

    /// Completes a packet in its block and returns where it lies, and its length on the wire.
    #[inline]
    pub(super) fn complete(self, block: &mut [u8], entry: &Entry) -> (usize, usize, u32) {
        let (at, end) = (entry.at, entry.at + entry.kept);
        let added = match (self, entry.vlan) {
            (Self::Ethernet, Some(tag)) => restore(block, entry, tag),
            (Self::Cooked, _) => cook(block, entry),
            _ => 0,
        };
        (at - added, end, entry.len.saturating_add(added as u32))
    }
}

/// Puts a VLAN tag back behind the addresses and returns how many bytes that took.
fn restore(block: &mut [u8], entry: &Entry, [tpid, tci]: [u16; 2]) -> usize {
    if entry.kept < ADDRESSES || entry.room < TAG {
        return 0;
    }
    let start = entry.at - TAG;
    block.copy_within(entry.at..entry.at + ADDRESSES, start);
    let [p0, p1] = tpid.to_be_bytes();
    let [t0, t1] = tci.to_be_bytes();
    match block.get_mut(start + ADDRESSES..).and_then(|rest| rest.first_chunk_mut()) {
        Some(tag) => *tag = [p0, p1, t0, t1],
        None => return 0,
    }
    TAG
}

/// Writes the cooked header before a packet and returns its length.
fn cook(block: &mut [u8], entry: &Entry) -> usize {
    if entry.room < SLL2 {
        return 0;
    }
    let place = block.get_mut(entry.at - SLL2..).and_then(|rest| rest.first_chunk_mut());
    match place {
        Some(place) => *place = sll2(&entry.from),
        None => return 0,
    }
    SLL2
}

/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>
fn sll2(from: &From) -> [u8; SLL2] {
    let [p0, p1] = from.protocol;
    let [i0, i1, i2, i3] = from.ifindex.to_be_bytes();
    let [h0, h1] = from.hatype.to_be_bytes();
    let [a0, a1, a2, a3, a4, a5, a6, a7] = from.addr;
    let (kind, len) = (from.pkttype, from.halen);
    [p0, p1, 0, 0, i0, i1, i2, i3, h0, h1, kind, len, a0, a1, a2, a3, a4, a5, a6, a7]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(vlan: Option<[u16; 2]>) -> Entry {
        let addr = [2, 0, 0, 0, 0, 9, 0, 0];
        let from = From { protocol: [8, 0], ifindex: 7, hatype: 1, pkttype: 4, halen: 6, addr };
        Entry { at: 24, kept: 16, len: 99, sec: 0, nsec: 0, vlan, room: 24, from }
    }

    fn block() -> Vec<u8> {
        let mut block = vec![0xee; 24];
        block.extend(0..16);
        block
    }

    #[test]
    fn a_tag_goes_behind_the_addresses() {
        let mut block = block();
        let (at, end, len) = Form::Ethernet.complete(&mut block, &entry(Some([0x88a8, 0x2001])));
        let packet = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0x88, 0xa8, 0x20, 1, 12, 13, 14, 15];
        assert_eq!((&block[at..end], len), (&packet[..], 103));
    }

    #[test]
    fn a_cut_before_the_tag_leaves_the_packet_alone() {
        let mut block = block();
        let cut = Entry { kept: 11, ..entry(Some([0x8100, 1])) };
        assert_eq!(Form::Ethernet.complete(&mut block, &cut), (24, 35, 99));
    }

    #[test]
    fn a_cooked_header_says_where_the_packet_comes_from() {
        let mut block = block();
        let (at, end, len) = Form::Cooked.complete(&mut block, &entry(None));
        let head = [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 9, 0, 0];
        assert_eq!((&block[at..at + 20], end - at, len), (&head[..], 36, 119));
    }
}
