use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

use super::event::{Change, Event, Happening, Learned, Overrun, Row, RowEvent, Table};
use super::message::{self, Said};
use super::names::Names;
use super::state::State;
use super::{Namespace, Watch};
use crate::base::{
    Budget, Capability, Error, EventSource, Family, Gap, Op, Result, Timestamp, Untrusted,
};
use crate::inventory::{Inventory, LinkFlags};
use crate::netlink::header::{Message, Messages};
use crate::netlink::rtnl::group;
use crate::netlink::{KernelSocket, Protocol, Transport};
use crate::netns::{Netns, Target};

/// Changes of a namespace as they happen; made by [`Watch::start`].
///
/// As an [`EventSource`] it joins a reactor by its descriptor. It pins the namespace while the
/// target lives and lets go when that ends.
pub struct Watcher {
    /// Gone with the target, for sockets keep a dead namespace alive.
    open: Option<Open>,
    target: Target,
    tables: BTreeSet<Table>,
    epoll: Epoll,
    queue: VecDeque<Event>,
    buffer: Vec<u8>,
    lost: u64,
    unreadable: u64,
    gaps: Vec<Gap>,
    finished: bool,
}

struct Open {
    netns: Netns,
    state: State,
    route: Feed,
    conntrack: Option<Feed>,
    names: Option<Names>,
    /// Routes may have gone without a word.
    suspect: bool,
}

/// A socket that hears of changes.
struct Feed {
    socket: KernelSocket,
    protocol: Protocol,
    tables: Vec<Table>,
    /// Messages were dropped since the tables were read.
    overrun: bool,
    /// How many the kernel dropped until then, as it counts them.
    dropped: u64,
}

impl Feed {
    fn open(
        netns: &Netns,
        protocol: Protocol,
        groups: &[u32],
        tables: Vec<Table>,
        bytes: u32,
    ) -> Result<Self> {
        let socket = KernelSocket::open(netns, protocol, bytes as usize)?;
        for group in groups {
            match socket.join(*group) {
                // A group this kernel does not know has no events to miss.
                Err(e) if e.errno() == Some(libc::EINVAL) => {}
                joined => joined?,
            }
        }
        Ok(Self { socket, protocol, tables, overrun: false, dropped: 0 })
    }
}

impl Watcher {
    pub(super) fn start(watch: &Watch, target: &Target) -> Result<Self> {
        let netns = target.open()?;
        let Watch { tables, family, buffer_bytes, remember } = watch;
        let (groups, of_route) = route_groups(tables, *family);
        let route = Feed::open(&netns, Protocol::Route, &groups, of_route, *buffer_bytes)?;
        let conntrack = match tables.contains(&Table::Ct) {
            true => Some(conntrack_feed(&netns, *buffer_bytes)?),
            false => None,
        };
        let names = match tables.contains(&Table::Ns) {
            true => Names::open()?,
            false => None,
        };
        let missing = tables.contains(&Table::Ns) && names.is_none();
        let why = "/run/netns did not exist when watching began";
        let gaps = missing.then(|| Gap::new("names of namespaces", why)).into_iter().collect();
        let mut state = State::new(Inventory::open(target)?, *family, *remember);
        let budget = Budget::within(READING);
        for table in tables.iter().copied().chain([Table::Link]).collect::<BTreeSet<_>>() {
            state.learn(table, &budget)?;
        }
        let epoll = epoll(&route, conntrack.as_ref(), names.as_ref(), target)?;
        Ok(Self {
            open: Some(Open { netns, state, route, conntrack, names, suspect: false }),
            target: target.clone(),
            tables: tables.clone(),
            epoll,
            queue: VecDeque::new(),
            buffer: Vec::with_capacity(DATAGRAM),
            lost: 0,
            unreadable: 0,
            gaps,
            finished: false,
        })
    }

    /// Returns how many messages could not be read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Returns what is not watched although it was asked for.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Returns the name of an interface, as last heard of.
    pub fn name_of(&self, ifindex: u32) -> Option<&Untrusted> {
        self.open.as_ref()?.state.name_of(ifindex)
    }

    /// Takes in what is there; `false` when that was nothing.
    fn pump(&mut self) -> Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let heard = |feed: &mut Feed, buffer: &mut Vec<u8>| feed.hear(buffer);
        if heard(&mut open.route, &mut self.buffer)? {
            self.take(Protocol::Route);
            return Ok(true);
        }
        if let Some(feed) = &mut open.conntrack
            && heard(feed, &mut self.buffer)?
        {
            self.take(Protocol::Netfilter);
            return Ok(true);
        }
        if let Some(names) = &open.names {
            let changes = names.changes()?;
            let any = !changes.is_empty();
            changes.into_iter().for_each(|(change, namespace)| self.name(change, namespace));
            if any {
                return Ok(true);
            }
        }
        if self.resync() || self.recheck() {
            return Ok(true);
        }
        if self.target.check_alive().is_err() {
            self.open = None;
            self.finished = true;
            self.say(Happening::TargetEnded);
            return Ok(true);
        }
        Ok(false)
    }

    /// Takes in the datagram in the buffer.
    fn take(&mut self, protocol: Protocol) {
        let buffer = std::mem::take(&mut self.buffer);
        for message in Messages::new(&buffer) {
            self.take_message(protocol, &message);
        }
        self.buffer = buffer;
    }

    fn take_message(&mut self, protocol: Protocol, message: &Message<'_>) {
        let Some(open) = &mut self.open else { return };
        let event = match message::read(protocol, message) {
            Said::Is { row, .. } | Said::Gone { row, .. } if !open.state.wants(&row) => return,
            Said::Is { row, replaces } => {
                let created = message.flags & NLM_F_CREATE != 0;
                open.state.arrive(row, replaces, created)
            }
            Said::Gone { row, moved } => open.state.leave(row, moved),
            Said::NextHopGone => {
                open.suspect = true;
                return;
            }
            Said::Unreadable => {
                self.unreadable += 1;
                return;
            }
            Said::Nothing => return,
        };
        open.suspect |= takes_routes_along(&event);
        self.row(event);
    }

    /// Hands an event on, if its table is one of those asked for.
    fn row(&mut self, mut event: RowEvent) {
        if !self.tables.contains(&event.row.table()) {
            return;
        }
        if let (Row::Ns(namespace), Some(open)) = (&mut event.row, &mut self.open)
            && let (Some(nsid), Change::Added) = (namespace.nsid, event.change)
        {
            *namespace = open.state.identify(nsid, &Budget::within(IDENTIFYING));
        }
        self.say(Happening::Row(event));
    }

    fn name(&mut self, change: Change, namespace: Namespace) {
        let row = Row::Ns(namespace);
        let (learned, differences) = (Learned::Told, Vec::new());
        self.say(Happening::Row(RowEvent { change, learned, dev: None, differences, row }));
    }

    /// Reads the tables of a feed again that lost events, and tells what is different.
    fn resync(&mut self) -> bool {
        let Some(open) = &mut self.open else { return false };
        let feeds = [Some(&mut open.route), open.conntrack.as_mut()];
        let Some(feed) = feeds.into_iter().flatten().find(|feed| feed.overrun) else {
            return false;
        };
        feed.overrun = false;
        let dropped = dropped(&open.netns, &feed.socket, feed.protocol);
        let lost = dropped.map(|now| now.saturating_sub(std::mem::replace(&mut feed.dropped, now)));
        let budget = Budget::within(READING);
        let (mut found, mut gaps) = (Vec::new(), Vec::new());
        for table in &feed.tables {
            match open.state.again(*table, Learned::Resync, &budget) {
                Ok(Some(events)) => found.extend(events),
                Ok(None) => gaps.push(open.state.too_large(*table)),
                Err(e) => gaps.push(Gap::because(table.name(), &e)),
            }
        }
        let tables = feed.tables.iter().copied().filter(|t| self.tables.contains(t)).collect();
        found.retain(|event| self.tables.contains(&event.row.table()));
        self.lost += lost.unwrap_or(1).max(1);
        let found_count = found.len() as u64;
        self.say(Happening::Overrun(Overrun { lost, tables, found: found_count, gaps }));
        found.into_iter().for_each(|event| self.row(event));
        true
    }

    /// Reads the routes again when some may have gone without a word.
    fn recheck(&mut self) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| open.suspect) else { return false };
        open.suspect = false;
        if !self.tables.contains(&Table::Route) {
            return false;
        }
        let again = open.state.again(Table::Route, Learned::Silent, &Budget::within(READING));
        // What cannot be read now is read after the next reason to.
        let found = again.ok().flatten().unwrap_or_default();
        let any = !found.is_empty();
        found.into_iter().for_each(|event| self.row(event));
        any
    }

    fn say(&mut self, what: Happening) {
        self.queue.push_back(Event { at: Timestamp::now(), what });
    }
}

impl Feed {
    /// Fills the buffer with the next datagram of the kernel; `false` when there is none.
    fn hear(&mut self, buffer: &mut Vec<u8>) -> Result<bool> {
        loop {
            match self.socket.recv(buffer) {
                Ok(0) => return Ok(true),
                // Only the kernel speaks for the kernel.
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                // What was queued before is still read; the tables are read behind it.
                Err(e) if e.raw_os_error() == Some(libc::ENOBUFS) => self.overrun = true,
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
    }
}

impl EventSource for Watcher {
    type Event = Event;

    fn try_recv(&mut self) -> Result<Option<Event>> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Ok(Some(event));
            }
            if !self.pump()? {
                return Ok(None);
            }
        }
    }

    fn is_finished(&self) -> bool {
        self.finished && self.queue.is_empty()
    }

    fn lost(&self) -> u64 {
        self.lost
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("tables", &self.tables).finish_non_exhaustive()
    }
}

/// The groups to join, and the tables that suffer when events of this socket are lost.
fn route_groups(tables: &BTreeSet<Table>, family: Option<Family>) -> (Vec<u32>, Vec<Table>) {
    let wants = |of: Family| family.is_none_or(|family| family == of);
    let mut groups = vec![group::LINK];
    let mut suffer = vec![Table::Link];
    for (table, both, v4, v6) in [
        (Table::Addr, None, Some(group::IPV4_IFADDR), Some(group::IPV6_IFADDR)),
        (Table::Route, Some(group::NEXTHOP), Some(group::IPV4_ROUTE), Some(group::IPV6_ROUTE)),
        (Table::Rule, None, Some(group::IPV4_RULE), Some(group::IPV6_RULE)),
        (Table::Neigh, Some(group::NEIGH), None, None),
        (Table::Ns, Some(group::NSID), None, None),
    ] {
        if tables.contains(&table) {
            suffer.push(table);
            groups.extend(both);
            groups.extend(v4.filter(|_| wants(Family::V4)));
            groups.extend(v6.filter(|_| wants(Family::V6)));
        }
    }
    // IPv4 routes go with their source addresses.
    if tables.contains(&Table::Route) && wants(Family::V4) && !groups.contains(&group::IPV4_IFADDR)
    {
        groups.push(group::IPV4_IFADDR);
    }
    (groups, suffer)
}

fn conntrack_feed(netns: &Netns, bytes: u32) -> Result<Feed> {
    // linux/netfilter/nfnetlink_compat.h: new, update, destroy.
    let feed = Feed::open(netns, Protocol::Netfilter, &[1, 2, 3], vec![Table::Ct], bytes);
    feed.map_err(|e| match e.errno() {
        Some(libc::EPERM | libc::EACCES) => {
            Error::Permission { op: Op::OpenNetlink, needs: Capability::NetAdmin }
        }
        Some(libc::EPROTONOSUPPORT) => Error::Unsupported("netfilter's netlink (nfnetlink)"),
        _ => e,
    })
}

fn epoll(
    route: &Feed,
    conntrack: Option<&Feed>,
    names: Option<&Names>,
    target: &Target,
) -> Result<Epoll> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
    let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
    let conntrack = conntrack.map(|feed| feed.socket.as_fd());
    let fds = [Some(route.socket.as_fd()), conntrack, names.map(AsFd::as_fd), target.pidfd()];
    for fd in fds.into_iter().flatten() {
        let event = EpollEvent::new(EpollFlags::EPOLLIN, 0);
        epoll.add(fd, event).map_err(|e| Error::sys(Op::Poll, e))?;
    }
    Ok(epoll)
}

/// IPv4 routes go without a word when their interface goes down or their source address goes.
fn takes_routes_along(event: &RowEvent) -> bool {
    let gone = matches!(event.change, Change::Removed | Change::Moved);
    match &event.row {
        Row::Link(link) => gone || !link.flags.contains(LinkFlags::UP | LinkFlags::LOWER_UP),
        Row::Addr(addr) => gone && addr.family == Family::V4,
        _ => false,
    }
}

/// How many messages a socket missed, from `/proc/net/netlink` of its namespace: protocol, port
/// and drops are columns two, three and nine.
fn dropped(netns: &Netns, socket: &KernelSocket, protocol: Protocol) -> Option<u64> {
    let number = match protocol {
        Protocol::Route => libc::NETLINK_ROUTE,
        Protocol::SockDiag => libc::NETLINK_SOCK_DIAG,
        Protocol::Netfilter => libc::NETLINK_NETFILTER,
        Protocol::Generic => libc::NETLINK_GENERIC,
    };
    let (number, port) = (number.to_string(), socket.port().to_string());
    let text = netns.run(|| fs::read_to_string("/proc/thread-self/net/netlink")).ok()?.ok()?;
    text.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let own = words.next() == Some(&number) && words.next() == Some(&port);
        own.then(|| words.nth(5)?.parse().ok()).flatten()
    })
}

/// The largest datagram the kernel sends of itself.
const DATAGRAM: usize = 1 << 16;
/// The kernel answers at once; a million rows take it a second.
const READING: Duration = Duration::from_secs(10);
/// For naming a namespace, which looks at every process.
const IDENTIFYING: Duration = Duration::from_millis(500);
/// linux/netlink.h: the message tells of an object that was not there before.
const NLM_F_CREATE: u16 = 0x400;
