//! ICMP errors with the packet they quote and what routers append to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::{Family, Ttl};

/// An ICMP error without its own IP header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IcmpQuote<'a> {
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The next hop's MTU of "fragmentation needed" and "packet too big".
    pub(crate) mtu: Option<u32>,
    pub(crate) quoted: Quoted<'a>,
    /// What follows the quoted packet (RFC 4884).
    pub(crate) labels: Vec<MplsLabel>,
}

/// The packet an error is about, as the router that reports it saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoted<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: Ttl,
    /// Type of service or traffic class.
    pub(crate) tos: u8,
    pub(crate) protocol: u8,
    /// Identification; IPv4 only.
    pub(crate) id: Option<u16>,
    /// What follows the IP header, as far as quoted.
    pub(crate) transport: &'a [u8],
}

/// One entry of an MPLS label stack (RFC 3032, carried as RFC 4950 says).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MplsLabel {
    /// The label, 20 bits.
    pub label: u32,
    /// Traffic class, 3 bits.
    pub class: u8,
    /// Whether it is the last of the stack.
    pub bottom: bool,
    /// Time to live within the label-switched path.
    pub ttl: u8,
}

const HEADER_BYTES: usize = 8;
/// Where the extension begins if the message does not say (RFC 4884 §5.5).
const LEGACY_QUOTE_BYTES: usize = 128;
/// Entries a router sends are few; more is nonsense.
const MAX_LABELS: usize = 16;
/// Class and type of the incoming MPLS label stack (RFC 4950 §3).
const MPLS_STACK: (u8, u8) = (1, 1);

impl<'a> IcmpQuote<'a> {
    /// Reads an error of the kinds that answer a probe; anything else gives `None`.
    pub(crate) fn read(family: Family, bytes: &'a [u8]) -> Option<Self> {
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let [kind, code, _, _, four, five, six, seven] = *header;
        let is_error = match family {
            // Not source quench, which is to be ignored (RFC 6633).
            Family::V4 => matches!(kind, 3 | 11 | 12),
            Family::V6 => matches!(kind, 1..=4),
        };
        if !is_error {
            return None;
        }
        let mtu = match (family, kind, code) {
            (Family::V4, 3, 4) => Some(u32::from(u16::from_be_bytes([six, seven]))),
            (Family::V6, 2, _) => Some(u32::from_be_bytes([four, five, six, seven])),
            _ => None,
        };
        // In words of four bytes for IPv4, of eight for IPv6 (RFC 4884 §4).
        let said = match family {
            Family::V4 => usize::from(five) * 4,
            Family::V6 if kind == 2 => 0,
            Family::V6 => usize::from(four) * 8,
        };
        let (quote, extension) = split(body, said);
        let quoted = match family {
            Family::V4 => Quoted::read_v4(quote)?,
            Family::V6 => Quoted::read_v6(quote)?,
        };
        Some(Self { kind, code, mtu, quoted, labels: labels(extension) })
    }
}

/// Reads an ICMP error, without its own IP header, as probes do, and returns how many bytes it
/// quotes behind the IP header and how many labels follow; for tests without a network.
#[doc(hidden)]
pub fn read_icmp_error(family: Family, bytes: &[u8]) -> Option<(usize, usize)> {
    IcmpQuote::read(family, bytes).map(|it| (it.quoted.transport.len(), it.labels.len()))
}

fn split(body: &[u8], said: usize) -> (&[u8], &[u8]) {
    let at = if said == 0 { LEGACY_QUOTE_BYTES } else { said };
    match body.split_at_checked(at) {
        // Without a length, only what looks like an extension in every respect is one.
        Some((quote, rest)) if said > 0 || is_extension(rest, true) => (quote, rest),
        _ => (body, &[]),
    }
}

/// Version 2, and a checksum that is right; zero means that none was made.
fn is_extension(bytes: &[u8], needs_sum: bool) -> bool {
    let Some([version, _, high, low]) = bytes.first_chunk::<4>() else {
        return false;
    };
    let summed = super::checksum(bytes) == 0;
    version >> 4 == 2 && (summed || (!needs_sum && [*high, *low] == [0, 0]))
}

fn labels(extension: &[u8]) -> Vec<MplsLabel> {
    let mut found = Vec::new();
    if !is_extension(extension, false) {
        return found;
    }
    let mut rest = extension.get(4..).unwrap_or_default();
    while let Some(([high, low, class, kind], _)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(object) = rest.get(4..length) else {
            break;
        };
        if (*class, *kind) == MPLS_STACK {
            let room = MAX_LABELS - found.len();
            found.extend(object.chunks_exact(4).take(room).filter_map(label));
        }
        rest = rest.get(length.max(4)..).unwrap_or_default();
    }
    found
}

fn label(entry: &[u8]) -> Option<MplsLabel> {
    let word = u32::from_be_bytes(*entry.first_chunk::<4>()?);
    Some(MplsLabel {
        label: word >> 12,
        class: (word >> 9 & 7) as u8,
        bottom: word >> 8 & 1 == 1,
        ttl: (word & 0xff) as u8,
    })
}

impl<'a> Quoted<'a> {
    fn read_v4(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<20>()?;
        let [version, tos, _, _, id_high, id_low, _, _, ttl, protocol, _, _, ends @ ..] = header;
        if version >> 4 != 4 {
            return None;
        }
        let [a, b, c, d, e, f, g, h] = *ends;
        let length = usize::from(version & 0xf) * 4;
        Some(Self {
            source: Ipv4Addr::new(a, b, c, d).into(),
            destination: Ipv4Addr::new(e, f, g, h).into(),
            ttl: Ttl(*ttl),
            tos: *tos,
            protocol: *protocol,
            id: Some(u16::from_be_bytes([*id_high, *id_low])),
            transport: bytes.get(length.max(20)..)?,
        })
    }

    fn read_v6(bytes: &'a [u8]) -> Option<Self> {
        let (header, transport) = bytes.split_first_chunk::<40>()?;
        let [first, second, _, _, _, _, protocol, ttl, ends @ ..] = header;
        if first >> 4 != 6 {
            return None;
        }
        let (source, destination) = ends.split_first_chunk::<16>()?;
        Some(Self {
            source: Ipv6Addr::from(*source).into(),
            destination: Ipv6Addr::from(*destination.first_chunk::<16>()?).into(),
            ttl: Ttl(*ttl),
            tos: first << 4 | second >> 4,
            protocol: *protocol,
            id: None,
            transport,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted_udp() -> Vec<u8> {
        let mut packet = vec![0x45, 0xb8, 0, 64, 0x12, 0x34, 0x40, 0, 1, 17, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 9, 9, 0xc0, 0, 0x82, 0x9a, 0, 44, 0xab, 0xcd]);
        packet
    }

    /// Time exceeded as a label switching router sends it: 128 bytes of quote, then two labels.
    fn with_labels(says_length: bool) -> Vec<u8> {
        let mut message = vec![11, 0, 0, 0, 0, if says_length { 32 } else { 0 }, 0, 0];
        message.extend(quoted_udp());
        message.resize(HEADER_BYTES + 128, 0);
        let mut extension = vec![0x20, 0, 0, 0, 0, 12, 1, 1];
        extension.extend((16_000_u32 << 12 | 5 << 9 | 1).to_be_bytes());
        extension.extend((17_u32 << 12 | 1 << 8 | 254).to_be_bytes());
        let sum = super::super::checksum(&extension).to_be_bytes();
        extension.splice(2..4, sum);
        message.extend(extension);
        message
    }

    #[test]
    fn the_quoted_header_is_read_as_the_router_saw_it() {
        let mut message = vec![11, 0, 0, 0, 0, 0, 0, 0];
        message.extend(quoted_udp());
        let quote = IcmpQuote::read(Family::V4, &message).expect("an error");
        assert_eq!((quote.kind, quote.code, quote.mtu), (11, 0, None));
        assert_eq!(quote.quoted.destination, IpAddr::from([10, 0, 9, 9]));
        assert_eq!((quote.quoted.tos, quote.quoted.id), (0xb8, Some(0x1234)));
        assert_eq!(quote.quoted.transport, [0xc0, 0, 0x82, 0x9a, 0, 44, 0xab, 0xcd]);
        assert!(quote.labels.is_empty());
    }

    #[test]
    fn labels_are_found_with_and_without_the_length_of_the_quote() {
        for says_length in [true, false] {
            let message = with_labels(says_length);
            let quote = IcmpQuote::read(Family::V4, &message).expect("an error");
            let [first, second] = quote.labels[..] else { panic!("{:?}", quote.labels) };
            assert_eq!((first.label, first.class, first.bottom, first.ttl), (16_000, 5, false, 1));
            assert_eq!((second.label, second.bottom, second.ttl), (17, true, 254));
        }
    }

    #[test]
    fn a_wrong_sum_is_no_extension() {
        let mut message = with_labels(false);
        *message.last_mut().expect("bytes") ^= 1;
        assert!(IcmpQuote::read(Family::V4, &message).expect("an error").labels.is_empty());
    }

    #[test]
    fn every_prefix_and_every_changed_byte_is_safe() {
        let message = with_labels(true);
        for end in 0..message.len() {
            for family in [Family::V4, Family::V6] {
                let _ = IcmpQuote::read(family, &message[..end]);
            }
            let mut changed = message.clone();
            changed[end] = 0xff;
            let _ = IcmpQuote::read(Family::V4, &changed);
        }
    }

    #[test]
    fn the_mtu_of_both_families_is_read() {
        let mut v4 = vec![3, 4, 0, 0, 0, 0, 0x05, 0x78];
        v4.extend(quoted_udp());
        assert_eq!(IcmpQuote::read(Family::V4, &v4).expect("an error").mtu, Some(1400));
        let mut v6 = vec![2, 0, 0, 0, 0, 0, 0x05, 0x00, 0x6b, 0x80, 0, 0, 0, 24, 58, 1];
        v6.extend([0; 32]);
        let quote = IcmpQuote::read(Family::V6, &v6).expect("an error");
        assert_eq!((quote.mtu, quote.quoted.tos, quote.quoted.protocol), (Some(1280), 0xb8, 58));
    }

    /// ICMP messages of a capture in the classic format, little-endian, over Ethernet or PPP/HDLC:
    /// wherever an IPv4 header without options and protocol 1 begins.
    fn icmp_of(capture: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut rest = &capture[24..];
        while let Some((header, more)) = rest.split_first_chunk::<16>() {
            let [.., a, b, c, d, _, _, _, _] = *header;
            let length = u32::from_le_bytes([a, b, c, d]) as usize;
            let (packet, next) = more.split_at(length.min(more.len()));
            let starts = (0..packet.len().min(20)).find(|at| {
                let ip = &packet[*at..];
                ip.first() == Some(&0x45)
                    && ip.get(9) == Some(&1)
                    && ip.get(..20).is_some_and(|head| super::super::checksum(head) == 0)
            });
            found.extend(starts.map(|at| packet[at + 20..].to_vec()));
            rest = next;
        }
        found
    }

    #[test]
    fn labels_of_a_recorded_traceroute_are_those_that_tcpdump_prints() {
        const CAPTURES: &str = "../../shared/captures";
        let Ok(bytes) = std::fs::read(format!("{CAPTURES}/tcpdump/mpls-traceroute.pcap")) else {
            println!("SKIP: {CAPTURES} is not there");
            return;
        };
        let expected = format!("{CAPTURES}/expected/tcpdump/mpls-traceroute-v.out");
        let expected = std::fs::read_to_string(expected).expect("what tcpdump prints");
        // "\t    label 100704, tc 0, [S], ttl 1" below an ICMP message.
        let expected: Vec<_> =
            expected.lines().filter_map(|line| line.trim().strip_prefix("label ")).collect();
        let messages = icmp_of(&bytes);
        let quotes = messages.iter().filter_map(|message| IcmpQuote::read(Family::V4, message));
        let found: Vec<_> = quotes
            .flat_map(|quote| quote.labels)
            .map(|label| {
                let bottom = if label.bottom { "[S], " } else { "" };
                format!("{}, tc {}, {bottom}ttl {}", label.label, label.class, label.ttl)
            })
            .collect();
        assert!(expected.len() > 3, "{expected:?}");
        assert_eq!(found, expected);
    }
}
