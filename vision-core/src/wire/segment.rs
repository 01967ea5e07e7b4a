//! TCP segments without data: the SYN that asks and the answers to it.

use std::net::IpAddr;

/// Bytes of a SYN with its one option.
pub(crate) const SYN_BYTES: usize = 24;

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Where a segment comes from and goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
}

/// A request to open a connection (RFC 9293 §3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syn {
    pub(crate) source_port: u16,
    pub(crate) port: u16,
    pub(crate) sequence: u32,
}

impl Syn {
    /// Appends the segment with its checksum; it offers to take 1460 bytes at a time.
    pub(crate) fn append(&self, ends: Ends, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.source_port.to_be_bytes());
        out.extend(self.port.to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        // Nothing acknowledged, six words of header, a window of 1024 bytes, sum and urgent zero.
        out.extend([0, 0, 0, 0, 0x60, SYN, 4, 0, 0, 0, 0, 0]);
        out.extend([2, 4, 0x05, 0xb4]);
        let segment = out.get_mut(start..).unwrap_or_default();
        let sum = checksum(ends, segment);
        if let Some(place) = segment.get_mut(16..18) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// Reads the request an error quotes, of which eight bytes suffice (RFC 792).
    pub(crate) fn quoted(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = *bytes.first_chunk::<8>()?;
        Some(Self {
            source_port: u16::from_be_bytes([a, b]),
            port: u16::from_be_bytes([c, d]),
            sequence: u32::from_be_bytes([e, f, g, h]),
        })
    }
}

/// What answers a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SynAnswer {
    pub(crate) from_port: u16,
    pub(crate) to_port: u16,
    /// The sequence number of the SYN that it acknowledges.
    pub(crate) asked: u32,
    pub(crate) is_open: bool,
    pub(crate) flags: u8,
    pub(crate) window: u16,
}

/// The flags from the lowest bit, by the letters that hping gives them.
const LETTERS: &str = "FSRPAUXY";

impl SynAnswer {
    /// The flags by their letters, such as `SA`.
    pub(crate) fn flags(&self) -> String {
        let set = |bit: &usize| self.flags & (1 << bit) != 0;
        (0..8).zip(LETTERS.chars()).filter(|(bit, _)| set(bit)).map(|(_, letter)| letter).collect()
    }

    /// Reads a SYN with an ACK, a reset with an ACK, or an ACK alone: what a port says to a second
    /// SYN, with a sequence number far from the first one's, if its answer to the first was lost
    /// (RFC 9293 §3.10.7). Nothing else answers a SYN.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (ports, rest) = bytes.split_first_chunk::<4>()?;
        let (_sequence, rest) = rest.split_first_chunk::<4>()?;
        let (acknowledged, rest) = rest.split_first_chunk::<4>()?;
        let [_, flags, window_high, window_low, ..] = *rest.first_chunk::<8>()?;
        let [from_high, from_low, to_high, to_low] = *ports;
        let is_open = match flags & (SYN | ACK | RST) {
            answer if answer == SYN | ACK => true,
            answer if answer == RST | ACK => false,
            _ if flags == ACK => true,
            _ => return None,
        };
        Some(Self {
            from_port: u16::from_be_bytes([from_high, from_low]),
            to_port: u16::from_be_bytes([to_high, to_low]),
            asked: u32::from_be_bytes(*acknowledged).wrapping_sub(1),
            is_open,
            flags,
            window: u16::from_be_bytes([window_high, window_low]),
        })
    }
}

/// The sum over the segment and its pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1).
fn checksum(ends: Ends, segment: &[u8]) -> u16 {
    const TCP: u8 = 6;
    let mut pseudo = [0; 40];
    let length = segment.len() as u16;
    let parts: &[&[u8]] = match (ends.from, ends.to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            &[&from.octets(), &to.octets(), &[0, TCP], &length.to_be_bytes()]
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            &[&from.octets(), &to.octets(), &[0, 0], &length.to_be_bytes(), &[0, 0, 0, TCP]]
        }
        _ => &[],
    };
    let place = pseudo.iter_mut();
    place.zip(parts.iter().copied().flatten()).for_each(|(old, new)| *old = *new);
    // One's complement sums add up; the inverse of an inverse is the sum.
    let words = !super::checksum(&pseudo);
    let sum = u32::from(words) + u32::from(!super::checksum(segment));
    !((sum & 0xffff) as u16 + (sum >> 16) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(from: &str, to: &str) -> Ends {
        Ends { from: from.parse().expect("address"), to: to.parse().expect("address") }
    }

    #[test]
    fn a_syn_sums_up_and_can_be_read_from_a_quote() {
        let ends = ends("10.8.0.1", "10.8.0.2");
        let syn = Syn { source_port: 2000, port: 80, sequence: 7 };
        let mut bytes = Vec::new();
        syn.append(ends, &mut bytes);
        assert_eq!(bytes.len(), SYN_BYTES);
        let mut summed = vec![10, 8, 0, 1, 10, 8, 0, 2, 0, 6, 0, 24];
        summed.extend(&bytes);
        assert_eq!(super::super::checksum(&summed), 0);
        assert_eq!(Syn::quoted(&bytes[..8]), Some(syn));
        assert_eq!(Syn::quoted(&bytes[..7]), None);
        assert_eq!(SynAnswer::read(&bytes), None);
    }

    #[test]
    fn sums_hold_for_ipv6() {
        let ends = ends("fd00::1", "fd00::ffff:2");
        let mut bytes = Vec::new();
        Syn { source_port: 65_535, port: 443, sequence: u32::MAX }.append(ends, &mut bytes);
        let mut summed = Vec::new();
        let (IpAddr::V6(from), IpAddr::V6(to)) = (ends.from, ends.to) else { panic!("IPv6") };
        summed.extend(from.octets());
        summed.extend(to.octets());
        summed.extend([0, 0, 0, 24, 0, 0, 0, 6]);
        summed.extend(&bytes);
        assert_eq!(super::super::checksum(&summed), 0);
    }

    #[test]
    fn only_what_acknowledges_is_an_answer() {
        let mut bytes = vec![0, 80, 7, 208, 0, 0, 0, 1, 0, 0, 0, 8, 0x50, 0x12, 4, 1, 0, 0, 0, 0];
        let (from_port, to_port, asked, is_open) = (80, 2000, 7, true);
        let open = SynAnswer { from_port, to_port, asked, is_open, flags: 0x12, window: 1025 };
        assert_eq!(SynAnswer::read(&bytes), Some(open));
        assert_eq!(open.flags(), "SA");
        bytes[13] = 0x14;
        let closed = SynAnswer { is_open: false, flags: 0x14, ..open };
        assert_eq!(SynAnswer::read(&bytes), Some(closed));
        assert_eq!(closed.flags(), "RA");
        bytes[13] = 0x10;
        assert_eq!(SynAnswer::read(&bytes), Some(SynAnswer { flags: 0x10, ..open }));
        for flags in [0x00, 0x02, 0x04, 0x11, 0x18] {
            bytes[13] = flags;
            assert_eq!(SynAnswer::read(&bytes), None, "{flags:#x}");
        }
        for end in 0..bytes.len() {
            assert_eq!(SynAnswer::read(&bytes[..end]), None);
        }
    }
}
