//! Reading numbers out of a packet and writing them down.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Part, Printer};
use crate::output::text::Put;

/// Reads big-endian numbers; `None` past the end of what was captured.
pub(super) trait Fields {
    fn u8(&self, at: usize) -> Option<u8>;
    fn u16(&self, at: usize) -> Option<u16>;
    fn u32(&self, at: usize) -> Option<u32>;
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    fn u24(&self, at: usize) -> Option<u32> {
        Some(u32::from(self.u8(at)?) << 16 | u32::from(self.u16(at + 1)?))
    }

    fn v4(&self, at: usize) -> Option<Ipv4Addr> {
        self.array::<4>(at).map(Ipv4Addr::from)
    }

    fn v6(&self, at: usize) -> Option<Ipv6Addr> {
        self.array::<16>(at).map(Ipv6Addr::from)
    }
}

impl Fields for [u8] {
    #[inline]
    fn u8(&self, at: usize) -> Option<u8> {
        self.get(at).copied()
    }

    #[inline]
    fn u16(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    #[inline]
    fn u32(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    #[inline]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.first_chunk().copied()
    }
}

impl Printer<'_> {
    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    #[inline]
    pub(super) fn num(&mut self, number: impl Into<u64>) {
        self.out.uint(number.into());
    }

    pub(super) fn fmt(&mut self, args: std::fmt::Arguments<'_>) {
        // A vector takes all.
        let _ = self.out.write_fmt(args);
    }

    pub(super) fn mac(&mut self, mac: [u8; 6]) {
        for (n, byte) in mac.into_iter().enumerate() {
            if n > 0 {
                self.out.push(b':');
            }
            self.out.extend([digit(byte >> 4), digit(byte & 15)]);
        }
    }

    /// Bytes that were to be text, with everything else escaped.
    pub(super) fn escaped(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b' '..=b'~' => self.out.push(*byte),
                _ => self.fmt(format_args!("\\x{byte:02x}")),
            }
        }
    }

    pub(super) fn hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.out.extend([digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

/// A hexadecimal digit.
pub(super) fn digit(value: u8) -> u8 {
    match value {
        0..10 => b'0' + value,
        _ => b'a' + value - 10,
    }
}

/// A number with blanks on its left.
pub(super) fn pad(out: &mut Vec<u8>, number: u64, width: usize) {
    let start = out.len();
    out.uint(number);
    out.right(start, width);
}

/// The Internet checksum over some pieces (RFC 1071): zero when a right one is among them.
pub(super) fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    let mut odd = None;
    for piece in pieces {
        for byte in piece.iter() {
            match odd.take() {
                None => odd = Some(*byte),
                Some(high) => sum += u64::from(u16::from_be_bytes([high, *byte])),
            }
        }
    }
    sum += odd.map_or(0, |high| u64::from(high) << 8);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What the field should hold, given what it holds and what the sum came to.
pub(super) fn should_be(held: u16, sum: u16) -> u16 {
    // RFC 1624, with the sum over everything as the difference.
    let mut all = u32::from(!sum) + u32::from(!held);
    all = (all & 0xffff) + (all >> 16);
    !(all as u16)
}

/// Addresses of the packet around a transport header, for its checksum and its line.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    V4(Ipv4Addr, Ipv4Addr),
    V6(Ipv6Addr, Ipv6Addr),
}

impl Ends {
    /// The sum over a transport segment and its pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).
    pub(super) fn checksum(self, protocol: u8, part: Part<'_>) -> u16 {
        let len = u32::try_from(part.len).unwrap_or(u32::MAX).to_be_bytes();
        let tail = [len[0], len[1], len[2], len[3], 0, 0, 0, protocol];
        match self {
            Self::V4(src, dst) => checksum(&[&src.octets(), &dst.octets(), &tail, part.data]),
            Self::V6(src, dst) => checksum(&[&src.octets(), &dst.octets(), &tail, part.data]),
        }
    }
}

impl Printer<'_> {
    /// `10.0.0.1.443 > 10.0.0.2.80: `
    #[inline]
    pub(super) fn ends(&mut self, ends: Ends, src: u16, dst: u16) {
        let (from, to) = match ends {
            Ends::V4(from, to) => (from.into(), to.into()),
            Ends::V6(from, to) => (from.into(), to.into()),
        };
        self.out.ip(from);
        self.out.push(b'.');
        self.out.uint(src.into());
        self.text(" > ");
        self.out.ip(to);
        self.out.push(b'.');
        self.out.uint(dst.into());
        self.text(": ");
    }

    /// `10.0.0.1 > 10.0.0.2: `
    pub(super) fn hosts(&mut self, ends: Ends) {
        let (from, to) = match ends {
            Ends::V4(from, to) => (from.into(), to.into()),
            Ends::V6(from, to) => (from.into(), to.into()),
        };
        self.out.ip(from);
        self.text(" > ");
        self.out.ip(to);
    }
}
