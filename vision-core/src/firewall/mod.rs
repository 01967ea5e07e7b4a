//! The firewall of a namespace: nf_tables as typed data, and as the text `nft` writes and reads.
//!
//! A [`Firewall`] asks the kernel; a [`Ruleset`] is what it answered. Expressions stay as the
//! kernel has them ([`Expression`]), known or not; [`Text`] puts them into words.
//!
//! Everything here needs `CAP_NET_ADMIN` in the namespace: the kernel shows its rules to no one
//! else.
#![deny(clippy::indexing_slicing)]

// What the doctor alone asks for.
#[cfg(feature = "dns")]
mod aims;
mod expr;
mod flow;
pub mod ipset;
pub mod iptables;
pub mod ipvs;
pub mod legacy;
mod model;
mod notes;
mod paper;
mod proto;
mod protocols;
mod read;
mod recorded;
mod text;
mod types;
mod value;
mod why;
mod xt;
mod xt_hashlimit;
mod xt_more;
mod xt_rare;

#[cfg(feature = "dns")]
pub(crate) use aims::{Aim, aims};
pub use expr::Expression;
pub use flow::{Flow, FlowPart};
pub use model::{Chain, Counter, Element, Flowtable, FwFamily, Hook, Object, Rule, Set, Table};
pub use text::Text;
pub use value::{Fields, Value};
pub use why::{Met, NatTarget, why};

use std::collections::HashMap;

use nix::libc;

use crate::base::{Budget, Capability, Error, Op, Result};
use crate::inventory::Consistency;
use crate::netlink::nft::{self, Kind};
use crate::netlink::{Channel, KernelSocket, Protocol};
use crate::netns::{Netns, Target};
use read::Raw;

/// Reads the firewall of one namespace; it pins the namespace as [`Netns`] does.
pub struct Firewall {
    netns: Netns,
    channel: Channel,
}

/// A set or a map with its elements.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SetContent {
    /// The set.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub set: Set,
    /// What is in it, in the kernel's order.
    pub elements: Vec<Element>,
}

/// All of nf_tables in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Ruleset {
    /// The kernel's number for this state; each change makes it larger.
    pub generation: u32,
    /// Whether nothing changed while it was read.
    pub consistent: Consistency,
    /// Objects the kernel sent that could not be read.
    pub unreadable: u64,
    /// Tables of all families.
    pub tables: Vec<Table>,
    /// Chains of all tables.
    pub chains: Vec<Chain>,
    /// Sets and maps, those written inside rules as well.
    pub sets: Vec<SetContent>,
    /// Named counters, quotas, limits and the like.
    pub objects: Vec<Object>,
    /// Flowtables.
    pub flowtables: Vec<Flowtable>,
    /// Rules, by table, chain and place.
    pub rules: Vec<Rule>,
}

impl Firewall {
    /// Opens the target's namespace.
    ///
    /// # Errors
    /// Those of [`Target::open`], or [`Error::Sys`] when no socket could be opened.
    pub fn open(target: &Target) -> Result<Self> {
        let netns = target.open()?;
        let channel = Channel::new(KernelSocket::open(&netns, Protocol::Netfilter, BUFFER)?);
        Ok(Self { netns, channel })
    }

    /// Returns the number of the ruleset's state.
    ///
    /// # Errors
    /// [`Error::Permission`] without `CAP_NET_ADMIN`, [`Error::Unsupported`] on a kernel without
    /// nf_tables, [`Error::Netlink`], [`Error::Elapsed`] or [`Error::Cancelled`].
    pub fn generation(&mut self, budget: &Budget) -> Result<u32> {
        let mut generation = None;
        self.ready()?
            .ask(nft::generation(), budget, |message| {
                generation = generation.or(nft::decode_generation(message));
            })
            .map_err(explain)?;
        generation.ok_or(Error::Unsupported("nf_tables"))
    }

    /// Returns everything, as one state where the kernel holds still for it.
    ///
    /// A change begins the reading anew, up to five times.
    ///
    /// # Errors
    /// As [`Firewall::generation`].
    #[doc(alias = "nft list ruleset")]
    pub fn ruleset(&mut self, budget: &Budget) -> Result<Ruleset> {
        self.settled(budget, true)
    }

    /// Returns everything but the rules, for a reading that takes those one by one.
    ///
    /// # Errors
    /// As [`Firewall::generation`].
    pub fn outline(&mut self, budget: &Budget) -> Result<Ruleset> {
        self.settled(budget, false)
    }

    /// Hands over the rules of a table, chain by chain, in constant memory.
    ///
    /// # Errors
    /// As [`Firewall::generation`]; what was handed over by then is incomplete.
    pub fn rules_each(
        &mut self,
        table: &Table,
        budget: &Budget,
        each: impl FnMut(Rule),
    ) -> Result<Consistency> {
        let within = Some((table.name.as_bytes(), None));
        let mut pass = Pass::default();
        self.dump(Kind::Rule, table.family.raw(), within, budget, &mut pass, read::rule, each)?;
        Ok(match pass.interrupted || pass.unreadable > 0 {
            true => Consistency::No,
            false => Consistency::Yes,
        })
    }

    fn settled(&mut self, budget: &Budget, rules: bool) -> Result<Ruleset> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let ruleset = self.pass(budget, rules)?;
            if ruleset.consistent == Consistency::Yes || attempt == ATTEMPTS {
                return Ok(ruleset);
            }
        }
    }

    fn pass(&mut self, budget: &Budget, rules: bool) -> Result<Ruleset> {
        let generation = self.generation(budget)?;
        let mut pass = Pass::default();
        let tables = self.all(Kind::Table, budget, &mut pass, read::table)?;
        let chains = self.all(Kind::Chain, budget, &mut pass, read::chain)?;
        let objects = self.all(Kind::Object, budget, &mut pass, read::object)?;
        let flowtables = self.all(Kind::Flowtable, budget, &mut pass, read::flowtable)?;
        let mut sets = Vec::new();
        for set in self.all(Kind::Set, budget, &mut pass, read::set)? {
            let elements = self.elements(&set, budget, &mut pass)?;
            sets.push(SetContent { set, elements });
        }
        let rules = match rules {
            true => self.all(Kind::Rule, budget, &mut pass, read::rule)?,
            false => Vec::new(),
        };
        let moved = pass.interrupted || self.generation(budget)? != generation;
        let consistent = if moved { Consistency::No } else { Consistency::Yes };
        let unreadable = pass.unreadable;
        let head = Ruleset { generation, consistent, unreadable, tables, chains, ..Ruleset::NONE };
        Ok(Ruleset { sets, objects, flowtables, rules, ..head })
    }

    fn elements(&mut self, set: &Set, budget: &Budget, pass: &mut Pass) -> Result<Vec<Element>> {
        let within = Some((set.table.as_bytes(), Some(set.name.as_bytes())));
        let mut elements = Vec::new();
        let read = |raw: &Raw<'_>| Some(read::elements(raw));
        let asked =
            self.dump(Kind::Element, set.family.raw(), within, budget, pass, read, |mut more| {
                elements.append(&mut more);
            });
        match asked {
            // Gone since the sets were listed: the generation has moved as well.
            Err(e) if e.errno() == Some(libc::ENOENT) => pass.interrupted = true,
            other => other?,
        }
        Ok(elements)
    }

    fn all<T>(
        &mut self,
        kind: Kind,
        budget: &Budget,
        pass: &mut Pass,
        read: impl Fn(&Raw<'_>) -> Option<T>,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        self.dump(kind, 0, None, budget, pass, read, |item| items.push(item))?;
        Ok(items)
    }

    #[allow(clippy::too_many_arguments, reason = "one question in full")]
    fn dump<T>(
        &mut self,
        kind: Kind,
        family: u8,
        within: Option<(&[u8], Option<&[u8]>)>,
        budget: &Budget,
        pass: &mut Pass,
        read: impl Fn(&Raw<'_>) -> Option<T>,
        mut each: impl FnMut(T),
    ) -> Result<()> {
        let request = nft::dump(kind, family, within);
        let mut unreadable = 0;
        let ended = self.ready()?.ask(request, budget, |message| {
            let Some((family, attrs)) = nft::decode(message, kind) else {
                return;
            };
            match read(&Raw { family, attrs }) {
                Some(item) => each(item),
                None => unreadable += 1,
            }
        });
        pass.unreadable += unreadable;
        pass.interrupted |= ended.map_err(explain)?.interrupted;
        Ok(())
    }

    /// The channel; a fresh one when the last exchange was given up half way.
    fn ready(&mut self) -> Result<&mut Channel> {
        if self.channel.is_busy() {
            let socket = KernelSocket::open(&self.netns, Protocol::Netfilter, BUFFER)?;
            self.channel = Channel::new(socket);
        }
        Ok(&mut self.channel)
    }
}

/// Rules by family, table and chain.
type ByChain<'r> = HashMap<(FwFamily, &'r [u8], &'r [u8]), Vec<&'r Rule>>;

impl Ruleset {
    fn by_chain(&self) -> ByChain<'_> {
        let mut map = ByChain::new();
        for rule in &self.rules {
            let key = (rule.family, rule.table.as_bytes(), rule.chain.as_bytes());
            map.entry(key).or_default().push(rule);
        }
        map
    }

    const NONE: Self = Self {
        generation: 0,
        consistent: Consistency::Unknown,
        unreadable: 0,
        tables: Vec::new(),
        chains: Vec::new(),
        sets: Vec::new(),
        objects: Vec::new(),
        flowtables: Vec::new(),
        rules: Vec::new(),
    };
}

/// What several dumps came to.
#[derive(Default)]
struct Pass {
    interrupted: bool,
    unreadable: u64,
}

/// Names the capability, or the subsystem this kernel lacks (nfnetlink answers `EINVAL` for it).
fn explain(error: Error) -> Error {
    match (&error, error.errno()) {
        (Error::Netlink { .. }, Some(libc::EPERM)) => {
            Error::Permission { op: Op::ReadFirewall, needs: Capability::NetAdmin }
        }
        (Error::Netlink { request: "NFT_MSG_GETGEN", .. }, Some(libc::EINVAL)) => {
            Error::Unsupported("nf_tables")
        }
        _ => error,
    }
}

const ATTEMPTS: u32 = 5;
/// Receive buffer in bytes.
const BUFFER: usize = 1 << 20;
