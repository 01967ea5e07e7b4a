//! What a namespace holds, as plain data: links, addresses, routes, rules, neighbours, sockets and
//! their owners, tracked connections, counters, settings, and the files that name resolution reads.
//!
//! Rows have public fields, keep numbers this version does not know, and survive JSON.
//!
//! ```no_run
//! use std::time::Duration;
//! use vision_core::inventory::Inventory;
//! use vision_core::{Budget, Selector, Target};
//!
//! let budget = Budget::within(Duration::from_secs(2));
//! let target = Target::resolve(&Selector::Pid(4711), &budget)?;
//! let mut inventory = Inventory::open(&target)?;
//! for link in inventory.links(&budget)?.items {
//!     println!("{} {}", link.ifindex, link.name.escaped());
//! }
//! # Ok::<(), vision_core::Error>(())
//! ```
#![deny(clippy::indexing_slicing)]

mod addr;
mod bridge;
mod compare;
mod conntrack;
mod counters;
mod difference;
mod dump;
pub mod ethtool;
mod flags;
mod hosts;
pub mod kind;
mod link;
mod lookup;
mod map;
mod meanings;
mod neigh;
mod neigh_table;
mod owners;
mod packet_queue;
mod peers;
pub mod qdisc;
mod recorded;
mod resolver;
mod route;
mod route_metrics;
mod row;
mod rule;
mod settings;
mod snapshot;
mod sock;
mod sock_details;
mod sock_local;
mod sock_raw;
mod softnet;
mod sysctl;
#[cfg(test)]
mod tests;

pub use addr::{Addr, AddrFlags, Lifetime};
pub use bridge::{
    BridgeVlanFlags, FdbEntry, Mdb, MdbFilterMode, MdbFlags, MdbMember, MdbState, PortVlan,
    PortVlans, RouterPort,
};
pub use compare::{Comparison, Side, Unequal};
pub use conntrack::{
    CtCount, CtCounters, CtCpuStats, CtDccp, CtDccpState, CtEntry, CtEvent, CtEvents,
    CtExpectFlags, CtExpectation, CtFilter, CtIcmp, CtProtocol, CtSctp, CtSctpState, CtSeqAdjust,
    CtStatus, CtSynproxy, CtTable, CtTcp, CtTcpFlags, CtTcpState, CtTranslation, CtTuple,
};
pub use counters::Counters;
pub use difference::Difference;
pub use dump::{Consistency, Dump};
pub use ethtool::{Ethtool, EthtoolParts};
pub use hosts::{HostEntry, Hosts};
pub use kind::{LinkKind, LinkRole};
pub use link::{Link, LinkFlags, LinkStats, LinkType, OperState};
pub use lookup::{RefusalCause, RouteAnswer, RouteQuery, RouteRefusal};
pub use map::{DefaultRoute, MappedLink, MappedNamespace, NetworkMap, OtherEnd};
pub use meanings::CounterMeaning;
pub use neigh::{NeighFlags, NeighSelect, NeighState, Neighbour};
pub use neigh_table::{NeighQueue, NeighTable};
pub use owners::{SocketOwner, SocketOwners};
pub use packet_queue::PacketQueue;
pub use peers::LinkPeer;
pub use qdisc::{Class, Filter, Qdisc, TcHandle, TcStats};
pub use recorded::{Recorded, RecordedProtocol, RecordedRow};
pub use resolver::{Nameserver, Resolver, ResolverOptions};
pub use route::{
    Encap, NextHop, Route, RouteFlags, RouteKind, RoutePreference, RouteProtocol, RouteTable, Scope,
};
pub use route_metrics::RouteMetrics;
pub use rule::{Rule, RuleAction, RuleFlags};
pub use settings::Setting;
pub use snapshot::{Section, Sections, Snapshot};
pub use sock::{Sock, SockProtocol, SockState, SocketFilter, SocketKind};
pub use sock_details::{SockDetails, SockMemory, SockTimer, TcpInfo};
pub use sock_local::{PacketSock, UnixKind, UnixSock};
pub use softnet::SoftnetCpu;
#[cfg(feature = "dns")]
pub(crate) use sysctl::established_timeout;
pub use sysctl::{InterfaceSysctls, Ipv4Sysctls, Ipv6Sysctls, Sysctls};

use std::os::fd::{AsFd, AsRawFd};

use crate::base::{Budget, Error, Family, Result};
use crate::netlink::header::Message;
use crate::netlink::rtnl::{self, group, nsid};
use crate::netlink::{Protocol, sock_diag};
use crate::netns::{Netns, NetnsId, Target};
use dump::{Plan, Reader};
use row::Row;

/// Reads the network state of one namespace.
///
/// Sockets are opened inside the namespace when first needed and kept; calls may come from any
/// thread. **It pins the namespace** as [`Netns`] does: drop it when the work is done.
///
/// Reading needs no privilege beyond entering the namespace ([`Netns::run`]).
pub struct Inventory {
    target: Target,
    reader: Reader,
}

impl Inventory {
    /// Opens the target's namespace.
    ///
    /// # Errors
    /// Those of [`Target::open`], or [`Error::Sys`] when no socket could be opened.
    pub fn open(target: &Target) -> Result<Self> {
        let netns = target.open()?;
        Ok(Self { target: target.clone(), reader: Reader::new(netns)? })
    }

    /// Returns the namespace it reads.
    pub fn netns(&self) -> &Netns {
        self.reader.netns()
    }

    /// Returns what identifies the namespace.
    pub fn netns_id(&self) -> NetnsId {
        self.netns().id()
    }

    /// Returns how many messages came that were not the kernel's answers; forgeries, in short.
    pub fn ignored(&self) -> u64 {
        self.reader.ignored()
    }

    /// Returns all interfaces.
    ///
    /// # Errors
    /// [`Error::Netlink`] when the kernel refuses, [`Error::Elapsed`] or [`Error::Cancelled`].
    #[doc(alias = "RTM_GETLINK")]
    pub fn links(&mut self, budget: &Budget) -> Result<Dump<Link>> {
        let plan = Plan::new(&[group::LINK], link::read).ask(rtnl::link::dump(), ());
        self.reader.list(&plan, budget)
    }

    /// Returns all addresses.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "RTM_GETADDR")]
    pub fn addrs(&mut self, budget: &Budget) -> Result<Dump<Addr>> {
        let groups = &[group::LINK, group::IPV4_IFADDR, group::IPV6_IFADDR];
        self.reader.list(&Plan::new(groups, addr::read).ask(rtnl::addr::dump(), ()), budget)
    }

    /// Returns all routes of all tables.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "RTM_GETROUTE")]
    pub fn routes(&mut self, budget: &Budget) -> Result<Dump<Route>> {
        self.reader.list(&routes_plan(), budget)
    }

    /// Hands over every route of every table, in constant memory and without a second try.
    ///
    /// # Errors
    /// As [`Inventory::links`]; what was handed over by then is incomplete.
    pub fn routes_each(&mut self, budget: &Budget, each: impl FnMut(Route)) -> Result<Consistency> {
        self.reader.stream(&routes_plan(), budget, each)
    }

    /// Returns all policy routing rules, in the order of their families and priorities.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "RTM_GETRULE")]
    pub fn rules(&mut self, budget: &Budget) -> Result<Dump<Rule>> {
        let plan = Plan::new(&[group::IPV4_RULE, group::IPV6_RULE], rule::read);
        let plan = Family::BOTH.into_iter().fold(plan, |p, f| p.ask(rtnl::rule::dump(f.raw()), f));
        self.reader.list(&plan, budget)
    }

    /// Returns all neighbours, without proxy entries.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "RTM_GETNEIGH")]
    pub fn neighbours(&mut self, budget: &Budget) -> Result<Dump<Neighbour>> {
        self.neighbours_of(NeighSelect::Entries, budget)
    }

    /// Returns neighbours, proxy entries or both.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn neighbours_of(
        &mut self,
        which: NeighSelect,
        budget: &Budget,
    ) -> Result<Dump<Neighbour>> {
        self.reader.list(&neighbours_plan(which), budget)
    }

    /// Hands over every neighbour, in constant memory and without a second try.
    ///
    /// # Errors
    /// As [`Inventory::routes_each`].
    pub fn neighbours_each(
        &mut self,
        which: NeighSelect,
        budget: &Budget,
        each: impl FnMut(Neighbour),
    ) -> Result<Consistency> {
        self.reader.stream(&neighbours_plan(which), budget, each)
    }

    /// Returns sockets, each once; the kernel cannot tell whether they changed meanwhile.
    ///
    /// # Errors
    /// As [`Inventory::links`]. Kernels without `udp_diag` answer `ENOENT` for UDP.
    pub fn sockets(&mut self, filter: &SocketFilter, budget: &Budget) -> Result<Dump<Sock>> {
        let mut dump = self.reader.list(&sockets_plan(filter), budget)?;
        dump.items.extend(self.raw_sockets(filter, budget)?);
        dump.items.retain(|sock| filter.admits(sock));
        Ok(dump)
    }

    /// Hands over every socket, in constant memory; one that moves meanwhile may come twice.
    ///
    /// # Errors
    /// As [`Inventory::routes_each`].
    #[doc(alias = "SOCK_DIAG_BY_FAMILY")]
    pub fn sockets_each(
        &mut self,
        filter: &SocketFilter,
        budget: &Budget,
        mut each: impl FnMut(Sock),
    ) -> Result<Consistency> {
        let mut admit = |sock: Sock| {
            if filter.admits(&sock) {
                each(sock);
            }
        };
        let consistent = self.reader.stream(&sockets_plan(filter), budget, &mut admit)?;
        self.raw_sockets(filter, budget)?.into_iter().for_each(admit);
        Ok(consistent)
    }

    /// Asks the kernel which way a packet would take; a refusal is an answer.
    ///
    /// # Errors
    /// As [`Inventory::links`], and [`Error::Invalid`] when addresses are of different families.
    pub fn route_to(&mut self, query: &RouteQuery, budget: &Budget) -> Result<RouteAnswer> {
        lookup::route_to(&mut self.reader, query, budget)
    }

    /// Returns the number this namespace has for another, as in [`Link::link_netnsid`]; `None`
    /// when it has none.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "RTM_GETNSID")]
    pub fn nsid_of(&mut self, other: impl AsFd, budget: &Budget) -> Result<Option<i32>> {
        let fd = other.as_fd().as_raw_fd();
        let fd = u32::try_from(fd).map_err(|_| Error::invalid("descriptor", fd.to_string()))?;
        let mut number = None;
        self.reader.route_channel()?.ask(nsid::get(fd), budget, |m| number = nsid::decode(m))?;
        Ok(number.filter(|n| *n >= 0))
    }

    /// Returns the numbers this namespace has for others, as in [`Link::link_netnsid`].
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn nsids(&mut self, budget: &Budget) -> Result<Vec<i32>> {
        let mut numbers = Vec::new();
        let channel = self.reader.route_channel()?;
        channel.ask(nsid::dump(), budget, |message| numbers.extend(nsid::decode(message)))?;
        Ok(numbers)
    }

    /// Returns the protocol counters of the namespace.
    ///
    /// # Errors
    /// [`Error::Sys`] when `/proc` is not mounted.
    pub fn counters(&mut self, budget: &Budget) -> Result<Counters> {
        budget.remaining()?;
        self.netns().run(counters::read)?
    }

    /// Returns the settings that decide about forwarding and filtering; missing ones are `None`.
    ///
    /// # Errors
    /// Those of [`Netns::run`].
    pub fn sysctls(&mut self, budget: &Budget) -> Result<Sysctls> {
        budget.remaining()?;
        self.netns().run(sysctl::read)
    }

    /// Returns how the target resolves names, from its `/etc/resolv.conf`.
    ///
    /// # Errors
    /// Those of [`Target::read_file`].
    pub fn resolver(&self, budget: &Budget) -> Result<Resolver> {
        let file = self.target.read_file("/etc/resolv.conf", budget)?;
        Ok(Resolver { origin: Some(file.origin), ..Resolver::parse(&file.bytes) })
    }

    /// Returns the target's `/etc/hosts`.
    ///
    /// # Errors
    /// Those of [`Target::read_file`].
    pub fn hosts(&self, budget: &Budget) -> Result<Hosts> {
        let file = self.target.read_file("/etc/hosts", budget)?;
        Ok(Hosts { origin: Some(file.origin), ..Hosts::parse(&file.bytes) })
    }

    /// Takes down what was asked for; what could not be read is a gap, not an error.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; a spent budget leaves gaps.
    pub fn snapshot(&mut self, what: Sections, budget: &Budget) -> Result<Snapshot> {
        snapshot::take(self, what, budget)
    }
}

impl std::fmt::Debug for Inventory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inventory").field("netns", &self.netns_id()).finish_non_exhaustive()
    }
}

/// A link that goes down and a next-hop object that is deleted take their IPv4 routes with them
/// without a word about each (net/ipv4/fib_frontend.c), so their events count as well.
fn routes_plan() -> Plan<Family, impl Fn(&Message<'_>, Family) -> Row<Route>> {
    let groups = &[group::LINK, group::IPV4_ROUTE, group::IPV6_ROUTE, group::NEXTHOP];
    let plan = Plan::new(groups, route::read);
    Family::BOTH.into_iter().fold(plan, |p, f| p.ask(rtnl::route::dump(f.raw(), None), f))
}

fn neighbours_plan(which: NeighSelect) -> Plan<(), impl Fn(&Message<'_>, ()) -> Row<Neighbour>> {
    let plan = Plan::new(&[group::NEIGH], neigh::read);
    match which {
        NeighSelect::Entries => plan.ask(rtnl::neigh::dump(false), ()),
        NeighSelect::Proxies => plan.ask(rtnl::neigh::dump(true), ()),
        NeighSelect::All => plan.ask(rtnl::neigh::dump(false), ()).ask(rtnl::neigh::dump(true), ()),
    }
}

fn neighbour_tables_plan() -> Plan<(), impl Fn(&Message<'_>, ()) -> Row<NeighTable>> {
    Plan::new(&[], neigh_table::read).ask(rtnl::neigh_table::dump(), ())
}

fn neighbour_queues_plan() -> Plan<(), impl Fn(&Message<'_>, ()) -> Row<NeighQueue>> {
    Plan::new(&[], neigh_table::read_queue).ask(rtnl::neigh_table::dump(), ())
}

fn sockets_plan(
    filter: &SocketFilter,
) -> Plan<SockProtocol, impl Fn(&Message<'_>, SockProtocol) -> Row<Sock> + use<>> {
    let read = if filter.details { sock::read_in_detail } else { sock::read };
    let plan = Plan::over(Protocol::SockDiag, read);
    filter.queries().iter().fold(plan, |p, (query, proto)| p.ask(sock_diag::dump(query), *proto))
}
