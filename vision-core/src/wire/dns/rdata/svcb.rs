use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::RData;
use crate::base::{DecodeError, Result};
use crate::wire::dns::Opaque;
use crate::wire::dns::cursor::Cursor;
use crate::wire::dns::text::{base64, push_escaped};

/// One parameter of a service binding (RFC 9460 §2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SvcParam {
    /// What it says.
    pub key: SvcParamKey,
    /// The value of the wire.
    pub value: Opaque,
}

/// The key of a service parameter; prints its name or `key65535` (RFC 9460 §14.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
// closed: any number is a key, names are a matter of printing.
pub struct SvcParamKey(pub u16);

impl SvcParamKey {
    const NAMES: [&'static str; 10] = [
        "mandatory",
        "alpn",
        "no-default-alpn",
        "port",
        "ipv4hint",
        "ech",
        "ipv6hint",
        "dohpath",
        "ohttp",
        "tls-supported-groups",
    ];
}

impl fmt::Display for SvcParamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "key{}", self.0),
        }
    }
}

impl fmt::Display for SvcParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.value.as_bytes();
        self.key.fmt(f)?;
        if bytes.is_empty() {
            return Ok(());
        }
        match value_text(self.key.0, bytes) {
            Some(text) => write!(f, "={text}"),
            None => write!(f, "=\"{}\"", escape(bytes, b"\"")),
        }
    }
}

/// Gives the text of a value whose key has a form of its own; `None` when it does not fit.
fn value_text(key: u16, bytes: &[u8]) -> Option<String> {
    match key {
        0 => list::<2>(bytes, |b| SvcParamKey(u16::from_be_bytes(b)).to_string()),
        1 => alpn(bytes),
        3 => bytes.try_into().ok().map(|b| u16::from_be_bytes(b).to_string()),
        4 => list::<4>(bytes, |b| Ipv4Addr::from(b).to_string()),
        5 => Some(base64(bytes)),
        6 => list::<16>(bytes, |b| Ipv6Addr::from(b).to_string()),
        _ => None,
    }
}

fn list<const N: usize>(bytes: &[u8], show: impl Fn([u8; N]) -> String) -> Option<String> {
    let parts = bytes.chunks(N).map(|part| part.try_into().ok().map(&show));
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.join(","))
}

/// A list of protocol names; commas inside one are escaped twice (RFC 9460 appendix A.1).
fn alpn(mut bytes: &[u8]) -> Option<String> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(*length))?;
        let once = name.iter().fold(Vec::new(), |mut out, byte| {
            if matches!(byte, b',' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
            out
        });
        parts.push(escape(&once, b"\""));
        bytes = rest;
    }
    let mut text = String::from("\"");
    write!(text, "{}\"", parts.join(",")).ok()?;
    Some(text)
}

fn escape(bytes: &[u8], special: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        push_escaped(&mut text, *byte, special);
    }
    text
}

/// Reads data that is known to be well-formed: parameters as key, length and bytes.
pub(super) fn decode(mut data: Cursor<'_>) -> Result<RData, DecodeError> {
    let priority = data.u16()?;
    let target = data.name()?;
    let mut params = Vec::new();
    while data.left() > 0 {
        let key = SvcParamKey(data.u16()?);
        let length = data.u16()?;
        params.push(SvcParam { key, value: Opaque::new(data.bytes(usize::from(length))?) });
    }
    Ok(RData::Svcb { priority, target, params })
}
