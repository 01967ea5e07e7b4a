use super::flags::flag_set;
use super::{
    Addr, Counters, Dump, Hosts, Inventory, Link, NeighSelect, Neighbour, Resolver, Route, Rule,
    Sock, SocketFilter, Sysctls,
};
use crate::base::{Budget, Error, Gap, Result, Timestamp};
use crate::netns::NetnsId;

/// The network state of a namespace at one time, as plain data.
///
/// A section is `None` when it was not asked for or could not be read; then there is a [`Gap`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The namespace.
    pub netns: NetnsId,
    /// When reading began.
    pub at: Timestamp,
    /// What was asked for.
    pub sections: Sections,
    /// Interfaces.
    pub links: Option<Dump<Link>>,
    /// Addresses.
    pub addrs: Option<Dump<Addr>>,
    /// Routes of all tables.
    pub routes: Option<Dump<Route>>,
    /// Policy routing rules.
    pub rules: Option<Dump<Rule>>,
    /// Neighbours and proxy entries.
    pub neighbours: Option<Dump<Neighbour>>,
    /// TCP and UDP sockets.
    pub sockets: Option<Dump<Sock>>,
    /// Protocol counters.
    pub counters: Option<Counters>,
    /// Settings.
    pub sysctls: Option<Sysctls>,
    /// The target's `resolv.conf`.
    pub resolver: Option<Resolver>,
    /// The target's hosts file.
    pub hosts: Option<Hosts>,
    /// What was asked for and could not be read.
    pub gaps: Vec<Gap>,
}

impl Snapshot {
    /// Returns why a section is missing although it was asked for.
    pub fn gap(&self, section: Section) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.what == section.name())
    }
}

macro_rules! sections {
    ($($(#[$meta:meta])* $variant:ident $flag:ident = $bit:literal, $text:literal;)+) => {
        /// One kind of state.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum Section { $($(#[$meta])* $variant,)+ }

        impl Section {
            /// Returns the name, as in JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            pub(super) fn flag(self) -> Sections {
                match self { $(Self::$variant => Sections::$flag,)+ }
            }
        }

        flag_set! {
            /// Kinds of state.
            pub struct Sections { $($(#[$meta])* $flag = $bit, $text;)+ }
        }

        impl Sections {
            /// Nothing.
            pub const NONE: Self = Self(0);
            /// Everything.
            pub const ALL: Self = Self($($bit)|+);
        }
    };
}

sections! {
    /// Interfaces.
    Links LINKS = 0x1, "links";
    /// Addresses.
    Addrs ADDRS = 0x2, "addrs";
    /// Routes.
    Routes ROUTES = 0x4, "routes";
    /// Policy routing rules.
    Rules RULES = 0x8, "rules";
    /// Neighbours.
    Neighbours NEIGHBOURS = 0x10, "neighbours";
    /// TCP and UDP sockets.
    Sockets SOCKETS = 0x20, "sockets";
    /// Protocol counters.
    Counters COUNTERS = 0x40, "counters";
    /// Settings.
    Sysctls SYSCTLS = 0x80, "sysctls";
    /// `resolv.conf`.
    Resolver RESOLVER = 0x100, "resolver";
    /// The hosts file.
    Hosts HOSTS = 0x200, "hosts";
}

/// Reads the sections asked for, each by itself.
pub(super) fn take(from: &mut Inventory, what: Sections, budget: &Budget) -> Result<Snapshot> {
    let (netns, at) = (from.netns_id(), Timestamp::now());
    let mut taker = Taker { from, what, budget, gaps: Vec::new() };
    let snapshot = Snapshot {
        netns,
        at,
        sections: what,
        links: taker.read(Section::Links, Inventory::links)?,
        addrs: taker.read(Section::Addrs, Inventory::addrs)?,
        routes: taker.read(Section::Routes, Inventory::routes)?,
        rules: taker.read(Section::Rules, Inventory::rules)?,
        neighbours: taker.read(Section::Neighbours, |i, b| i.neighbours_of(NeighSelect::All, b))?,
        sockets: taker.read(Section::Sockets, |i, b| i.sockets(&SocketFilter::default(), b))?,
        counters: taker.read(Section::Counters, Inventory::counters)?,
        sysctls: taker.read(Section::Sysctls, Inventory::sysctls)?,
        resolver: taker.read(Section::Resolver, |i, b| i.resolver(b))?,
        hosts: taker.read(Section::Hosts, |i, b| i.hosts(b))?,
        gaps: taker.gaps,
    };
    Ok(snapshot)
}

struct Taker<'a> {
    from: &'a mut Inventory,
    what: Sections,
    budget: &'a Budget,
    gaps: Vec<Gap>,
}

impl Taker<'_> {
    fn read<T>(
        &mut self,
        section: Section,
        read: impl FnOnce(&mut Inventory, &Budget) -> Result<T>,
    ) -> Result<Option<T>> {
        if !self.what.contains(section.flag()) {
            return Ok(None);
        }
        match read(self.from, self.budget) {
            Ok(found) => Ok(Some(found)),
            Err(Error::Cancelled) => Err(Error::Cancelled),
            Err(e) => {
                self.gaps.push(Gap::because(section.name(), &e));
                Ok(None)
            }
        }
    }
}
