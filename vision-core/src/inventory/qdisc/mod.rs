//! Traffic control: what waits where before it is sent, what is dropped, who sorts it.

mod filter;
mod handle;
mod options;

pub(super) use filter::read_filter;
pub use filter::{Filter, FilterOptions, TcAction, TcVerdict};
pub use handle::TcHandle;
pub use options::{
    Cake, Codel, Fifo, Fq, FqCodel, Htb, HtbClass, Netem, Prio, QdiscOptions, Red, Sfq, Tbf,
};

use nix::libc;

use super::dump::Plan;
use super::row::{Row, string};
use super::{Dump, Inventory};
use crate::base::{Budget, Result};
use crate::netlink::header::Message;
use crate::netlink::rtnl::group;
use crate::netlink::rtnl::tc::{self, Kind, StatsMsg, TcMsg};

/// A queueing discipline, as `tc -s qdisc` shows it.
#[doc(alias = "RTM_NEWQDISC")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Qdisc {
    /// The interface.
    pub ifindex: u32,
    /// Which one: `fq_codel`, `htb`, `noqueue`.
    pub kind: String,
    /// Its number, `1:`.
    pub handle: TcHandle,
    /// What it hangs under: the root, a class of another one, `ffff:fff1` for ingress.
    pub parent: TcHandle,
    /// How many use it, itself among them.
    pub references: u32,
    /// Its settings, for the kinds known here.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub options: Option<QdiscOptions>,
    /// Whether the hardware does the work.
    pub offloaded: Option<bool>,
    /// Filters it shares with others on the way in.
    pub ingress_block: Option<u32>,
    /// Filters it shares with others on the way out.
    pub egress_block: Option<u32>,
    /// What passed and what waits.
    pub stats: TcStats,
}

/// A class of a queueing discipline, as `tc -s class` shows it.
#[doc(alias = "RTM_NEWTCLASS")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Class {
    /// The interface.
    pub ifindex: u32,
    /// Of which discipline: `htb`, `prio`.
    pub kind: String,
    /// Its number, `1:10`.
    pub handle: TcHandle,
    /// The class or discipline above it.
    pub parent: TcHandle,
    /// The discipline below it, where there is one.
    pub leaf: Option<TcHandle>,
    /// HTB: what it may send.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub htb: Option<HtbClass>,
    /// What passed and what waits.
    pub stats: TcStats,
}

/// What passed a discipline, class or action, and what waits in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct TcStats {
    /// Bytes that passed.
    pub bytes: u64,
    /// Packets that passed.
    pub packets: u64,
    /// Packets dropped.
    pub drops: u32,
    /// How often a packet had to wait for its turn.
    pub overlimits: u32,
    /// How often a packet was put back because the card had no room.
    pub requeues: u32,
    /// Bytes that wait.
    pub backlog_bytes: u32,
    /// Packets that wait.
    pub backlog_packets: u32,
    /// Bits in a second, where an estimator runs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub rate_bps: Option<u64>,
    /// Packets in a second, where an estimator runs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub rate_pps: Option<u64>,
}

impl From<StatsMsg> for TcStats {
    fn from(msg: StatsMsg) -> Self {
        let [backlog_packets, backlog_bytes, drops, requeues, overlimits] =
            msg.queue.unwrap_or_default();
        Self {
            bytes: msg.bytes.unwrap_or(0),
            packets: msg.packets.unwrap_or(0),
            drops,
            overlimits,
            requeues,
            backlog_bytes,
            backlog_packets,
            rate_bps: msg.rate.map(|[bits, _]| bits),
            rate_pps: msg.rate.map(|[_, packets]| packets),
        }
    }
}

impl Inventory {
    /// Returns the queueing disciplines of all interfaces.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "tc")]
    pub fn qdiscs(&mut self, budget: &Budget) -> Result<Dump<Qdisc>> {
        let plan = Plan::new(&[group::LINK, group::TC], read_qdisc);
        self.reader.list(&plan.ask(tc::dump(Kind::Qdisc, 0, 0), ()), budget)
    }

    /// Returns the classes of one interface.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn classes(&mut self, ifindex: u32, budget: &Budget) -> Result<Dump<Class>> {
        let plan = Plan::new(&[group::LINK, group::TC], read_class);
        self.reader.list(&plan.ask(tc::dump(Kind::Class, ifindex, 0), ()), budget)
    }

    /// Returns the filters that hang under `parent` of one interface; [`TcHandle::INGRESS`] and
    /// [`TcHandle::EGRESS`] are those of `clsact`.
    ///
    /// A filter that is a table of others comes first, its rows after it.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn filters(
        &mut self,
        ifindex: u32,
        parent: TcHandle,
        budget: &Budget,
    ) -> Result<Dump<Filter>> {
        let plan = Plan::new(&[group::LINK, group::TC], read_filter);
        let plan = plan.ask(tc::dump(Kind::Filter, ifindex, parent.raw()), ());
        match self.reader.list(&plan, budget) {
            // The interface or its discipline has gone, or takes no filters.
            Err(e) if matches!(e.errno(), Some(libc::EINVAL | libc::ENOENT)) => {
                Ok(Dump { items: Vec::new(), consistent: super::Consistency::No, unreadable: 0 })
            }
            other => other,
        }
    }
}

/// Reads a queueing discipline.
pub(super) fn read_qdisc(message: &Message<'_>, (): ()) -> Row<Qdisc> {
    let Some(msg) = tc::decode(message, Kind::Qdisc) else {
        return Row::Other;
    };
    if msg.kind.is_empty() {
        return Row::Unreadable;
    }
    Row::Item(Qdisc {
        ifindex: msg.ifindex,
        kind: string(msg.kind),
        handle: TcHandle::from_raw(msg.handle),
        parent: TcHandle::from_raw(msg.parent),
        references: msg.info,
        options: QdiscOptions::read(msg.kind, msg.options),
        offloaded: msg.offloaded.map(|on| on != 0),
        ingress_block: msg.ingress_block,
        egress_block: msg.egress_block,
        stats: msg.stats.into(),
    })
}

/// Reads a class.
pub(super) fn read_class(message: &Message<'_>, (): ()) -> Row<Class> {
    let Some(msg) = tc::decode(message, Kind::Class) else {
        return Row::Other;
    };
    if msg.kind.is_empty() {
        return Row::Unreadable;
    }
    Row::Item(class(&msg))
}

fn class(msg: &TcMsg<'_>) -> Class {
    Class {
        ifindex: msg.ifindex,
        kind: string(msg.kind),
        handle: TcHandle::from_raw(msg.handle),
        parent: TcHandle::from_raw(msg.parent),
        leaf: Some(TcHandle::from_raw(msg.info)).filter(|leaf| !leaf.is_none()),
        htb: (msg.kind == b"htb").then(|| HtbClass::read(msg.options)),
        stats: msg.stats.into(),
    }
}
