//! Packets picked by what they carry.

mod error;
mod payload;
mod regex;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use self::error::MatchError;
pub use self::payload::searched;
use self::regex::Regex;
use super::Frame;

/// Which packets are wanted, by what they carry: a regular expression over the bytes behind their
/// headers ([`searched`]), as ngrep has it.
///
/// Only packets that carry something are looked at. One packet takes time linear in its length,
/// whatever the expression is. Letters are ASCII's, `.` is any byte but a line feed, and `^` and `$`
/// are the very ends unless `(?m)` is before them; there are no back references and nothing is looked
/// at ahead.
///
/// ```
/// use vision_core::capture::{Frame, Match};
/// use vision_core::wire::LinkType;
///
/// let bytes = [
///     0x45, 0, 0, 32, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
///     0xd4, 0x31, 0x23, 0x82, 0, 12, 0, 0, b'p', b'i', b'n', b'g', // UDP
/// ];
/// let mut wanted = Match::compile("^p.*g$")?;
/// let hit = wanted.take(&Frame::new(LinkType::RAW, &bytes)).expect("a packet that matches");
/// assert_eq!((hit.payload, hit.found), (&b"ping"[..], Some(0..4)));
/// # Ok::<(), vision_core::capture::MatchError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Match {
    regex: Regex,
    inverted: bool,
    after: u64,
    /// How many more packets are taken for the sake of one before them.
    left: u64,
    stopped: bool,
}

/// A packet that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit<'a> {
    /// What was searched.
    pub payload: &'a [u8],
    /// Where that begins, in bytes from the start of the packet.
    pub offset: usize,
    /// Where in it the first match lies; `None` for packets that do not match: those of an
    /// inverted search, and those that follow a match.
    pub found: Option<Range<usize>>,
    /// It is only taken because it follows one that was asked for.
    pub follows: bool,
}

impl Match {
    /// Takes a regular expression, or bytes in hexadecimal behind `hex:`.
    ///
    /// # Errors
    /// Where the expression makes no sense, or takes more than a megabyte of memory.
    pub fn compile(pattern: &str) -> Result<Self, MatchError> {
        Self::new(pattern, false)
    }

    /// The same, taking small and capital letters of ASCII for each other; bytes given in
    /// hexadecimal stay what they are.
    ///
    /// # Errors
    /// As [`Match::compile`].
    pub fn compile_any_case(pattern: &str) -> Result<Self, MatchError> {
        Self::new(pattern, true)
    }

    fn new(pattern: &str, any_case: bool) -> Result<Self, MatchError> {
        let regex = match pattern.strip_prefix("hex:") {
            Some(digits) => Regex::bytes(&error::bytes(digits, pattern.len() - digits.len())?)?,
            None => Regex::parse(pattern, any_case)?,
        };
        Ok(Self { regex, inverted: false, after: 0, left: 0, stopped: false })
    }

    /// Takes the packets that carry something and do not match.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        self.inverted = true;
        self
    }

    /// Takes of as many IP packets after each wanted one those that carry something as well.
    #[must_use]
    pub fn after(mut self, packets: u64) -> Self {
        self.after = packets;
        self
    }

    /// Has no further packet taken but those that follow one that was.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Tells whether the next packet may be taken for the sake of those before it.
    pub fn is_following(&self) -> bool {
        self.left > 0
    }

    /// Decides about the next packet of a capture.
    pub fn take<'a>(&mut self, frame: &Frame<'a>) -> Option<Hit<'a>> {
        let payload = searched(frame)?;
        let follows = self.left > 0;
        self.left = self.left.saturating_sub(1);
        if payload.is_empty() {
            return None;
        }
        let found = self.regex.find(payload);
        // The payload is part of the packet.
        let offset = payload.as_ptr().addr().saturating_sub(frame.data.as_ptr().addr());
        let wanted = found.is_some() != self.inverted && !self.stopped;
        if wanted {
            self.left = self.after;
        }
        let follows = follows && !wanted;
        (wanted || follows).then_some(Hit { payload, offset, found, follows })
    }

    /// Returns where the first match in these bytes begins and ends.
    pub fn find(&mut self, bytes: &[u8]) -> Option<Range<usize>> {
        self.regex.find(bytes)
    }
}
