//! Long lists, written while they are read.

use std::io;

use serde::Serialize;
use vision_core::inventory::Consistency;
use vision_core::{Budget, Cancel, Error, EventSource, Result};

use super::Ended;
use super::names::Names;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::{Row, diagnose};

/// Shows the events of a probe until there is nothing more; returns the error that ended it, if it was no budget.
///
/// # Errors
/// What writing says.
pub fn follow<S: EventSource>(
    session: &mut S,
    budget: &Budget,
    context: &mut Context,
    mut show: impl FnMut(&S::Event, &mut Context) -> io::Result<()>,
) -> io::Result<Option<Error>> {
    loop {
        match session.recv(budget) {
            Ok(Some(event)) => show(&event, context)?,
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        }
    }
}

/// What a run comes to whose summary is written: its answer, or the error that ended it.
pub fn ended(by: Option<Error>, context: &Context, answer: Outcome) -> Ended {
    match by {
        Some(error) if !context.out.is_json() => Err(error.into()),
        Some(error) => Ok(Outcome::Failed(error.into())),
        None => Ok(answer),
    }
}

/// Ends the reading once the writing has failed.
pub struct Stop(Cancel);

impl Stop {
    /// Ties a switch to a budget.
    ///
    /// # Errors
    /// A system error when no descriptor is left.
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

/// What follows the rows.
#[derive(Serialize)]
pub struct Tail<'a> {
    /// Whether they are one state of the kernel.
    pub consistent: Consistency,
    /// Names of the interfaces the rows mention by index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<&'a Names>,
}

/// Writes a list while `produce` reads it, and says if it changed meanwhile.
///
/// # Errors
/// What kept the list from being read or written.
pub fn list<'n>(
    context: &mut Context,
    name: &'static str,
    produce: impl FnOnce(&mut dyn FnMut(&dyn Row) -> io::Result<()>) -> Result<Tail<'n>>,
) -> Ended {
    let mut changed = false;
    let written = context.out.rows(name, |write| {
        let tail = produce(write)?;
        changed = tail.consistent == Consistency::No;
        Ok(tail)
    })?;
    if changed && !context.out.is_json() {
        diagnose("the table changed while it was read: rows may be missing or old", None);
    }
    match written {
        None => Ok(Outcome::Yes),
        Some(error) => Ok(Outcome::Failed(error.into())),
    }
}
