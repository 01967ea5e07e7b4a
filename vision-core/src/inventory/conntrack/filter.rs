use std::net::IpAddr;

use super::{CtEntry, CtProtocol};
use crate::base::{Family, Prefix};
use crate::netlink::conntrack::Query;

/// Which connections to list, by their original direction; the default is all.
///
/// ```
/// use vision_core::inventory::{CtFilter, CtProtocol};
///
/// let dns = CtFilter::default().protocol(CtProtocol::Udp).dst_port(53);
/// # drop(dns);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CtFilter {
    /// IP version.
    pub family: Option<Family>,
    /// Protocol above IP.
    pub protocol: Option<CtProtocol>,
    /// Where the first packet came from.
    pub src: Option<Prefix>,
    /// Where the first packet went to.
    pub dst: Option<Prefix>,
    /// Source port of the first packet.
    pub src_port: Option<u16>,
    /// Destination port of the first packet.
    pub dst_port: Option<u16>,
}

impl CtFilter {
    /// Lists connections of one IP version.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Lists connections of one protocol.
    pub fn protocol(self, protocol: CtProtocol) -> Self {
        Self { protocol: Some(protocol), ..self }
    }

    /// Lists connections that came from a network or address.
    pub fn src(self, src: Prefix) -> Self {
        Self { src: Some(src), ..self }
    }

    /// Lists connections that went to a network or address.
    pub fn dst(self, dst: Prefix) -> Self {
        Self { dst: Some(dst), ..self }
    }

    /// Lists connections from a port.
    pub fn src_port(self, port: u16) -> Self {
        Self { src_port: Some(port), ..self }
    }

    /// Lists connections to a port.
    pub fn dst_port(self, port: u16) -> Self {
        Self { dst_port: Some(port), ..self }
    }

    /// The kernel's questions. It can choose by whole addresses, and by ports of a protocol that
    /// has some, but only within one IP version.
    pub(in crate::inventory) fn queries(&self) -> Vec<Query> {
        let of_addrs = [self.src, self.dst].into_iter().flatten().map(Prefix::family).next();
        let chooses = of_addrs.is_some() || self.protocol.is_some();
        match self.family.or(of_addrs) {
            Some(family) => vec![self.query(family)],
            None if chooses => Family::BOTH.map(|family| self.query(family)).to_vec(),
            None => vec![Query::default()],
        }
    }

    fn query(&self, family: Family) -> Query {
        // Of IPv6 the kernel passes over the very entries that were asked for: its comparison of
        // addresses is inverted (nf_conntrack_netlink.c, ctnetlink_filter_match_tuple, 6.18).
        let chooses = family == Family::V4;
        let whole = |prefix: Option<Prefix>| -> Option<IpAddr> {
            let prefix = prefix.filter(|p| p.bits() == family.bits() && p.family() == family)?;
            let prefix = Some(prefix).filter(|_| chooses)?;
            Some(prefix.addr())
        };
        let with_ports = matches!(
            self.protocol,
            Some(CtProtocol::Tcp | CtProtocol::Udp | CtProtocol::Sctp | CtProtocol::UdpLite)
        );
        Query {
            family: family.raw(),
            src: whole(self.src),
            dst: whole(self.dst),
            protocol: self.protocol.map(CtProtocol::raw),
            src_port: self.src_port.filter(|_| with_ports),
            dst_port: self.dst_port.filter(|_| with_ports),
        }
    }

    /// What the kernel's choice let through although it was not asked for.
    #[inline]
    pub(in crate::inventory) fn admits(&self, entry: &CtEntry) -> bool {
        let original = &entry.original;
        self.family.is_none_or(|family| family == entry.family)
            && self.protocol.is_none_or(|protocol| protocol == entry.protocol)
            && self.src.is_none_or(|src| src.contains(original.src))
            && self.dst.is_none_or(|dst| dst.contains(original.dst))
            && self.src_port.is_none_or(|port| Some(port) == original.src_port)
            && self.dst_port.is_none_or(|port| Some(port) == original.dst_port)
    }
}
