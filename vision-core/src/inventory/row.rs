//! What all rows share: reading names, and what reading a message came to.

use std::net::IpAddr;

#[cfg(feature = "serde")]
use crate::base::LinkAddr;
use crate::base::{Family, Prefix, Untrusted};

/// What a message of a dump turned out to be.
pub(super) enum Row<T> {
    Item(T),
    /// Of no interest: another family, a cached entry.
    Other,
    /// A row that could not be read; counted, so that its loss shows.
    Unreadable,
}

impl<T> From<Option<T>> for Row<T> {
    fn from(row: Option<T>) -> Self {
        row.map_or(Self::Unreadable, Self::Item)
    }
}

/// Takes a name that somebody else chose.
pub(super) fn untrusted(bytes: &[u8]) -> Untrusted {
    Untrusted::from(bytes)
}

/// Takes a name that kernel code chose: a driver, a queueing discipline.
pub(super) fn string(bytes: &[u8]) -> String {
    Untrusted::from(bytes).escaped().to_string()
}

/// Builds a prefix from the length in a header and the address in an attribute.
///
/// Only a length of zero goes without an address; anything else would be a false default route.
#[inline]
pub(super) fn prefix(family: Family, addr: Option<IpAddr>, bits: u8) -> Option<Prefix> {
    match addr {
        None if bits == 0 => Some(Prefix::default_of(family)),
        None => None,
        Some(addr) => Prefix::new(addr, bits).ok().filter(|p| p.family() == family),
    }
}

/// As [`prefix`], from the bytes of an attribute.
///
/// One branch for each version: an address that is put together in one place and copied to the
/// next waits for its own bytes each time, which shows in a dump of a million routes.
#[inline]
pub(super) fn prefix_of(family: Family, bytes: Option<&[u8]>, bits: u8) -> Option<Prefix> {
    let Some(bytes) = bytes else {
        return (bits == 0).then(|| Prefix::default_of(family));
    };
    match family {
        Family::V4 => Prefix::v4(<[u8; 4]>::try_from(bytes).ok()?.into(), bits),
        Family::V6 => Prefix::v6(<[u8; 16]>::try_from(bytes).ok()?.into(), bits),
    }
}

/// Writes a prefix; IPv4 without the machinery of formatting, for there may be a million.
#[cfg(feature = "serde")]
pub(super) fn serialize_prefix<S: serde::Serializer>(
    prefix: &Prefix,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let IpAddr::V4(addr) = prefix.addr() else {
        return serializer.collect_str(prefix);
    };
    let (mut text, mut len) = ([0; 19], 0);
    let [a, b, c, d] = addr.octets();
    for (number, behind) in [(a, b'.'), (b, b'.'), (c, b'.'), (d, b'/'), (prefix.bits(), 0)] {
        let digits = [number / 100, number / 10 % 10, number % 10];
        let leading = usize::from(number < 10) + usize::from(number < 100);
        let digits = digits.iter().skip(leading).map(|digit| b'0' + digit);
        for (byte, place) in digits.chain([behind]).zip(text.iter_mut().skip(len)) {
            *place = byte;
            len += 1;
        }
    }
    // Without the zero behind the length.
    let text = text.get(..len.saturating_sub(1)).unwrap_or_default();
    serializer.serialize_str(std::str::from_utf8(text).unwrap_or_default())
}

/// Writes the address of an interface at once, not byte by byte.
#[cfg(feature = "serde")]
pub(super) fn serialize_lladdr<S: serde::Serializer>(
    addr: &Option<LinkAddr>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let Some(addr) = addr else {
        return serializer.serialize_none();
    };
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    let mut text = String::with_capacity(addr.as_bytes().len() * 3);
    for byte in addr.as_bytes() {
        if !text.is_empty() {
            text.push(':');
        }
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    serializer.serialize_str(&text)
}

/// Clock ticks of 1/100 s (`USER_HZ`) in milliseconds.
pub(super) fn ticks_ms(ticks: u32) -> u64 {
    u64::from(ticks) * 10
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[derive(serde::Serialize)]
    struct Shown(#[serde(serialize_with = "serialize_prefix")] Prefix);

    #[test]
    fn prefixes_are_written_as_they_show_themselves() {
        for text in ["0.0.0.0/0", "10.0.9.255/8", "255.255.255.255/32", "1.20.30.4/24", "fd00::/64"]
        {
            let prefix: Prefix = text.parse().expect("a prefix");
            let json = serde_json::to_string(&Shown(prefix)).expect("serialises");
            assert_eq!(json, format!("\"{text}\""));
        }
    }

    #[derive(serde::Serialize)]
    struct Mac(#[serde(serialize_with = "serialize_lladdr")] Option<LinkAddr>);

    #[test]
    fn addresses_of_interfaces_are_written_as_they_show_themselves() {
        let mac: LinkAddr = "02:0a:ff:00:9b:01".parse().expect("a MAC");
        let json = serde_json::to_string(&Mac(Some(mac))).expect("serialises");
        assert_eq!(json, format!("\"{mac}\""));
        assert_eq!(serde_json::to_string(&Mac(None)).expect("serialises"), "null");
    }

    #[test]
    fn bytes_of_the_wrong_length_are_no_prefix() {
        assert_eq!(prefix_of(Family::V4, None, 0), Some(Prefix::default_of(Family::V4)));
        assert_eq!(prefix_of(Family::V4, None, 8), None);
        assert_eq!(prefix_of(Family::V4, Some(&[10, 0, 0]), 8), None);
        assert_eq!(prefix_of(Family::V4, Some(&[10, 0, 0, 0]), 33), None);
        let wanted = "10.0.0.0/8".parse().ok();
        assert_eq!(prefix_of(Family::V4, Some(&[10, 0, 0, 0]), 8), wanted);
        assert_eq!(prefix_of(Family::V6, Some(&[0; 16]), 0), Some(Prefix::default_of(Family::V6)));
    }
}
