use clap::Args;
use vision_core::Error;
use vision_core::capture::{Match, MatchError};

use crate::output::point;

/// Which packets are taken by what they carry, with the ideas of ngrep.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Searching")]
pub struct SearchArgs {
    /// Take only packets that carry this: a regular expression over bytes, or hex:0d0a
    #[arg(long = "match", value_name = "REGEX", allow_hyphen_values = true)]
    pattern: Option<String>,
    /// Take small and capital letters for each other
    #[arg(long = "match-i", requires = "pattern")]
    any_case: bool,
    /// Take the packets that carry something else
    #[arg(long, requires = "pattern")]
    invert: bool,
    /// Take of the N packets after each match those that carry something as well
    #[arg(long, value_name = "N", requires = "pattern")]
    after: Option<u64>,
}

impl SearchArgs {
    /// Compiles what is searched for, if anything is, and points at the fault where there is one.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the expression makes no sense.
    pub fn compile(&self) -> Result<Option<Match>, Error> {
        let Some(pattern) = &self.pattern else { return Ok(None) };
        let compiled = match self.any_case {
            true => Match::compile_any_case(pattern),
            false => Match::compile(pattern),
        };
        let pointed = |error: MatchError| {
            point(&error.pointed(pattern));
            Error::from(error)
        };
        let wanted = compiled.map_err(pointed)?.after(self.after.unwrap_or(0));
        Ok(Some(if self.invert { wanted.inverted() } else { wanted }))
    }

    /// Tells whether packets are searched.
    pub fn is_asked(&self) -> bool {
        self.pattern.is_some()
    }
}
