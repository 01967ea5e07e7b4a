use crate::wire::packet::Proto;
use crate::wire::packet::part::Part;
use crate::wire::packet::walk::{Next, Step, end};

/// The head of an HTTP/1 message, as far as the segment has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http<'a> {
    /// The first line.
    pub line: HttpLine<'a>,
    /// The value of `Host`.
    pub host: Option<&'a [u8]>,
    /// The lines of fields as they stand, without the first line and the empty one.
    pub raw_fields: &'a [u8],
}

/// The first line of a message, in the bytes it came in.
// Closed: a message asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpLine<'a> {
    /// What is asked for.
    Request {
        /// What to do with it.
        method: &'a [u8],
        /// The path, or the whole address.
        target: &'a [u8],
        /// `HTTP/1.1`.
        version: &'a [u8],
    },
    /// What came of it.
    Response {
        /// `HTTP/1.1`.
        version: &'a [u8],
        /// The status, three digits.
        status: u16,
        /// The words behind it.
        reason: &'a [u8],
    },
}

impl<'a> Http<'a> {
    /// Walks the fields as pairs of name and value.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        self.raw_fields.split(|byte| *byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
        })
    }
}

/// The longest first line that is looked at.
const MAX_LINE: usize = 8192;

const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"NOTIFY",
    b"M-SEARCH",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"RPC_IN_DATA",
    b"RPC_OUT_DATA",
    b"BITS_POST",
    b"CCM_POST",
    b"PURGE",
];

/// Tells whether bytes begin like a message.
pub(super) fn is_first_line(data: &[u8]) -> bool {
    if data.starts_with(b"HTTP/1.") || data.starts_with(b"HTTP/2.") {
        return true;
    }
    let word = data.iter().take(13).position(|byte| *byte == b' ');
    let word = word.and_then(|end| data.get(..end));
    word.is_some_and(|word| METHODS.contains(&word)) && first_line(data).is_some()
}

fn first_line(data: &[u8]) -> Option<HttpLine<'_>> {
    let line = data.get(..MAX_LINE).unwrap_or(data).split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (first, rest) = word(line);
    if first.starts_with(b"HTTP/") {
        let (status, reason) = word(rest);
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        return Some(HttpLine::Response { version: first, status, reason });
    }
    let last = rest.iter().rposition(|byte| *byte == b' ').unwrap_or(rest.len());
    let (target, version) = rest.split_at_checked(last)?;
    Some(HttpLine::Request { method: first, target, version: version.trim_ascii() })
}

fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (word, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    (word, rest.trim_ascii_start())
}

pub(super) fn http(part: Part<'_>) -> Step<'_> {
    let Some(line) = first_line(part.data) else { return Ok(None) };
    let first =
        part.data.iter().position(|byte| *byte == b'\n').map_or(part.data.len(), |at| at + 1);
    let rest = part.after(first).data;
    let fields = fields_len(rest);
    let raw_fields = rest.get(..fields).unwrap_or(rest);
    let mut http = Http { line, host: None, raw_fields };
    http.host = http.fields().find(|(name, _)| name.eq_ignore_ascii_case(b"host")).map(|it| it.1);
    let blank = match rest.get(fields..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b'\n', ..]) => 1,
        _ => 0,
    };
    end(Proto::Http(http), first + fields + blank, Next::Nothing, part)
}

/// Measures the lines before the empty one.
fn fields_len(bytes: &[u8]) -> usize {
    let mut at = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        at += line.len();
    }
    at
}
