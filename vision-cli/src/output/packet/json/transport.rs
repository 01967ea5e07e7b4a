use vision_core::wire::packet::{Sctp, Tcp, TcpOption, Udp};

use super::member::Member;
use crate::output::text::Put;

#[inline]
pub(super) fn tcp(out: &mut Vec<u8>, it: &Tcp<'_>) {
    out.field("src_port", it.src_port);
    out.field("dst_port", it.dst_port);
    out.field("seq", it.seq);
    out.field("ack", it.ack);
    out.field("flags", it.flags);
    out.field("window", it.window);
    out.field("header_len", it.header_len);
    out.field("payload_len", it.payload_len as u64);
    if it.flags & Tcp::URG != 0 {
        out.field("urgent", it.urgent);
    }
    known_options(out, it);
    let mut others = it.options().filter(|it| matches!(it, TcpOption::Other { .. })).peekable();
    if others.peek().is_some() {
        out.list("options", others, |out, option| {
            if let TcpOption::Other { kind, data } = option {
                out.put("{\"kind\":");
                out.uint(kind.into());
                out.hex("data", data);
                out.push(b'}');
            }
        });
    }
}

/// The options everybody knows under names of their own: the first of each, as names are unique.
fn known_options(out: &mut Vec<u8>, it: &Tcp<'_>) {
    let mut seen = 0_u8;
    let mut first = |bit: u8| {
        let is_first = seen & bit == 0;
        seen |= bit;
        is_first
    };
    for option in it.options() {
        match option {
            TcpOption::Mss(bytes) if first(1) => out.field("mss", bytes),
            TcpOption::WindowScale(shift) if first(2) => out.field("window_scale", shift),
            TcpOption::SackPermitted if first(4) => out.flag("sack_permitted", true),
            TcpOption::Timestamps { value, echo } if first(8) => {
                out.field("tsval", value);
                out.field("tsecr", echo);
            }
            TcpOption::Sack(ranges) if first(16) => sack(out, ranges),
            _ => {}
        }
    }
}

/// Pairs of numbers: the first received, and the one after the last.
fn sack(out: &mut Vec<u8>, ranges: &[u8]) {
    out.list("sack", ranges.chunks_exact(8), |out, range| {
        let numbers = range.chunks_exact(4).map(|four| four.try_into().map(u32::from_be_bytes));
        out.push(b'[');
        for (n, number) in numbers.enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.uint(number.unwrap_or_default().into());
        }
        out.push(b']');
    });
}

#[inline]
pub(super) fn udp(out: &mut Vec<u8>, it: &Udp) {
    out.field("src_port", it.src_port);
    out.field("dst_port", it.dst_port);
    out.field("length", it.length);
    if it.is_lite {
        out.flag("lite", true);
    }
}

pub(super) fn sctp(out: &mut Vec<u8>, it: &Sctp<'_>) {
    out.field("src_port", it.src_port);
    out.field("dst_port", it.dst_port);
    out.field("verification_tag", it.verification_tag);
    out.list("chunks", it.chunks(), |out, chunk| {
        out.put("{\"kind\":");
        out.uint(chunk.kind.into());
        out.field("flags", chunk.flags);
        out.field("length", chunk.length);
        out.push(b'}');
    });
}
