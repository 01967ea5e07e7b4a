//! How records are laid out: always little-endian, times in nanoseconds.

use super::interface::{Interface, Resolution, Section, Statistics};
use super::options::code;
use super::{Block, Precision};
use crate::base::Timestamp;
use crate::capture::{Direction, Frame};

/// Which format is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Pcap(Precision),
    Pcapng,
}

/// As large as libpcap's; zero would mean no limit to some readers and no packet to others.
const SNAP: u32 = 262_144;

pub(super) fn pcap_header(out: &mut Vec<u8>, interface: &Interface, precision: Precision) {
    let magic: u32 = match precision {
        Precision::Micro => 0xa1b2_c3d4,
        Precision::Nano => 0xa1b2_3c4d,
    };
    out.extend_from_slice(&magic.to_le_bytes());
    out.extend_from_slice(&[2, 0, 4, 0]);
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&interface.snap_len.unwrap_or(SNAP).to_le_bytes());
    out.extend_from_slice(&u32::from(interface.link_type.0).to_le_bytes());
}

#[inline]
pub(super) fn pcap_packet(out: &mut Vec<u8>, frame: &Frame<'_>, precision: Precision) {
    let nanos = frame.time.map_or(0, Timestamp::as_unix_nanos).max(0).cast_unsigned();
    let (secs, rest) = (nanos / 1_000_000_000, (nanos % 1_000_000_000) as u32);
    let fraction = match precision {
        Precision::Micro => rest / 1000,
        Precision::Nano => rest,
    };
    let mut head = [0; 16];
    let kept = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
    // Seconds have 32 bits: until 2106.
    let fields = [u32::try_from(secs).unwrap_or(u32::MAX), fraction, kept, frame.len];
    for (to, from) in head.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    out.extend_from_slice(&head);
    out.extend_from_slice(frame.data);
}

/// Writes a block around what `body` writes.
pub(super) fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    pad(out, start);
    let total = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&total);
    if let Some(field) = out.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&total);
    }
}

fn pad(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(4), 0);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    // Cut where a character begins is not worth it: nobody's name has 64 KiB.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX - 3);
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    let start = out.len();
    out.extend_from_slice(value.get(..length.into()).unwrap_or_default());
    pad(out, start);
}

fn text(out: &mut Vec<u8>, code: u16, value: Option<&String>) {
    if let Some(value) = value {
        option(out, code, value.as_bytes());
    }
}

/// opt_endofopt, where there was an option.
fn end(out: &mut Vec<u8>, before: usize) {
    if out.len() > before {
        out.extend_from_slice(&[0; 4]);
    }
}

pub(super) fn section(out: &mut Vec<u8>, section: &Section) {
    block(out, Block::SECTION, |out| {
        out.extend_from_slice(&0x1a2b_3c4d_u32.to_le_bytes());
        out.extend_from_slice(&[1, 0, 0, 0]);
        // The length of the section is not known beforehand.
        out.extend_from_slice(&[0xff; 8]);
        let before = out.len();
        section.comments.iter().for_each(|it| option(out, code::COMMENT, it.as_bytes()));
        text(out, code::SHB_HARDWARE, section.hardware.as_ref());
        text(out, code::SHB_OS, section.os.as_ref());
        text(out, code::SHB_USERAPPL, section.application.as_ref());
        end(out, before);
    });
}

pub(super) fn interface(out: &mut Vec<u8>, interface: &Interface) {
    block(out, Block::INTERFACE, |out| {
        out.extend_from_slice(&interface.link_type.0.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&interface.snap_len.unwrap_or(0).to_le_bytes());
        let before = out.len();
        interface.comments.iter().for_each(|it| option(out, code::COMMENT, it.as_bytes()));
        text(out, code::IF_NAME, interface.name.as_ref());
        text(out, code::IF_DESCRIPTION, interface.description.as_ref());
        option(out, code::IF_TSRESOL, &[Resolution::NANO.0]);
        end(out, before);
    });
}

/// Writes an Enhanced Packet Block, or a simple one for a packet that has no time and fits one.
#[inline]
pub(super) fn packet(out: &mut Vec<u8>, frame: &Frame<'_>, interfaces: &[Interface]) {
    let kept = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
    let Some(time) = frame.time else {
        return untimed(out, frame, kept, interfaces);
    };
    let padded = frame.data.len().next_multiple_of(4);
    let options = if frame.direction.is_some() { 12 } else { 0 };
    let total = u32::try_from(32 + padded + options).unwrap_or(u32::MAX);
    let units = time.as_unix_nanos().max(0).cast_unsigned();
    let fields = [
        Block::ENHANCED_PACKET,
        total,
        frame.interface,
        (units >> 32) as u32,
        units as u32,
        kept,
        frame.len,
    ];
    let mut head = [0; 28];
    for (to, from) in head.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&from.to_le_bytes());
    }
    out.extend_from_slice(&head);
    out.extend_from_slice(frame.data);
    out.extend_from_slice([0; 3].get(..padded - frame.data.len()).unwrap_or_default());
    if let Some(direction) = frame.direction {
        let bits = match direction {
            Direction::In => 1,
            Direction::Out => 2,
        };
        out.extend_from_slice(&[code::EPB_FLAGS as u8, 0, 4, 0, bits, 0, 0, 0, 0, 0, 0, 0]);
    }
    out.extend_from_slice(&total.to_le_bytes());
}

#[cold]
fn untimed(out: &mut Vec<u8>, frame: &Frame<'_>, kept: u32, interfaces: &[Interface]) {
    let snap = interfaces.first().and_then(|it| it.snap_len).unwrap_or(u32::MAX);
    if frame.interface == 0 && kept == frame.len.min(snap) && frame.direction.is_none() {
        return block(out, Block::SIMPLE_PACKET, |out| {
            out.extend_from_slice(&frame.len.to_le_bytes());
            out.extend_from_slice(frame.data);
        });
    }
    let timed = Frame { time: Some(Timestamp::from_unix_nanos(0)), ..*frame };
    packet(out, &timed, interfaces);
}

pub(super) fn statistics(out: &mut Vec<u8>, number: u32, counts: &Statistics) {
    block(out, Block::STATISTICS, |out| {
        let now = Timestamp::now().as_unix_nanos().max(0).cast_unsigned();
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&((now >> 32) as u32).to_le_bytes());
        out.extend_from_slice(&(now as u32).to_le_bytes());
        let before = out.len();
        for (code, count) in [
            (code::ISB_IFRECV, counts.received),
            (code::ISB_IFDROP, counts.dropped_by_interface),
            (code::ISB_FILTERACCEPT, counts.accepted),
            (code::ISB_OSDROP, counts.dropped_by_kernel),
            (code::ISB_USRDELIV, counts.delivered),
        ] {
            if let Some(count) = count {
                option(out, code, &count.to_le_bytes());
            }
        }
        end(out, before);
    });
}

/// Returns how many of the first `limit` bytes are whole records; with `first`, the header of a
/// pcap file comes before them.
pub(super) fn whole(records: &[u8], limit: usize, first: bool, shape: Shape) -> usize {
    let number = |at: usize| {
        let four = records.get(at..).and_then(|it| it.first_chunk());
        four.map(|four| u32::from_le_bytes(*four) as usize)
    };
    let mut good = 0;
    loop {
        let next = match shape {
            Shape::Pcapng => number(good + 4),
            Shape::Pcap(_) if first && good == 0 => Some(24),
            Shape::Pcap(_) => number(good + 8).map(|kept| kept + 16),
        };
        match next.filter(|next| *next > 0 && good + next <= limit) {
            Some(next) => good += next,
            None => return good,
        }
    }
}
