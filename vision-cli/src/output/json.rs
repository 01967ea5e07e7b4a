use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// Writes one object and a line feed.
pub fn line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    value_only(out, value)?;
    out.write_all(b"\n")
}

/// Writes one value and nothing after it.
pub fn value_only<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let mut serializer = Serializer::with_formatter(out, Safe);
    Ok(value.serialize(&mut serializer)?)
}

/// Escapes, beyond what JSON demands, what could deceive whoever looks at it on a terminal:
/// DEL, C1 controls, direction overrides and invisible characters.
struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_deceptive(*c)) {
            let (plain, tail) = rest.split_at(at);
            CompactFormatter.write_string_fragment(writer, plain)?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.get(c.len_utf8()..).unwrap_or_default();
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

fn is_deceptive(c: char) -> bool {
    // What the text form would not show as it is, JSON does not either; ASCII is JSON's own affair.
    c == '\x7f'
        || (!c.is_ascii() && super::esc(c.encode_utf8(&mut [0; 4])).to_string().starts_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_written_raw_and_all_read_back() {
        let text = "a\x1b\x7f\u{9b}\u{202e}\u{e0001}é\"\\";
        let mut bytes = Vec::new();
        line(&mut bytes, &text).expect("a vector takes all");
        let written = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(written, "\"a\\u001b\\u007f\\u009b\\u202e\\udb40\\udc01é\\\"\\\\\"\n");
        assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), text);
    }
}
