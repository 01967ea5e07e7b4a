use std::fmt;

use super::{Capability, Error};

/// Something that was not looked at, and why; part of every report.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Gap {
    /// What was not looked at.
    pub what: String,
    /// Why not, as one clause.
    pub why: String,
    /// The capability that would have allowed it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub needs: Option<Capability>,
}

impl Gap {
    /// Names what is missing from a report.
    pub fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), needs: None }
    }

    /// Keeps the reason an error gives.
    pub fn because(what: impl Into<String>, error: &Error) -> Self {
        let needs = match error {
            Error::Permission { needs, .. } => Some(*needs),
            _ => None,
        };
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            why = format!("{why}: {inner}");
            cause = inner.source();
        }
        Self { what: what.into(), why, needs }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
