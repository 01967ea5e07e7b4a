use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Escaped, Result};

/// Bytes to send or to look for, written as text with the escapes of C: `PING\r\n`, `\x00\377`.
///
/// Known are `\a \b \e \f \n \r \t \v \\ \' \" \?`, up to three octal digits, `\x` with two
/// hexadecimal digits, and `\u{…}` for a character; anything else after a backslash is refused.
///
/// ```
/// use vision_core::probe::Payload;
///
/// assert_eq!(r"PING\r\n".parse::<Payload>()?.as_bytes(), b"PING\r\n");
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl FromStr for Payload {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((plain, escape)) = rest.split_once('\\') {
            bytes.extend_from_slice(plain.as_bytes());
            rest = unescape(escape, &mut bytes).ok_or_else(|| {
                let shown: String = escape.chars().take(9).collect();
                let why = "after a backslash means nothing; for a backslash write two";
                Error::invalid("escape", format!("`{shown}` {why}"))
            })?;
        }
        bytes.extend_from_slice(rest.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped::new(&self.0).fmt(f)
    }
}

/// Reads what follows a backslash, and returns what follows that.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let mut rest = text.chars();
    let byte = match rest.next()? {
        'a' => 0x07,
        'b' => 0x08,
        'e' => 0x1b,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        c @ ('\\' | '\'' | '"' | '?') => u8::try_from(c).ok()?,
        'x' => {
            let digits = text.get(1..3)?;
            bytes.push(number(digits, 16)?);
            return text.get(3..);
        }
        'u' => {
            let (digits, after) = text.strip_prefix("u{")?.split_once('}')?;
            let c = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(after);
        }
        '0'..='7' => {
            let octal = |c: char| !('0'..='7').contains(&c);
            let length = text.find(octal).unwrap_or(text.len()).min(3);
            bytes.push(number(text.get(..length)?, 8)?);
            return text.get(length..);
        }
        _ => return None,
    };
    bytes.push(byte);
    Some(rest.as_str())
}

fn number(digits: &str, radix: u32) -> Option<u8> {
    // from_str_radix would take a sign.
    digits.chars().all(|c| c.is_digit(radix)).then_some(())?;
    u8::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_c() {
        let read = |text: &str| text.parse::<Payload>().map(|p| p.0).ok();
        assert_eq!(read(r"PING\r\n"), Some(b"PING\r\n".to_vec()));
        assert_eq!(
            read(r"\x00\xFf\377\0a\08\\\?é"),
            Some(b"\0\xff\xff\0a\x008\\?\xc3\xa9".to_vec())
        );
        assert_eq!(read(r"\u{20ac}!"), Some("€!".as_bytes().to_vec()));
        assert_eq!(read(""), Some(Vec::new()));
        for bad in [r"\", r"a\q", r"\x1", r"\x+1", r"\400", r"\u{d800}", r"\u20ac", r"\xé1"] {
            let refusal = bad.parse::<Payload>().expect_err(bad).to_string();
            let after = bad.split_once('\\').map(|(_, after)| format!("`{after}` after"));
            assert!(refusal.contains(&after.expect("a backslash")), "{refusal}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        let payload = Payload::from(all);
        assert_eq!(payload.to_string().parse::<Payload>().ok(), Some(payload));
    }
}
