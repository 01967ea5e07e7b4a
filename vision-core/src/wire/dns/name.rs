use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::str::FromStr;

use super::text::{push_escaped, take_escaped};
use crate::base::{Error, Result};

/// A domain name: labels of bytes, compared without regard to ASCII case (RFC 4343).
///
/// Always absolute. Printed as in a zone file with the final dot; dots inside labels and bytes
/// outside printable ASCII are escaped (RFC 1035 §5.1, RFC 4343 §2.1), so that a name from the
/// network is safe on a terminal.
///
/// ```
/// use vision_core::wire::dns::Name;
///
/// let name: Name = "Db.Example".parse()?;
/// assert_eq!(name.to_string(), "Db.Example.");
/// assert_eq!(name, "dB.eXAMPLE.".parse()?);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Name {
    /// Length-prefixed labels up to and including the empty one; at most 255 bytes.
    wire: Vec<u8>,
}

impl Name {
    /// Longest name in its wire form (RFC 1035 §2.3.4).
    pub(super) const MAX_LEN: usize = 255;

    /// The root, printed as a dot.
    pub fn root() -> Self {
        Self { wire: vec![0] }
    }

    /// Gives the name under which `addr` is looked up backwards (RFC 1035 §3.5, RFC 3596 §2.5).
    pub fn reverse(addr: IpAddr) -> Self {
        let mut labels: Vec<Vec<u8>> = match addr {
            IpAddr::V4(v4) => v4.octets().iter().map(|n| n.to_string().into_bytes()).collect(),
            IpAddr::V6(v6) => {
                let nibbles = v6.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
                nibbles.map(|n| format!("{n:x}").into_bytes()).collect()
            }
        };
        labels.reverse();
        let zone: [&[u8]; 2] = match addr {
            IpAddr::V4(_) => [b"in-addr", b"arpa"],
            IpAddr::V6(_) => [b"ip6", b"arpa"],
        };
        let all = labels.iter().map(Vec::as_slice).chain(zone);
        Self::from_labels(all).unwrap_or_else(Self::root)
    }

    /// Returns the labels without the empty one of the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.wire.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first()?;
            let label = after.get(..usize::from(*length)).filter(|label| !label.is_empty())?;
            rest = after.get(label.len()..)?;
            Some(label)
        })
    }

    /// Tells whether this is the root.
    pub fn is_root(&self) -> bool {
        self.wire.len() <= 1
    }

    /// Tells whether this name is `zone` or lies below it.
    pub fn is_within(&self, zone: &Self) -> bool {
        let mut rest = self.wire.as_slice();
        loop {
            if rest.eq_ignore_ascii_case(&zone.wire) {
                return true;
            }
            let after = rest.split_first().filter(|(length, _)| **length > 0);
            match after.and_then(|(length, after)| after.get(usize::from(*length)..)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
    }

    /// Returns the name without its first label; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (length, after) = self.wire.split_first()?;
        let wire = after.get(usize::from(*length)..).filter(|_| *length > 0)?;
        Some(Self { wire: wire.to_vec() })
    }

    /// Appends another name; `None` when the result exceeds 255 bytes.
    pub fn join(&self, suffix: &Self) -> Option<Self> {
        Self::from_labels(self.labels().chain(suffix.labels()))
    }

    /// Returns the uncompressed wire form.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// Tells whether both are the same byte for byte, case included.
    pub fn same_case(&self, other: &Self) -> bool {
        self.wire == other.wire
    }

    /// Gives the name with the case of each letter taken from `bits` (draft-vixie-dnsext-dns0x20).
    pub(crate) fn with_case(&self, bits: &[u8]) -> Self {
        let mut coin = bits.iter().flat_map(|byte| (0..8).map(move |n| byte >> n & 1 == 1));
        let mut wire = self.wire.clone();
        // Length bytes are at most 63 and thus never letters.
        for byte in wire.iter_mut().filter(|byte| byte.is_ascii_alphabetic()) {
            match coin.next() {
                Some(true) => byte.make_ascii_uppercase(),
                Some(false) => byte.make_ascii_lowercase(),
                None => {}
            }
        }
        Self { wire }
    }

    /// Swaps the longest tail that this name has in common with `from`, letter by letter, for the
    /// same labels of `to`; `None` when there is none. Both must differ in case only.
    pub(crate) fn with_tail(&self, from: &Self, to: &Self) -> Option<Self> {
        let mut at = 0;
        while let Some(length) = from.wire.get(at).filter(|length| **length > 0) {
            let tail = from.wire.get(at..)?;
            if let Some(head) = self.wire.strip_suffix(tail)
                && self.starts_label(head.len())
            {
                let own = to.wire.get(at..)?;
                return Some(Self { wire: [head, own].concat() });
            }
            at += 1 + usize::from(*length);
        }
        None
    }

    fn starts_label(&self, place: usize) -> bool {
        let mut at = 0;
        while let Some(length) = self.wire.get(at).filter(|_| at < place) {
            at += 1 + usize::from(*length);
        }
        at == place
    }

    /// Takes labels of at most 63 bytes; `None` when one is empty or longer, or all together are.
    pub(super) fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut wire = Vec::new();
        for label in labels {
            let length = u8::try_from(label.len()).ok().filter(|n| (1..=63).contains(n))?;
            wire.push(length);
            wire.extend_from_slice(label);
        }
        wire.push(0);
        (wire.len() <= Self::MAX_LEN).then_some(Self { wire })
    }

    /// Takes what [`super::cursor::Cursor::name`] has checked.
    pub(super) fn from_wire_unchecked(wire: Vec<u8>) -> Self {
        Self { wire }
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "." {
            return Ok(Self::root());
        }
        let bad = |why: &str| Error::invalid("name", format!("`{}` {why}", text.escape_debug()));
        let (mut labels, mut label) = (Vec::new(), Vec::new());
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let (byte, escaped, after) = take_escaped(rest)?;
            match byte {
                b'.' if !escaped => labels.push(std::mem::take(&mut label)),
                other => label.push(other),
            }
            rest = after;
        }
        if !label.is_empty() {
            labels.push(label);
        }
        if labels.is_empty() {
            return Err(bad("is empty"));
        }
        Self::from_labels(labels.iter().map(Vec::as_slice))
            .ok_or_else(|| bad("has an empty label, one over 63 bytes, or more than 255 in all"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.wire.len());
        for label in self.labels() {
            for byte in label {
                match byte {
                    // A blank would end the name in a zone file.
                    b' ' => text.push_str("\\032"),
                    other => push_escaped(&mut text, *other, b".\"$();@"),
                }
            }
            text.push('.');
        }
        f.pad(if text.is_empty() { "." } else { &text })
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.wire.eq_ignore_ascii_case(&other.wire)
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.wire.to_ascii_lowercase().hash(state);
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_bytes_round_trips_through_its_text() {
        let labels: Vec<Vec<u8>> = (0..=255_u8).map(|b| vec![b]).collect();
        for part in labels.chunks(60) {
            let name = Name::from_labels(part.iter().map(Vec::as_slice)).expect("fits");
            let text = name.to_string();
            assert!(text.bytes().all(|b| (0x21..0x7f).contains(&b)), "{text}");
            assert!(text.parse::<Name>().expect("parses").same_case(&name));
        }
    }

    #[test]
    fn bad_names_are_refused() {
        let long = "a.".repeat(128);
        for text in ["", "a..b", ".a", "x\\", "x\\25", "x\\256", &"x".repeat(64), &long] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_have_reverse_names() {
        let name = |addr: &str| Name::reverse(addr.parse().expect("address")).to_string();
        assert_eq!(name("192.0.2.5"), "5.2.0.192.in-addr.arpa.");
        assert!(name("2001:db8::1").starts_with("1.0.0.0."));
        assert!(name("2001:db8::1").ends_with(".8.b.d.0.1.0.0.2.ip6.arpa."));
    }

    #[test]
    fn a_name_lies_within_its_ancestors_only() {
        let name = |text: &str| text.parse::<Name>().expect("a name");
        for zone in [".", "test", "Example.Test", "a.example.test"] {
            assert!(name("a.example.test").is_within(&name(zone)), "{zone}");
        }
        for zone in ["b.example.test", "xample.test", "x.a.example.test", "com"] {
            assert!(!name("a.example.test").is_within(&name(zone)), "{zone}");
        }
        // A label that contains what looks like the tail of a name.
        assert!(!name("a\\004test").is_within(&name("test")));
        assert_eq!(name("a.b").parent(), Some(name("b")));
        assert_eq!((name("b").parent(), Name::root().parent()), (Some(Name::root()), None));
    }

    #[test]
    fn random_case_changes_letters_only() {
        let name: Name = "a-9.ex\\065mple".parse().expect("a name");
        let mixed = name.with_case(&[0b0101_0101, 0xff]);
        assert_eq!(mixed.to_string(), "A-9.eXaMpLe.");
        assert_eq!(mixed, name);
        assert!(!mixed.same_case(&name));
    }
}
