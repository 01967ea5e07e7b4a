use std::net::IpAddr;

use crate::output::json;
use crate::output::text::Put;

/// Members of an object that has begun: each brings its comma.
pub(super) trait Member {
    /// A number.
    fn field(&mut self, name: &str, number: impl Into<u64>);
    /// A number, if there is one.
    fn maybe(&mut self, name: &str, number: Option<impl Into<u64>>);
    /// Yes or no.
    fn flag(&mut self, name: &str, value: bool);
    /// A word of our own.
    fn word(&mut self, name: &str, word: &str);
    /// An address.
    fn addr(&mut self, name: &str, addr: impl Into<IpAddr>);
    /// An Ethernet address.
    fn ether(&mut self, name: &str, mac: &[u8; 6]);
    /// Text from the packet; under `name_hex` where it is not UTF-8.
    fn said(&mut self, name: &str, bytes: &[u8]);
    /// Bytes as they stand, under `name_hex`.
    fn hex(&mut self, name: &str, bytes: &[u8]);
    /// The beginning of a member.
    fn key(&mut self, name: &str);
    /// A list.
    fn list<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        each: impl FnMut(&mut Vec<u8>, T),
    );
}

impl Member for Vec<u8> {
    #[inline]
    fn key(&mut self, name: &str) {
        self.put(",\"");
        self.put(name);
        self.put("\":");
    }

    #[inline]
    fn field(&mut self, name: &str, number: impl Into<u64>) {
        self.key(name);
        self.uint(number.into());
    }

    #[inline]
    fn maybe(&mut self, name: &str, number: Option<impl Into<u64>>) {
        if let Some(number) = number {
            self.field(name, number);
        }
    }

    #[inline]
    fn flag(&mut self, name: &str, value: bool) {
        self.key(name);
        self.put(if value { "true" } else { "false" });
    }

    #[inline]
    fn word(&mut self, name: &str, word: &str) {
        self.key(name);
        self.push(b'"');
        self.put(word);
        self.push(b'"');
    }

    #[inline]
    fn addr(&mut self, name: &str, addr: impl Into<IpAddr>) {
        self.key(name);
        self.push(b'"');
        self.ip(addr.into());
        self.push(b'"');
    }

    #[inline]
    fn ether(&mut self, name: &str, mac: &[u8; 6]) {
        self.key(name);
        let mut text = *b"\"00:00:00:00:00:00\"";
        for (byte, to) in mac.iter().zip(text[1..].chunks_mut(3)) {
            if let [high, low, ..] = to {
                (*high, *low) = (digit(byte >> 4), digit(byte & 15));
            }
        }
        self.extend_from_slice(&text);
    }

    fn said(&mut self, name: &str, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                self.key(name);
                json::string(self, text);
            }
            Err(_) => self.hex(name, bytes),
        }
    }

    fn hex(&mut self, name: &str, bytes: &[u8]) {
        self.put(",\"");
        self.put(name);
        self.put("_hex\":\"");
        self.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        self.push(b'"');
    }

    fn list<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.key(name);
        self.push(b'[');
        for (n, item) in items.enumerate() {
            if n > 0 {
                self.push(b',');
            }
            each(self, item);
        }
        self.push(b']');
    }
}

fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' - 10 + value }
}
