//! Names in certificates, as far as a person is shown them (X.501, DER by X.690).

use crate::base::Untrusted;

/// `id-at-commonName`, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;

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
    fn wildcards_stand_for_one_label() {
        assert!(matches(b"*.Example.test", "a.example.test."));
        assert!(!matches(b"*.example.test", "a.b.example.test"));
        assert!(!matches(b"*.example.test", "example.test"));
        assert!(matches(b"db", "DB") && !matches(b"", ""));
    }
}
