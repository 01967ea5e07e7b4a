//! What tells two readings of the same row apart.

use std::fmt;

use super::{Addr, CtEntry, Lifetime, Link, Neighbour, Route, RouteFlags};
use crate::base::Untrusted;

/// A field that has another value than before.
///
/// Fields that move all the time are left out: counters, ages, times to live.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Difference {
    /// The field, as it is called in the row.
    pub field: String,
    /// Its value before, as text that is safe for a terminal; empty for none.
    pub from: String,
    /// Its value now.
    pub to: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &str| if value.is_empty() { "none" } else { value }.to_owned();
        write!(f, "{} {} -> {}", self.field, shown(&self.from), shown(&self.to))
    }
}

/// Collects differences in the order in which they are looked for.
#[derive(Default)]
pub(crate) struct Differences(Vec<Difference>);

impl Differences {
    /// Compares values; their texts are made only when they differ.
    pub(crate) fn see<T: PartialEq>(
        mut self,
        field: &str,
        from: &T,
        to: &T,
        text: impl Fn(&T) -> String,
    ) -> Self {
        if from != to {
            let (field, from, to) = (field.to_owned(), text(from), text(to));
            self.0.push(Difference { field, from, to });
        }
        self
    }

    /// As [`Differences::see`], for what may be absent.
    pub(crate) fn maybe<T: PartialEq + ToString>(
        self,
        field: &str,
        from: &Option<T>,
        to: &Option<T>,
    ) -> Self {
        self.see(field, from, to, |v| v.as_ref().map(T::to_string).unwrap_or_default())
    }

    /// As [`Differences::see`], for what shows itself.
    pub(crate) fn plain<T: PartialEq + ToString>(self, field: &str, from: &T, to: &T) -> Self {
        self.see(field, from, to, T::to_string)
    }

    fn name(self, field: &str, from: &Option<Untrusted>, to: &Option<Untrusted>) -> Self {
        self.see(field, from, to, |v| v.as_ref().map(escaped).unwrap_or_default())
    }

    pub(crate) fn finish(self) -> Vec<Difference> {
        self.0
    }
}

fn escaped(text: &Untrusted) -> String {
    text.escaped().to_string()
}

impl Link {
    /// Returns what is different in `now`, counters left out.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let names =
            |names: &Vec<Untrusted>| names.iter().map(escaped).collect::<Vec<_>>().join(",");
        Differences::default()
            .see("name", &self.name, &now.name, escaped)
            .plain("flags", &self.flags, &now.flags)
            .maybe("operstate", &self.operstate, &now.operstate)
            .maybe("mtu_bytes", &self.mtu_bytes, &now.mtu_bytes)
            .maybe("address", &self.address, &now.address)
            .maybe("broadcast", &self.broadcast, &now.broadcast)
            .maybe("master_ifindex", &self.master_ifindex, &now.master_ifindex)
            .maybe("link_ifindex", &self.link_ifindex, &now.link_ifindex)
            .maybe("link_netnsid", &self.link_netnsid, &now.link_netnsid)
            .maybe("kind", &self.kind, &now.kind)
            .maybe("slave_kind", &self.slave_kind, &now.slave_kind)
            .maybe("qdisc", &self.qdisc, &now.qdisc)
            .maybe("txqlen_packets", &self.txqlen_packets, &now.txqlen_packets)
            .maybe("group", &self.group, &now.group)
            .maybe("promiscuity", &self.promiscuity, &now.promiscuity)
            .name("alias", &self.alias, &now.alias)
            .see("altnames", &self.altnames, &now.altnames, names)
            .finish()
    }
}

impl Addr {
    /// Returns what is different in `now`; how long it still lasts counts only when that begins or
    /// ends.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let lasts = |lifetime: &Lifetime| match lifetime {
            Lifetime::Forever => "forever".to_owned(),
            Lifetime::Seconds(_) => "limited".to_owned(),
        };
        let limited = |addr: &Self| addr.valid != Lifetime::Forever;
        let found = Differences::default()
            .plain("flags", &self.flags, &now.flags)
            .plain("scope", &self.scope, &now.scope)
            .maybe("peer", &self.peer, &now.peer)
            .maybe("broadcast", &self.broadcast, &now.broadcast)
            .name("label", &self.label, &now.label);
        match limited(self) == limited(now) {
            true => found.finish(),
            false => found.see("valid", &self.valid, &now.valid, lasts).finish(),
        }
    }
}

impl Route {
    /// Returns what is different in `now`.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        // Whether hardware took it over is told by drivers again and again.
        let lasting = |flags: RouteFlags| {
            RouteFlags::from_bits(flags.bits() & (RouteFlags::DEAD | RouteFlags::LINKDOWN).bits())
        };
        let hops = |route: &Self| {
            let hop = |hop: &super::NextHop| {
                let gateway = hop.gateway.map(|ip| format!("via {ip} ")).unwrap_or_default();
                let dev = hop.oif_ifindex.map(|i| format!("dev {i} ")).unwrap_or_default();
                format!("{gateway}{dev}weight {}", hop.weight)
            };
            // Their order is that in which they came.
            let hops: std::collections::BTreeSet<_> = route.nexthops.iter().map(hop).collect();
            hops.into_iter().collect::<Vec<_>>().join(", ")
        };
        Differences::default()
            .plain("kind", &self.kind, &now.kind)
            .maybe("gateway", &self.gateway, &now.gateway)
            .maybe("oif_ifindex", &self.oif_ifindex, &now.oif_ifindex)
            .plain("nexthops", &hops(self), &hops(now))
            .maybe("nexthop_id", &self.nexthop_id, &now.nexthop_id)
            .maybe("prefsrc", &self.prefsrc, &now.prefsrc)
            .plain("protocol", &self.protocol, &now.protocol)
            .plain("scope", &self.scope, &now.scope)
            .plain("flags", &lasting(self.flags), &lasting(now.flags))
            .maybe("preference", &self.preference, &now.preference)
            .see("metrics", &self.metrics, &now.metrics, |m| match m {
                Some(metrics) => format!("{metrics:?}"),
                None => String::new(),
            })
            .finish()
    }
}

impl Neighbour {
    /// Returns what is different in `now`, ages left out.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        Differences::default()
            .plain("state", &self.state, &now.state)
            .maybe("lladdr", &self.lladdr, &now.lladdr)
            .plain("flags", &self.flags, &now.flags)
            .finish()
    }
}

impl CtEntry {
    /// Returns what is different in `now`, counters and the time it still has left out.
    ///
    /// A field that `now` lacks is no difference: the kernel's events leave out what stays.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let tcp = |entry: &Self| entry.tcp.as_ref().map(|tcp| tcp.state);
        let sctp = |entry: &Self| entry.sctp.as_ref().map(|sctp| sctp.state);
        let mut found = Differences::default().plain("status", &self.status, &now.status);
        if tcp(now).is_some() {
            found = found.maybe("tcp.state", &tcp(self), &tcp(now));
        }
        if sctp(now).is_some() {
            found = found.maybe("sctp.state", &sctp(self), &sctp(now));
        }
        if now.mark.is_some() {
            found = found.maybe("mark", &self.mark, &now.mark);
        }
        found.plain("reply", &tuple(&self.reply), &tuple(&now.reply)).finish()
    }
}

fn tuple(tuple: &super::CtTuple) -> String {
    let port = |port: Option<u16>| port.map(|p| format!(" port {p}")).unwrap_or_default();
    format!("{}{} -> {}{}", tuple.src, port(tuple.src_port), tuple.dst, port(tuple.dst_port))
}
