//! Packets whose line needs one thing only from those before it: where their conversation began.

use std::net::Ipv4Addr;

use vision_core::capture::Frame;
use vision_core::wire::LinkType;

use super::Style;
use super::bytes::{Ends, Fields};
use super::flows::{Flows, Relative};
use super::link::{ARP, IPV4, IPV6};

/// What a line needs to know that its packet does not hold.
#[derive(Debug, Clone, Copy)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// A segment's numbers as they are to be shown.
    Numbers(Relative),
}

/// Tells apart the packets that nearly all traffic consists of; `None` for those that carry other
/// packets, were cut, or are in any way unusual: they have to be written in the order they came.
pub(super) fn look(frame: &Frame<'_>, style: &Style, flows: &mut Flows) -> Option<Told> {
    let bytes = frame.data;
    if frame.len as usize != bytes.len() {
        return None;
    }
    let (kind, at) = match frame.link_type {
        LinkType::ETHERNET => match bytes.u16(12)? {
            0x8100 => (bytes.u16(16)?, 18),
            kind => (kind, 14),
        },
        LinkType::RAW => match bytes.u8(0)? >> 4 {
            4 => (IPV4, 0),
            6 => (IPV6, 0),
            _ => return None,
        },
        _ => return None,
    };
    let packet = bytes.get(at..)?;
    match kind {
        ARP => Some(Told::Nothing),
        IPV4 => v4(packet, style, flows),
        IPV6 => v6(packet, style, flows),
        _ => None,
    }
}

fn v4(packet: &[u8], style: &Style, flows: &mut Flows) -> Option<Told> {
    let head = packet.first_chunk::<20>()?;
    let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0;
    if head[0] != 0x45 || fragment {
        return None;
    }
    let ends = Ends::V4(
        Ipv4Addr::new(head[12], head[13], head[14], head[15]),
        Ipv4Addr::new(head[16], head[17], head[18], head[19]),
    );
    transport(head[9], packet.get(20..total)?, ends, style, flows)
}

fn v6(packet: &[u8], style: &Style, flows: &mut Flows) -> Option<Told> {
    let (len, next) = (usize::from(packet.u16(4)?), packet.u8(6)?);
    if packet.u8(0)? >> 4 != 6 || len == 0 {
        return None;
    }
    let ends = Ends::V6(packet.v6(8)?, packet.v6(24)?);
    transport(next, packet.get(40..40 + len)?, ends, style, flows)
}

fn transport(
    number: u8,
    part: &[u8],
    ends: Ends,
    style: &Style,
    flows: &mut Flows,
) -> Option<Told> {
    match number {
        6 => tcp(part, ends, style, flows),
        // The ports of VXLAN and Geneve.
        17 if part.len() >= 8 && !matches!(part.u16(2)?, 4789 | 6081) => Some(Told::Nothing),
        1 if matches!(part.u8(0)?, 0 | 8) => Some(Told::Nothing),
        58 if part.u8(0)? >= 128 => Some(Told::Nothing),
        _ => None,
    }
}

fn tcp(part: &[u8], ends: Ends, style: &Style, flows: &mut Flows) -> Option<Told> {
    let head = part.first_chunk::<20>()?;
    let header = usize::from(head[12] >> 4) * 4;
    if header < 20 || header > part.len() {
        return None;
    }
    let (flags, ports) = (head[13], (part.u16(0)?, part.u16(2)?));
    if style.quiet || style.absolute || flags & 16 == 0 {
        return Some(Told::Nothing);
    }
    let numbers = (part.u32(4)?, part.u32(8)?, flags & 2 != 0);
    Some(Told::Numbers(flows.relative(ends, ports, numbers)))
}
