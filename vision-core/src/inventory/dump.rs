//! Dumps: the sockets, the watch on changes meanwhile, the retries.

use std::collections::HashSet;
use std::hash::Hash;

use nix::libc;

use super::row::Row;
use crate::base::{Budget, Error, Result};
use crate::netlink::attr::Request;
use crate::netlink::header::Message;
use crate::netlink::{Channel, KernelSocket, Protocol};
use crate::netns::Netns;

/// Rows of one kind, and whether they are one state of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Dump<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether anything changed while they were read.
    pub consistent: Consistency,
    /// Rows the kernel sent that could not be read.
    pub unreadable: u64,
}

/// Whether a dump shows one state of the kernel.
///
/// A dump of many rows takes several system calls, and the kernel does not stop for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Consistency {
    /// An event socket that listened all the while stayed silent.
    Yes,
    /// Something changed: rows may be missing, or be there in their old and new form.
    No,
    /// The kernel sends no events about such rows, or did not let us listen.
    Unknown,
}

/// What to ask, how to read the answers, which events would spoil them.
///
/// The reader is a type of its own, so that it becomes part of the loop over a million messages.
pub(super) struct Plan<C, R> {
    socket: Protocol,
    groups: &'static [u32],
    requests: Vec<(Request, C)>,
    read: R,
}

impl<T, C: Copy, R: Fn(&Message<'_>, C) -> Row<T>> Plan<C, R> {
    pub(super) fn new(groups: &'static [u32], read: R) -> Self {
        Self { socket: Protocol::Route, groups, requests: Vec::new(), read }
    }

    /// A plan over rows without events.
    pub(super) fn over(socket: Protocol, read: R) -> Self {
        Self { socket, ..Self::new(&[], read) }
    }

    pub(super) fn ask(mut self, request: Request, context: C) -> Self {
        self.requests.push((request, context));
        self
    }
}

/// The sockets of an inventory, opened when needed.
pub(super) struct Reader {
    netns: Netns,
    route: Channel,
    diag: Option<Channel>,
    netfilter: Option<Channel>,
    generic: Option<Channel>,
    events: Option<Channel>,
}

/// How one pass over a plan ended.
#[derive(Clone, Copy)]
pub(super) struct Pass {
    pub(super) consistent: Consistency,
    pub(super) unreadable: u64,
}

impl Reader {
    pub(super) fn new(netns: Netns) -> Result<Self> {
        let route = open(&netns, Protocol::Route, REQUESTS)?;
        Ok(Self { netns, route, diag: None, netfilter: None, generic: None, events: None })
    }

    pub(super) fn netns(&self) -> &Netns {
        &self.netns
    }

    pub(super) fn ignored(&self) -> u64 {
        let others = [&self.diag, &self.netfilter, &self.generic].into_iter().flatten();
        self.route.ignored() + others.map(Channel::ignored).sum::<u64>()
    }

    /// The routing channel; a fresh one when the last exchange was given up half way.
    pub(super) fn route_channel(&mut self) -> Result<&mut Channel> {
        if self.route.is_busy() {
            self.route = open(&self.netns, Protocol::Route, REQUESTS)?;
        }
        Ok(&mut self.route)
    }

    pub(super) fn channel(&mut self, protocol: Protocol) -> Result<&mut Channel> {
        let slot = match protocol {
            Protocol::Route => return self.route_channel(),
            Protocol::SockDiag => &mut self.diag,
            Protocol::Netfilter => &mut self.netfilter,
            Protocol::Generic => &mut self.generic,
        };
        let fresh = match slot.take().filter(|channel| !channel.is_busy()) {
            Some(channel) => channel,
            None => open(&self.netns, protocol, REQUESTS)?,
        };
        Ok(slot.insert(fresh))
    }

    /// Hands over rows as they come.
    pub(super) fn stream<T, C: Copy>(
        &mut self,
        plan: &Plan<C, impl Fn(&Message<'_>, C) -> Row<T>>,
        budget: &Budget,
        each: impl FnMut(T),
    ) -> Result<Consistency> {
        self.pass(plan, budget, each).map(|pass| match pass.unreadable {
            0 => pass.consistent,
            // A stream has no other place to say that rows are missing.
            _ => Consistency::No,
        })
    }

    /// Collects rows, again while they changed meanwhile.
    pub(super) fn list<T: Eq + Hash + Clone, C: Copy>(
        &mut self,
        plan: &Plan<C, impl Fn(&Message<'_>, C) -> Row<T>>,
        budget: &Budget,
    ) -> Result<Dump<T>> {
        self.list_by(plan, budget, T::clone)
    }

    /// As [`Reader::list`]; rows with equal keys are the same one, seen twice.
    pub(super) fn list_by<T, C: Copy, K: Eq + Hash>(
        &mut self,
        plan: &Plan<C, impl Fn(&Message<'_>, C) -> Row<T>>,
        budget: &Budget,
        key: impl Fn(&T) -> K,
    ) -> Result<Dump<T>> {
        collect(|each| self.pass(plan, budget, each), key)
    }

    fn pass<T, C: Copy>(
        &mut self,
        plan: &Plan<C, impl Fn(&Message<'_>, C) -> Row<T>>,
        budget: &Budget,
        each: impl FnMut(T),
    ) -> Result<Pass> {
        let watching = !plan.groups.is_empty() && self.watch(plan.groups);
        let asked = self.ask_all(plan, budget, each);
        let quiet = watching && self.unwatch(plan.groups);
        let (interrupted, unreadable) = asked?;
        let consistent = match (interrupted, watching, quiet) {
            (true, ..) | (_, true, false) => Consistency::No,
            (_, false, _) => Consistency::Unknown,
            (_, true, true) => Consistency::Yes,
        };
        Ok(Pass { consistent, unreadable })
    }

    fn ask_all<T, C: Copy>(
        &mut self,
        plan: &Plan<C, impl Fn(&Message<'_>, C) -> Row<T>>,
        budget: &Budget,
        mut each: impl FnMut(T),
    ) -> Result<(bool, u64)> {
        let (mut interrupted, mut unreadable) = (false, 0);
        for (request, context) in &plan.requests {
            let channel = self.channel(plan.socket)?;
            let ended = channel.ask(request.clone(), budget, |message| {
                match (plan.read)(message, *context) {
                    Row::Item(row) => each(row),
                    Row::Other => {}
                    Row::Unreadable => unreadable += 1,
                }
            });
            match ended {
                Ok(ended) => interrupted |= ended.interrupted,
                // A family that is switched off has nothing to list.
                Err(e) if plan.socket != Protocol::Netfilter && is_absent(&e) => {}
                Err(e) => return Err(e),
            }
        }
        Ok((interrupted, unreadable))
    }

    /// Starts to listen; `false` when that cannot be done, which is no reason not to dump.
    fn watch(&mut self, groups: &[u32]) -> bool {
        if self.events.is_none() {
            self.events = open(&self.netns, Protocol::Route, EVENTS).ok();
        }
        let Some(events) = &mut self.events else {
            return false;
        };
        let joined = groups.iter().all(|group| match events.socket().join(*group) {
            Ok(()) => true,
            // A group this kernel does not know has no events to miss.
            Err(e) => e.errno() == Some(libc::EINVAL),
        });
        joined && events.drain().is_ok()
    }

    /// Stops listening and tells whether all was quiet.
    fn unwatch(&mut self, groups: &[u32]) -> bool {
        let Some(events) = &mut self.events else {
            return false;
        };
        let quiet = events.drain().is_ok_and(|any| !any);
        for group in groups {
            let _ = events.socket().leave(*group);
        }
        quiet
    }
}

/// Makes up to five passes, until one is not disturbed.
pub(super) fn collect<T, K: Eq + Hash>(
    mut pass: impl FnMut(&mut dyn FnMut(T)) -> Result<Pass>,
    key: impl Fn(&T) -> K,
) -> Result<Dump<T>> {
    let mut best: Option<Dump<T>> = None;
    let mut failed = None;
    for _ in 0..ATTEMPTS {
        let mut items = Vec::new();
        match pass(&mut |row| items.push(row)) {
            Ok(Pass { consistent, unreadable }) => {
                best = Some(Dump { items, consistent, unreadable });
                if consistent != Consistency::No {
                    break;
                }
            }
            Err(e) if is_transient(&e) => failed = Some(e),
            Err(e) => {
                failed = Some(e);
                break;
            }
        }
    }
    // A disturbed dump is better than none.
    best.map(|dump| without_doubles(dump, key)).ok_or(failed.unwrap_or(Error::Elapsed))
}

fn open(netns: &Netns, protocol: Protocol, buffer_bytes: usize) -> Result<Channel> {
    KernelSocket::open(netns, protocol, buffer_bytes).map(Channel::new)
}

/// Drops rows that came twice because others moved; a consistent dump has none.
///
/// Equal rows that the kernel really holds twice (rules may be) are kept when nothing changed.
fn without_doubles<T, K: Eq + Hash>(mut dump: Dump<T>, key: impl Fn(&T) -> K) -> Dump<T> {
    if dump.consistent != Consistency::Yes {
        let mut seen = HashSet::with_capacity(dump.items.len());
        dump.items.retain(|row| seen.insert(key(row)));
    }
    dump
}

/// Failures that a second try may not meet.
fn is_transient(error: &Error) -> bool {
    matches!(error, Error::Netlink { .. })
        && matches!(
            error.errno(),
            Some(libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN | libc::EBUSY | libc::EINTR)
        )
}

/// The kernel has no such family.
fn is_absent(error: &Error) -> bool {
    matches!(error.errno(), Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP))
}

/// How often a list is read before it is returned as inconsistent.
const ATTEMPTS: u32 = 5;

/// Receive buffers in bytes. Dumps are paced by the reader; events are not.
const REQUESTS: usize = 1 << 20;
const EVENTS: usize = 4 << 20;
