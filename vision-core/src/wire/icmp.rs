//! ICMP and ICMPv6 echo messages, and what the error codes are called.

use crate::base::{DecodeError, Family, Layer, Ttl};

/// Bytes of the ICMP header in front of an echo's payload.
pub(crate) const HEADER_BYTES: usize = 8;

/// An echo request or reply without its IP header (RFC 792, RFC 4443 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EchoMessage<'a> {
    pub(crate) id: u16,
    pub(crate) seq: u16,
    pub(crate) payload: &'a [u8],
}

fn request_type(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 128,
    }
}

fn reply_type(family: Family) -> u8 {
    match family {
        Family::V4 => 0,
        Family::V6 => 129,
    }
}

impl<'a> EchoMessage<'a> {
    /// Writes a request. The kernel fills in the ICMPv6 checksum, and ours for IPv4 is complete.
    pub(crate) fn request(&self, family: Family) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.payload.len());
        self.append_request(family, &mut bytes);
        bytes
    }

    /// As [`EchoMessage::request`], behind what is there already.
    pub(crate) fn append_request(&self, family: Family, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.extend([request_type(family), 0, 0, 0]);
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.payload);
        let message = bytes.get_mut(start..).unwrap_or_default();
        if let (Family::V4, sum) = (family, super::checksum(message))
            && let Some(place) = message.get_mut(2..4)
        {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// Reads a reply; any other message gives `Ok(None)`.
    pub(crate) fn reply(family: Family, bytes: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let short = || DecodeError::short(Layer::Icmp, 0, HEADER_BYTES, bytes.len());
        let (header, payload) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(short)?;
        let [kind, code, _, _, id_high, id_low, seq_high, seq_low] = *header;
        if kind != reply_type(family) || code != 0 {
            return Ok(None);
        }
        let id = u16::from_be_bytes([id_high, id_low]);
        let seq = u16::from_be_bytes([seq_high, seq_low]);
        Ok(Some(Self { id, seq, payload }))
    }

    /// Reads the request quoted in an error, of which eight bytes suffice (RFC 792).
    pub(crate) fn quoted_request(family: Family, bytes: &[u8]) -> Option<(u16, u16)> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let [kind, _, _, _, id_high, id_low, seq_high, seq_low] = *header;
        let is_ours = kind == request_type(family);
        is_ours.then(|| {
            (u16::from_be_bytes([id_high, id_low]), u16::from_be_bytes([seq_high, seq_low]))
        })
    }
}

/// Takes the IPv4 header off what a raw socket delivers.
pub(crate) fn strip_ipv4(bytes: &[u8]) -> Result<(Ttl, &[u8]), DecodeError> {
    let short = || DecodeError::short(Layer::Ipv4, 0, 20, bytes.len());
    let header = etherparse::Ipv4HeaderSlice::from_slice(bytes).map_err(|_| short())?;
    let rest = bytes.get(header.slice().len()..).ok_or_else(short)?;
    Ok((Ttl(header.ttl()), rest))
}

/// Says in a few words what an ICMP error means, by family, type and code
/// (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1, RFC 4443 §3).
pub fn describe_icmp(family: Family, kind: u8, code: u8) -> &'static str {
    match family {
        Family::V4 => describe_v4(kind, code),
        Family::V6 => describe_v6(kind, code),
    }
}

fn describe_v4(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed",
        (3, 5) => "source route failed",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 9) => "network administratively prohibited",
        (3, 10) => "host administratively prohibited",
        (3, 11) => "network unreachable for this type of service",
        (3, 12) => "host unreachable for this type of service",
        (3, 13) => "communication administratively prohibited",
        (3, 14) => "host precedence violation",
        (3, 15) => "precedence cutoff",
        (4, 0) => "source quench",
        (5, _) => "redirect",
        (11, 0) => "time to live exceeded",
        (11, 1) => "fragment reassembly time exceeded",
        (12, _) => "parameter problem",
        _ => "unknown error",
    }
}

fn describe_v6(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (1, 0) => "no route to destination",
        (1, 1) => "communication administratively prohibited",
        (1, 2) => "beyond scope of source address",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, 5) => "source address failed policy",
        (1, 6) => "reject route to destination",
        (2, _) => "packet too big",
        (3, 0) => "hop limit exceeded",
        (3, 1) => "fragment reassembly time exceeded",
        (4, _) => "parameter problem",
        _ => "unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_a_correct_checksum() {
        let echo = EchoMessage { id: 0x1234, seq: 7, payload: b"abc" };
        let bytes = echo.request(Family::V4);
        assert_eq!(super::super::checksum(&bytes), 0);
        assert_eq!(EchoMessage::quoted_request(Family::V4, &bytes), Some((0x1234, 7)));
    }

    #[test]
    fn only_a_reply_is_read_as_one() {
        let mut bytes = EchoMessage { id: 1, seq: 2, payload: b"x" }.request(Family::V6);
        assert_eq!(EchoMessage::reply(Family::V6, &bytes), Ok(None));
        bytes[0] = 129;
        let reply = EchoMessage::reply(Family::V6, &bytes).expect("long enough");
        assert_eq!(reply, Some(EchoMessage { id: 1, seq: 2, payload: b"x" }));
        assert!(EchoMessage::reply(Family::V6, &bytes[..7]).is_err());
    }

    #[test]
    fn every_prefix_of_an_ipv4_packet_is_safe() {
        let mut packet = vec![0x46, 0, 0, 32, 0, 0, 0, 0, 61, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        packet.extend([1, 1, 1, 0, 8, 0, 0, 0, 0, 1, 0, 2]);
        for end in 0..packet.len() {
            let _ = strip_ipv4(&packet[..end]);
        }
        let (ttl, rest) = strip_ipv4(&packet).expect("a whole packet with an option");
        assert_eq!((ttl, rest.len()), (Ttl(61), 8));
    }
}
