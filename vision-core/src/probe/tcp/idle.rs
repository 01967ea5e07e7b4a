//! Whether a connection over which nothing was said for a while still leads anywhere.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Socket, TcpKeepalive};

use crate::base::{Budget, Error, Family, Op, Reason, Result, Timestamp};
use crate::netns::{Netns, NetnsId, Target};
use crate::probe::driver::Session;
use crate::probe::machine::{Channel, Machine, Step};
use crate::probe::{Anchor, Probe};
use crate::socket::{self, Kind, Options};

/// Between two keepalive probes, and how many of them.
const AGAIN: Duration = Duration::from_secs(1);
const PROBES: u32 = 2;
/// The kernel's timers strike a little late.
const SLACK: Duration = Duration::from_millis(600);

/// Connects, says nothing for a while, and then has the kernel ask the peer for a sign of life.
///
/// What is sent are TCP keepalive probes (RFC 9293 3.8.4), which carry no data: the service sees
/// nothing of them. A firewall that has forgotten the connection meanwhile lets none of them pass. Two are sent, a
/// second apart; the connection is closed with a reset. Needs no capability.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::probe::{IdleOutcome, IdleProbe, Probe};
/// use vision_core::{Budget, Selector, Target};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let probe = IdleProbe::new("10.0.0.5:5432".parse().expect("address"), Duration::from_secs(30));
/// let report = probe.run(&target, &Budget::within(Duration::from_secs(40)))?;
/// if let IdleOutcome::Lost { .. } = report.outcome {
///     println!("something on the way forgets connections within 30 seconds");
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct IdleProbe {
    to: SocketAddr,
    idle: Duration,
    wait: Duration,
    scope: u32,
}

/// What became of a connection that was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IdleReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: SocketAddr,
    /// When the connect was started; absent if it never was.
    pub started_at: Option<Timestamp>,
    /// How long nothing was said.
    #[cfg_attr(feature = "serde", serde(rename = "idle_ns", with = "crate::base::nanos"))]
    pub idle: Duration,
    /// What became of it.
    pub outcome: IdleOutcome,
}

/// What became of a connection that was left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum IdleOutcome {
    /// The peer acknowledged after the pause.
    Alive,
    /// The peer did not acknowledge any more, or somebody answered with a reset.
    Lost {
        /// What the kernel said: `ETIMEDOUT`, `ECONNRESET`.
        reason: Reason,
        /// How long after the handshake.
        #[cfg_attr(feature = "serde", serde(rename = "after_ns", with = "crate::base::nanos"))]
        after: Duration,
    },
    /// The peer ended the connection by itself.
    Closed {
        /// How long after the handshake.
        #[cfg_attr(feature = "serde", serde(rename = "after_ns", with = "crate::base::nanos"))]
        after: Duration,
    },
    /// There was no connection to leave alone.
    NotOpen {
        /// Why; absent where nothing came within the wait.
        reason: Option<Reason>,
    },
    /// Not over when the run was ended.
    Pending,
}

impl IdleProbe {
    /// Leaves a connection alone for this long, in whole seconds, at least one.
    pub fn new(to: SocketAddr, idle: Duration) -> Self {
        let idle = Duration::from_secs(idle.as_secs().max(1));
        Self { to, idle, wait: Duration::from_secs(2), scope: 0 }
    }

    /// Waits this long for the connection; two seconds unless said otherwise.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }
}

impl Probe for IdleProbe {
    type Report = IdleReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<IdleReport> {
        let channel = IdleChannel::open(target.open()?, self)?;
        let machine = IdleMachine::new(self, channel.netns.id(), Anchor::now());
        Session::new(machine, channel, target)?.run(budget)
    }
}

/// What the channel is told to do: nothing but to begin.
#[derive(Debug, PartialEq, Eq)]
struct Connect;

/// What the channel hears.
#[derive(Debug)]
enum Heard {
    Connecting,
    Open,
    Failed(Reason),
    Closed,
}

/// How far it has come.
#[derive(Debug)]
enum State {
    New,
    Connecting { since: Instant },
    Idle { since: Instant },
    Over(IdleOutcome),
}

struct IdleMachine {
    probe: IdleProbe,
    netns: NetnsId,
    anchor: Anchor,
    started: Option<Instant>,
    state: State,
}

impl IdleMachine {
    fn new(probe: &IdleProbe, netns: NetnsId, anchor: Anchor) -> Self {
        Self { probe: probe.clone(), netns, anchor, started: None, state: State::New }
    }

    /// When a peer that says nothing would have been given up.
    fn end(&self, since: Instant) -> Instant {
        since + self.probe.idle + AGAIN * PROBES + SLACK
    }
}

impl Machine for IdleMachine {
    type Command = Connect;
    type Input<'a> = Heard;
    type Event = ();
    type Report = IdleReport;

    fn poll(&mut self, now: Instant) -> Step<Connect> {
        let (end, then) = match self.state {
            State::New => return Step::Do(Connect),
            State::Over(_) => return Step::Done,
            State::Connecting { since } => {
                (since + self.probe.wait, IdleOutcome::NotOpen { reason: None })
            }
            State::Idle { since } => (self.end(since), IdleOutcome::Alive),
        };
        if now < end {
            return Step::WaitUntil(end);
        }
        self.state = State::Over(then);
        Step::Done
    }

    fn handle(&mut self, input: Heard, now: Instant) {
        self.state = match (input, &self.state) {
            (_, State::Over(_)) => return,
            (Heard::Connecting, _) => {
                self.started = Some(now);
                State::Connecting { since: now }
            }
            (Heard::Open, _) => State::Idle { since: now },
            (Heard::Failed(reason), State::Idle { since }) => {
                State::Over(IdleOutcome::Lost { reason, after: now.duration_since(*since) })
            }
            (Heard::Failed(reason), _) => {
                State::Over(IdleOutcome::NotOpen { reason: Some(reason) })
            }
            (Heard::Closed, State::Idle { since }) => {
                State::Over(IdleOutcome::Closed { after: now.duration_since(*since) })
            }
            (Heard::Closed, _) => State::Over(IdleOutcome::NotOpen { reason: None }),
        };
    }

    fn next_event(&mut self) -> Option<()> {
        None
    }

    fn finish(self, _: Instant) -> IdleReport {
        IdleReport {
            netns: self.netns,
            to: self.probe.to,
            started_at: self.started.map(|at| self.anchor.wall(at)),
            idle: self.probe.idle,
            outcome: match self.state {
                State::Over(outcome) => outcome,
                _ => IdleOutcome::Pending,
            },
        }
    }
}

/// The one connection, in an epoll of its own: what is waited for changes once it is open.
struct IdleChannel {
    netns: Netns,
    to: SocketAddr,
    idle: Duration,
    epoll: Epoll,
    socket: Option<Socket>,
    is_open: bool,
}

impl IdleChannel {
    fn open(netns: Netns, probe: &IdleProbe) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let to = socket::with_scope(probe.to.ip(), probe.to.port(), probe.scope);
        Ok(Self { netns, to, idle: probe.idle, epoll, socket: None, is_open: false })
    }

    /// Reads what the peer says unasked, which is not looked at; tells whether it has ended the connection.
    fn read(socket: &mut Socket) -> std::result::Result<bool, std::io::Error> {
        let mut bytes = [0; 4096];
        loop {
            match socket.read(&mut bytes) {
                Ok(0) => return Ok(true),
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl Channel<IdleMachine> for IdleChannel {
    fn perform(&mut self, _: Connect, machine: &mut IdleMachine, now: Instant) -> Result<()> {
        let family = Family::of(self.to.ip());
        let socket = self.netns.run(|| socket::open(Kind::Tcp(family), &Options::default()))??;
        let set = |result: std::io::Result<()>| result.map_err(|e| Error::sys(Op::SetOption, e));
        set(socket.set_linger(Some(Duration::ZERO)))?;
        let keepalive =
            TcpKeepalive::new().with_time(self.idle).with_interval(AGAIN).with_retries(PROBES);
        set(socket.set_tcp_keepalive(&keepalive))?;
        machine.handle(Heard::Connecting, now);
        match socket.connect(&self.to.into()) {
            Err(e) if ![Some(libc::EINPROGRESS), Some(libc::EINTR)].contains(&e.raw_os_error()) => {
                machine.handle(Heard::Failed(Reason::from(e)), now);
                return Ok(());
            }
            _ => {}
        }
        let event = EpollEvent::new(EpollFlags::EPOLLOUT, 0);
        self.epoll.add(&socket, event).map_err(|e| Error::sys(Op::Poll, e))?;
        self.socket = Some(socket);
        Ok(())
    }

    fn drain(&mut self, machine: &mut IdleMachine, now: Instant) -> Result<()> {
        let mut events = [EpollEvent::empty()];
        let ready = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or_default();
        let Some(socket) = self.socket.as_mut().filter(|_| ready > 0) else { return Ok(()) };
        if let Some(error) = socket.take_error().unwrap_or_else(Some) {
            machine.handle(Heard::Failed(Reason::from(error)), now);
            self.socket = None;
            return Ok(());
        }
        if !self.is_open {
            self.is_open = true;
            machine.handle(Heard::Open, now);
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
            self.epoll.modify(&*socket, &mut event).map_err(|e| Error::sys(Op::Poll, e))?;
            return Ok(());
        }
        match Self::read(socket) {
            Ok(false) => return Ok(()),
            Ok(true) => machine.handle(Heard::Closed, now),
            Err(e) => machine.handle(Heard::Failed(Reason::from(e)), now),
        }
        self.socket = None;
        Ok(())
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.epoll.0.as_fd(), PollFlags::POLLIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> (IdleMachine, Instant) {
        let to = SocketAddr::from(([192, 0, 2, 1], 80));
        let probe = IdleProbe::new(to, Duration::from_secs(3));
        let mut machine = IdleMachine::new(&probe, NetnsId { dev: 4, ino: 1 }, Anchor::now());
        let start = Instant::now();
        assert_eq!(machine.poll(start), Step::Do(Connect));
        machine.handle(Heard::Connecting, start);
        (machine, start)
    }

    #[test]
    fn who_says_nothing_against_it_by_the_end_is_alive() {
        let (mut machine, start) = machine();
        machine.handle(Heard::Open, start);
        let end = start + Duration::from_millis(3000 + 2000 + 600);
        assert_eq!(machine.poll(start), Step::WaitUntil(end));
        assert_eq!(machine.poll(end), Step::Done);
        assert_eq!(machine.finish(end).outcome, IdleOutcome::Alive);
    }

    #[test]
    fn an_error_after_the_handshake_is_a_loss_and_before_it_is_none() {
        let timed_out = || Reason::from(std::io::Error::from_raw_os_error(libc::ETIMEDOUT));
        let (mut lost, start) = machine();
        lost.handle(Heard::Open, start);
        let later = start + Duration::from_secs(5);
        lost.handle(Heard::Failed(timed_out()), later);
        assert_eq!(lost.poll(later), Step::Done);
        let after = Duration::from_secs(5);
        let outcome = IdleOutcome::Lost { reason: timed_out(), after };
        assert_eq!(lost.finish(later).outcome, outcome);

        let (mut refused, start) = machine();
        refused.handle(Heard::Failed(timed_out()), start);
        let outcome = IdleOutcome::NotOpen { reason: Some(timed_out()) };
        assert_eq!(refused.finish(start).outcome, outcome);

        let (mut silent, start) = machine();
        let end = start + Duration::from_secs(2);
        assert_eq!(silent.poll(end), Step::Done);
        assert_eq!(silent.finish(end).outcome, IdleOutcome::NotOpen { reason: None });
    }

    #[test]
    fn what_the_peer_ends_or_the_caller_is_told_apart() {
        let (mut closed, start) = machine();
        closed.handle(Heard::Open, start);
        closed.handle(Heard::Closed, start + Duration::from_secs(1));
        let after = Duration::from_secs(1);
        assert_eq!(closed.finish(start).outcome, IdleOutcome::Closed { after });
        let (pending, start) = machine();
        assert_eq!(pending.finish(start).outcome, IdleOutcome::Pending);
    }
}
