//! Beyond the list: one connection, other tables, expectations, statistics by processor.

use std::net::IpAddr;

use nix::libc;

use super::list::explained;
use super::{CtEntry, CtFilter, CtProtocol, CtTuple, read, tuple};
use crate::base::{Budget, Error, Family, Prefix, Result};
use crate::inventory::dump::Plan;
use crate::inventory::flags::flag_set;
use crate::inventory::kind::macros::attrs;
use crate::inventory::row::{Row, string};
use crate::inventory::{Dump, Inventory};
use crate::netlink::attr::be32;
use crate::netlink::header::Message;
use crate::netlink::{Protocol, conntrack_more as wire};

/// Tables beside the one of live connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CtTable {
    /// Connections that ended and whose end nobody has been told yet.
    Dying,
    /// Connections whose first packet is still on its way through the host; kernels from 5.19 on
    /// keep no list of them.
    Unconfirmed,
}

/// A connection that a helper has announced: the data channel of FTP, the voice of SIP.
#[doc(alias = "IPCTNL_MSG_EXP_NEW")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtExpectation {
    /// IP version.
    pub family: Family,
    /// Protocol above IP.
    pub protocol: CtProtocol,
    /// The first packet that is expected; what the mask has zeros for may be anything.
    pub tuple: CtTuple,
    /// Which bits of it count.
    pub mask: CtTuple,
    /// The connection that announced it.
    pub master: CtTuple,
    /// Seconds until it is forgotten.
    pub timeout_s: Option<u32>,
    /// Its number.
    pub id: Option<u32>,
    /// The helper that announced it.
    pub helper: Option<String>,
    /// Zone; `None` is zone 0.
    pub zone: Option<u16>,
    /// Flags.
    pub flags: CtExpectFlags,
    /// Its class among those of the helper.
    pub class: Option<u32>,
    /// What the helper does when it comes.
    pub function: Option<String>,
}

flag_set! {
    /// Flags of an expectation (linux/netfilter/nf_conntrack_common.h `NF_CT_EXPECT_*`).
    pub struct CtExpectFlags {
        /// It stays when a connection came.
        PERMANENT = 0x1, "permanent";
        /// It is switched off.
        INACTIVE = 0x2, "inactive";
        /// A program entered it.
        USERSPACE = 0x4, "userspace";
    }
}

attrs! {
    /// What one processor did with connections since the table was made.
    pub struct CtCpuStats {
        /// Look-ups; not counted by newer kernels.
        searched: u32 = 1, be32;
        /// Packets of a known connection.
        found: u32 = 2, be32;
        /// Connections entered; not counted by newer kernels.
        new: u32 = 3, be32;
        /// Packets that belong to no connection and cannot begin one.
        invalid: u32 = 4, be32;
        /// Packets that are not tracked.
        ignore: u32 = 5, be32;
        /// Connections removed; not counted by newer kernels.
        delete: u32 = 6, be32;
        /// Connections put on the list of those that end; not counted by newer kernels.
        delete_list: u32 = 7, be32;
        /// Connections inserted.
        insert: u32 = 8, be32;
        /// Connections not inserted because an equal one was there: two first packets at once, as
        /// of DNS over one socket; their packets are lost.
        insert_failed: u32 = 9, be32;
        /// Packets dropped because there was no room for their connection.
        drop: u32 = 10, be32;
        /// Connections that ended early to make room for new ones.
        early_drop: u32 = 11, be32;
        /// ICMP errors that fit no connection.
        error: u32 = 12, be32;
        /// Look-ups that began anew because the table changed.
        search_restart: u32 = 13, be32;
        /// Equal connections that were made one.
        clash_resolve: u32 = 14, be32;
        /// Packets dropped because a chain of the table was too long (5.14).
        chain_toolong: u32 = 15, be32;
    }
}

/// What address translation does to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtTranslation {
    /// Where packets seem to come from afterwards, if that differs.
    pub src: Option<(IpAddr, Option<u16>)>,
    /// Where packets go afterwards, if that differs.
    pub dst: Option<(IpAddr, Option<u16>)>,
}

impl CtEntry {
    /// Returns what address translation does to it; `None` when both ends see the same.
    pub fn translation(&self) -> Option<CtTranslation> {
        let (there, back) = (&self.original, &self.reply);
        let moved = |from: (IpAddr, Option<u16>), to| (from != to).then_some(to);
        let translation = CtTranslation {
            src: moved((there.src, there.src_port), (back.dst, back.dst_port)),
            dst: moved((there.dst, there.dst_port), (back.src, back.src_port)),
        };
        (translation.src.is_some() || translation.dst.is_some()).then_some(translation)
    }
}

impl Inventory {
    /// Returns the connection that begins with such a packet; `None` when there is none.
    ///
    /// Needs both ports with protocols that have some. Needs `CAP_NET_ADMIN` over the namespace.
    ///
    /// # Errors
    /// As [`Inventory::conntrack`], and [`Error::Invalid`] when the filter does not name both
    /// addresses, the protocol and its ports, or is of several families.
    pub fn conntrack_get(
        &mut self,
        filter: &CtFilter,
        zone: Option<u16>,
        budget: &Budget,
    ) -> Result<Option<CtEntry>> {
        let query = whole(filter)?;
        let channel = self.reader.channel(Protocol::Netfilter).map_err(explained)?;
        let mut found = Row::Other;
        let asked = channel.ask(wire::get(&query, zone), budget, |message| {
            found = read(message, ());
        });
        match asked {
            Ok(_) => Ok(match found {
                Row::Item(entry) => Some(entry),
                _ => None,
            }),
            Err(e) if e.errno() == Some(libc::ENOENT) => Ok(None),
            Err(e) => Err(explained(e)),
        }
    }

    /// Returns the connections of another table; empty where the kernel keeps none.
    ///
    /// Needs `CAP_NET_ADMIN` over the namespace.
    ///
    /// # Errors
    /// As [`Inventory::conntrack`].
    pub fn conntrack_table(&mut self, table: CtTable, budget: &Budget) -> Result<Dump<CtEntry>> {
        let request = wire::table(table == CtTable::Dying);
        let plan = Plan::over(Protocol::Netfilter, read).ask(request, ());
        self.reader.list_by(&plan, budget, CtEntry::identity).map_err(explained)
    }

    /// Returns the connections that helpers have announced.
    ///
    /// Needs `CAP_NET_ADMIN` over the namespace.
    ///
    /// # Errors
    /// As [`Inventory::conntrack`].
    pub fn conntrack_expectations(&mut self, budget: &Budget) -> Result<Dump<CtExpectation>> {
        let plan = Plan::over(Protocol::Netfilter, read_expectation);
        self.reader.list(&plan.ask(wire::expectations(), ()), budget).map_err(explained)
    }

    /// Returns what each processor did with connections, by its number.
    ///
    /// Needs `CAP_NET_ADMIN` over the namespace.
    ///
    /// # Errors
    /// As [`Inventory::conntrack`].
    #[doc(alias = "IPCTNL_MSG_CT_GET_STATS_CPU")]
    pub fn conntrack_cpus(&mut self, budget: &Budget) -> Result<Vec<(u16, CtCpuStats)>> {
        let channel = self.reader.channel(Protocol::Netfilter).map_err(explained)?;
        let mut all = Vec::new();
        let asked = channel.ask(wire::cpu_stats(), budget, |message| {
            let told = wire::decode_cpu_stats(message);
            all.extend(told.map(|(cpu, attrs)| (cpu, CtCpuStats::read(attrs))));
        });
        asked.map_err(explained)?;
        Ok(all)
    }
}

/// The one question a filter stands for.
fn whole(filter: &CtFilter) -> Result<crate::netlink::conntrack::Query> {
    let incomplete = |why: &str| Error::invalid("connection", why);
    let host = |prefix: Option<Prefix>| prefix.filter(|p| p.bits() == p.family().bits());
    let (Some(src), Some(dst)) = (host(filter.src), host(filter.dst)) else {
        return Err(incomplete("give one source and one destination address"));
    };
    if src.family() != dst.family() {
        return Err(incomplete("source and destination are of different families"));
    }
    let Some(protocol) = filter.protocol else {
        return Err(incomplete("give the protocol"));
    };
    let with_ports = matches!(
        protocol,
        CtProtocol::Tcp | CtProtocol::Udp | CtProtocol::Sctp | CtProtocol::UdpLite
    );
    if !with_ports || filter.src_port.is_none() || filter.dst_port.is_none() {
        return Err(incomplete(
            "give a protocol with ports (tcp, udp, sctp, udplite) and both ports",
        ));
    }
    filter.queries().into_iter().next().ok_or_else(|| incomplete("give both ends"))
}

fn read_expectation(message: &Message<'_>, (): ()) -> Row<CtExpectation> {
    let Some(msg) = wire::decode_expectation(message) else {
        return Row::Other;
    };
    let read = || {
        let family = Family::from_raw(msg.family)?;
        Some(CtExpectation {
            family,
            protocol: CtProtocol::from_raw(msg.tuple.protocol?),
            tuple: tuple(&msg.tuple, family)?,
            mask: tuple(&msg.mask, family)?,
            master: tuple(&msg.master, family)?,
            timeout_s: msg.timeout_s,
            id: msg.id,
            helper: msg.helper.map(string),
            zone: msg.zone,
            flags: CtExpectFlags::from_bits(msg.flags),
            class: msg.class,
            function: msg.function.filter(|name| !name.is_empty()).map(string),
        })
    };
    read().into()
}
