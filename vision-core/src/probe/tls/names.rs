//! Names in certificates, as far as a person is shown them (X.501, DER by X.690).

use crate::base::Untrusted;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The common name in the content of a distinguished name, the last one if there are several.
pub(super) fn common_name(mut name: &[u8]) -> Option<Untrusted> {
    let mut found = None;
    while let Some((SET, mut set, rest)) = element(name) {
        while let Some((SEQUENCE, pair, others)) = element(set) {
            if let Some((OBJECT_IDENTIFIER, COMMON_NAME, value)) = element(pair)
                && let Some((_, text, _)) = element(value)
            {
                found = Some(Untrusted::from(text));
            }
            set = others;
        }
        name = rest;
    }
    found
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

/// First and last second of a certificate's validity, since 1970 (RFC 5280 §4.1.2.5).
pub(super) fn validity(certificate: &[u8]) -> Option<[i64; 2]> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, rest) = element(signed)?;
    // The version may be missing, then the first is the serial number.
    let rest = if tag == VERSION { element(rest)?.2 } else { rest };
    let (_algorithm, _, rest) = element(rest)?;
    let (_issuer, _, rest) = element(rest)?;
    let (_, validity, _) = element(rest)?;
    let (from_tag, from, rest) = element(validity)?;
    let (to_tag, to, _) = element(rest)?;
    Some([seconds(from_tag, from)?, seconds(to_tag, to)?])
}

/// `UTCTime` or `GeneralizedTime`, both in UTC and with seconds.
fn seconds(tag: u8, text: &[u8]) -> Option<i64> {
    let number = |at: usize, length: usize| {
        let digits = text.get(at..at + length)?;
        digits.iter().try_fold(0, |sum: i64, digit| {
            digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
        })
    };
    let (year, at) = match (tag, text.len()) {
        (UTC_TIME, 13) => (number(0, 2).map(|y| if y < 50 { 2000 + y } else { 1900 + y })?, 2),
        (GENERALIZED_TIME, 15) => (number(0, 4)?, 4),
        _ => return None,
    };
    let (month, day) = (number(at, 2)?, number(at + 2, 2)?);
    let (hour, minute, second) = (number(at + 4, 2)?, number(at + 6, 2)?, number(at + 8, 2)?);
    // Years that begin in March, so that leap days end them.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Tells whether a name of a certificate is for a host; `*.` stands for one label.
pub(super) fn matches(pattern: &[u8], host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match pattern.strip_prefix(b"*.") {
        Some(rest) => {
            let parent = host.split_once('.').map(|(_, parent)| parent);
            parent.is_some_and(|parent| parent.as_bytes().eq_ignore_ascii_case(rest))
        }
        None => !host.is_empty() && pattern.eq_ignore_ascii_case(host.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_common_name_is_found_and_nonsense_is_not() {
        // CN=db.test after O=x.
        let name = [
            &[0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 10, 12, 1, b'x'][..],
            &[0x31, 16, 0x30, 14, 6, 3, 0x55, 4, 3, 12, 7],
            b"db.test",
        ]
        .concat();
        assert_eq!(common_name(&name).expect("a name").as_bytes(), b"db.test");
        for cut in 0..name.len() {
            assert!(common_name(&name[..cut]).is_none(), "{cut}");
        }
        assert_eq!(common_name(&[0x31, 0x84, 255, 255, 255, 255]), None);
    }

    #[test]
    fn times_are_read_in_both_forms() {
        for (tag, text, wanted) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20000229120000Z", Some(951_825_600)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "20000229120000Z", None),
            (GENERALIZED_TIME, "2000022912000xZ", None),
        ] {
            assert_eq!(seconds(tag, text.as_bytes()), wanted, "{text}");
        }
        assert_eq!(validity(&[0x30, 3, 0x30, 1, 2]), None);
    }

    #[test]
    fn wildcards_stand_for_one_label() {
        assert!(matches(b"*.Example.test", "a.example.test."));
        assert!(!matches(b"*.example.test", "a.b.example.test"));
        assert!(!matches(b"*.example.test", "example.test"));
        assert!(matches(b"db", "DB") && !matches(b"", ""));
    }
}
