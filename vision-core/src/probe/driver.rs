//! The one loop that moves every probe: sockets, clock and target on one side, a machine on the other.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::machine::{Channel, Machine, Step};
use crate::base::{Budget, Error, EventSource, Op, Result};
use crate::netns::Target;

/// A running probe: pulled event by event, or run to its end.
///
/// Its descriptor is an epoll that holds the probe's sockets, a timer for the machine's next
/// moment and the target's pidfd, so that a reactor needs nothing else.
pub(crate) struct Session<M, C> {
    machine: M,
    /// Gone with the target, for sockets keep a dead namespace alive.
    channel: Option<C>,
    target: Target,
    epoll: Epoll,
    timer: TimerFd,
    done: bool,
}

/// So many commands are carried out before the caller looks at its budget and at events again.
const TURNS: usize = 64;

impl<M: Machine, C: Channel<M>> Session<M, C> {
    pub(crate) fn new(machine: M, channel: C, target: &Target) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags);
        let timer = timer.map_err(|e| Error::sys(Op::Timer, e))?;
        let (channel, target) = (Some(channel), target.clone());
        let session = Self { machine, channel, target, epoll, timer, done: false };
        session.register()?;
        // The first moment of the machine is now.
        session.arm(Duration::ZERO)?;
        Ok(session)
    }

    fn register(&self) -> Result<()> {
        let mut result = self.add(self.timer.as_fd(), EpollFlags::EPOLLIN);
        if let Some(pidfd) = self.target.pidfd() {
            result = result.and_then(|()| self.add(pidfd, EpollFlags::EPOLLIN));
        }
        let mut watch = |fd: BorrowedFd<'_>, wanted: PollFlags| {
            let mut flags = EpollFlags::empty();
            flags.set(EpollFlags::EPOLLIN, wanted.contains(PollFlags::POLLIN));
            flags.set(EpollFlags::EPOLLOUT, wanted.contains(PollFlags::POLLOUT));
            if result.is_ok() {
                result = self.add(fd, flags);
            }
        };
        if let Some(channel) = &self.channel {
            channel.watch(&mut watch);
        }
        result
    }

    fn add(&self, fd: BorrowedFd<'_>, flags: EpollFlags) -> Result<()> {
        self.epoll.add(fd, EpollEvent::new(flags, 0)).map_err(|e| Error::sys(Op::Poll, e))
    }

    fn arm(&self, after: Duration) -> Result<()> {
        // Zero would switch the timer off.
        let after = TimeSpec::from_duration(after.max(Duration::from_nanos(1)));
        self.timer
            .set(Expiration::OneShot(after), TimerSetTimeFlags::empty())
            .map_err(|e| Error::sys(Op::Timer, e))
    }

    fn pump(&mut self) -> Result<()> {
        for _ in 0..TURNS {
            let Some(channel) = self.channel.as_mut().filter(|_| !self.done) else {
                return self.timer.unset().map_err(|e| Error::sys(Op::Timer, e));
            };
            let now = Instant::now();
            channel.drain(&mut self.machine, now)?;
            match self.machine.poll(now) {
                Step::Do(command) => channel.perform(command, &mut self.machine, now)?,
                Step::WaitUntil(at) => return self.arm(at.saturating_duration_since(now)),
                Step::Done => self.done = true,
            }
        }
        self.arm(Duration::ZERO)
    }

    /// Shows the machine, to ask it what it has found so far.
    pub(crate) fn machine(&self) -> &M {
        &self.machine
    }

    /// Ends the probe here and says what it found.
    pub(crate) fn finish(self) -> M::Report {
        self.machine.finish(Instant::now())
    }

    /// Moves the probe until it is done or the budget ends, whichever comes first.
    pub(crate) fn run(mut self, budget: &Budget) -> Result<M::Report> {
        loop {
            // A peer that never stops talking must not outlast the budget either.
            let event = self.recv(budget).and_then(|event| budget.remaining().map(|_| event));
            match event {
                Ok(Some(_)) => {}
                Ok(None) | Err(Error::Elapsed | Error::Cancelled) => return Ok(self.finish()),
                Err(e) => return Err(e),
            }
        }
    }
}

impl<M: Machine, C: Channel<M>> EventSource for Session<M, C> {
    type Event = M::Event;

    fn try_recv(&mut self) -> Result<Option<M::Event>> {
        if let Some(event) = self.machine.next_event() {
            return Ok(Some(event));
        }
        if let Err(exited) = self.target.check_alive() {
            self.channel = None;
            return Err(exited);
        }
        self.pump()?;
        Ok(self.machine.next_event())
    }

    fn is_finished(&self) -> bool {
        self.done
    }
}

impl<M, C> AsFd for Session<M, C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// Reads the clock every machine lives by.
pub(crate) fn now() -> Instant {
    Instant::now()
}
