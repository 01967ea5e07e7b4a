//! Connections the kernel tracks: firewalls with state, address translation, service proxies.

mod events;
mod filter;
mod list;
mod more;
mod state;

use std::net::IpAddr;

pub use events::{CtEvent, CtEvents};
pub use filter::CtFilter;
pub use more::{CtCpuStats, CtExpectFlags, CtExpectation, CtTable, CtTranslation};
pub use state::{
    CtDccp, CtDccpState, CtSctp, CtSctpState, CtStatus, CtTcp, CtTcpFlags, CtTcpState,
};

use super::row::{Row, string, untrusted};
use crate::base::{Family, Timestamp, Untrusted, open_enum};
use crate::netlink::attr;
use crate::netlink::conntrack::{self, CtMsg, StateMsg, TupleMsg};
use crate::netlink::header::Message;

/// A tracked connection, as `conntrack -L -o id` shows it.
///
/// Fields that the kernel sends only when they matter are absent then: zone 0, no helper, counters
/// unless `net.netfilter.nf_conntrack_acct` is on, times unless `nf_conntrack_timestamp` is.
#[doc(alias = "IPCTNL_MSG_CT_NEW")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtEntry {
    /// IP version.
    pub family: Family,
    /// Protocol above IP.
    pub protocol: CtProtocol,
    /// Addresses and ports of the first packet.
    pub original: CtTuple,
    /// Addresses and ports an answer has; not the mirror of `original` where one was translated.
    pub reply: CtTuple,
    /// What happened to the connection so far.
    pub status: CtStatus,
    /// Seconds until it is forgotten unless a packet comes.
    pub timeout_s: Option<u32>,
    /// What the tracker knows of a TCP connection.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub tcp: Option<CtTcp>,
    /// What the tracker knows of an SCTP association.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub sctp: Option<CtSctp>,
    /// What the tracker knows of a DCCP connection.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub dccp: Option<CtDccp>,
    /// Connection mark.
    pub mark: Option<u32>,
    /// Zone of both directions; `None` is zone 0.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub zone: Option<u16>,
    /// Number that tells it from an earlier one with the same addresses.
    pub id: Option<u32>,
    /// References the kernel holds.
    pub uses: Option<u32>,
    /// What passed in the original direction.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub original_counters: Option<CtCounters>,
    /// What passed in the reply direction.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub reply_counters: Option<CtCounters>,
    /// When the first packet came.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub stopped_at: Option<Timestamp>,
    /// Numbers of the connection labels that are set.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub labels: Vec<u16>,
    /// Helper that follows its payload: `ftp`, `sip`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub helper: Option<String>,
    /// Security context.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub secctx: Option<Untrusted>,
    /// The connection that announced this one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub master: Option<Box<CtTuple>>,
    /// How sequence numbers of the original direction are shifted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub original_adjust: Option<CtSeqAdjust>,
    /// How sequence numbers of the reply direction are shifted.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub reply_adjust: Option<CtSeqAdjust>,
    /// What a SYN proxy remembers.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub synproxy: Option<CtSynproxy>,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtTuple {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// Source port, or key of a GRE tunnel.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub src_port: Option<u16>,
    /// Destination port, or key of a GRE tunnel.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub dst_port: Option<u16>,
    /// What ICMP has in place of ports.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub icmp: Option<CtIcmp>,
    /// Zone of this direction, where it differs from the other's.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub zone: Option<u16>,
}

/// What identifies an exchange of ICMP or ICMPv6 messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtIcmp {
    /// Type of message.
    pub kind: u8,
    /// Code of message.
    pub code: u8,
    /// Identifier.
    pub id: u16,
}

/// What passed in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtCounters {
    /// Packets.
    pub packets: u64,
    /// Bytes, IP headers included.
    pub bytes: u64,
}

/// A shift of TCP sequence numbers, made by a helper that changed the length of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtSeqAdjust {
    /// Sequence number of the last change.
    pub position: u32,
    /// Bytes added before it.
    pub offset_before: i32,
    /// Bytes added after it.
    pub offset_after: i32,
}

/// What a SYN proxy remembers of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtSynproxy {
    /// Initial sequence number it chose.
    pub isn: u32,
    /// Initial timestamp it chose.
    pub initial_timestamp: u32,
    /// Shift of timestamps.
    pub timestamp_offset: u32,
}

/// How full the connection table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtCount {
    /// Entries of this namespace.
    pub count: u32,
    /// Entries a namespace may have (`net.netfilter.nf_conntrack_max`); new connections are
    /// dropped beyond. Zero is no limit.
    pub max: Option<u32>,
}

impl CtCount {
    /// Returns how full the table is, in per cent; `None` where there is no limit.
    pub fn percent(&self) -> Option<f64> {
        let max = self.max.filter(|max| *max != 0)?;
        Some(f64::from(self.count) * 100.0 / f64::from(max))
    }
}

impl CtEntry {
    /// Tells whether no packet came back so far; `conntrack` writes `[UNREPLIED]`.
    pub fn is_unreplied(&self) -> bool {
        !self.status.contains(CtStatus::SEEN_REPLY)
    }

    /// What makes two rows the same connection, however its counters and timeout moved meanwhile.
    pub(crate) fn identity(&self) -> (Option<u32>, Option<u16>, CtProtocol, CtTuple) {
        (self.id, self.zone, self.protocol, self.original)
    }
}

open_enum! {
    /// A protocol that is tracked, named as `conntrack` prints it.
    pub enum CtProtocol: u8 {
        /// ICMP.
        Icmp = 1, "icmp";
        /// TCP.
        Tcp = 6, "tcp";
        /// UDP.
        Udp = 17, "udp";
        /// DCCP.
        Dccp = 33, "dccp";
        /// Generic routing encapsulation.
        Gre = 47, "gre";
        /// ICMP for IPv6.
        Icmpv6 = 58, "icmpv6";
        /// SCTP.
        Sctp = 132, "sctp";
        /// UDP-Lite.
        UdpLite = 136, "udplite";
    }
}

/// Reads a row of a dump.
#[inline]
pub(super) fn read(message: &Message<'_>, (): ()) -> Row<CtEntry> {
    let Some(msg) = conntrack::decode(message) else {
        return Row::Unreadable;
    };
    from_msg(&msg).into()
}

#[inline]
fn from_msg(msg: &CtMsg<'_>) -> Option<CtEntry> {
    let family = Family::from_raw(msg.family)?;
    let (tcp, sctp, dccp) = match &msg.state {
        StateMsg::None => (None, None, None),
        StateMsg::Tcp { state, wscale, flags } => {
            (Some(CtTcp::new(*state, *wscale, *flags)), None, None)
        }
        StateMsg::Sctp { state, vtags } => (None, Some(CtSctp::new(*state, *vtags)), None),
        StateMsg::Dccp { state, role, handshake_seq } => {
            (None, None, Some(CtDccp::new(*state, *role, *handshake_seq)))
        }
    };
    let time = |nanos: Option<u64>| {
        nanos.and_then(|n| i64::try_from(n).ok()).map(Timestamp::from_unix_nanos)
    };
    let [start, stop] = msg.times;
    Some(CtEntry {
        family,
        protocol: CtProtocol::from_raw(msg.original.protocol?),
        original: tuple(&msg.original, family)?,
        reply: tuple(&msg.reply, family)?,
        status: CtStatus::from_bits(msg.status),
        timeout_s: msg.timeout_s,
        tcp,
        sctp,
        dccp,
        mark: msg.mark,
        zone: msg.zone,
        id: msg.id,
        uses: msg.uses,
        original_counters: msg.original_counters.map(counters),
        reply_counters: msg.reply_counters.map(counters),
        started_at: time(start),
        stopped_at: time(stop),
        labels: msg.labels.map_or_else(Vec::new, labels),
        helper: msg.helper.map(string),
        secctx: msg.secctx.map(untrusted),
        master: msg.master.as_ref().and_then(|m| tuple(m, family)).map(Box::new),
        original_adjust: msg.original_adjust.map(adjust),
        reply_adjust: msg.reply_adjust.map(adjust),
        synproxy: msg.synproxy.map(synproxy),
    })
}

#[inline]
fn tuple(msg: &TupleMsg<'_>, family: Family) -> Option<CtTuple> {
    let of_family =
        |addr: Option<&[u8]>| addr.and_then(attr::ip).filter(|addr| Family::of(*addr) == family);
    let icmp =
        |kind| CtIcmp { kind, code: msg.icmp_code.unwrap_or(0), id: msg.icmp_id.unwrap_or(0) };
    Some(CtTuple {
        src: of_family(msg.src)?,
        dst: of_family(msg.dst)?,
        src_port: msg.src_port,
        dst_port: msg.dst_port,
        icmp: msg.icmp_type.map(icmp),
        zone: msg.zone,
    })
}

fn counters([packets, bytes]: [u64; 2]) -> CtCounters {
    CtCounters { packets, bytes }
}

fn adjust([position, before, after]: [u32; 3]) -> CtSeqAdjust {
    // The kernel sends negative shifts as they are in memory.
    let signed = u32::cast_signed;
    CtSeqAdjust { position, offset_before: signed(before), offset_after: signed(after) }
}

fn synproxy([isn, initial_timestamp, timestamp_offset]: [u32; 3]) -> CtSynproxy {
    CtSynproxy { isn, initial_timestamp, timestamp_offset }
}

/// Bits of an array of the machine's `unsigned long`, lowest first.
fn labels(bytes: &[u8]) -> Vec<u16> {
    let words = bytes.as_chunks::<4>().0.iter().map(|w| u32::from_ne_bytes(*w));
    let bits = (0_u16..).zip(words).flat_map(|(n, word)| {
        (0..32_u16).filter(move |bit| word >> bit & 1 == 1).map(move |bit| n * 32 + bit)
    });
    bits.collect()
}
