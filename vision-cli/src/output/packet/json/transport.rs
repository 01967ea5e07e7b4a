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
    for option in it.options() {
        tcp_option(out, option);
    }
}

fn tcp_option(out: &mut Vec<u8>, option: TcpOption<'_>) {
    match option {
        TcpOption::Mss(bytes) => out.field("mss", bytes),
        TcpOption::WindowScale(shift) => out.field("window_scale", shift),
        TcpOption::SackPermitted => out.flag("sack_permitted", true),
        TcpOption::Timestamps { value, echo } => {
            out.field("tsval", value);
            out.field("tsecr", echo);
        }
        TcpOption::Sack(ranges) => out.list("sack", ranges.chunks_exact(8), |out, range| {
            let numbers = range.chunks_exact(4).map(|four| four.try_into().map(u32::from_be_bytes));
            out.push(b'[');
            for (n, number) in numbers.enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                out.uint(number.unwrap_or_default().into());
            }
            out.push(b']');
        }),
        TcpOption::Other { kind, data } => {
            let mut name = [0; 10];
            out.hex(option_name(&mut name, kind), data);
        }
        _ => {}
    }
}

/// `option_30`.
fn option_name(room: &mut [u8; 10], kind: u8) -> &str {
    use std::io::Write;

    let mut rest = &mut room[..];
    let _ = write!(rest, "option_{kind}");
    let left = rest.len();
    let used = room.len() - left;
    room.get(..used).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("option")
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
