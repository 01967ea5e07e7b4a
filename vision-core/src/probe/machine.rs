//! The contract of every probe: a state machine that knows no socket, clock or thread.

use std::time::Instant;

use crate::base::Result;

/// Packets taken from one socket before the clock, the budget and the target are looked at again,
/// so that a flood cannot hold up a deadline; more than a receive buffer holds by default.
pub(crate) const BURST: usize = 1024;

/// What a machine wants next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<C> {
    /// Perform this now, then ask again.
    Do(C),
    /// Nothing to do before this moment, unless something arrives.
    WaitUntil(Instant),
    /// Nothing will happen any more.
    Done,
}

/// A probe without its input and output; time comes in from the driver.
pub(crate) trait Machine {
    /// What it asks its channel to do: send these bytes, open that connection.
    type Command;
    /// What its channel hears.
    type Input<'a>;
    /// What a streaming caller sees, as it happens.
    type Event;
    /// What is left at the end.
    type Report;

    /// Says what to do at `now`; called until it answers other than [`Step::Do`].
    fn poll(&mut self, now: Instant) -> Step<Self::Command>;
    /// Takes what arrived at `now`.
    fn handle(&mut self, input: Self::Input<'_>, now: Instant);
    /// Hands over the next event, oldest first.
    fn next_event(&mut self) -> Option<Self::Event>;
    /// Turns the state into a report; what is still open at `now` is said to be so.
    fn finish(self, now: Instant) -> Self::Report;
}

/// The sockets of one probe.
pub(crate) trait Channel<M: Machine> {
    /// Carries a command out. A refusal by the kernel goes to the machine as an input;
    /// an `Err` means that the probe cannot go on.
    fn perform(&mut self, command: M::Command, machine: &mut M, now: Instant) -> Result<()>;
    /// Reads everything there is without blocking and hands it to the machine.
    fn drain(&mut self, machine: &mut M, now: Instant) -> Result<()>;
    /// Lists what to wait on.
    fn watch(&self, on: &mut dyn FnMut(std::os::fd::BorrowedFd<'_>, nix::poll::PollFlags));
}
