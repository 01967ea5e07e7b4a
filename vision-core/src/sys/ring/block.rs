//! The walk over one block of a ring: offsets and lengths are checked, whoever wrote them.
#![deny(clippy::indexing_slicing)]

/// `struct tpacket3_hdr` and the `struct sockaddr_ll` behind it, which is always there.
pub(super) const HEADER: usize = 68;

/// `tp_status`: the VLAN tag was taken out of the packet and lies in the header.
const VLAN_VALID: u32 = 1 << 4;
/// `tp_status`: its protocol number as well.
const VLAN_TPID_VALID: u32 = 1 << 6;
/// What the tag is when the kernel does not say.
const TPID: u16 = 0x8100;

/// A packet in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where its first byte lies in the block.
    pub(crate) at: usize,
    /// How many of its bytes are there.
    pub(crate) kept: usize,
    /// Its length on the wire.
    pub(crate) len: u32,
    /// When it was taken, in seconds and nanoseconds since 1970.
    pub(crate) sec: u32,
    pub(crate) nsec: u32,
    /// The tag that was taken out: protocol and control information.
    pub(crate) vlan: Option<[u16; 2]>,
    /// How many bytes before `at` are nobody's.
    pub(crate) room: usize,
    /// Where it comes from (packet(7)).
    pub(crate) from: From,
}

/// `struct sockaddr_ll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct From {
    pub(crate) protocol: [u8; 2],
    pub(crate) ifindex: u32,
    pub(crate) hatype: u16,
    pub(crate) pkttype: u8,
    pub(crate) halen: u8,
    pub(crate) addr: [u8; 8],
}

/// How far a block has been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    at: usize,
    left: u32,
}

impl Walk {
    /// Begins a block (`struct tpacket_block_desc`).
    pub(crate) fn begin(block: &[u8]) -> Self {
        let number = |at| block.get(at..).and_then(|b| b.first_chunk()).copied();
        let (left, at) = (number(12), number(16));
        let [left, at] = [left, at].map(|word| word.map_or(0, u32::from_ne_bytes));
        Self { at: at as usize, left }
    }

    /// Returns the next packet; `None` at the end and at the first header that cannot be true.
    #[inline]
    pub(crate) fn next(&mut self, block: &[u8]) -> Option<Entry> {
        if self.left == 0 {
            return None;
        }
        let Some((entry, step)) = entry(block, self.at) else {
            self.left = 0;
            return None;
        };
        fetch(block, self.at, step);
        self.at = self.at.saturating_add(step);
        // A packet without a way to the next is the last, whatever was announced.
        self.left = if step < HEADER { 0 } else { self.left - 1 };
        Some(entry)
    }
}

/// Asks for the lines of a packet to come, guessing that it lies where it would if all were as long
/// as this one.
///
/// Another processor wrote them, and its cache answers slowly. The way from one packet to the next
/// is in the packet, so that without this each would be waited for by itself.
#[inline]
fn fetch(block: &[u8], at: usize, step: usize) {
    if step < HEADER {
        return;
    }
    let ahead = (AHEAD / step).clamp(2, 8);
    let Some(packet) = block.get(at.saturating_add(ahead * step)..) else { return };
    packet.iter().take(step.min(FARTHEST)).step_by(LINE).for_each(prefetch);
}

#[inline]
#[cfg(target_arch = "x86_64")]
fn prefetch(byte: &u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch has no effect that a program could see, and every x86-64 has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) };
}

/// There is no stable way to ask.
#[inline]
#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_byte: &u8) {}

/// How many bytes ahead packets are asked for.
const AHEAD: usize = 2048;
/// How much of each.
const FARTHEST: usize = 2048;
/// A line of the cache.
const LINE: usize = 64;

#[inline]
fn entry(block: &[u8], start: usize) -> Option<(Entry, usize)> {
    let head: &[u8; HEADER] = block.get(start..)?.first_chunk()?;
    let (words, _) = head.as_chunks::<4>();
    let [next, sec, nsec, kept, len, status, place, _hash, tci, tpid, ..] = *words else {
        return None;
    };
    let [next, sec, nsec, kept, len, status, tci] =
        [next, sec, nsec, kept, len, status, tci].map(u32::from_ne_bytes);
    let [m0, m1, ..] = place;
    let mac = usize::from(u16::from_ne_bytes([m0, m1]));
    let at = start.checked_add(mac)?;
    block.get(at..)?.get(..kept as usize)?;
    let room = mac.checked_sub(HEADER)?;
    let [t0, t1, ..] = tpid;
    let vlan = (tci != 0 || status & VLAN_VALID != 0).then(|| {
        let said = u16::from_ne_bytes([t0, t1]);
        let tpid = if said != 0 || status & VLAN_TPID_VALID != 0 { said } else { TPID };
        [tpid, tci as u16]
    });
    let from = from(head);
    let entry = Entry { at, kept: kept as usize, len, sec, nsec, vlan, room, from };
    Some((entry, next as usize))
}

#[inline]
fn from(head: &[u8; HEADER]) -> From {
    let [.., p0, p1, i0, i1, i2, i3, h0, h1, pkttype, halen, a0, a1, a2, a3, a4, a5, a6, a7] =
        *head;
    From {
        protocol: [p0, p1],
        ifindex: u32::from_ne_bytes([i0, i1, i2, i3]),
        hatype: u16::from_ne_bytes([h0, h1]),
        pkttype,
        halen,
        addr: [a0, a1, a2, a3, a4, a5, a6, a7],
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail so")]
mod tests {
    use super::*;

    /// A block with packets of these lengths.
    fn block(lengths: &[usize]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[12..16].copy_from_slice(&(lengths.len() as u32).to_ne_bytes());
        bytes[16..20].copy_from_slice(&48_u32.to_ne_bytes());
        for (n, len) in lengths.iter().enumerate() {
            let last = n + 1 == lengths.len();
            let step = if last { 0 } else { (86 + len).next_multiple_of(16) };
            let mut frame = vec![n as u8; 86 + len];
            frame[..4].copy_from_slice(&(step as u32).to_ne_bytes());
            frame[12..16].copy_from_slice(&(*len as u32).to_ne_bytes());
            frame[24..26].copy_from_slice(&86_u16.to_ne_bytes());
            frame.resize(step.max(frame.len()), 0xee);
            bytes.extend(frame);
        }
        bytes
    }

    fn walk(block: &[u8]) -> Vec<(usize, usize)> {
        let mut walk = Walk::begin(block);
        std::iter::from_fn(|| walk.next(block).map(|e| (e.at, e.kept))).collect()
    }

    #[test]
    fn packets_are_found_where_their_headers_say() {
        let block = block(&[60, 1514, 0]);
        assert_eq!(walk(&block), [(48 + 86, 60), (208 + 86, 1514), (1808 + 86, 0)]);
    }

    #[test]
    fn every_cut_gives_the_packets_that_are_whole() {
        let whole = block(&[60, 70, 80]);
        let mut counts: Vec<_> = (0..=whole.len()).map(|n| walk(&whole[..n]).len()).collect();
        assert!(counts.is_sorted(), "{counts:?}");
        counts.dedup();
        assert_eq!(counts, [0, 1, 2, 3]);
    }

    #[test]
    fn a_header_that_leads_back_or_nowhere_ends_the_walk() {
        for step in [0_u32, 1, 67, u32::MAX, 1 << 20] {
            let mut bytes = block(&[60, 60]);
            bytes[48..52].copy_from_slice(&step.to_ne_bytes());
            bytes[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
            assert_eq!(walk(&bytes).len(), 1, "{step}");
        }
        let mut inside = block(&[60]);
        // The packet would begin in its own header.
        inside[48 + 24..48 + 26].copy_from_slice(&40_u16.to_ne_bytes());
        assert!(walk(&inside).is_empty());
    }
}
