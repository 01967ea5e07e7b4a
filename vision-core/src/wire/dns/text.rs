use std::fmt::{self, Write};

use crate::base::{Error, Result};

/// A character-string: up to 255 bytes that somebody else chose (RFC 1035 §3.3).
///
/// Printed as in a zone file between double quotes, every byte outside printable ASCII as `\DDD`
/// (RFC 1035 §5.1), so that it is safe on a terminal. Serialised in the same form without quotes.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct CharString(Vec<u8>);

impl CharString {
    /// Keeps the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn escaped(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for byte in &self.0 {
            push_escaped(&mut text, *byte, b"\"");
        }
        text
    }
}

impl fmt::Display for CharString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped())
    }
}

impl fmt::Debug for CharString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bytes without a text form of their own: keys, digests, unknown options; hexadecimal in JSON.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Opaque(Vec<u8>);

impl Opaque {
    /// Keeps the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Appends one byte in presentation form; `special` are the printable ones to escape beside `\`.
pub(super) fn push_escaped(text: &mut String, byte: u8, special: &[u8]) {
    match byte {
        b'\\' => text.push_str("\\\\"),
        0x20..=0x7e if special.contains(&byte) => {
            text.push('\\');
            text.push(char::from(byte));
        }
        0x20..=0x7e => text.push(char::from(byte)),
        // Writing to a String cannot fail.
        other => drop(write!(text, "\\{other:03}")),
    }
}

/// Reads one character of presentation form: itself, `\X` or `\DDD` (RFC 1035 §5.1).
///
/// Returns the byte, whether it was escaped, and the rest.
pub(super) fn take_escaped(text: &[u8]) -> Result<(u8, bool, &[u8])> {
    let bad = || Error::invalid("escape", "a backslash is followed by a character or 000 to 255");
    match text {
        [b'\\', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let value = [a, b, c].iter().fold(0, |n: u16, d| n * 10 + u16::from(**d - b'0'));
            Ok((u8::try_from(value).map_err(|_| bad())?, true, rest))
        }
        [b'\\', b'0'..=b'9', ..] | [b'\\'] | [] => Err(bad()),
        [b'\\', byte, rest @ ..] => Ok((*byte, true, rest)),
        [byte, rest @ ..] => Ok((*byte, false, rest)),
    }
}

/// Base 64 with padding (RFC 4648 §4), as keys and signatures are printed.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = encode(bytes, ALPHABET, 6);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Base 32 with the extended hex alphabet and no padding (RFC 4648 §7), as NSEC3 prints owners.
pub(crate) fn base32hex(bytes: &[u8]) -> String {
    encode(bytes, b"0123456789ABCDEFGHIJKLMNOPQRSTUV", 5)
}

fn encode(bytes: &[u8], alphabet: &[u8], bits_per_char: u32) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / bits_per_char as usize + 1);
    let (mut held, mut count) = (0_u32, 0_u32);
    let mut push = |index: u32| {
        let symbol = alphabet.get(index as usize % alphabet.len()).copied().unwrap_or(b'?');
        text.push(char::from(symbol));
    };
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xffff;
        count += 8;
        while count >= bits_per_char {
            count -= bits_per_char;
            push(held >> count);
        }
    }
    if count > 0 {
        push(held << (bits_per_char - count));
    }
    text
}

#[cfg(feature = "serde")]
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::{CharString, Opaque, take_escaped};

    impl Serialize for CharString {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&self.escaped())
        }
    }

    impl<'de> Deserialize<'de> for CharString {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
            while !rest.is_empty() {
                let (byte, _, after) = take_escaped(rest).map_err(D::Error::custom)?;
                bytes.push(byte);
                rest = after;
            }
            Ok(Self(bytes))
        }
    }

    impl Serialize for Opaque {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Opaque {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let bad = || D::Error::custom("not hexadecimal");
            let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
                [high, low] => {
                    let digit = |c: &u8| char::from(*c).to_digit(16).map(|d| d as u8);
                    Some(digit(high)? << 4 | digit(low)?)
                }
                _ => None,
            });
            pairs.collect::<Option<Vec<u8>>>().map(Self).ok_or_else(bad)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_move_a_cursor_are_printed_as_numbers() {
        let text = CharString::new(&b"a\"b\\\x1b[0m\xe2\x80\xae\x9b\r"[..]).to_string();
        assert_eq!(text, "\"a\\\"b\\\\\\027[0m\\226\\128\\174\\155\\013\"");
    }

    #[test]
    fn encodings_agree_with_the_vectors_of_rfc_4648() {
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base32hex(b"foob"), "CPNMUOG");
        assert_eq!(base32hex(b"fooba"), "CPNMUOJ1");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn strings_and_bytes_survive_json() {
        let text = CharString::new(&b"\xff\\\"x\n"[..]);
        let json = serde_json::to_string(&text).expect("serialises");
        assert_eq!(serde_json::from_str::<CharString>(&json).ok(), Some(text));
        let bytes = Opaque::new(vec![0, 0xff]);
        let json = serde_json::to_string(&bytes).expect("serialises");
        assert_eq!((json.as_str(), serde_json::from_str(&json).ok()), ("\"00ff\"", Some(bytes)));
    }
}
