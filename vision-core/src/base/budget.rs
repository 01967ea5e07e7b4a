use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{Error, Op, Result};

/// A switch that ends every wait under the budgets tied to it, from any thread.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<EventFd>);

impl Cancel {
    /// Makes a switch that has not been thrown.
    ///
    /// # Errors
    /// [`Error::Sys`] when the process has no descriptor left.
    pub fn new() -> Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let fd = EventFd::from_value_and_flags(0, flags).map_err(|e| Error::sys(Op::Poll, e))?;
        Ok(Self(Arc::new(fd)))
    }

    /// Throws the switch: waits in progress end, later ones end at once. Never blocks.
    pub fn cancel(&self) {
        // Full means that it has been thrown already.
        let _ = self.0.write(1);
    }

    /// Tells whether the switch has been thrown.
    pub fn is_cancelled(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::ZERO), Ok(n) if n > 0)
    }
}

/// How long a call may take and who may stop it; one argument for deadline and cancellation.
///
/// ```
/// use std::time::Duration;
/// use vision_core::Budget;
///
/// let whole = Budget::within(Duration::from_secs(5));
/// let part = whole.child(Duration::from_secs(60));
/// assert!(part.remaining()?.expect("bounded") <= Duration::from_secs(5));
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Budget {
    deadline: Option<Instant>,
    cancel: Option<Cancel>,
}

/// Why [`Budget::wait`] came back.
// closed: a wait ends by a descriptor or by its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Bit `n` is set when descriptor `n` is ready.
    Ready(u64),
    /// The moment asked for has come.
    TimeUp,
}

impl Budget {
    /// Allows `limit` from now on.
    pub fn within(limit: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(limit), cancel: None }
    }

    /// Sets no limit of time.
    pub fn unbounded() -> Self {
        Self::default()
    }

    /// Lets `cancel` end every wait under this budget.
    pub fn cancelled_by(self, cancel: &Cancel) -> Self {
        Self { cancel: Some(cancel.clone()), ..self }
    }

    /// Gives a part of this budget: at most `at_most`, never longer than the parent.
    pub fn child(&self, at_most: Duration) -> Self {
        let own = Instant::now().checked_add(at_most);
        let deadline = match (self.deadline, own) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { deadline, cancel: self.cancel.clone() }
    }

    /// Returns the time left; `None` means no limit.
    ///
    /// # Errors
    /// [`Error::Elapsed`] when the time is up, [`Error::Cancelled`] when the switch was thrown.
    pub fn remaining(&self) -> Result<Option<Duration>> {
        if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            return Err(Error::Cancelled);
        }
        match self.deadline {
            None => Ok(None),
            Some(at) => match at.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Err(Error::Elapsed),
                left => Ok(Some(left)),
            },
        }
    }

    /// Waits until one of `fds` (at most 64) is readable or in error, or until `until`.
    ///
    /// # Errors
    /// [`Error::Elapsed`] or [`Error::Cancelled`] when the budget ends first.
    pub fn wait(&self, fds: &[BorrowedFd<'_>], until: Option<Instant>) -> Result<Wake> {
        let wanted: Vec<_> = fds.iter().map(|fd| (*fd, PollFlags::POLLIN)).collect();
        self.wait_for(&wanted, until)
    }

    /// As [`Budget::wait`], with the events named per descriptor.
    pub(crate) fn wait_for(
        &self,
        wanted: &[(BorrowedFd<'_>, PollFlags)],
        until: Option<Instant>,
    ) -> Result<Wake> {
        loop {
            let now = Instant::now();
            self.check(now)?;
            if until.is_some_and(|at| at <= now) {
                return Ok(Wake::TimeUp);
            }
            let mut polled: Vec<_> = wanted.iter().map(|(fd, ev)| PollFd::new(*fd, *ev)).collect();
            if let Some(cancel) = &self.cancel {
                polled.push(PollFd::new(cancel.0.as_fd(), PollFlags::POLLIN));
            }
            let nearest = [until, self.deadline].into_iter().flatten().min();
            match poll(&mut polled, timeout_until(nearest, now)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::sys(Op::Poll, io::Error::from(e))),
            }
            let ready = ready_bits(polled.get(..wanted.len()).unwrap_or_default());
            if ready != 0 {
                return Ok(Wake::Ready(ready));
            }
        }
    }

    fn check(&self, now: Instant) -> Result<()> {
        if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            return Err(Error::Cancelled);
        }
        if self.deadline.is_some_and(|at| at <= now) {
            return Err(Error::Elapsed);
        }
        Ok(())
    }
}

/// Rounds up, so that a wait never ends a fraction of a millisecond early and spins.
fn timeout_until(at: Option<Instant>, now: Instant) -> PollTimeout {
    let Some(at) = at else {
        return PollTimeout::NONE;
    };
    let left = at.saturating_duration_since(now);
    let millis = left.as_millis() + u128::from(left.subsec_nanos() % 1_000_000 != 0);
    PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX)
}

fn ready_bits(polled: &[PollFd<'_>]) -> u64 {
    polled
        .iter()
        .take(64)
        .enumerate()
        .filter(|(_, fd)| fd.any().unwrap_or(true))
        .fold(0, |bits, (n, _)| bits | (1 << n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_never_outlives_its_parent() {
        let parent = Budget::within(Duration::from_millis(50));
        let left = parent.child(Duration::from_secs(9)).remaining();
        assert!(left.is_ok_and(|left| left <= Some(Duration::from_millis(50))));
    }

    #[test]
    fn a_cancel_from_another_thread_wakes_a_wait() {
        let cancel = Cancel::new().expect("eventfd");
        let budget = Budget::within(Duration::from_secs(20)).cancelled_by(&cancel);
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(20));
                cancel.cancel();
            });
            assert!(matches!(budget.wait(&[], None), Err(Error::Cancelled)));
        });
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_wait_ends_at_the_moment_asked_for() {
        let at = Instant::now() + Duration::from_millis(5);
        assert_eq!(Budget::unbounded().wait(&[], Some(at)).ok(), Some(Wake::TimeUp));
        assert!(Instant::now() >= at);
    }

    #[test]
    fn a_spent_budget_says_so() {
        let budget = Budget::within(Duration::ZERO);
        assert!(matches!(budget.remaining(), Err(Error::Elapsed)));
        assert!(matches!(budget.wait(&[], None), Err(Error::Elapsed)));
    }
}
