//! Messages as bytes: out to a file, in from one.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use vision_core::probe::DnsReport;
use vision_core::wire::dns::Message;
use vision_core::{Error, Result};

use crate::command::Ended;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::dns::Shown;

/// Largest file read: a message has at most 64 KiB, in hexadecimal with comments a few times that.
const MOST: u64 = 1 << 20;

/// Writes the bytes of the answer.
///
/// # Errors
/// [`Error::Invalid`] naming the file, and [`Error::NotFound`] without an answer.
pub fn save(path: &Path, report: &DnsReport) -> Result<()> {
    let wire = report.decisive().and_then(|attempt| attempt.wire.as_ref());
    let wire = wire.ok_or_else(|| Error::NotFound("answer to write".to_owned()))?;
    let written = fs::write(path, wire.answer.as_bytes());
    written.map_err(|source| Error::Invalid { what: "file", why: about(path, &source) })
}

/// Shows the message in a file.
pub fn show(path: &Path, context: &mut Context) -> Ended {
    let bytes = read(path)
        .map_err(|source| Error::Invalid { what: "message", why: about(path, &source) })?;
    let wire = from_hex(&bytes).unwrap_or(bytes);
    let message = Message::decode(&wire).map_err(|error| {
        let why = format!("`{}` ({} bytes): {error}", path.display(), wire.len());
        Error::Invalid { what: "message", why }
    })?;
    context.out.report(&Shown(&message))?;
    Ok(if message.stopped.is_none() { Outcome::Yes } else { Outcome::No })
}

fn about(path: &Path, source: &io::Error) -> String {
    format!("`{}`: {source}", path.display())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path.as_os_str() == "-" {
        true => io::stdin().lock().take(MOST).read_to_end(&mut bytes)?,
        false => fs::File::open(path)?.take(MOST).read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

/// Reads digits in pairs, blanks, and comments after `;` as drill writes them; `None` if there is
/// anything else, which makes it raw.
fn from_hex(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut digits = Vec::new();
    for line in text.lines() {
        let line = line.split(';').next().unwrap_or_default();
        for c in line.chars().filter(|c| !c.is_whitespace()) {
            digits.push(u8::try_from(c.to_digit(16)?).ok()?);
        }
    }
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(high << 4 | low),
        _ => None,
    });
    pairs.collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty())
}
