//! Blocks made by reading: where the kernel has no rings to share (before 3.2, and gVisor), packets
//! are received one call for many and laid out as the kernel would have done, so that the walk over
//! a block is the same.
#![deny(clippy::indexing_slicing)]

use std::io;
use std::mem::size_of;

use nix::libc;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{getsockopt, setsockopt};
use socket2::Socket;

use super::block::HEADER;
use super::{STATUS, set_int};
use crate::sys::batch::{Arrived, BATCH, Inbox};

/// Behind `struct tpacket_block_desc`.
const FIRST: usize = 48;
/// Where a packet lies behind its header: there is room for a cooked header or a VLAN tag.
const PLACE: usize = HEADER + 28;
/// The option and the control message that carry `struct tpacket_auxdata`.
const AUXDATA: i32 = libc::PACKET_AUXDATA;

/// Receives packets into a block.
pub(super) struct Reader {
    inbox: Inbox,
    /// Bytes of packets, with what the kernel keeps beside them, that can wait.
    pub(super) waiting: usize,
}

impl Reader {
    /// Prepares a socket: stamps, lengths and tags beside each packet, and about this much room
    /// for packets to wait in.
    pub(super) fn new(socket: &Socket, room: usize, waiting: usize) -> io::Result<Self> {
        // Without it a packet that was cut seems as short as what is left, and tags stay out.
        let _ = set_int(socket, libc::SOL_PACKET, AUXDATA, 1);
        setsockopt(socket, ReceiveTimestampns, &true)?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN; the most that is allowed without.
        if setsockopt(socket, RcvBufForce, &waiting).is_err() {
            setsockopt(socket, RcvBuf, &waiting)?;
        }
        // The kernel doubles what is asked, for what it keeps beside.
        let waiting = getsockopt(socket, RcvBuf)? / 2;
        Ok(Self { inbox: Inbox::new(room), waiting })
    }

    /// Bytes of a block that holds what one call can give.
    pub(super) fn block_bytes(room: usize) -> usize {
        FIRST + BATCH * step(room)
    }

    /// Fills a block with what waits and marks it as handed over; `false` when nothing waits.
    pub(super) fn fill(&mut self, socket: &Socket, block: &mut [u8]) -> io::Result<bool> {
        let (mut count, mut at, mut last) = (0_u32, FIRST, None);
        let received = self.inbox.receive(socket, |packet| {
            if let Some(step) = lay(block, at, &packet) {
                (last, at, count) = (Some(at), at + step, count + 1);
            }
        });
        match received {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            // An interface that is down says so here once, and waits.
            Err(e) if e.raw_os_error() == Some(libc::ENETDOWN) => return Ok(false),
            Err(e) => return Err(e),
        }
        if let Some(last) = last {
            put(block, last, 0);
        }
        put(block, 12, count);
        put(block, 16, FIRST as u32);
        put(block, STATUS, libc::TP_STATUS_USER);
        Ok(true)
    }
}

/// The way from one packet to the next.
fn step(kept: usize) -> usize {
    (PLACE + kept).next_multiple_of(16)
}

fn put(block: &mut [u8], at: usize, word: u32) {
    if let Some(place) = block.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = word.to_ne_bytes();
    }
}

/// Writes `struct tpacket3_hdr`, the address and the packet, and returns the way to the next.
fn lay(block: &mut [u8], at: usize, packet: &Arrived<'_>) -> Option<usize> {
    let kept = packet.bytes.len();
    let step = step(kept);
    let place = block.get_mut(at..)?.get_mut(..step)?;
    let aux = Aux::of(packet);
    let (sec, nsec) = packet.stamp().unwrap_or_default();
    let len = aux.len.max(kept as u32);
    let words = [step as u32, sec as u32, nsec as u32, kept as u32, len, aux.status];
    let tail = [[PLACE as u16, 0], [0, 0], [aux.tci, 0], [aux.tpid, 0]].map(halves);
    let header = words.map(u32::to_ne_bytes).into_iter().chain(tail);
    let (head, rest) = place.split_at_mut_checked(HEADER)?;
    head.fill(0);
    let (to, _) = head.as_chunks_mut::<4>();
    to.iter_mut().zip(header).for_each(|(to, word)| *to = word);
    let address = head.get_mut(HEADER - ADDRESS..)?;
    address.iter_mut().zip(packet.name).for_each(|(to, from)| *to = *from);
    rest.get_mut(PLACE - HEADER..)?.get_mut(..kept)?.copy_from_slice(packet.bytes);
    Some(step)
}

fn halves([a, b]: [u16; 2]) -> [u8; 4] {
    let ([a0, a1], [b0, b1]) = (a.to_ne_bytes(), b.to_ne_bytes());
    [a0, a1, b0, b1]
}

/// Bytes of `struct sockaddr_ll`.
const ADDRESS: usize = size_of::<libc::sockaddr_ll>();

/// `struct tpacket_auxdata`, as far as it is wanted.
#[derive(Default)]
struct Aux {
    status: u32,
    len: u32,
    tci: u16,
    tpid: u16,
}

impl Aux {
    fn of(packet: &Arrived<'_>) -> Self {
        let data = packet.note(libc::SOL_PACKET, AUXDATA).and_then(|data| data.first_chunk());
        let Some(data): Option<&[u8; 20]> = data else { return Self::default() };
        let [s0, s1, s2, s3, l0, l1, l2, l3, .., c0, c1, p0, p1] = *data;
        Self {
            status: u32::from_ne_bytes([s0, s1, s2, s3]),
            len: u32::from_ne_bytes([l0, l1, l2, l3]),
            tci: u16::from_ne_bytes([c0, c1]),
            tpid: u16::from_ne_bytes([p0, p1]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail so")]
mod tests {
    use super::super::block::{Entry, Walk};
    use super::*;

    /// The control messages of a packet: its time, and `struct tpacket_auxdata`.
    fn control(status: u32, len: u32, tag: [u16; 2]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let head = |bytes: &mut Vec<u8>, data: usize, level: i32, kind: i32| {
            bytes.extend((16 + data).to_ne_bytes());
            bytes.extend(level.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
        };
        head(&mut bytes, 16, libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS);
        bytes.extend([7_i64, 9].map(i64::to_ne_bytes).as_flattened());
        head(&mut bytes, 20, libc::SOL_PACKET, AUXDATA);
        bytes.extend([status, len, len].map(u32::to_ne_bytes).as_flattened());
        bytes.extend([0, 14, tag[1], tag[0]].map(u16::to_ne_bytes).as_flattened());
        bytes
    }

    #[test]
    fn what_is_laid_out_is_what_the_walk_finds() {
        let name: Vec<u8> = (100..120).collect();
        let mut block = vec![0xee; 1024];
        let tagged = control(1 << 4 | 1 << 6, 1514, [0x88a8, 0x2001]);
        let plain = control(0, 60, [0, 0]);
        let mut at = FIRST;
        for (control, bytes) in [(&tagged, &[1_u8; 96][..]), (&plain, &[2; 60])] {
            let packet = Arrived { from: None, name: &name, control, bytes };
            at += lay(&mut block, at, &packet).expect("there is room");
        }
        put(&mut block, 12, 2);
        put(&mut block, 16, FIRST as u32);
        let mut walk = Walk::begin(&block);
        let found: Vec<Entry> = std::iter::from_fn(|| walk.next(&block)).collect();
        let [a, b] = found[..] else { panic!("{found:?}") };
        assert_eq!((a.kept, a.len, a.sec, a.nsec, a.room), (96, 1514, 7, 9, 28));
        assert_eq!((a.vlan, b.vlan), (Some([0x88a8, 0x2001]), None));
        assert_eq!((block[a.at], block[b.at + 59], b.len), (1, 2, 60));
        assert_eq!((a.from.protocol, a.from.pkttype, a.from.halen), ([102, 103], 110, 111));
        assert_eq!(a.from.addr, [112, 113, 114, 115, 116, 117, 118, 119]);
    }

    #[test]
    fn a_packet_that_does_not_fit_is_left_out() {
        let packet = Arrived { from: None, name: &[], control: &[], bytes: &[0; 100] };
        assert_eq!(lay(&mut vec![0; step(100) - 1], 0, &packet), None);
        assert_eq!(lay(&mut vec![0; step(100)], 0, &packet), Some(step(100)));
    }
}
