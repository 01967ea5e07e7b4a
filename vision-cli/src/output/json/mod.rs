//! JSON as this program writes it: compact, and safe to look at on a terminal.

pub mod route;
mod serializer;

use std::io::{self, Write};

use serde::Serialize;

use self::serializer::Json;

/// Writes one object and a line feed.
pub fn line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    let mut bytes = Vec::new();
    append(&mut bytes, value)?;
    bytes.push(b'\n');
    out.write_all(&bytes)
}

/// Appends one value to what is there already.
#[inline]
pub fn append<T: Serialize>(out: &mut Vec<u8>, value: &T) -> io::Result<()> {
    Ok(value.serialize(&mut Json::new(out))?)
}

/// As [`append`], and notes which members were left out.
pub fn append_noting<T: Serialize>(
    out: &mut Vec<u8>,
    value: &T,
    absent: &mut Vec<&'static str>,
) -> io::Result<()> {
    Ok(value.serialize(&mut Json::noting(out, absent))?)
}

/// An object whose members come from several places.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    absent: Option<&'a mut Vec<&'static str>>,
    begun: bool,
}

impl<'a> Object<'a> {
    /// Begins it.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, absent: None, begun: false }
    }

    /// Begins it, noting which members are left out.
    pub fn noting(out: &'a mut Vec<u8>, absent: &'a mut Vec<&'static str>) -> Self {
        Self { out, absent: Some(absent), begun: false }
    }

    /// Adds the members of another object.
    pub fn members<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        let start = self.out.len();
        match &mut self.absent {
            None => append(self.out, value)?,
            Some(absent) => append_noting(self.out, value, absent)?,
        }
        // `{…}` becomes `,…` but for the first one, and nothing if there is nothing in it.
        self.out.pop();
        let empty = self.out.len() == start + 1;
        match self.out.get_mut(start) {
            _ if empty => self.out.truncate(start),
            Some(brace) if self.begun => *brace = b',',
            _ => {}
        }
        self.begun |= !empty;
        Ok(())
    }

    /// Begins it with members that are written by hand, if `open` can: an object without its end.
    /// Where absent members are noted, the long way is the only one.
    pub fn begin_with(&mut self, open: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let by_hand = !self.begun && self.absent.is_none() && open(self.out);
        self.begun |= by_hand;
        by_hand
    }

    /// Adds one member; the name is a plain word.
    pub fn member<T: Serialize>(&mut self, name: &str, value: &T) -> io::Result<()> {
        self.out.extend_from_slice(if self.begun { b",\"" } else { b"{\"" });
        self.begun = true;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        append(self.out, value)
    }

    /// Ends it.
    pub fn end(self) {
        self.out.extend_from_slice(if self.begun { b"}" } else { b"{}" });
    }
}

/// Appends a string, escaping beyond what JSON demands whatever could deceive a reader on a
/// terminal: DEL, C1 controls, direction overrides and invisible characters.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    inner(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotation marks.
#[inline]
fn inner(out: &mut Vec<u8>, text: &str) {
    match is_plain(text.as_bytes()) {
        true => out.extend_from_slice(text.as_bytes()),
        false => text.chars().for_each(|c| escaped(out, c)),
    }
}

/// Tells whether all stands in JSON as it is. Rows are full of short strings, so that the look at
/// each takes as long as all the rest: eight bytes at a time, the last eight maybe twice.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'"' && *byte != b'\\';
    let whole = |bytes: &[u8; 8]| all_plain(u64::from_ne_bytes(*bytes));
    match (text.last_chunk(), text.first_chunk(), text.last_chunk()) {
        (Some(last), ..) => text.as_chunks().0.iter().all(whole) && whole(last),
        (_, Some([a, b, c, d]), Some([e, f, g, h])) => whole(&[*a, *b, *c, *d, *e, *f, *g, *h]),
        _ => text.iter().all(plain),
    }
}

/// The same for eight bytes: in none of them a bit remains that tells of a control character, a
/// quotation mark, a backslash, DEL or anything beyond ASCII.
#[inline]
fn all_plain(bytes: u64) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let below = |least: u8| bytes.wrapping_sub(ONES * u64::from(least)) & !bytes;
    let is = |byte: u8| {
        let zero_where = bytes ^ (ONES * u64::from(byte));
        zero_where.wrapping_sub(ONES) & !zero_where
    };
    (below(b' ') | is(b'"') | is(b'\\') | is(0x7f) | bytes) & HIGH == 0
}

#[cold]
fn escaped(out: &mut Vec<u8>, c: char) {
    let short = match c {
        '"' | '\\' => c,
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        _ if c < ' ' || is_deceptive(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
            return;
        }
        _ => return out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    out.extend_from_slice(&[b'\\', short as u8]);
}

/// Tells whether a terminal would show something else, or nothing.
pub fn is_deceptive(c: char) -> bool {
    // What the text form would not show as it is, JSON does not either; ASCII is JSON's own affair.
    c == '\x7f'
        || (!c.is_ascii() && super::esc(c.encode_utf8(&mut [0; 4])).to_string().starts_with('\\'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    fn written<T: Serialize>(value: &T) -> String {
        let mut bytes = Vec::new();
        append(&mut bytes, value).expect("a vector takes all");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn no_control_character_is_written_raw_and_all_read_back() {
        let text = "a\x1b\x7f\u{9b}\u{202e}\u{e0001}é\"\\\r\n\t\x08";
        let written = written(&text);
        let wanted = "\"a\\u001b\\u007f\\u009b\\u202e\\udb40\\udc01é\\\"\\\\\\r\\n\\t\\u0008\"";
        assert_eq!(written, wanted);
        assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), text);
    }

    #[test]
    fn every_byte_is_looked_at_wherever_it_stands() {
        for len in 0..=20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'~'; len];
                    text[at] = byte;
                    let plain = matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte);
                    assert_eq!(is_plain(&text), plain, "{byte} at {at} of {len}");
                    text.fill(b' ');
                    text[at] = byte;
                    assert_eq!(is_plain(&text), plain, "{byte} at {at} of {len}");
                }
            }
        }
    }

    #[derive(Serialize)]
    enum Kind {
        Unit,
        Newtype(i64),
        Tuple(u8, bool),
        Struct { a: f64, b: Option<()> },
    }

    #[derive(Serialize)]
    struct Everything {
        kinds: Vec<Kind>,
        map: BTreeMap<u32, char>,
        named: BTreeMap<&'static str, Vec<u8>>,
        pair: (i8, f32),
        big: (u64, i64, u128),
        odd: f64,
        empty: [u8; 0],
        #[serde(flatten)]
        inner: Inner,
        #[serde(skip_serializing_if = "Option::is_none")]
        left_out: Option<u8>,
    }

    #[derive(Serialize)]
    struct Inner {
        text: &'static str,
        nothing: Option<u8>,
        something: Option<u8>,
    }

    #[test]
    fn it_writes_what_serde_json_writes() {
        let value = Everything {
            kinds: vec![
                Kind::Unit,
                Kind::Newtype(-7),
                Kind::Tuple(255, true),
                Kind::Struct { a: 0.1, b: None },
            ],
            map: BTreeMap::from([(1, 'x'), (20, 'é')]),
            named: BTreeMap::from([("k", vec![1, 2]), ("e", vec![])]),
            pair: (-128, 1.5),
            big: (u64::MAX, i64::MIN, u128::MAX),
            odd: f64::NAN,
            empty: [],
            inner: Inner { text: "plain", nothing: None, something: Some(0) },
            left_out: None,
        };
        assert_eq!(written(&value), serde_json::to_string(&value).expect("JSON"));
    }

    #[test]
    fn objects_join() {
        let inner = Inner { text: "a", nothing: None, something: None };
        let mut out = Vec::new();
        let mut object = Object::new(&mut out);
        object.members(&BTreeMap::<String, u8>::new()).expect("empty");
        object.members(&inner).expect("members");
        object.members(&BTreeMap::<String, u8>::new()).expect("empty");
        object.member("more", &[1]).expect("a member");
        object.members(&BTreeMap::from([("last", 2)])).expect("members");
        object.end();
        let wanted = r#"{"text":"a","nothing":null,"something":null,"more":[1],"last":2}"#;
        assert_eq!(String::from_utf8(out).expect("UTF-8"), wanted);
        let mut out = Vec::new();
        Object::new(&mut out).end();
        assert_eq!(out, b"{}");
    }
}
