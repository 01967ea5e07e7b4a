use std::fmt::{self, Write};

/// Bytes that somebody else chose: interface names, process names, DNS text, banners.
///
/// There is no `Display`: whoever prints it says how, through [`Untrusted::escaped`].
///
/// ```
/// use vision_core::Untrusted;
///
/// let name = Untrusted::from(&b"\x1b[31mx"[..]);
/// assert_eq!(name.escaped().to_string(), "\\x1b[31mx");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Untrusted(Vec<u8>);

impl Untrusted {
    /// Returns the bytes as they came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns a form that is safe on a terminal and in one line.
    pub fn escaped(&self) -> Escaped<'_> {
        Escaped(&self.0)
    }

    /// Returns the bytes in hexadecimal if they are not UTF-8; the twin field in JSON.
    pub fn hex_unless_utf8(&self) -> Option<String> {
        match std::str::from_utf8(&self.0) {
            Ok(_) => None,
            Err(_) => Some(self.0.iter().map(|b| format!("{b:02x}")).collect()),
        }
    }
}

impl From<&[u8]> for Untrusted {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Untrusted {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl PartialEq<str> for Untrusted {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Debug for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escaped())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Untrusted {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Untrusted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into_bytes()))
    }
}

/// Bytes made safe for a terminal; see [`Untrusted::escaped`].
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Escapes bytes that are only borrowed.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                escape(c, f)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

fn escape(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        '\\' => f.write_str("\\\\"),
        '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", u32::from(c)),
        c if is_deceptive(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
        c => f.write_char(c),
    }
}

/// C1 controls, direction overrides, zero-width and other invisible characters, line separators.
fn is_deceptive(c: char) -> bool {
    matches!(u32::from(c),
        0x80..=0x9f | 0xad | 0x61c | 0x115f | 0x1160 | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e
        | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff9..=0xfffb
        | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_the_cursor_survives() {
        let hostile = "a\x1b]52;c;x\x07\r\n\u{9b}31m\u{202e}\u{200b}z\\";
        let text = Untrusted::from(hostile).escaped().to_string();
        assert_eq!(text, "a\\x1b]52;c;x\\x07\\x0d\\x0a\\u{9b}31m\\u{202e}\\u{200b}z\\\\");
    }

    #[test]
    fn bytes_that_are_not_utf8_have_a_twin_in_hex() {
        let name = Untrusted::from(&b"eth\xff"[..]);
        assert_eq!(name.escaped().to_string(), "eth\\xff");
        assert_eq!(name.hex_unless_utf8().as_deref(), Some("657468ff"));
        assert_eq!(Untrusted::from("eth0").hex_unless_utf8(), None);
    }
}
