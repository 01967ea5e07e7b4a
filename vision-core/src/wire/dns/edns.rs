use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::Opaque;
use super::cursor::Cursor;
use super::text::push_escaped;
use crate::base::{DecodeError, Prefix};

/// The extension record of a message (RFC 6891 §6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Edns {
    /// The version; zero is the only one there is.
    pub version: u8,
    /// The largest UDP payload the sender takes.
    pub udp_payload_bytes: u16,
    /// DNSSEC records are wanted, or were (RFC 3225).
    pub do_bit: bool,
    /// All sixteen flags as sent, the DO bit included.
    pub flags: u16,
    /// The options in their order.
    pub options: Vec<EdnsOption>,
    /// Why the options could not be read to the end.
    pub fault: Option<DecodeError>,
}

/// One option of the extension record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EdnsOption {
    /// What it is (IANA, DNS EDNS0 Option Codes).
    pub code: u16,
    /// Its value.
    pub data: Opaque,
}

impl Edns {
    /// Reads the record's class, TTL and data; bad options end the list and are said to be bad.
    pub(super) fn decode(class: u16, ttl: u32, mut data: Cursor<'_>) -> Self {
        let [_, version, high, low] = ttl.to_be_bytes();
        let flags = u16::from_be_bytes([high, low]);
        let mut options = Vec::new();
        let mut fault = None;
        while data.left() > 0 && fault.is_none() {
            match EdnsOption::decode(&mut data) {
                Ok(option) => options.push(option),
                Err(error) => fault = Some(error),
            }
        }
        let do_bit = flags & 0x8000 != 0;
        Self { version, udp_payload_bytes: class, do_bit, flags, options, fault }
    }
}

impl EdnsOption {
    /// Pairs a code with a value.
    pub fn new(code: u16, data: impl Into<Vec<u8>>) -> Self {
        Self { code, data: Opaque::new(data) }
    }

    /// Asks which of several servers answers (RFC 5001).
    pub fn nsid() -> Self {
        Self::new(3, [])
    }

    /// Tells on whose behalf a question is asked (RFC 7871 §6); host bits are left out.
    pub fn subnet(net: Prefix) -> Self {
        let (family, octets): (u8, Vec<u8>) = match net.network() {
            std::net::IpAddr::V4(addr) => (1, addr.octets().to_vec()),
            std::net::IpAddr::V6(addr) => (2, addr.octets().to_vec()),
        };
        let used = usize::from(net.bits()).div_ceil(8);
        let head = [0, family, net.bits(), 0];
        Self::new(8, [&head, octets.get(..used).unwrap_or_default()].concat())
    }

    /// Carries a cookie: eight bytes of the client, then what the server gave (RFC 7873 §4).
    pub fn cookie(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(10, bytes)
    }

    fn decode(data: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let code = data.u16()?;
        let length = data.u16()?;
        Ok(Self::new(code, data.bytes(usize::from(length))?))
    }

    /// Returns the name `dig` prints for the code.
    pub fn name(&self) -> Option<&'static str> {
        Some(match self.code {
            3 => "NSID",
            8 => "CLIENT-SUBNET",
            9 => "EXPIRE",
            10 => "COOKIE",
            11 => "TCP-KEEPALIVE",
            12 => "PADDING",
            15 => "EDE",
            _ => return None,
        })
    }

    /// Splits an extended error into its code and text (RFC 8914 §2).
    pub fn extended_error(&self) -> Option<(u16, String)> {
        let (code, text) = self.data.as_bytes().split_at_checked(2)?;
        (self.code == 15).then(|| {
            let number = code.iter().fold(0, |n, byte| n << 8 | u16::from(*byte));
            (number, escaped(text))
        })
    }

    /// Returns the prefix of a client subnet option and its scope (RFC 7871 §6).
    fn client_subnet(&self) -> Option<String> {
        let (head, addr) = self.data.as_bytes().split_first_chunk::<4>()?;
        let [high, low, source, scope] = head;
        let addr = match [high, low] {
            [0, 1] => Ipv4Addr::from(padded::<4>(addr)?).to_string(),
            [0, 2] => Ipv6Addr::from(padded::<16>(addr)?).to_string(),
            _ => return None,
        };
        Some(format!("{addr}/{source}/{scope}"))
    }
}

impl fmt::Display for EdnsOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}:")?,
            None => write!(f, "OPT={}:", self.code)?,
        }
        if let Some((code, text)) = self.extended_error() {
            return write!(f, " {code} ({text})");
        }
        match self.client_subnet().filter(|_| self.code == 8) {
            Some(subnet) => write!(f, " {subnet}"),
            None if self.code == 3 => {
                write!(f, " {} (\"{}\")", self.data, escaped(self.data.as_bytes()))
            }
            None => write!(f, " {}", self.data),
        }
    }
}

fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut addr = [0; N];
    addr.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(addr)
}

fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        push_escaped(&mut text, *byte, b"\"");
    }
    text
}
