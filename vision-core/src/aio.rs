//! Probes and event sources from a tokio runtime: two functions for all of them.
//!
//! Nothing here enters a namespace on a runtime thread: [`run`] gives the blocking call a thread of
//! its own, and [`stream`] only waits for a descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;

use crate::base::{Budget, Cancel, Error, EventSource, Op, Result};

/// Runs a blocking call of this crate within `limit`, on a thread of the runtime's blocking pool.
///
/// Dropping the future cancels the budget: the call ends at once, and with it go its sockets. The
/// time spent in the pool's queue counts. A panic of `f` goes on in the caller.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, aio, probe::{Ping, Probe}};
///
/// # async fn example() -> vision_core::Result<()> {
/// let target = Target::resolve(&Selector::Pid(4242), &Budget::unbounded())?;
/// let ping = Ping::new("10.0.0.1".parse().expect("address")).count(3);
/// let report = aio::run(Duration::from_secs(5), move |budget| ping.run(&target, budget)).await?;
/// # drop(report);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// What `f` says; [`Error::Cancelled`] when the runtime shuts down before `f` began.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn run<T: Send + 'static>(
    limit: Duration,
    f: impl FnOnce(&Budget) -> Result<T> + Send + 'static,
) -> Result<T> {
    let dropped = CancelOnDrop(Cancel::new()?);
    let budget = Budget::within(limit).cancelled_by(&dropped.0);
    let blocking = spawn_blocking(move || {
        budget.remaining()?;
        f(&budget)
    });
    match blocking.await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(Error::Cancelled),
        },
    }
}

/// Throws the switch when the future that holds it goes, finished or not.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Turns an event source into a stream that ends with the source or after its first error.
///
/// Dropping the stream, and the end of it, close the source's sockets. Needs a runtime with its IO
/// driver enabled when first polled.
///
/// # Panics
/// When first polled outside such a runtime.
pub fn stream<S: EventSource>(source: S) -> impl Stream<Item = Result<S::Event>> {
    Events { readiness: None, source: Some(source) }
}

struct Events<S> {
    /// A descriptor of its own for the same thing, so that nobody can close it under the runtime.
    readiness: Option<AsyncFd<OwnedFd>>,
    /// Gone after the end and after an error.
    source: Option<S>,
}

// The source is never pinned: it is only ever used through `&mut`.
impl<S> Unpin for Events<S> {}

impl<S: EventSource> Stream for Events<S> {
    type Item = Result<S::Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.poll(cx)).transpose();
        if !matches!(next, Some(Ok(_))) {
            *self = Self { readiness: None, source: None };
        }
        Poll::Ready(next)
    }
}

impl<S: EventSource> Events<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<S::Event>>> {
        let Some(source) = &mut self.source else {
            return Poll::Ready(Ok(None));
        };
        loop {
            match source.try_recv()? {
                Some(event) => return Poll::Ready(Ok(Some(event))),
                None if source.is_finished() => return Poll::Ready(Ok(None)),
                None => {}
            }
            let readiness = match &mut self.readiness {
                Some(readiness) => readiness,
                none => none.insert(register(source)?),
            };
            // What comes after the readiness is cleared sets it again; what came before is found
            // by the next `try_recv`.
            let ready = ready!(readiness.poll_read_ready(cx));
            ready.map_err(|e| Error::sys(Op::Poll, e))?.clear_ready();
        }
    }
}

fn register(source: &impl AsFd) -> Result<AsyncFd<OwnedFd>> {
    let own = source.as_fd().try_clone_to_owned().map_err(|e| Error::sys(Op::Poll, e))?;
    #[allow(deprecated, reason = "unsound for foreign descriptors only; this one is owned")]
    let registered = AsyncFd::with_interest(own, Interest::READABLE);
    registered.map_err(|e| Error::sys(Op::Poll, e))
}
