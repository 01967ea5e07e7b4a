use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;

use super::list::explained;
use super::{CtEntry, from_msg};
use crate::base::{Error, EventSource, Op, Result};
use crate::netlink::conntrack_more::{self as wire, Change};
use crate::netlink::header::Messages;
use crate::netlink::{KernelSocket, Protocol, Transport};
use crate::netns::{NetnsId, Target};

/// Changes of tracked connections as they happen, as `conntrack -E` shows them.
///
/// ```no_run
/// use vision_core::base::EventSource;
/// use vision_core::inventory::CtEvents;
/// use vision_core::{Budget, Selector, Target};
///
/// let target = Target::resolve(&Selector::Pid(4242), &Budget::unbounded())?;
/// let mut events = CtEvents::open(&target)?;
/// while let Some(event) = events.recv(&Budget::unbounded())? {
///     println!("{event:?}");
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
pub struct CtEvents {
    socket: KernelSocket,
    netns: NetnsId,
    buffer: Vec<u8>,
    ready: VecDeque<CtEvent>,
    overruns: u64,
}

/// A change of a tracked connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CtEvent {
    /// It was entered.
    New(Box<CtEntry>),
    /// Its state, mark or the like changed; what did not change may be missing.
    Update(Box<CtEntry>),
    /// It ended.
    Destroy(Box<CtEntry>),
    /// The kernel dropped an unknown number of events because they were not read in time.
    Overrun,
}

impl CtEvent {
    /// Returns the connection it is about.
    pub fn entry(&self) -> Option<&CtEntry> {
        match self {
            Self::New(entry) | Self::Update(entry) | Self::Destroy(entry) => Some(entry),
            Self::Overrun => None,
        }
    }
}

impl CtEvents {
    /// Begins to listen in the target's namespace; what happens from now on will be told.
    ///
    /// Needs `CAP_NET_ADMIN` over the namespace. Kernels from 5.19 on only make events while
    /// somebody listens (`net.netfilter.nf_conntrack_events`).
    ///
    /// # Errors
    /// [`Error::Permission`], [`Error::Unsupported`] when the kernel lacks `nf_conntrack_netlink`.
    #[doc(alias = "NFNLGRP_CONNTRACK_NEW")]
    pub fn open(target: &Target) -> Result<Self> {
        let netns = target.open()?;
        let socket = KernelSocket::open(&netns, Protocol::Netfilter, QUEUE)?;
        for group in [wire::NEW, wire::UPDATE, wire::DESTROY] {
            socket.join(group).map_err(explained)?;
        }
        Ok(Self {
            socket,
            netns: netns.id(),
            buffer: Vec::with_capacity(BUFFER),
            ready: VecDeque::new(),
            overruns: 0,
        })
    }

    /// Reads one datagram; `false` when none waits.
    fn fill(&mut self) -> Result<bool> {
        match self.socket.recv(&mut self.buffer) {
            Ok(0) => {
                for message in Messages::new(&self.buffer) {
                    let Some((change, msg)) = wire::decode_event(&message) else { continue };
                    let Some(entry) = from_msg(&msg).map(Box::new) else { continue };
                    self.ready.push_back(match change {
                        Change::New => CtEvent::New(entry),
                        Change::Update => CtEvent::Update(entry),
                        Change::Destroy => CtEvent::Destroy(entry),
                    });
                }
                Ok(true)
            }
            // Another process, not the kernel.
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => {
                self.overruns += 1;
                self.ready.push_back(CtEvent::Overrun);
                Ok(true)
            }
            Err(e) => Err(Error::sys(Op::Receive, e)),
        }
    }
}

impl EventSource for CtEvents {
    type Event = CtEvent;

    fn try_recv(&mut self) -> Result<Option<CtEvent>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// How often events were dropped; the kernel does not say how many.
    fn lost(&self) -> u64 {
        self.overruns
    }
}

impl AsFd for CtEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for CtEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CtEvents").field("netns", &self.netns).finish_non_exhaustive()
    }
}

/// Bytes the kernel keeps for us while we do something else.
const QUEUE: usize = 8 << 20;
/// One event takes less than a kilobyte, a datagram holds one.
const BUFFER: usize = 64 << 10;
