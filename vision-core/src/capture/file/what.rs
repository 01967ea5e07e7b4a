use std::fmt;
use std::io::Read;
use std::path::Path;

use super::reader::open;
use super::{Compression, Endian, FileError, Format, Interface, Precision, Reader, Section};

/// How much of a stream is read to say what it is, in bytes after unpacking.
const ENOUGH: u64 = 1 << 20;

/// What a capture file is, by its beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct What {
    /// How it is laid out.
    pub format: Format,
    /// How it is packed.
    pub compression: Option<Compression>,
    /// Its byte order; of pcapng that of the first section.
    pub endian: Endian,
    /// What time stamps count; `None` where interfaces have their own units.
    pub precision: Option<Precision>,
    /// Version of the format, first and second number; `None` where it is not known.
    pub version: Option<(u16, u16)>,
    /// Its interfaces with link type and snap length: those described before the first packet.
    pub interfaces: Vec<Interface>,
    /// What the first section says of itself.
    pub section: Option<Section>,
}

/// Says what the file at `path` is; only its beginning is read.
///
/// # Errors
/// As [`Reader::open`]; [`FileError::NotCapture`] says what other files are.
pub fn sniff_path(path: impl AsRef<Path>) -> Result<What, FileError> {
    sniff(open(path.as_ref())?)
}

/// Says what a stream is; only its beginning is read.
///
/// # Errors
/// As [`Reader::new`]; [`FileError::NotCapture`] says what other streams are.
pub fn sniff(source: impl Read + Send + 'static) -> Result<What, FileError> {
    let mut reader = Reader::new(source)?;
    let endian = reader.endian();
    let pcapng = reader.format() == Format::Pcapng;
    let section = pcapng.then(|| reader.section().clone());
    // Interfaces come before their packets; damage behind the first is another matter.
    while pcapng && reader.offset() < ENOUGH {
        match reader.next_item() {
            Ok(Some(super::Item::Block(_))) => {}
            _ => break,
        }
    }
    let pcap = reader.pcap_header();
    Ok(What {
        format: reader.format(),
        compression: reader.compression(),
        endian,
        precision: pcap.map(|it| it.precision),
        version: pcap.map(|it| it.version),
        interfaces: reader.interfaces().to_vec(),
        section,
    })
}

/// What a file is that is no capture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// It holds nothing.
    Nothing,
    /// Something else inside a compressed file.
    Packed(Compression, Box<Kind>),
    /// A well-known kind, in words.
    Known(&'static str),
    /// PEM armour with its label, `CERTIFICATE`.
    Pem(String),
    /// Readable text.
    Text,
    /// None of these; its first four bytes.
    Unknown([u8; 4]),
}

const KNOWN: &[(&[u8], &str)] = &[
    (b"\x7fELF", "an ELF program or library"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "bzip2 data; unpack it first"),
    (b"\xfd7zXZ\0", "xz data; unpack it first"),
    (b"\x04\x22\x4d\x18", "lz4 data; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!", "a rar archive"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"SQLite format 3", "an SQLite database"),
    (b"!<arch>", "an ar archive"),
    (b"#!", "a script"),
    (b"RTSS", "a Network Monitor 1 capture; convert it to pcapng first"),
    (b"GMBU", "a Network Monitor 2 capture; convert it to pcapng first"),
    (b"btsnoop\0", "a Bluetooth snoop log; convert it to pcapng first"),
    (b"{", "JSON text"),
];

impl Kind {
    /// Looks at the first bytes of something.
    pub fn of(head: &[u8]) -> Self {
        if head.is_empty() {
            return Self::Nothing;
        }
        if let Some(label) = pem(head) {
            return Self::Pem(label);
        }
        let known = KNOWN.iter().find(|(magic, _)| head.starts_with(magic));
        if let Some((_, name)) = known {
            return Self::Known(name);
        }
        if head.get(257..262) == Some(b"ustar") {
            return Self::Known("a tar archive; unpack it first");
        }
        if der(head) {
            return Self::Known("DER-encoded ASN.1, such as a certificate or a key");
        }
        let readable = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..);
        if head.iter().all(readable) {
            return Self::Text;
        }
        let mut first = [0; 4];
        first.iter_mut().zip(head).for_each(|(to, from)| *to = *from);
        Self::Unknown(first)
    }
}

fn pem(head: &[u8]) -> Option<String> {
    let text = head.trim_ascii_start().strip_prefix(b"-----BEGIN ")?;
    let label = text.get(..text.iter().position(|b| *b == b'-')?)?;
    let plain = label.len() < 64
        && label.iter().all(|b| b.is_ascii_uppercase() || *b == b' ' || b.is_ascii_digit());
    plain.then(|| String::from_utf8_lossy(label).into_owned())
}

/// A sequence whose length in the long form is followed by another type of ASN.1.
fn der(head: &[u8]) -> bool {
    matches!(head, [0x30, 0x82, _, _, 0x30 | 0x02, ..] | [0x30, 0x81, _, 0x30 | 0x02, ..])
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Packed(how, what) => write!(f, "{how} data that holds {what}"),
            Self::Known(name) => f.write_str(name),
            Self::Pem(label) => write!(f, "PEM text: {label}"),
            Self::Text => f.write_str("text"),
            Self::Unknown([a, b, c, d]) => {
                write!(f, "data that begins with {a:02x} {b:02x} {c:02x} {d:02x}")
            }
        }
    }
}
