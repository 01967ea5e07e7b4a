use std::str::FromStr;

use crate::base::{Error, Result};
use crate::wire::dns::Name;
use crate::wire::dns::verify::{Signer, ZoneKey};

/// A key that is trusted without proof: a DS or DNSKEY record, written as in a zone file.
///
/// ```
/// use vision_core::probe::TrustAnchor;
///
/// let anchor: TrustAnchor = ". IN DS 20326 8 2 \
///     E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D".parse()?;
/// assert!(anchor.zone().is_root());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustAnchor {
    zone: Name,
    key: Trusted,
}

/// The two forms of an anchor.
// closed: a digest of a key, or the key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trusted {
    Digest(Signer),
    Key(ZoneKey),
}

/// The keys of the root zone (data.iana.org/root-anchors/root-anchors.xml).
const ROOT: [&str; 2] = [
    ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16",
];

pub(super) fn root() -> Vec<TrustAnchor> {
    ROOT.iter().filter_map(|text| text.parse().ok()).collect()
}

impl TrustAnchor {
    /// Returns the zone it is for.
    pub fn zone(&self) -> &Name {
        &self.zone
    }

    /// Reads a file of DS and DNSKEY records, one a line; `trust-anchors` blocks of BIND are read
    /// as well.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the line that is neither, or when there is none at all.
    pub fn read_all(text: &str) -> Result<Vec<Self>> {
        let mut anchors = Vec::new();
        let is_bind = text.contains("trust-anchors") || text.contains("managed-keys");
        for (line, number) in text.lines().zip(1..) {
            // The semicolon ends a statement of BIND and begins a comment of a zone file.
            let records: Vec<_> = match is_bind {
                true => line.split(['{', '}', ';']).collect(),
                false => line.split(';').take(1).collect(),
            };
            for record in records.into_iter().map(str::trim) {
                let is_frame = matches!(record, "" | "trust-anchors" | "managed-keys");
                if is_frame || record.starts_with('#') || record.starts_with("//") {
                    continue;
                }
                anchors.push(record.parse().map_err(|error| {
                    Error::invalid("trust anchor", format!("line {number}: {error}"))
                })?);
            }
        }
        match anchors.is_empty() {
            false => Ok(anchors),
            true => Err(Error::invalid("trust anchor", "no DS or DNSKEY record")),
        }
    }

    /// Tells whether a key of the anchor's zone is the one trusted.
    pub(super) fn trusts(&self, key: &ZoneKey) -> bool {
        match &self.key {
            Trusted::Digest(signer) => signer.stands_for(&self.zone, key),
            Trusted::Key(own) => own.key == key.key && own.algorithm == key.algorithm,
        }
    }

    pub(super) fn tag(&self) -> u16 {
        match &self.key {
            Trusted::Digest(signer) => signer.key_tag,
            Trusted::Key(key) => key.tag(),
        }
    }
}

impl FromStr for TrustAnchor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wanted = "a DS or DNSKEY record as in a zone file, such as `. DS 20326 8 2 E06D…`";
        let bad = || {
            let text: String = text.chars().take(80).collect();
            Error::invalid("trust anchor", format!("`{}` is not {wanted}", text.escape_debug()))
        };
        let text = text.replace(['"', '(', ')'], " ");
        let words: Vec<_> = text.split_whitespace().collect();
        let (zone, rest) = words.split_first().ok_or_else(bad)?;
        let kinds = ["DS", "DNSKEY", "static-ds", "initial-ds", "static-key", "initial-key"];
        let at = rest.iter().position(|word| kinds.iter().any(|k| k.eq_ignore_ascii_case(word)));
        let data = at.and_then(|at| rest.get(at..)).ok_or_else(bad)?;
        let [kind, first, second, third, key @ ..] = data else {
            return Err(bad());
        };
        let (zone, key) = (zone.parse()?, key.concat());
        let second = second.parse().map_err(|_| bad())?;
        let third = third.parse().map_err(|_| bad())?;
        let first = first.parse().map_err(|_| bad())?;
        let key = match kind.to_ascii_lowercase().ends_with("ds") {
            true => Trusted::Digest(Signer {
                key_tag: first,
                algorithm: second,
                digest_type: third,
                digest: from_hex(&key).ok_or_else(bad)?,
            }),
            false => Trusted::Key(ZoneKey {
                flags: first,
                protocol: second,
                algorithm: third,
                key: from_base64(&key).ok_or_else(bad)?,
            }),
        };
        Ok(Self { zone, key })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let pairs = digits?
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high << 4 | low).ok(),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>();
    pairs.filter(|bytes| !bytes.is_empty())
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut out, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = (held << 6 | u32::from(value)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits & 0xff) as u8);
        }
    }
    Some(out).filter(|bytes| !bytes.is_empty())
}
