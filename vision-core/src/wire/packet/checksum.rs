use std::fmt;
use std::net::IpAddr;

use super::part::{be16, be32};
use super::{Layer, Packet, Proto};

/// The checksum of a header and what it came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checksum {
    /// The checksum as it stands in the packet; SCTP alone uses all 32 bits.
    pub found: u32,
    /// What it came to.
    pub verdict: Verdict,
}

/// What a checksum came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It fits the bytes.
    Correct,
    /// It does not fit: the packet was damaged, or changed by somebody who forgot it.
    Wrong {
        /// What it should be.
        expected: u32,
    },
    /// The sender left it to the network card, which computes it after the capture: no fault.
    NotFilledIn,
    /// The sender computed none, as UDP over IPv4 may.
    Absent,
    /// The bytes it covers are not all there.
    NotChecked(Unchecked),
}

/// Why a checksum was not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unchecked {
    /// The capture kept less than the packet.
    Cut,
    /// This is one fragment of the packet.
    Fragment,
    /// An ICMP error quotes a part of the packet.
    Quoted,
    /// The addresses it covers are not those of the header (a route or nothing around it).
    Addresses,
}

impl Verdict {
    /// Returns one word for it, `not_filled_in`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Correct => "correct",
            Self::Wrong { .. } => "wrong",
            Self::NotFilledIn => "not_filled_in",
            Self::Absent => "absent",
            Self::NotChecked(_) => "not_checked",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Correct => "correct",
            Self::Wrong { expected } => return write!(f, "wrong: 0x{expected:04x} would fit"),
            Self::NotFilledIn => "not yet filled in: transmit offload",
            Self::Absent => "absent: the sender computed none",
            Self::NotChecked(Unchecked::Cut) => "not checked: the capture cut the packet",
            Self::NotChecked(Unchecked::Fragment) => "not checked: a fragment",
            Self::NotChecked(Unchecked::Quoted) => "not checked: quoted in part",
            Self::NotChecked(Unchecked::Addresses) => "not checked: the addresses are not known",
        })
    }
}

/// What the sum of a message needs from the IP header around it.
struct Around<'p> {
    /// The message, as far as it is there.
    bytes: &'p [u8],
    /// Its length on the wire.
    len: usize,
    /// The sum over addresses, protocol and length (RFC 9293 §3.1, RFC 8200 §8.1).
    pseudo: Option<u64>,
}

impl<'a> Packet<'a> {
    /// Verifies the checksum of one of [`Packet::layers`]; `None` where the protocol has none.
    ///
    /// Takes time linear in what the checksum covers.
    pub fn checksum(&self, at: usize) -> Option<Checksum> {
        let layer = self.layers.get(at)?;
        match &layer.proto {
            Proto::Ipv4(ip) => Some(self.ipv4_header(layer, ip.checksum)),
            Proto::Icmp(icmp) => Some(self.message(at, icmp.checksum, false, None)),
            Proto::Igmp(igmp) => Some(self.message(at, igmp.checksum, false, None)),
            Proto::Icmp6(icmp) => Some(self.message(at, icmp.checksum, true, None)),
            Proto::Tcp(tcp) => Some(self.message(at, tcp.checksum, true, None)),
            Proto::Udp(udp) if udp.checksum == 0 => {
                Some(Checksum { found: 0, verdict: Verdict::Absent })
            }
            Proto::Udp(udp) => {
                let covered = Some(usize::from(udp.length)).filter(|len| udp.is_lite && *len > 0);
                Some(self.message(at, udp.checksum, true, covered))
            }
            Proto::Sctp(sctp) => Some(self.crc(at, sctp.checksum)),
            _ => None,
        }
    }

    fn ipv4_header(&self, layer: &Layer<'a>, found: u16) -> Checksum {
        let header = self.data.get(layer.offset..layer.offset + layer.len).unwrap_or_default();
        let verdict = match judge(fold(sum(header)), found) {
            // Segments that the card is to cut get their headers from it, too.
            Verdict::Wrong { .. } if found == 0 => Verdict::NotFilledIn,
            verdict => verdict,
        };
        Checksum { found: found.into(), verdict }
    }

    fn message(&self, at: usize, found: u16, pseudo: bool, covered: Option<usize>) -> Checksum {
        let verdict = self.around(at).and_then(|around| {
            let first = match (pseudo, around.pseudo) {
                (false, _) => 0,
                (true, Some(sum)) => sum,
                (true, None) => return Err(Unchecked::Addresses),
            };
            let len = covered.unwrap_or(around.len).min(around.len);
            let bytes = around.bytes.get(..len).ok_or(Unchecked::Cut)?;
            let verdict = judge(fold(first + sum(bytes)), found);
            // What the kernel leaves for the card: the sum of the pseudo-header alone, with the
            // length or, for large segments, without (net/ipv4/tcp_ipv4.c, tcp_offload.c).
            let left = pseudo && [first, first - around.len as u64].map(fold).contains(&found);
            Ok(match verdict {
                Verdict::Wrong { .. } if left => Verdict::NotFilledIn,
                verdict => verdict,
            })
        });
        Checksum { found: found.into(), verdict: verdict.unwrap_or_else(Verdict::NotChecked) }
    }

    fn crc(&self, at: usize, found: u32) -> Checksum {
        let verdict = self.around(at).and_then(|around| {
            let bytes = around.bytes.get(..around.len).ok_or(Unchecked::Cut)?;
            let expected = crc32c(bytes).swap_bytes();
            Ok(match found {
                _ if found == expected => Verdict::Correct,
                0 => Verdict::NotFilledIn,
                _ => Verdict::Wrong { expected },
            })
        });
        Checksum { found, verdict: verdict.unwrap_or_else(Verdict::NotChecked) }
    }

    /// Looks for the IP header that a message stands in.
    fn around(&self, at: usize) -> Result<Around<'a>, Unchecked> {
        let layer = self.layers.get(at).ok_or(Unchecked::Addresses)?;
        if layer.is_quoted {
            return Err(Unchecked::Quoted);
        }
        for outer in self.layers.get(..at).unwrap_or_default().iter().rev() {
            let (end, ends, protocol) = match &outer.proto {
                Proto::Ipv4(ip) if ip.is_fragment() => return Err(Unchecked::Fragment),
                Proto::Ipv4(ip) => {
                    let ends = (IpAddr::from(ip.src), IpAddr::from(ip.dst));
                    (usize::from(ip.total_len), ends, protocol(&layer.proto))
                }
                Proto::Ipv6(ip) => {
                    let ends = (IpAddr::from(ip.src), IpAddr::from(ip.dst));
                    let len = usize::from(ip.payload_len);
                    (if len == 0 { 0 } else { 40 + len }, ends, protocol(&layer.proto))
                }
                Proto::Ipv6Fragment(it) if it.more_fragments || it.fragment_offset != 0 => {
                    return Err(Unchecked::Fragment);
                }
                // The destination of the sum is the last of the route (RFC 8200 §8.1).
                Proto::Ipv6Extension(it) if it.header == 43 && it.data.get(1) != Some(&0) => {
                    return Err(Unchecked::Addresses);
                }
                Proto::Ipv6Extension(_) | Proto::Ipv6Fragment(_) | Proto::Ah(_) => continue,
                _ => return Err(Unchecked::Addresses),
            };
            let whole = self.data.len().max(self.wire_len);
            let end = if end == 0 { whole } else { outer.offset + end };
            let mut len = end.saturating_sub(layer.offset);
            if let Proto::Udp(udp) = &layer.proto
                && !udp.is_lite
                && udp.length >= 8
            {
                len = len.min(udp.length.into());
            }
            let bytes = self.data.get(layer.offset..).unwrap_or_default();
            let bytes = bytes.get(..len).unwrap_or(bytes);
            let pseudo = protocol.map(|protocol| pseudo(ends, protocol, len));
            return Ok(Around { bytes, len, pseudo });
        }
        Err(Unchecked::Addresses)
    }
}

fn protocol(proto: &Proto<'_>) -> Option<u8> {
    Some(match proto {
        Proto::Tcp(_) => 6,
        Proto::Udp(udp) => [17, 136][usize::from(udp.is_lite)],
        Proto::Icmp6(_) => 58,
        _ => return None,
    })
}

fn pseudo(ends: (IpAddr, IpAddr), protocol: u8, len: usize) -> u64 {
    let addresses = match ends {
        (IpAddr::V4(src), IpAddr::V4(dst)) => sum(&src.octets()) + sum(&dst.octets()),
        (IpAddr::V6(src), IpAddr::V6(dst)) => sum(&src.octets()) + sum(&dst.octets()),
        _ => 0,
    };
    addresses + u64::from(protocol) + len as u64
}

/// Compares the sum over everything, the checksum included, with what it must be.
fn judge(folded: u16, found: u16) -> Verdict {
    if folded == 0xffff {
        return Verdict::Correct;
    }
    // Takes the checksum out of the sum again (RFC 1624).
    let rest = u64::from(folded) + u64::from(!found);
    Verdict::Wrong { expected: (!fold(rest)).into() }
}

/// Adds up the words of two bytes, an odd last one padded (RFC 1071 §1).
fn sum(bytes: &[u8]) -> u64 {
    let mut eights = bytes.chunks_exact(8);
    let mut sum = 0;
    for eight in &mut eights {
        sum += u64::from(be32(eight, 0)) + u64::from(be32(eight, 4));
    }
    let tail = eights.remainder();
    let pairs = tail.chunks(2).map(|pair| match pair {
        [last] => u64::from(*last) << 8,
        pair => u64::from(be16(pair, 0)),
    });
    sum + pairs.sum::<u64>()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut value = n as u32;
        let mut bit = 0;
        while bit < 8 {
            value = value >> 1 ^ if value & 1 == 1 { 0x82f6_3b78 } else { 0 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
};

/// The checksum of SCTP over a packet, its own field taken as zero (RFC 9260 §6.8).
fn crc32c(bytes: &[u8]) -> u32 {
    let field = 8..12;
    let bytes =
        bytes.iter().enumerate().map(|(at, byte)| if field.contains(&at) { 0 } else { *byte });
    let last = bytes.fold(!0, |crc: u32, byte| {
        let index = usize::from(crc as u8 ^ byte);
        crc >> 8 ^ CRC32C.get(index).copied().unwrap_or_default()
    });
    !last
}
