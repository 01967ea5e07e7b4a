use crate::wire::packet::part::{Part, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A QUIC long header; what follows is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quic<'a> {
    /// The version; zero negotiates one, 1 is RFC 9000.
    pub version: u32,
    /// 0 initial, 1 early data, 2 handshake, 3 retry, by the numbers of version 1.
    pub kind: u8,
    /// The connection as the receiver calls it.
    pub dcid: &'a [u8],
    /// The connection as the sender calls it.
    pub scid: &'a [u8],
}

/// Tells whether bytes begin like a long header of a version that is in use (RFC 8999 §5.1).
pub(super) fn is_long_header(data: &[u8]) -> bool {
    let [first @ 0x80..=0xff, a, b, c, d, dcid @ 0..=20, ..] = *data else { return false };
    let version = u32::from_be_bytes([a, b, c, d]);
    let known =
        matches!(version, 1 | 0x6b33_43cf | 0xff00_001b..=0xff00_0022 | 0xfaceb001..=0xfaceb002);
    let scid = data.get(6 + usize::from(dcid));
    scid.is_some_and(|scid| *scid <= 20) && known && first & 0x40 != 0
}

pub(super) fn quic(part: Part<'_>) -> Step<'_> {
    let head = part.head::<6>(Kind::Quic)?;
    let dcid_end = 6 + usize::from(head[5]);
    let dcid = part.bytes(dcid_end, Kind::Quic)?.get(6..).unwrap_or_default();
    let scid_start = dcid_end + 1;
    let scid_len = part.bytes(scid_start, Kind::Quic)?.last().copied().unwrap_or_default();
    let scid_end = scid_start + usize::from(scid_len);
    let scid = part.bytes(scid_end, Kind::Quic)?.get(scid_start..).unwrap_or_default();
    let version = be32(head, 1);
    // Version 2 counts from another number (RFC 9369 §3.2).
    let turn = if version == 0x6b33_43cf { 3 } else { 0 };
    let quic = Quic { version, kind: ((head[0] >> 4) + turn) & 3, dcid, scid };
    end(Proto::Quic(quic), scid_end, Next::Nothing, part)
}
