use std::fmt;

use crate::base::Error;
use crate::capture::point;

/// Why a pattern cannot be searched for, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MatchError {
    /// Where in the pattern the fault lies, in bytes from its beginning.
    pub at: usize,
    /// How many bytes of it are at fault; 0 at its end.
    pub length: usize,
    /// What is wrong there, or what was expected.
    pub message: String,
}

impl MatchError {
    pub(super) fn new(at: usize, length: usize, message: impl Into<String>) -> Self {
        Self { at, length, message: message.into() }
    }

    /// Returns the line of the pattern with the fault and, below, a line that points at it.
    ///
    /// ```
    /// use vision_core::capture::Match;
    ///
    /// let error = Match::compile("GET (/|").expect_err("an open group");
    /// assert_eq!(error.pointed("GET (/|"), "GET (/|\n    ^");
    /// ```
    pub fn pointed(&self, pattern: &str) -> String {
        point::pointed(pattern, self.at, self.length)
    }
}

impl fmt::Display for MatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.at)
    }
}

impl std::error::Error for MatchError {}

impl From<MatchError> for Error {
    fn from(error: MatchError) -> Self {
        Self::invalid("pattern", error.to_string())
    }
}

/// Reads pairs of hexadecimal digits, `0x` before them or not, blanks or colons between them or
/// not; `before` bytes of the pattern are in front of them.
pub(super) fn bytes(digits: &str, before: usize) -> Result<Vec<u8>, MatchError> {
    let bare = digits.strip_prefix("0x").unwrap_or(digits);
    let before = before + digits.len() - bare.len();
    let (mut bytes, mut half) = (Vec::new(), None);
    for (at, c) in bare.char_indices() {
        let Some(digit) = c.to_digit(16).and_then(|it| u8::try_from(it).ok()) else {
            if half.is_none() && matches!(c, ' ' | ':') {
                continue;
            }
            let message = format!("`{}` is no hexadecimal digit", c.escape_default());
            return Err(MatchError::new(before + at, c.len_utf8(), message));
        };
        match half.take() {
            None => half = Some((at, digit)),
            Some((_, high)) => bytes.push(high << 4 | digit),
        }
    }
    match half {
        Some((at, _)) => Err(MatchError::new(before + at, 1, "half a byte; bytes have two digits")),
        None if bytes.is_empty() => {
            Err(MatchError::new(before, 0, "no bytes to search for, as in hex:0d0a"))
        }
        None => Ok(bytes),
    }
}
