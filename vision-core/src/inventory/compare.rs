//! What tells two namespaces apart, or one namespace from itself at another time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::difference::Difference;
use super::{
    Addr, AddrFlags, InterfaceSysctls, Link, NeighState, Neighbour, Route, Rule, Section, Snapshot,
    Sock, SockState, Sysctls,
};
use crate::base::{Gap, Untrusted};

/// Two snapshots beside each other.
///
/// Interfaces are compared by name, for numbers differ between namespaces; so rows are compared by
/// what they say, and what changes by itself is left out: counters, ages, connections, and states
/// of neighbours that are merely being checked. Between two namespaces hardware addresses and the
/// other ends of veth pairs are left out as well, which must differ.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Comparison {
    /// Sections that were compared.
    pub compared: Vec<Section>,
    /// What is not the same, by section and name.
    pub unequal: Vec<Unequal>,
    /// Sections that could not be compared, and why.
    pub gaps: Vec<Gap>,
}

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Unequal {
    /// Where it belongs.
    pub section: Section,
    /// What it is, safe for a terminal: `eth0`, `10.0.0.0/8 table main`.
    pub what: String,
    /// On which sides it is.
    pub side: Side,
    /// What differs, of something that is on both; else what it says.
    pub differences: Vec<Difference>,
}

/// On which sides something is.
// closed: there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Side {
    /// Only in the first.
    First,
    /// Only in the second.
    Second,
    /// In both.
    Both,
}

impl Snapshot {
    /// Compares with another snapshot, section by section.
    pub fn compare(&self, other: &Self) -> Comparison {
        let same = self.netns == other.netns;
        let (first, second) = (Facts::of(self, same), Facts::of(other, same));
        let mut compared: Vec<_> = first.seen.intersection(&second.seen).copied().collect();
        compared.sort_by_key(|section| order(*section));
        let mut unequal = Vec::new();
        for section in &compared {
            let (none, facts) = (BTreeMap::new(), |facts: &Facts| facts.by.get(section).cloned());
            let one = facts(&first).unwrap_or_else(|| none.clone());
            let two = facts(&second).unwrap_or(none);
            let names: BTreeSet<_> = one.keys().chain(two.keys()).cloned().collect();
            for what in names {
                let (a, b) = (one.get(&what), two.get(&what));
                let differences = between(a, b);
                let side = match (a, b) {
                    (Some(_), None) => Side::First,
                    (None, _) => Side::Second,
                    (Some(_), Some(_)) if differences.is_empty() => continue,
                    (Some(_), Some(_)) => Side::Both,
                };
                unequal.push(Unequal { section: *section, what, side, differences });
            }
        }
        let asked = first.seen.symmetric_difference(&second.seen);
        let gap = |section: &Section| match self.gap(*section).or_else(|| other.gap(*section)) {
            Some(gap) => gap.clone(),
            None => Gap::new(section.name(), "one of the snapshots does not hold it"),
        };
        Comparison { compared, unequal, gaps: asked.map(gap).collect() }
    }
}

fn order(section: Section) -> u32 {
    section.flag().bits()
}

/// The fields of a thing by their names; those without a value are not there.
type Fields = BTreeMap<&'static str, String>;

/// What a snapshot says, without numbers that mean something in it alone.
#[derive(Default)]
struct Facts {
    seen: BTreeSet<Section>,
    by: BTreeMap<Section, BTreeMap<String, Fields>>,
}

fn between(one: Option<&Fields>, two: Option<&Fields>) -> Vec<Difference> {
    let none = Fields::new();
    let (one, two) = (one.unwrap_or(&none), two.unwrap_or(&none));
    let names: BTreeSet<_> = one.keys().chain(two.keys()).collect();
    let value = |fields: &Fields, name: &str| fields.get(name).cloned().unwrap_or_default();
    let differs = names.into_iter().filter(|name| one.get(*name) != two.get(*name));
    let difference = |name: &&'static str| Difference {
        field: (*name).to_owned(),
        from: value(one, name),
        to: value(two, name),
    };
    differs.map(difference).collect()
}

impl Facts {
    fn of(snapshot: &Snapshot, same: bool) -> Self {
        let mut facts = Self::default();
        let links = snapshot.links.iter().flat_map(|dump| &dump.items);
        let names = Names(links.map(|link| (link.ifindex, &link.name)).collect());
        macro_rules! section {
            ($section:ident, $rows:expr, $fact:expr) => {
                if let Some(dump) = &$rows {
                    facts.seen.insert(Section::$section);
                    dump.items.iter().filter_map($fact).for_each(|(name, fields)| {
                        facts.add(Section::$section, name, fields);
                    });
                }
            };
        }
        section!(Links, snapshot.links, |link| Some(link_facts(link, &names, same)));
        section!(Addrs, snapshot.addrs, |addr| addr_facts(addr, &names, same));
        section!(Routes, snapshot.routes, |route| route_facts(route, &names, same));
        section!(Rules, snapshot.rules, |rule| Some(rule_facts(rule)));
        section!(Neighbours, snapshot.neighbours, |neigh| neigh_facts(neigh, &names, same));
        section!(Sockets, snapshot.sockets, sock_facts);
        if let Some(sysctls) = &snapshot.sysctls {
            facts.seen.insert(Section::Sysctls);
            for (name, value) in sysctl_facts(sysctls) {
                facts.add(Section::Sysctls, name, [("value", value)].into());
            }
        }
        facts.files(snapshot);
        facts
    }

    fn files(&mut self, snapshot: &Snapshot) {
        if let Some(resolver) = &snapshot.resolver {
            self.seen.insert(Section::Resolver);
            let servers = resolver.nameservers.iter().map(|server| server.addr.to_string());
            let servers = servers.collect::<Vec<_>>().join(" ");
            let search = resolver.search.iter().map(escaped).collect::<Vec<_>>().join(" ");
            let options = format!("{:?}", resolver.options);
            let fields = [("nameservers", servers), ("search", search), ("options", options)];
            self.add(Section::Resolver, "resolv.conf".to_owned(), fields.into());
        }
        if let Some(hosts) = &snapshot.hosts {
            self.seen.insert(Section::Hosts);
            for entry in &hosts.entries {
                for name in &entry.names {
                    let what = format!("{} {}", escaped(name), entry.addr);
                    self.add(Section::Hosts, what, Fields::new());
                }
            }
        }
    }

    /// Adds a thing; of several with one name each gets a number.
    fn add(&mut self, section: Section, name: String, fields: Fields) {
        let things = self.by.entry(section).or_default();
        let fields: Fields = fields.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let numbered = (2..).map(|n| format!("{name} #{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|n| !things.contains_key(n));
        things.insert(free.unwrap_or(name), fields);
    }
}

/// Names of interfaces.
struct Names<'a>(BTreeMap<u32, &'a Untrusted>);

impl Names<'_> {
    fn get(&self, ifindex: u32) -> String {
        self.0.get(&ifindex).map_or_else(|| format!("if{ifindex}"), |name| escaped(name))
    }

    fn maybe(&self, ifindex: Option<u32>) -> String {
        ifindex.map(|index| self.get(index)).unwrap_or_default()
    }
}

fn escaped(text: &Untrusted) -> String {
    text.escaped().to_string()
}

fn shown<T: ToString>(value: Option<T>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn link_facts(link: &Link, names: &Names<'_>, same: bool) -> (String, Fields) {
    let mut fields = Fields::from([
        ("kind", shown(link.kind.as_deref())),
        ("up", if link.is_up() { "yes" } else { "no" }.to_owned()),
        ("carrier", if link.has_carrier() { "yes" } else { "no" }.to_owned()),
        ("mtu_bytes", shown(link.mtu_bytes)),
        ("master", names.maybe(link.master_ifindex)),
        ("qdisc", shown(link.qdisc.as_deref())),
        ("txqlen_packets", shown(link.txqlen_packets)),
        ("noarp", if link.is_noarp() { "yes" } else { "" }.to_owned()),
        ("alias", link.alias.as_ref().map(escaped).unwrap_or_default()),
    ]);
    if same {
        fields.insert("address", shown(link.address));
    }
    (escaped(&link.name), fields)
}

/// Tells whether an interface gave itself this address.
fn is_own(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// Between namespaces the addresses interfaces give themselves must differ.
fn addr_facts(addr: &Addr, names: &Names<'_>, same: bool) -> Option<(String, Fields)> {
    if is_own(addr.local) && !same {
        return None;
    }
    // Whether it is permanent follows from its lifetime, which is compared.
    let flags = AddrFlags::from_bits(addr.flags.bits() & !AddrFlags::PERMANENT.bits());
    let valid = match addr.valid {
        super::Lifetime::Forever => "forever",
        super::Lifetime::Seconds(_) => "limited",
    };
    let name = format!("{}/{} dev {}", addr.local, addr.prefix_bits, names.get(addr.ifindex));
    let fields = [
        ("scope", addr.scope.to_string()),
        ("flags", flags.to_string()),
        ("valid", valid.to_owned()),
        ("peer", shown(addr.peer)),
    ];
    Some((name, fields.into()))
}

/// As [`addr_facts`]: each address has a route of its own.
fn route_facts(route: &Route, names: &Names<'_>, same: bool) -> Option<(String, Fields)> {
    if !same && route.dst.bits() == 128 && is_own(route.dst.addr()) {
        return None;
    }
    let hops = route.nexthops.iter().map(|hop| {
        let via = hop.gateway.map(|gateway| format!("via {gateway} ")).unwrap_or_default();
        format!("{via}dev {} weight {}", names.maybe(hop.oif_ifindex), hop.weight)
    });
    let hops: BTreeSet<_> = hops.collect();
    let mut name = match route.is_default() {
        true => format!("default {}", route.family),
        false => route.dst.to_string(),
    };
    name += &format!(" table {}", route.table);
    // Of local and link routes there is one for each interface.
    if route.gateway.is_none() && route.nexthops.is_empty() {
        name += &format!(" dev {}", names.maybe(route.oif_ifindex));
    }
    let metric = route.metric.filter(|metric| *metric != 0);
    name += &metric.map(|metric| format!(" metric {metric}")).unwrap_or_default();
    let fields = [
        ("kind", route.kind.to_string()),
        ("gateway", shown(route.gateway)),
        ("dev", names.maybe(route.oif_ifindex)),
        ("nexthops", hops.into_iter().collect::<Vec<_>>().join(", ")),
        ("prefsrc", shown(route.prefsrc)),
        ("protocol", route.protocol.to_string()),
        ("usable", if route.is_alive() { "yes" } else { "no" }.to_owned()),
        ("metrics", route.metrics.as_ref().map(|m| format!("{m:?}")).unwrap_or_default()),
    ];
    Some((name, fields.into()))
}

fn rule_facts(rule: &Rule) -> (String, Fields) {
    let mut name = format!("{} {}:", rule.family, rule.priority);
    if rule.invert {
        name += " not";
    }
    let pair = |range: Option<(u16, u16)>| range.map(|(first, last)| format!("{first}-{last}"));
    for (word, value) in [
        ("from", shown(rule.src)),
        ("to", shown(rule.dst)),
        ("iif", rule.iif.as_ref().map(escaped).unwrap_or_default()),
        ("oif", rule.oif.as_ref().map(escaped).unwrap_or_default()),
        ("fwmark", rule.fwmark.map(|mark| format!("{mark:#x}")).unwrap_or_default()),
        ("fwmask", rule.fwmask.map(|mask| format!("{mask:#x}")).unwrap_or_default()),
        ("ipproto", shown(rule.ip_protocol)),
        ("sport", shown(pair(rule.sport))),
        ("dport", shown(pair(rule.dport))),
        ("uidrange", shown(rule.uid_range.map(|(first, last)| format!("{first}-{last}")))),
    ] {
        if !value.is_empty() {
            name += &format!(" {word} {value}");
        }
    }
    let fields = [
        ("action", rule.action.to_string()),
        ("table", shown(rule.table)),
        ("goto", shown(rule.goto_priority)),
        ("suppress_prefix_bits", shown(rule.suppress_prefix_bits)),
    ];
    (name, fields.into())
}

/// Of neighbours only those that somebody wrote down or that do not answer: the rest come and go.
fn neigh_facts(neigh: &Neighbour, names: &Names<'_>, same: bool) -> Option<(String, Fields)> {
    let state = match neigh.state {
        NeighState::Permanent => "permanent",
        NeighState::Failed | NeighState::Incomplete => "no answer",
        // Multicast groups, which follow from the addresses.
        NeighState::NoArp => return None,
        _ if same => "known",
        _ => return None,
    };
    let name = format!("{} dev {}", neigh.dst, names.get(neigh.ifindex));
    let fields = [("state", state.to_owned()), ("lladdr", shown(neigh.lladdr))];
    Some((name, fields.into()))
}

/// Of sockets only those that wait for anybody.
fn sock_facts(sock: &Sock) -> Option<(String, Fields)> {
    let waits = sock.state == SockState::Listen || sock.remote_port == 0;
    let local = SocketAddr::new(sock.local, sock.local_port);
    waits.then(|| (format!("{} {local}", sock.protocol), Fields::new()))
}

fn sysctl_facts(sysctls: &Sysctls) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |name: String, value: Option<String>| {
        if let Some(value) = value {
            facts.push((name, value));
        }
    };
    let pair = |(first, last): (u32, u32)| format!("{first} {last}");
    let flag = |flag: bool| u8::from(flag).to_string();
    let ports = sysctls.ip_local_port_range.map(|(a, b)| (a.into(), b.into()));
    for (name, value) in [
        ("ip_forward", sysctls.ip_forward.map(flag)),
        ("ip_default_ttl", sysctls.ip_default_ttl.map(|v| v.to_string())),
        ("ping_group_range", sysctls.ping_group_range.map(pair)),
        ("ip_local_port_range", ports.map(pair)),
        ("ip_unprivileged_port_start", sysctls.ip_unprivileged_port_start.map(|v| v.to_string())),
        ("ip_nonlocal_bind", sysctls.ip_nonlocal_bind.map(flag)),
        ("ip_no_pmtu_disc", sysctls.ip_no_pmtu_disc.map(|v| v.to_string())),
        ("tcp_mtu_probing", sysctls.tcp_mtu_probing.map(|v| v.to_string())),
    ] {
        add(format!("net.ipv4.{name}"), value);
    }
    add("net.core.somaxconn".to_owned(), sysctls.somaxconn.map(|v| v.to_string()));
    let forgets = sysctls.nf_conntrack_tcp_timeout_established.map(|v| v.to_string());
    add("net.netfilter.nf_conntrack_tcp_timeout_established".to_owned(), forgets);
    for interface in &sysctls.interfaces {
        interface_facts(interface, &mut add);
    }
    facts
}

fn interface_facts(interface: &InterfaceSysctls, add: &mut impl FnMut(String, Option<String>)) {
    let flag = |flag: Option<bool>| flag.map(|flag| u8::from(flag).to_string());
    let number = |number: Option<u8>| number.map(|number| number.to_string());
    // As sysctl(8) writes it: what is no separator in a name is one in a path.
    let name = escaped(&interface.name).replace('.', "/");
    if let Some(v4) = &interface.ipv4 {
        for (key, value) in [
            ("rp_filter", number(v4.rp_filter)),
            ("forwarding", flag(v4.forwarding)),
            ("arp_ignore", number(v4.arp_ignore)),
            ("arp_announce", number(v4.arp_announce)),
            ("proxy_arp", flag(v4.proxy_arp)),
            ("accept_local", flag(v4.accept_local)),
            ("accept_redirects", flag(v4.accept_redirects)),
            ("route_localnet", flag(v4.route_localnet)),
            ("src_valid_mark", flag(v4.src_valid_mark)),
        ] {
            add(format!("net.ipv4.conf.{name}.{key}"), value);
        }
    }
    if let Some(v6) = &interface.ipv6 {
        for (key, value) in [
            ("disable_ipv6", flag(v6.disable_ipv6)),
            ("forwarding", flag(v6.forwarding)),
            ("accept_ra", number(v6.accept_ra)),
            ("accept_dad", v6.accept_dad.map(|v| v.to_string())),
            ("proxy_ndp", flag(v6.proxy_ndp)),
            ("mtu", v6.mtu_bytes.map(|v| v.to_string())),
            ("hop_limit", number(v6.hop_limit)),
        ] {
            add(format!("net.ipv6.conf.{name}.{key}"), value);
        }
    }
}
