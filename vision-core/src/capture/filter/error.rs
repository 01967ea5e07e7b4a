use std::fmt;

use crate::base::Error;
use crate::capture::point;

/// Why an expression is no filter, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterError {
    /// Where in the expression the fault lies, in bytes from its beginning.
    pub at: usize,
    /// How many bytes of it are at fault; 0 at its end.
    pub length: usize,
    /// What is wrong there, or what was expected.
    pub message: String,
}

impl FilterError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        let length = span.end.saturating_sub(span.at);
        Self { at: span.at, length, message: message.into() }
    }

    /// Returns the line of the expression with the fault and, below, a line that points at it.
    ///
    /// ```
    /// use vision_core::capture::filter::Filter;
    /// use vision_core::wire::LinkType;
    ///
    /// let error = Filter::compile("tcp prot 80", LinkType::ETHERNET).expect_err("no such word");
    /// assert_eq!(error.pointed("tcp prot 80"), "tcp prot 80\n    ^~~~");
    /// ```
    pub fn pointed(&self, expression: &str) -> String {
        point::pointed(expression, self.at, self.length)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.at)
    }
}

impl std::error::Error for FilterError {}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::invalid("filter", error.to_string())
    }
}

/// A part of the expression, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub at: usize,
    pub end: usize,
}

impl Span {
    pub(super) fn to(self, other: Self) -> Self {
        Self { at: self.at, end: other.end.max(self.end) }
    }
}

pub(super) type Checked<T> = Result<T, FilterError>;
