use super::flags::flag_set;
use super::route::{RouteProtocol, RouteTable};
use super::row::{Row, prefix, untrusted};
use crate::base::{Family, Prefix, Untrusted, open_enum};
use crate::netlink::header::Message;
use crate::netlink::rtnl::rule::{self, RuleMsg};

/// A policy routing rule, as `ip -d rule` shows it.
#[doc(alias = "RTM_NEWRULE")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rule {
    /// IP version.
    pub family: Family,
    /// Rules are tried in this order, lowest first.
    pub priority: u32,
    /// Destination to match; `None` matches all.
    pub dst: Option<Prefix>,
    /// Source to match; `None` matches all.
    pub src: Option<Prefix>,
    /// Incoming interface to match; `lo` means packets of this host.
    pub iif: Option<Untrusted>,
    /// The incoming interface in hexadecimal when it is not UTF-8.
    pub iif_hex: Option<String>,
    /// Outgoing interface to match, of sockets bound to one.
    pub oif: Option<Untrusted>,
    /// The outgoing interface in hexadecimal when it is not UTF-8.
    pub oif_hex: Option<String>,
    /// Packet mark to match, under the mask.
    pub fwmark: Option<u32>,
    /// Bits of the mark that count.
    pub fwmask: Option<u32>,
    /// Type of service to match; zero matches all.
    pub tos: u8,
    /// DSCP to match.
    pub dscp: Option<u8>,
    /// User numbers to match, both ends included.
    pub uid_range: Option<(u32, u32)>,
    /// IP protocol to match.
    pub ip_protocol: Option<u8>,
    /// Source ports to match, both ends included.
    pub sport: Option<(u16, u16)>,
    /// Destination ports to match, both ends included.
    pub dport: Option<(u16, u16)>,
    /// Tunnel key to match.
    pub tunnel_id: Option<u64>,
    /// Looks into the table of the packet's VRF.
    pub l3mdev: bool,
    /// Matches what the selectors do not.
    pub invert: bool,
    /// What to do.
    pub action: RuleAction,
    /// The table to look into, for [`RuleAction::Lookup`] unless [`Rule::l3mdev`].
    pub table: Option<RouteTable>,
    /// Priority of the rule to go on with, for [`RuleAction::Goto`].
    pub goto_priority: Option<u32>,
    /// Ignores routes found with a prefix of at most so many bits.
    pub suppress_prefix_bits: Option<u32>,
    /// Ignores routes through interfaces of this group.
    pub suppress_ifgroup: Option<u32>,
    /// Who made the rule, where the kernel tells (4.17).
    pub protocol: Option<RouteProtocol>,
    /// Flags: whether the interfaces named are missing.
    pub flags: RuleFlags,
}

/// Reads a row of a rule dump.
pub(super) fn read(message: &Message<'_>, wanted: Family) -> Row<Rule> {
    let Some(msg) = rule::decode(message) else {
        return Row::Unreadable;
    };
    match Family::from_raw(msg.family) {
        Some(family) if family == wanted => from_msg(&msg, family).into(),
        _ => Row::Other,
    }
}

fn from_msg(msg: &RuleMsg<'_>, family: Family) -> Option<Rule> {
    let (iif, oif) = (msg.iif.map(untrusted), msg.oif.map(untrusted));
    let action = RuleAction::from_raw(msg.action);
    let table = Some(msg.table).filter(|t| action == RuleAction::Lookup && *t != 0);
    Some(Rule {
        family,
        // The first rule, priority 0, comes without the attribute.
        priority: msg.priority.unwrap_or(0),
        dst: selector(family, msg.dst, msg.dst_bits)?,
        src: selector(family, msg.src, msg.src_bits)?,
        iif_hex: iif.as_ref().and_then(Untrusted::hex_unless_utf8),
        iif,
        oif_hex: oif.as_ref().and_then(Untrusted::hex_unless_utf8),
        oif,
        fwmark: msg.fwmark,
        fwmask: msg.fwmask,
        tos: msg.tos,
        dscp: msg.dscp,
        uid_range: msg.uid_range,
        ip_protocol: msg.ip_proto,
        sport: msg.sport,
        dport: msg.dport,
        tunnel_id: msg.tun_id,
        l3mdev: msg.l3mdev,
        invert: msg.flags & FIB_RULE_INVERT != 0,
        action,
        table: table.map(RouteTable::from_raw),
        goto_priority: msg.goto,
        // The kernel says "none" with all bits set.
        suppress_prefix_bits: msg.suppress_prefix_bits.filter(|v| *v != u32::MAX),
        suppress_ifgroup: msg.suppress_ifgroup.filter(|v| *v != u32::MAX),
        protocol: msg.protocol.map(RouteProtocol::from_raw),
        flags: RuleFlags::from_bits(msg.flags & !FIB_RULE_INVERT),
    })
}

/// No address and no length is no selector; a length without an address is unreadable.
fn selector(family: Family, addr: Option<std::net::IpAddr>, bits: u8) -> Option<Option<Prefix>> {
    match (addr, bits) {
        (None, 0) => Some(None),
        _ => prefix(family, addr, bits).map(Some),
    }
}

const FIB_RULE_INVERT: u32 = 0x2;

open_enum! {
    /// What a rule does (linux/fib_rules.h `FR_ACT_*`).
    pub enum RuleAction: u8 {
        /// Looks into a table.
        Lookup = 1, "lookup";
        /// Goes on with another rule.
        Goto = 2, "goto";
        /// Does nothing.
        Nop = 3, "nop";
        /// Drops silently.
        Blackhole = 6, "blackhole";
        /// Answers "unreachable".
        Unreachable = 7, "unreachable";
        /// Answers "prohibited".
        Prohibit = 8, "prohibit";
    }
}

flag_set! {
    /// Flags of a rule (linux/fib_rules.h `FIB_RULE_*`), named as `ip` prints them.
    pub struct RuleFlags {
        /// Cannot be deleted.
        PERMANENT = 0x1, "permanent";
        /// The rule to go to does not exist.
        UNRESOLVED = 0x4, "unresolved";
        /// The incoming interface does not exist.
        IIF_DETACHED = 0x8, "iif_detached";
        /// The outgoing interface does not exist.
        OIF_DETACHED = 0x10, "oif_detached";
    }
}
