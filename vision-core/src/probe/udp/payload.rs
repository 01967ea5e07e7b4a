use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Result};

/// What a datagram says, so that a service has something to answer.
///
/// A name of [`UdpPayload::NAMES`], `hex:0a0b0c`, or `text:ping`.
///
/// ```
/// use vision_core::probe::UdpPayload;
///
/// let payload: UdpPayload = "hex:00ff".parse()?;
/// assert_eq!(payload.bytes(), [0, 0xff]);
/// assert_eq!(UdpPayload::usual(53).to_string(), "dns");
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UdpPayload(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Named(usize),
    Bytes(Vec<u8>),
}

/// A datagram holds 65 535 bytes less the headers.
const MOST_BYTES: usize = 65_507;

impl UdpPayload {
    /// The protocols it can speak.
    pub const NAMES: [&'static str; 11] = [
        "empty",
        "dns",
        "mdns",
        "ntp",
        "snmp",
        "stun",
        "sip",
        "tftp",
        "netbios",
        "memcached",
        "coap",
    ];

    /// Takes any bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than 65 507 bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self> {
        let bytes = bytes.into();
        match bytes.len() <= MOST_BYTES {
            true => Ok(Self(Kind::Bytes(bytes))),
            false => {
                let why = format!("{} bytes are more than {MOST_BYTES}", bytes.len());
                Err(Error::invalid("payload", why))
            }
        }
    }

    /// Gives what the usual service of a port understands; nothing where none is known.
    pub fn usual(port: u16) -> Self {
        let name = match port {
            53 | 8600 => "dns",
            69 => "tftp",
            123 => "ntp",
            137 => "netbios",
            161 => "snmp",
            3478 | 5349 => "stun",
            5060 => "sip",
            5353 => "mdns",
            5683 => "coap",
            11_211 => "memcached",
            _ => "empty",
        };
        Self(Kind::Named(Self::NAMES.iter().position(|known| *known == name).unwrap_or(0)))
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.clone(),
            Kind::Named(at) => named(Self::NAMES.get(*at).copied().unwrap_or_default()),
        }
    }
}

fn named(name: &str) -> Vec<u8> {
    match name {
        // The name servers of the root, recursion desired (RFC 1035 §4.1).
        "dns" => vec![0x76, 0x69, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1],
        // _services._dns-sd._udp.local PTR, the answer by unicast (RFC 6763 §9, RFC 6762 §5.4).
        "mdns" => {
            let head = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            let tail = [0, 0, 12, 0x80, 1];
            [&head[..], b"\x09_services\x07_dns-sd\x04_udp\x05local", &tail].concat()
        }
        // Version 4, mode client (RFC 5905 §7.3).
        "ntp" => {
            let mut packet = vec![0; 48];
            packet.splice(..1, [0x23]);
            packet
        }
        // Version 1, community public, get sysDescr.0 (RFC 1157 §4).
        "snmp" => b"\x30\x26\x02\x01\x00\x04\x06public\xa0\x19\x02\x01\x01\x02\x01\x00\x02\x01\x00\
            \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00"
            .to_vec(),
        // Binding request (RFC 8489 §5).
        "stun" => b"\x00\x01\x00\x00\x21\x12\xa4\x42vision-probe".to_vec(),
        // RFC 3261 §11.
        "sip" => b"OPTIONS sip:probe SIP/2.0\r\nVia: SIP/2.0/UDP probe;branch=z9hG4bKvision;rport\
            \r\nFrom: <sip:probe@probe>;tag=vision\r\nTo: <sip:probe>\r\nCall-ID: vision\r\n\
            CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            .to_vec(),
        // Read a file that is not there (RFC 1350 §5): the answer is an error.
        "tftp" => b"\x00\x01vision-probe\x00octet\x00".to_vec(),
        // Node status of * (RFC 1002 §4.2.17).
        "netbios" => {
            let head = [0x76, 0x69, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            let name = b"\x20CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00";
            [&head[..], name, &[0, 0x21, 0, 1]].concat()
        }
        // Request 1, datagram 0 of 1 (memcached's protocol.txt).
        "memcached" => b"\x00\x01\x00\x00\x00\x01\x00\x00version\r\n".to_vec(),
        // An empty confirmable message, answered by a reset (RFC 7252 §4.3).
        "coap" => vec![0x40, 0, 0x76, 0x69],
        _ => Vec::new(),
    }
}

impl FromStr for UdpPayload {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(at) = Self::NAMES.iter().position(|name| *name == text) {
            return Ok(Self(Kind::Named(at)));
        }
        let bad = |why: String| Err(Error::invalid("payload", format!("`{text}` {why}")));
        match text.split_once(':') {
            Some(("text", words)) => Self::from_bytes(words),
            Some(("hex", digits)) => match from_hex(digits) {
                Some(bytes) => Self::from_bytes(bytes),
                None => bad("is not pairs of hexadecimal digits".to_owned()),
            },
            _ => bad(format!("is none of {}, hex:… or text:…", Self::NAMES.join(", "))),
        }
    }
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

impl fmt::Display for UdpPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Named(at) => f.write_str(Self::NAMES.get(*at).copied().unwrap_or_default()),
            Kind::Bytes(bytes) => {
                f.write_str("hex:")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_round_trip_and_bad_ones_say_what_there_is() {
        for name in UdpPayload::NAMES.into_iter().chain(["hex:00ff10", "hex:"]) {
            assert_eq!(name.parse::<UdpPayload>().expect(name).to_string(), name);
        }
        let text: UdpPayload = "text:a:b".parse().expect("text");
        assert_eq!(text.bytes(), b"a:b");
        for bad in ["dnz", "hex:0", "hex:zz", "hex:+1", "", "hex:äö"] {
            let error = bad.parse::<UdpPayload>().expect_err(bad).to_string();
            assert!(error.contains("hex"), "{error}");
        }
        assert!(UdpPayload::from_bytes(vec![0; 65_508]).is_err());
    }

    #[test]
    fn lengths_inside_of_payloads_are_true() {
        let snmp = "snmp".parse::<UdpPayload>().expect("known").bytes();
        assert_eq!(usize::from(snmp[1]), snmp.len() - 2);
        assert_eq!("ntp".parse::<UdpPayload>().expect("known").bytes().len(), 48);
        assert_eq!("stun".parse::<UdpPayload>().expect("known").bytes().len(), 20);
        assert_eq!("netbios".parse::<UdpPayload>().expect("known").bytes().len(), 50);
    }
}
