//! What every verb works with: the global flags and where the result goes.

use std::time::Duration;

use vision_core::{Budget, Error, Family, Result, Selector, Target};

use crate::args::{Global, Span};
use crate::output::Output;
use crate::signal;

/// The surroundings of one run.
pub struct Context {
    /// Flags that mean the same in every verb.
    pub global: Global,
    /// Where the result goes.
    pub out: Output,
}

impl Context {
    /// Finds the target the global flags name.
    ///
    /// # Errors
    /// As [`Target::resolve`]; [`Error::Invalid`] when several were named.
    pub fn target(&mut self) -> Result<Target> {
        let selector = self.global.selector()?;
        self.resolve(&selector)
    }

    /// Finds a target and remembers it for the envelope.
    ///
    /// # Errors
    /// As [`Target::resolve`].
    pub fn resolve(&mut self, selector: &Selector) -> Result<Target> {
        self.out.about_selector(selector);
        let target = Target::look_up(selector, &self.global.lookup()?, &Budget::within(LOOKUP))?;
        self.out.about(&target);
        Ok(target)
    }

    /// Returns the budget for a verb that reads: `--budget`, or ten seconds.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `--budget` has no unit.
    pub fn budget(&self) -> Result<Budget> {
        Ok(Budget::within(self.limit()?.unwrap_or(LOOKUP)))
    }

    /// Returns the budget for a verb that measures: `--budget`, or no limit; Ctrl-C ends it.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `--budget` has no unit, [`Error::Sys`] without a free descriptor.
    pub fn probing_budget(&self, default: Option<Duration>) -> Result<Budget> {
        self.interruptible(self.limit()?.or(default))
    }

    /// As [`Context::probing_budget`], where `-w 5` means five seconds, as for ping; whoever sends
    /// SIGQUIT or SIGUSR1 is told by `tell` how far the run is.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no time, [`Error::Sys`] without a free descriptor.
    pub fn ping_budget(&self, tell: impl Fn() + Send + 'static) -> Result<Budget> {
        telling(self.span()?.map(|span| span.lenient()), tell)
    }

    /// As [`Context::ping_budget`], for a verb that shows by itself how far it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is no time, [`Error::Sys`] without a free descriptor.
    pub fn patient_budget(&self) -> Result<Budget> {
        self.interruptible(self.span()?.map(|span| span.lenient()))
    }

    /// Returns the budget for a verb that takes packets: its own `--budget`, for `-w` names its
    /// file, or no limit; Ctrl-C ends it, and `tell` is as in [`Context::ping_budget`].
    ///
    /// # Errors
    /// [`Error::Invalid`] when the budget has no unit, [`Error::Sys`] without a free descriptor.
    pub fn capture_budget(
        &self,
        limit: Option<&Span>,
        tell: impl Fn() + Send + 'static,
    ) -> Result<Budget> {
        telling(limit.map(Span::strict).transpose()?, tell)
    }

    /// As [`Context::capture_budget`], for a verb that reads packets of a file.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the budget has no unit, [`Error::Sys`] without a free descriptor.
    pub fn file_budget(&self, limit: Option<&Span>) -> Result<Budget> {
        self.interruptible(limit.map(Span::strict).transpose()?)
    }

    /// Returns the one family asked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] when both were.
    pub fn family(&self) -> Result<Option<Family>> {
        match (self.global.v4, self.global.v6) {
            (true, true) => {
                let why = "-4 and -6 exclude each other; give neither for both".to_owned();
                Err(Error::Invalid { what: "family", why })
            }
            (true, false) => Ok(Some(Family::V4)),
            (false, true) => Ok(Some(Family::V6)),
            (false, false) => Ok(None),
        }
    }

    fn limit(&self) -> Result<Option<Duration>> {
        self.span()?.map(|span| span.strict()).transpose()
    }

    fn span(&self) -> Result<Option<Span>> {
        self.global.budget.as_ref().map(|text| text.to_string_lossy().parse()).transpose()
    }

    fn interruptible(&self, limit: Option<Duration>) -> Result<Budget> {
        let cancel = signal::cancel_on_interrupt()?;
        let budget = limit.map_or_else(Budget::unbounded, Budget::within);
        Ok(budget.cancelled_by(&cancel))
    }
}

fn telling(limit: Option<Duration>, tell: impl Fn() + Send + 'static) -> Result<Budget> {
    let cancel = signal::cancel_or_tell(tell)?;
    Ok(limit.map_or_else(Budget::unbounded, Budget::within).cancelled_by(&cancel))
}

/// Reading tables and finding targets takes milliseconds; more means that something hangs.
const LOOKUP: Duration = Duration::from_secs(10);
