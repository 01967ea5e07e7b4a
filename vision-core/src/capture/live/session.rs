use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::cook::Form;
use super::links::{Change, Links, Notice};
use super::{CaptureMethod, CaptureRequest, Packet, program, request};
use crate::base::{Budget, Error, EventSource, Op, Result, Timestamp, Untrusted};
use crate::capture::filter::Machine;
use crate::capture::{Direction, Frame};
use crate::netns::Target;
use crate::sys::ring::Ring;
use crate::sys::ring::block::{Entry, Walk};
use crate::wire::LinkType;

/// Packets being taken from an interface, or from all of a namespace.
///
/// [`Capture::next_frame`] lends each packet where the kernel put it; as an [`EventSource`] the
/// capture gives copies away. It lets go of the namespace within a second of the target's death.
pub struct Capture {
    /// Gone with the target, for sockets keep a dead namespace alive.
    open: Option<Open>,
    target: Target,
    epoll: Epoll,
    interface: Interface,
    method: CaptureMethod,
    form: Form,
    snap: usize,
    /// What the kernel could not ask of cooked packets.
    second: Option<Machine>,
    /// How many packets that refused.
    refused: u64,
    stats: CaptureStats,
    /// How many packets were read from the ring.
    read: u64,
    dropped_before: Option<u64>,
    notices: VecDeque<Notice>,
    looked: Instant,
    ending: Option<Instant>,
    finished: bool,
}

struct Open {
    ring: Ring,
    links: Links,
    walk: Option<Walk>,
}

pub(super) struct Parts {
    pub(super) ring: Ring,
    pub(super) links: Links,
    pub(super) interface: Interface,
    pub(super) form: Form,
    pub(super) snap_bytes: u32,
    pub(super) second: Option<Machine>,
}

/// Where packets are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its number; `None` for all interfaces at once.
    pub ifindex: Option<u32>,
    /// Its name, which may change while the capture lives; `any` for all.
    pub name: Untrusted,
    /// The largest packet it sends.
    pub mtu_bytes: Option<u32>,
    /// Whether it is switched on.
    pub up: bool,
    pub(super) form: Form,
}

/// What a capture counted since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CaptureStats {
    /// Packets that passed the filter, those that were dropped included (`PACKET_STATISTICS`).
    pub received: u64,
    /// Packets the kernel dropped because nobody read fast enough.
    pub dropped: u64,
    /// How often the kernel found the buffer full and stopped until there was room.
    pub frozen: u64,
    /// Packets the interface itself dropped meanwhile, for want of room; `None` where there is no
    /// single interface, or where it is gone.
    pub interface_dropped: Option<u64>,
}

/// What comes out of a capture, borrowed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Taken<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// Something happened to the interface.
    Notice(Notice),
}

/// What comes out of a capture, to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureEvent {
    /// A packet.
    Packet(Packet),
    /// Something happened to the interface.
    Notice(Notice),
}

/// What a look at the ring found.
enum Found {
    Packet(Entry),
    Notice(Notice),
    Nothing,
}

impl Capture {
    /// Asks for the packets of one interface, by its name or alternative name.
    pub fn on(name: impl Into<String>) -> CaptureRequest {
        CaptureRequest::on(name.into())
    }

    /// Asks for the packets of one interface, by its number.
    pub fn on_index(ifindex: u32) -> CaptureRequest {
        CaptureRequest::on_index(ifindex)
    }

    /// Asks for the packets of all interfaces, with cooked headers ([`LinkType::LINUX_SLL2`]) that
    /// say which one each comes from.
    pub fn any() -> CaptureRequest {
        CaptureRequest::any()
    }

    pub(super) fn new(parts: Parts, target: &Target) -> Result<Self> {
        let Parts { ring, mut links, interface, form, snap_bytes, second } = parts;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let fds = [Some(ring.as_fd()), Some(links.as_fd()), target.pidfd()];
        for fd in fds.into_iter().flatten() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
            epoll.add(fd, event).map_err(|e| Error::sys(Op::Poll, e))?;
        }
        let dropped_before = interface.ifindex.and_then(|index| links.dropped(index));
        let notices = match interface.ifindex.and_then(|index| links.known.get(&index)) {
            Some(link) if !link.up => [super::links::notice(link, Change::Down)].into(),
            _ => VecDeque::new(),
        };
        let method = match ring.is_received() {
            true => CaptureMethod::Receive,
            false => CaptureMethod::Ring,
        };
        Ok(Self {
            method,
            open: Some(Open { ring, links, walk: None }),
            target: target.clone(),
            epoll,
            interface,
            form,
            snap: snap_bytes as usize,
            second,
            refused: 0,
            stats: CaptureStats::default(),
            read: 0,
            dropped_before,
            notices,
            looked: Instant::now(),
            ending: None,
            finished: false,
        })
    }

    /// Returns what the packets begin with.
    pub fn link_type(&self) -> LinkType {
        self.form.link_type()
    }

    /// Returns where packets are taken, with the name as last heard of.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Returns the name of an interface of the namespace, as `any` captures meet them.
    pub fn name_of(&self, ifindex: u32) -> Option<&Untrusted> {
        self.open.as_ref()?.links.known.get(&ifindex).map(|link| &link.name)
    }

    /// Returns all interfaces of the namespace as last heard of, by index.
    pub fn interfaces(&self) -> impl Iterator<Item = (u32, &Untrusted)> {
        let open = self.open.iter();
        open.flat_map(|open| open.links.known.iter().map(|(index, link)| (*index, &link.name)))
    }

    /// Returns how much can wait to be read, which is less than asked for where memory is short.
    pub fn buffer_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.ring.buffer_bytes())
    }

    /// Returns how packets come from the kernel.
    pub fn method(&self) -> CaptureMethod {
        self.method
    }

    /// Takes no more packets: those that have come are still read, then the capture is finished.
    ///
    /// # Errors
    /// [`Error::Sys`] when the kernel refuses to stop.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(open) = self.open.as_ref().filter(|_| self.ending.is_none()) {
            request::attach(open.ring.socket(), &program::nothing())?;
            self.end_soon();
        }
        Ok(())
    }

    /// Returns what was counted so far.
    ///
    /// # Errors
    /// [`Error::Sys`] when the kernel does not say.
    pub fn stats(&mut self) -> Result<CaptureStats> {
        self.count()?;
        if let (Some(open), Some(index)) = (&mut self.open, self.interface.ifindex) {
            let now = open.links.dropped(index).zip(self.dropped_before);
            self.stats.interface_dropped = now.map(|(now, before)| now.wrapping_sub(before));
        }
        let received = self.stats.received.saturating_sub(self.refused);
        Ok(CaptureStats { received, ..self.stats })
    }

    fn count(&mut self) -> Result<()> {
        if let Some(open) = &self.open {
            let counted = open.ring.counted().map_err(|e| Error::sys(Op::Receive, e))?;
            self.stats.received += u64::from(counted.received);
            self.stats.dropped += u64::from(counted.dropped);
            self.stats.frozen += u64::from(counted.frozen);
        }
        Ok(())
    }

    /// Returns the next packet where the kernel put it; `None` once the capture is finished.
    ///
    /// What happens to the interface is passed over: see [`Capture::next_taken`].
    ///
    /// # Errors
    /// [`Error::Elapsed`] or [`Error::Cancelled`] when the budget ends first, and what
    /// [`Capture::next_taken`] says.
    pub fn next_frame(&mut self, budget: &Budget) -> Result<Option<Frame<'_>>> {
        loop {
            match self.find(Some(budget))? {
                Found::Packet(entry) => return Ok(self.lend(&entry)),
                Found::Notice(_) => {}
                Found::Nothing => return Ok(None),
            }
        }
    }

    /// As [`Capture::next_frame`], and tells what happens to the interface.
    ///
    /// # Errors
    /// [`Error::Elapsed`] or [`Error::Cancelled`] when the budget ends first,
    /// [`Error::TargetExited`].
    pub fn next_taken(&mut self, budget: &Budget) -> Result<Option<Taken<'_>>> {
        let found = self.find(Some(budget))?;
        Ok(self.taken(found))
    }

    /// As [`Capture::next_taken`], without waiting: `None` when there is nothing now.
    ///
    /// # Errors
    /// [`Error::TargetExited`].
    pub fn try_taken(&mut self) -> Result<Option<Taken<'_>>> {
        let found = self.find(None)?;
        Ok(self.taken(found))
    }

    fn taken(&mut self, found: Found) -> Option<Taken<'_>> {
        match found {
            Found::Packet(entry) => self.lend(&entry).map(Taken::Frame),
            Found::Notice(notice) => Some(Taken::Notice(notice)),
            Found::Nothing => None,
        }
    }

    #[inline]
    fn lend(&mut self, entry: &Entry) -> Option<Frame<'_>> {
        let block = self.open.as_mut()?.ring.block()?;
        let (at, end, len) = self.form.complete(block, entry);
        let end = end.min(at + self.snap);
        Some(frame(block, at..end, len, entry, self.form))
    }

    #[inline]
    fn find(&mut self, budget: Option<&Budget>) -> Result<Found> {
        match self.entry() {
            Some(entry) => Ok(Found::Packet(entry)),
            None => self.find_further(budget),
        }
    }

    /// The next packet of the current block.
    #[inline]
    fn entry(&mut self) -> Option<Entry> {
        let open = self.open.as_mut()?;
        let walk = open.walk.as_mut()?;
        let block = open.ring.block()?;
        loop {
            let entry = walk.next(block)?;
            self.read += 1;
            let Some(second) = &self.second else { return Some(entry) };
            let (at, end, len) = self.form.complete(block, &entry);
            if second.run(block.get(at..end).unwrap_or_default(), len) != 0 {
                return Some(entry);
            }
            self.refused += 1;
        }
    }

    /// The current block is at its end, or there is none.
    fn find_further(&mut self, budget: Option<&Budget>) -> Result<Found> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Ok(Found::Notice(notice));
            }
            if self.finished {
                return Ok(Found::Nothing);
            }
            if let Some(budget) = budget {
                budget.remaining()?;
            }
            let more = self.next_block();
            if !more || self.looked.elapsed() > LOOK_EVERY {
                self.look_around()?;
            }
            if more {
                if let Some(entry) = self.entry() {
                    return Ok(Found::Packet(entry));
                }
            } else if self.notices.is_empty() && !self.finished {
                match budget {
                    None => return Ok(Found::Nothing),
                    Some(budget) => self.wait(budget)?,
                }
            }
        }
    }

    /// Hands back the block that was read and begins the next; tells whether there is one.
    fn next_block(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        if open.walk.take().is_some() {
            open.ring.release();
        }
        open.walk = open.ring.block().map(|block| Walk::begin(block));
        open.walk.is_some()
    }

    /// Looks at all that is not packets: the target, the links, the end.
    fn look_around(&mut self) -> Result<()> {
        self.looked = Instant::now();
        if let Err(exited) = self.target.check_alive() {
            self.count()?;
            (self.open, self.finished) = (None, true);
            return Err(exited);
        }
        self.count()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        // The reason comes through the links.
        let _ = open.ring.socket().take_error();
        for notice in open.links.changes(self.interface.ifindex)? {
            self.take_in(&notice.change);
            self.notices.push_back(notice);
        }
        // What was taken and not dropped lies in the ring until the last block is handed over.
        let empty = self.read >= self.stats.received.saturating_sub(self.stats.dropped);
        if let Some(until) = self.ending {
            let reading = self.open.as_ref().is_some_and(|open| open.walk.is_some());
            self.finished = !reading && (empty || Instant::now() >= until);
        }
        Ok(())
    }

    fn take_in(&mut self, change: &Change) {
        match change {
            Change::Down => self.interface.up = false,
            Change::Up => self.interface.up = true,
            Change::Renamed { to } => self.interface.name = to.clone(),
            Change::Mtu { bytes } => self.interface.mtu_bytes = Some(*bytes),
            Change::Vanished | Change::Moved => self.end_soon(),
        }
    }

    fn end_soon(&mut self) {
        let retire = self.open.as_ref().map_or(Duration::ZERO, |open| open.ring.geometry().retire);
        self.ending = Some(Instant::now() + 2 * retire + Duration::from_millis(100));
    }

    fn wait(&self, budget: &Budget) -> Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let fds = [Some(open.ring.as_fd()), Some(open.links.as_fd()), self.target.pidfd()];
        let fds: Vec<_> = fds.into_iter().flatten().collect();
        budget.wait(&fds, self.ending).map(drop)
    }
}

#[inline]
pub(super) fn frame<'a>(
    block: &'a [u8],
    place: Range<usize>,
    len: u32,
    entry: &Entry,
    form: Form,
) -> Frame<'a> {
    const OUTGOING: u8 = 4;
    let nanos = i64::from(entry.sec) * 1_000_000_000 + i64::from(entry.nsec);
    let out = entry.from.pkttype == OUTGOING;
    Frame {
        time: Some(Timestamp::from_unix_nanos(nanos)),
        data: block.get(place).unwrap_or_default(),
        len,
        link_type: form.link_type(),
        interface: 0,
        direction: Some(if out { Direction::Out } else { Direction::In }),
    }
}

impl EventSource for Capture {
    type Event = CaptureEvent;

    fn try_recv(&mut self) -> Result<Option<CaptureEvent>> {
        Ok(self.try_taken()?.map(|taken| match taken {
            Taken::Frame(frame) => CaptureEvent::Packet(frame.into()),
            Taken::Notice(notice) => CaptureEvent::Notice(notice),
        }))
    }

    fn is_finished(&self) -> bool {
        self.finished && self.notices.is_empty()
    }

    fn lost(&self) -> u64 {
        self.stats.dropped
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

/// Under a flood of packets the target and the links are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
