//! The bytes themselves, below the line.

use vision_core::capture::{Frame, searched};

use super::bytes::digit;

/// Which bytes are shown, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dump {
    /// What stands in a line.
    pub form: Form,
    /// The link-layer header as well.
    pub link: bool,
}

/// How bytes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Hexadecimal (`-x`).
    Hex,
    /// Hexadecimal and text beside it (`-X`).
    Both,
    /// Text (`-A`).
    Text,
    /// What the packet carries, as text (`--text`).
    Lines,
}

impl Dump {
    /// Writes what was asked for of a packet.
    pub(super) fn packet(self, out: &mut Vec<u8>, frame: &Frame<'_>, header: usize) {
        match self.form {
            Form::Lines => lines(out, searched(frame).unwrap_or_default()),
            _ => self.put(out, frame.data, header),
        }
    }

    /// Writes the bytes of a packet whose link-layer header has `header` of them.
    pub(super) fn put(self, out: &mut Vec<u8>, data: &[u8], header: usize) {
        let from = if self.link { 0 } else { header };
        let data = data.get(from..).unwrap_or_default();
        match self.form {
            Form::Text => text(out, data),
            Form::Hex | Form::Both | Form::Lines => {
                for (n, row) in data.chunks(16).enumerate() {
                    out.extend_from_slice(b"\n\t0x");
                    for shift in [12, 8, 4, 0] {
                        out.push(digit((((n * 16) >> shift) & 15) as u8));
                    }
                    out.extend_from_slice(b": ");
                    self.row(out, row);
                }
            }
        }
    }

    fn row(self, out: &mut Vec<u8>, row: &[u8]) {
        let start = out.len();
        for (n, byte) in row.iter().enumerate() {
            if n % 2 == 0 {
                out.push(b' ');
            }
            out.extend([digit(byte >> 4), digit(byte & 15)]);
        }
        if self.form == Form::Both {
            out.resize(start + 40, b' ');
            out.extend_from_slice(b"  ");
            out.extend(row.iter().map(|byte| if byte.is_ascii_graphic() { *byte } else { b'.' }));
        }
    }
}

fn text(out: &mut Vec<u8>, data: &[u8]) {
    out.push(b'\n');
    for (n, byte) in data.iter().enumerate() {
        match byte {
            b'\r' if data.get(n + 1) == Some(&b'\n') => {}
            b'\n' | b'\t' | b' '..=b'~' => out.push(*byte),
            _ => out.push(b'.'),
        }
    }
}

/// Line feeds stand, and all else that is no character of ASCII is a dot.
fn lines(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.is_empty() {
        return;
    }
    out.push(b'\n');
    let plain = |byte: &u8| if matches!(byte, b'\n' | b' '..=b'~') { *byte } else { b'.' };
    out.extend(payload.iter().map(plain));
}
