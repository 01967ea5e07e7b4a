//! Packets the kernel drops, anywhere on the machine, each with the reason and the place
//! (`skb:kfree_skb`).

mod format;
mod meaning;
mod record;
mod symbols;
mod tally;

pub use meaning::{Meaning, drop_meaning};
pub use symbols::Location;
pub use tally::{AllDrops, DropGroup, DropTally, IgnoredDrops};

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::fcntl::{OFlag, openat};
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::stat::Mode;
use nix::time::{ClockId, clock_gettime};

use self::format::Format;
use self::record::{Record, Records};
use self::symbols::Symbols;
use crate::base::{Error, EventSource, Gap, Op, Result, Timestamp};
use crate::sys::perf::{self, PerfRing};
use crate::sys::tracefs;

/// Asks for the packets the kernel drops; a request is its own builder.
///
/// It sees the whole machine, whichever namespace it is started in: the kernel does not say to
/// which one a packet belongs.
#[derive(Debug, Clone)]
pub struct Drops {
    buffer_bytes: u32,
}

/// A packet that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DroppedPacket {
    /// When.
    pub at: Timestamp,
    /// Why, by the kernel's name; a number where it has none, `None` on kernels before 5.17.
    pub reason: Option<String>,
    /// The function that dropped it.
    pub location: Location,
    /// What the packet holds (`ETH_P_*`: 0x0800 is IPv4); `None` when that was not known yet.
    pub protocol: Option<u16>,
    /// Whether a socket had been found for it (kernel 6.11).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub has_socket: Option<bool>,
    /// The process that ran, which the packet need not belong to; 0 is none.
    pub pid: u32,
    /// The processor.
    pub cpu: u32,
    /// Why it is no fault, for drops that every healthy machine has.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ignorable: Option<String>,
}

impl Default for Drops {
    fn default() -> Self {
        Self::new()
    }
}

impl Drops {
    /// Asks for all drops.
    pub fn new() -> Self {
        Self { buffer_bytes: BUFFER }
    }

    /// Lets so many bytes wait to be read for each processor, 256 KiB by default, rounded up to a
    /// power of two; what comes beyond is lost and counted. Locked memory is limited
    /// (`kernel.perf_event_mlock_kb`): where it does not suffice, less is taken.
    pub fn buffer_bytes(self, bytes: u32) -> Self {
        Self { buffer_bytes: bytes }
    }

    /// Begins to listen.
    ///
    /// Needs `CAP_PERFMON` (`CAP_SYS_ADMIN` before kernel 5.8, or a `kernel.perf_event_paranoid`
    /// of -1), and tracefs: where it is not mounted, or not to be read, `CAP_SYS_ADMIN` makes a
    /// private one.
    ///
    /// A kernel may lose samples of a processor that was idle when the packet was dropped, without counting them:
    /// seen on 6.18, by timers that give up on neighbours.
    ///
    /// # Errors
    /// [`Error::Permission`] with what is missing, [`Error::Unsupported`] when the kernel has no
    /// such trace point.
    pub fn start(&self) -> Result<DropWatcher> {
        let format = describe()?;
        let mut rings = Vec::new();
        for cpu in 0..perf::processors() {
            match self.ring(format.id, cpu) {
                Ok(ring) => rings.push(ring),
                // Switched off, or never there.
                Err(e) if matches!(e.raw_os_error(), Some(libc::ENODEV | libc::EINVAL)) => {}
                Err(e) => return Err(Error::sys(Op::OpenPerf, e)),
            }
        }
        if rings.is_empty() {
            return Err(Error::Unsupported("trace points as perf events"));
        }
        let symbols = Symbols::read();
        let gaps = gaps(&format, &symbols);
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        for ring in &rings {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
            epoll.add(ring, event).map_err(|e| Error::sys(Op::Poll, e))?;
        }
        let (queue, buffer) = (VecDeque::new(), Vec::new());
        Ok(DropWatcher { format, symbols, rings, epoll, queue, buffer, lost: 0, gaps })
    }

    /// Makes a ring, smaller where the limit of locked memory wants it so.
    fn ring(&self, id: u32, cpu: i32) -> io::Result<PerfRing> {
        let mut pages = (self.buffer_bytes as usize).div_ceil(PAGE).max(1).next_power_of_two();
        loop {
            match PerfRing::open(id, cpu, pages) {
                Err(e) if e.raw_os_error() == Some(libc::EPERM) && pages > 1 => pages /= 2,
                ring => return ring,
            }
        }
    }
}

/// Packets the kernel drops, as it drops them; made by [`Drops::start`].
pub struct DropWatcher {
    format: Format,
    symbols: Symbols,
    rings: Vec<PerfRing>,
    epoll: Epoll,
    queue: VecDeque<DroppedPacket>,
    buffer: Vec<u8>,
    lost: u64,
    gaps: Vec<Gap>,
}

impl DropWatcher {
    /// Returns what this kernel or these rights do not let be seen.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Takes over what waits in the rings, in the order of its time.
    fn fill(&mut self) {
        self.buffer.clear();
        for ring in &mut self.rings {
            ring.take(&mut self.buffer);
        }
        let mut packets = Vec::new();
        let boot = boot_time();
        for record in Records::new(&self.buffer) {
            match record {
                Record::Sample { pid, time, cpu, raw } => {
                    let time = i64::try_from(time).unwrap_or(i64::MAX);
                    let at = Timestamp::from_unix_nanos(boot.saturating_add(time));
                    packets.extend(packet(&self.format, &self.symbols, (pid, at, cpu), raw));
                }
                Record::Lost(lost) => self.lost += lost,
                Record::Other => {}
            }
        }
        packets.sort_by_key(|packet| packet.at);
        self.queue.extend(packets);
    }
}

impl EventSource for DropWatcher {
    type Event = DroppedPacket;

    fn try_recv(&mut self) -> Result<Option<DroppedPacket>> {
        if self.queue.is_empty() {
            self.fill();
        }
        Ok(self.queue.pop_front())
    }

    fn lost(&self) -> u64 {
        self.lost
    }
}

impl AsFd for DropWatcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl std::fmt::Debug for DropWatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DropWatcher").field("processors", &self.rings.len()).finish_non_exhaustive()
    }
}

/// The wall-clock time at which the monotonic clock showed zero, in nanoseconds since 1970.
fn boot_time() -> i64 {
    let since = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    let since = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::now().as_unix_nanos().saturating_sub(since)
}

fn packet(
    format: &Format,
    symbols: &Symbols,
    (pid, at, cpu): (u32, Timestamp, u32),
    raw: &[u8],
) -> Option<DroppedPacket> {
    let sample = format.read(raw)?;
    let location = symbols.locate(sample.location);
    let reason = sample.reason.map(|number| match format.reason_name(number) {
        Some(name) => name.to_owned(),
        // The upper half is the number of a subsystem with reasons of its own.
        None if number >> 16 != 0 => format!("{}.{}", number >> 16, number & 0xffff),
        None => number.to_string(),
    });
    let ignorable = meaning::noise(reason.as_deref(), location.function.as_deref());
    Some(DroppedPacket {
        at,
        reason,
        location,
        protocol: sample.protocol.filter(|protocol| *protocol != 0),
        has_socket: sample.has_socket,
        pid,
        cpu,
        ignorable: ignorable.map(str::to_owned),
    })
}

fn gaps(format: &Format, symbols: &Symbols) -> Vec<Gap> {
    let reasons = Gap::new("reasons", "kernels before 5.17 do not say why a packet is dropped");
    let places = Gap::new(
        "names of places",
        "/proc/kallsyms shows no addresses: kernel.kptr_restrict, or CAP_SYSLOG is missing",
    );
    let missing = [(!format.has_reasons(), reasons), (symbols.is_empty(), places)];
    missing.into_iter().filter_map(|(missing, gap)| missing.then_some(gap)).collect()
}

/// Reads what the kernel says about the trace point, mounted or not.
fn describe() -> Result<Format> {
    let mounted = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
    let text = mounted.iter().find_map(|root| fs::read_to_string(format!("{root}/{FORMAT}")).ok());
    let text = match text {
        Some(text) => text,
        None => {
            let root = tracefs::detached().map_err(|e| match e.raw_os_error() {
                Some(libc::ENODEV | libc::ENOSYS) => Error::Unsupported("tracefs"),
                _ => Error::sys(Op::OpenTrace, e),
            })?;
            read_below(&root).map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => Error::Unsupported("the trace point skb:kfree_skb"),
                _ => Error::sys(Op::OpenTrace, e),
            })?
        }
    };
    Format::parse(&text).ok_or(Error::Unsupported("a trace point skb:kfree_skb that can be read"))
}

fn read_below(root: &OwnedFd) -> io::Result<String> {
    let file = openat(root, FORMAT, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let mut text = String::new();
    File::from(file).read_to_string(&mut text)?;
    Ok(text)
}

const FORMAT: &str = "events/skb/kfree_skb/format";
const BUFFER: u32 = 256 << 10;
const PAGE: usize = 4096;

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests;
