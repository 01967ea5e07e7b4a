use super::app;
use super::part::{Part, be16, be32};
use super::walk::{Step, end};
use super::{Kind, Proto};

/// A TCP header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tcp<'a> {
    /// Where it comes from.
    pub src_port: u16,
    /// Where it goes.
    pub dst_port: u16,
    /// The number of the first byte.
    pub seq: u32,
    /// The number expected next.
    pub ack: u32,
    /// Length of the header in bytes, options included.
    pub header_len: u8,
    /// The nine flags, FIN lowest (RFC 9293 §3.1, RFC 3540).
    pub flags: u16,
    /// How much the sender takes, not scaled.
    pub window: u16,
    /// The checksum as it stands.
    pub checksum: u16,
    /// Where urgent data ends.
    pub urgent: u16,
    /// The options as they stand.
    pub raw_options: &'a [u8],
    /// Bytes of payload on the wire.
    pub payload_len: usize,
}

impl<'a> Tcp<'a> {
    /// No more data from the sender.
    pub const FIN: u16 = 1;
    /// Numbers are being synchronised.
    pub const SYN: u16 = 2;
    /// The connection is reset.
    pub const RST: u16 = 4;
    /// Deliver at once.
    pub const PSH: u16 = 8;
    /// [`Tcp::ack`] counts.
    pub const ACK: u16 = 16;
    /// [`Tcp::urgent`] counts.
    pub const URG: u16 = 32;
    /// Congestion was seen (RFC 3168).
    pub const ECE: u16 = 64;
    /// The window was reduced (RFC 3168).
    pub const CWR: u16 = 128;
    /// Accurate congestion notification (RFC 9768), once the nonce sum.
    pub const AE: u16 = 256;

    /// Walks the options; ends at the first that does not fit.
    pub fn options(&self) -> TcpOptions<'a> {
        TcpOptions(self.raw_options)
    }
}

/// One option of a TCP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption<'a> {
    /// The largest segment the sender takes, in bytes (RFC 9293 §3.7.1).
    Mss(u16),
    /// By how many bits windows are shifted (RFC 7323 §2).
    WindowScale(u8),
    /// Selective acknowledgements are understood (RFC 2018 §2).
    SackPermitted,
    /// Received ranges, eight bytes each: first number, number after the last (RFC 2018 §3).
    Sack(&'a [u8]),
    /// The sender's clock and what it echoes (RFC 7323 §3).
    Timestamps {
        /// The sender's clock.
        value: u32,
        /// The peer's, as last seen.
        echo: u32,
    },
    /// Any other, without kind and length.
    Other {
        /// Its number in the IANA registry.
        kind: u8,
        /// Its data.
        data: &'a [u8],
    },
}

/// The options of a [`Tcp`] header, without padding.
#[derive(Debug, Clone)]
pub struct TcpOptions<'a>(&'a [u8]);

impl<'a> Iterator for TcpOptions<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        while let [1, rest @ ..] = self.0 {
            self.0 = rest;
        }
        let [kind @ 2..=255, len, ..] = *self.0 else { return None };
        let data = self.0.get(2..usize::from(len))?;
        self.0 = self.0.get(usize::from(len)..)?;
        Some(match (kind, data) {
            (2, [high, low]) => TcpOption::Mss(u16::from_be_bytes([*high, *low])),
            (3, [shift]) => TcpOption::WindowScale(*shift),
            (4, []) => TcpOption::SackPermitted,
            (5, ranges) if ranges.len() % 8 == 0 => TcpOption::Sack(ranges),
            (8, times) if times.len() == 8 => {
                TcpOption::Timestamps { value: be32(times, 0), echo: be32(times, 4) }
            }
            (kind, data) => TcpOption::Other { kind, data },
        })
    }
}

pub(super) fn tcp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<20>(Kind::Tcp)?;
    let bits = be16(head, 12);
    let header_len = usize::from(bits >> 12) * 4;
    let bad_length = header_len < 20;
    let options = if bad_length { &[][..] } else { part.bytes(header_len, Kind::Tcp)? };
    let tcp = Tcp {
        src_port: be16(head, 0),
        dst_port: be16(head, 2),
        seq: be32(head, 4),
        ack: be32(head, 8),
        header_len: header_len as u8,
        flags: bits & 0x1ff,
        window: be16(head, 14),
        checksum: be16(head, 16),
        urgent: be16(head, 18),
        raw_options: options.get(20..).unwrap_or_default(),
        payload_len: part.wire.saturating_sub(header_len.max(20)),
    };
    let next = app::over_tcp(tcp.src_port, tcp.dst_port, part.after(header_len.max(20)).data);
    end(Proto::Tcp(tcp), header_len.max(20), next, part)
}
