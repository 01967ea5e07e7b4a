use std::os::fd::AsFd;

use super::{Budget, Result};

/// A stream of events from the kernel that is pulled: block under a [`Budget`], or join a reactor.
///
/// The descriptor becomes readable when [`EventSource::try_recv`] may have something to say,
/// timers included; drain until it returns `None`.
pub trait EventSource: AsFd {
    /// What the source yields.
    type Event;

    /// Returns the next event without blocking; `None` when there is none now.
    ///
    /// # Errors
    /// Whatever makes the source unusable.
    fn try_recv(&mut self) -> Result<Option<Self::Event>>;

    /// Tells whether nothing will ever come any more.
    fn is_finished(&self) -> bool {
        false
    }

    /// Returns how many events the kernel dropped because nobody read them in time.
    fn lost(&self) -> u64 {
        0
    }

    /// Waits for the next event; `None` once the source has finished.
    ///
    /// # Errors
    /// [`crate::Error::Elapsed`] or [`crate::Error::Cancelled`] when the budget ends first.
    fn recv(&mut self, budget: &Budget) -> Result<Option<Self::Event>> {
        loop {
            if let Some(event) = self.try_recv()? {
                return Ok(Some(event));
            }
            if self.is_finished() {
                return Ok(None);
            }
            budget.wait(&[self.as_fd()], None)?;
        }
    }

    /// Iterates until the source finishes, the budget ends or an error comes.
    fn events<'a>(&'a mut self, budget: &'a Budget) -> Events<'a, Self>
    where
        Self: Sized,
    {
        Events { source: self, budget, failed: false }
    }
}

/// The iterator of [`EventSource::events`]; it ends after the first error.
#[derive(Debug)]
pub struct Events<'a, S> {
    source: &'a mut S,
    budget: &'a Budget,
    failed: bool,
}

impl<S: EventSource> Iterator for Events<'_, S> {
    type Item = Result<S::Event>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.source.recv(self.budget).transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}
