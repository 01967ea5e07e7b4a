//! What happens to the interface while packets are taken from it.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::libc;

use crate::base::{Budget, Error, Op, Result, Timestamp, Untrusted};
use crate::netlink::header::{Message, Messages};
use crate::netlink::rtnl::{group, link};
use crate::netlink::{Channel, KernelSocket, Protocol, Transport};
use crate::netns::Netns;

/// Something that happened to the interface of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Notice {
    /// When the capture learned of it.
    pub at: Timestamp,
    /// The interface's name before it happened.
    pub interface: Untrusted,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub change: Change,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.interface.escaped();
        match &self.change {
            Change::Down => write!(f, "{name} is down"),
            Change::Up => write!(f, "{name} is up"),
            Change::Renamed { to } => write!(f, "{name} is now called {}", to.escaped()),
            Change::Mtu { bytes } => write!(f, "{name} has an MTU of {bytes} bytes now"),
            Change::Vanished => write!(f, "interface vanished: {name} was deleted"),
            Change::Moved => write!(f, "interface moved: {name} is in another namespace now"),
        }
    }
}

/// What happened to an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case", tag = "change"))]
#[non_exhaustive]
pub enum Change {
    /// It was switched off; the capture waits for it to come back.
    Down,
    /// It was switched on again.
    Up,
    /// It has another name; the capture goes on.
    Renamed {
        /// The new name.
        to: Untrusted,
    },
    /// It takes packets of another size; the capture goes on.
    Mtu {
        /// The largest packet it sends now, in bytes.
        bytes: u32,
    },
    /// It was deleted, which ends the capture.
    Vanished,
    /// It went to another namespace, which ends the capture.
    Moved,
}

impl Change {
    /// Tells whether nothing can come from the interface any more.
    pub fn ends_the_capture(&self) -> bool {
        matches!(self, Self::Vanished | Self::Moved)
    }
}

/// A link as last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) name: Untrusted,
    pub(super) altnames: Vec<Untrusted>,
    pub(super) arphrd: u16,
    pub(super) up: bool,
    pub(super) running: bool,
    pub(super) mtu: Option<u32>,
}

/// The links of a namespace, kept up to date.
pub(super) struct Links {
    requests: Channel,
    events: KernelSocket,
    buffer: Vec<u8>,
    pub(super) known: BTreeMap<u32, Link>,
    /// Events were lost and what there is could not be read since.
    stale: bool,
}

impl Links {
    /// Reads the links; what happens afterwards is not missed.
    pub(super) fn open(netns: &Netns) -> Result<Self> {
        let events = KernelSocket::open(netns, Protocol::Route, EVENTS)?;
        events.join(group::LINK)?;
        let requests = Channel::new(KernelSocket::open(netns, Protocol::Route, EVENTS)?);
        let buffer = Vec::with_capacity(DATAGRAM);
        let mut links = Self { requests, events, buffer, known: BTreeMap::new(), stale: false };
        links.known = links.read(LOCKED)?;
        Ok(links)
    }

    fn read(&mut self, within: Duration) -> Result<BTreeMap<u32, Link>> {
        let mut known = BTreeMap::new();
        let budget = Budget::within(within);
        self.requests.ask(link::dump(), &budget, |message| known.extend(linked(message)))?;
        Ok(known)
    }

    /// Returns the number of the interface that has this name.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let named = |link: &Link| {
            link.name == *name || link.altnames.iter().any(|altname| *altname == *name)
        };
        self.known.iter().find(|(_, link)| named(link)).map(|(index, _)| *index)
    }

    /// Returns how many packets the interface itself had to drop since it was made: no room in its
    /// queues (`rx_missed_errors` and `rx_fifo_errors`).
    pub(super) fn dropped(&mut self, ifindex: u32) -> Option<u64> {
        let mut dropped = None;
        let budget = Budget::within(ANSWER);
        let asked = self.requests.ask(link::get(ifindex), &budget, |message| {
            let stats = link::decode(message).and_then(|link| link.stats);
            // linux/if_link.h struct rtnl_link_stats64
            dropped = stats.and_then(|s| Some(s.get(14)?.wrapping_add(*s.get(15)?)));
        });
        asked.ok().and(dropped)
    }

    /// Takes in what happened and tells what of it concerns `watched`.
    pub(super) fn changes(&mut self, watched: Option<u32>) -> Result<Vec<Notice>> {
        let mut notices = Vec::new();
        if self.stale {
            self.read_again(watched, &mut notices)?;
        }
        loop {
            match self.events.recv(&mut self.buffer) {
                Ok(0) => {}
                // Only the kernel speaks for the kernel.
                Ok(_) => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(notices),
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.read_again(watched, &mut notices)?;
                    continue;
                }
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
            for message in Messages::new(&self.buffer) {
                if let Some(gone) = link::gone(&message) {
                    let link = self.known.remove(&gone.ifindex);
                    let change = if gone.moved { Change::Moved } else { Change::Vanished };
                    let link = link.filter(|_| watched == Some(gone.ifindex));
                    notices.extend(link.map(|link| notice(&link, change)));
                } else if let Some((ifindex, now)) = linked(&message) {
                    let before = self.known.insert(ifindex, now.clone());
                    let before = before.filter(|_| watched == Some(ifindex));
                    notices.extend(before.iter().flat_map(|before| between(before, &now)));
                }
            }
        }
    }

    /// Events were lost: what there is now tells what they were. With the next event, if the kernel does not say it
    /// at once.
    fn read_again(&mut self, watched: Option<u32>, notices: &mut Vec<Notice>) -> Result<()> {
        let now = self.read(ANSWER);
        // An answer that came too late may stand in the way of the next one.
        let busy = |source: &io::Error| source.raw_os_error() == Some(libc::EBUSY);
        self.stale = match &now {
            Err(Error::Elapsed) => true,
            Err(Error::Netlink { source, .. }) => busy(source),
            _ => false,
        };
        if self.stale {
            return Ok(());
        }
        let now = now?;
        let before = std::mem::replace(&mut self.known, now);
        let Some(index) = watched else { return Ok(()) };
        match (before.get(&index), self.known.get(&index)) {
            (Some(before), Some(now)) => notices.extend(between(before, now)),
            (Some(before), None) => notices.push(notice(before, Change::Vanished)),
            (None, _) => {}
        }
        Ok(())
    }
}

impl AsFd for Links {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

fn linked(message: &Message<'_>) -> Option<(u32, Link)> {
    // A bridge tells of its ports in messages that lack most of a link.
    let whole = message.body.first() == Some(&0);
    let msg = link::decode(message).filter(|msg| whole && !msg.name.is_empty())?;
    let link = Link {
        name: msg.name.into(),
        altnames: msg.altnames.into_iter().map(Untrusted::from).collect(),
        arphrd: msg.arphrd,
        up: msg.flags & libc::IFF_UP as u32 != 0,
        running: msg.flags & libc::IFF_RUNNING as u32 != 0,
        mtu: msg.mtu,
    };
    Some((msg.ifindex, link))
}

pub(super) fn notice(link: &Link, change: Change) -> Notice {
    Notice { at: Timestamp::now(), interface: link.name.clone(), change }
}

fn between(before: &Link, now: &Link) -> Vec<Notice> {
    let mut changes = Vec::new();
    if before.name != now.name {
        changes.push(notice(before, Change::Renamed { to: now.name.clone() }));
    }
    if before.up != now.up {
        changes.push(notice(now, if now.up { Change::Up } else { Change::Down }));
    }
    if let Some(bytes) = now.mtu.filter(|_| before.mtu != now.mtu) {
        changes.push(notice(now, Change::Mtu { bytes }));
    }
    changes
}

/// How much may be on its way from the kernel.
const EVENTS: usize = 1 << 20;
/// The largest datagram the kernel sends of itself.
const DATAGRAM: usize = 1 << 16;
/// The kernel answers at once, as a rule.
const ANSWER: Duration = Duration::from_secs(2);
/// It answers when its lock on all links is free, which it holds for seconds while it takes namespaces down
/// (net/core/net_namespace.c `cleanup_net`).
const LOCKED: Duration = Duration::from_secs(30);
