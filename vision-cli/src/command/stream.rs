//! Long lists, written while they are read.

use std::io;

use vision_core::{Budget, Cancel, Error, Result};

use super::Ended;
use crate::exit::{Failure, Outcome};

/// Ends the reading once the writing has failed.
pub struct Stop(Cancel);

impl Stop {
    /// Ties a switch to a budget.
    ///
    /// # Errors
    /// [`Error::Sys`] when no descriptor is left.
    pub fn under(budget: Budget) -> Result<(Budget, Self)> {
        let cancel = Cancel::new()?;
        Ok((budget.cancelled_by(&cancel), Self(cancel)))
    }

    /// Throws the switch if a write failed.
    pub fn unless(&self, written: io::Result<()>) {
        if written.is_err() {
            self.0.cancel();
        }
    }
}

/// Turns what became of a list into what became of the verb.
///
/// # Errors
/// What kept the list from being read or written.
pub fn ended(written: Result<Option<Error>, Failure>) -> Ended {
    match written? {
        None => Ok(Outcome::Yes),
        Some(error) => Ok(Outcome::Failed(error.into())),
    }
}
