//! Which links hear each other's broadcasts, as far as the tables show. Pure.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::inventory::{Link, LinkKind};
use crate::netns::NetnsId;

/// The links of every namespace in sight, and who each calls by which number.
#[derive(Default)]
pub(super) struct LinkMap {
    pub(super) links: HashMap<NetnsId, Vec<Link>>,
    /// From a namespace and its number for another to that other.
    pub(super) numbers: HashMap<(NetnsId, i32), NetnsId>,
}

/// A link of a namespace.
pub(super) type Port = (NetnsId, u32);

/// The network number and the port of a VXLAN interface.
fn network(link: &Link) -> Option<(u32, u16)> {
    match &link.info {
        Some(LinkKind::Vxlan(vxlan)) => Some((vxlan.vni?, vxlan.port?)),
        _ => None,
    }
}

/// Kinds whose frames appear on another link as well.
const COUPLED: [&str; 4] = ["veth", "macvlan", "macvtap", "ipvlan"];

impl LinkMap {
    fn of(&self, netns: NetnsId) -> &[Link] {
        self.links.get(&netns).map_or(&[], Vec::as_slice)
    }

    pub(super) fn link(&self, port: Port) -> Option<&Link> {
        self.of(port.0).iter().find(|link| link.ifindex == port.1)
    }

    /// Where a link's other end or lower device is.
    fn counterpart(&self, port: Port) -> Option<Port> {
        let link = self.link(port)?;
        link.kind.as_deref().filter(|kind| COUPLED.contains(kind))?;
        let netns = match link.link_netnsid {
            None => port.0,
            Some(number) => *self.numbers.get(&(port.0, number))?,
        };
        Some((netns, link.link_ifindex?))
    }

    /// The other ends of a VXLAN tunnel: the interfaces of other namespaces with its network number
    /// and port.
    fn tunnelled<'a>(&'a self, port: Port, link: &'a Link) -> impl Iterator<Item = Port> + 'a {
        let own = network(link);
        let others = self.links.iter().filter(move |(id, _)| own.is_some() && **id != port.0);
        let all = others.flat_map(|(id, links)| links.iter().map(move |link| (*id, link)));
        all.filter(move |(_, link)| network(link) == own).map(|(id, link)| (id, link.ifindex))
    }

    /// The links one step away on the same segment.
    pub(super) fn next_to(&self, port: Port) -> Vec<Port> {
        let Some(link) = self.link(port) else {
            return Vec::new();
        };
        let mut next: Vec<Port> = self.counterpart(port).into_iter().collect();
        // From a port to its bridge, and from there to every port.
        if link.kind.as_deref() == Some("bridge") {
            let ports = self.of(port.0).iter().filter(|l| l.master_ifindex == Some(link.ifindex));
            next.extend(ports.map(|l| (port.0, l.ifindex)));
        }
        let bridge = link.master_ifindex.filter(|_| link.slave_kind.as_deref() == Some("bridge"));
        next.extend(bridge.map(|bridge| (port.0, bridge)));
        next.extend(self.tunnelled(port, link));
        // What is stacked on this link hears it, from whichever namespace.
        let all = self.links.iter().flat_map(|(id, links)| links.iter().map(|l| (*id, l.ifindex)));
        next.extend(all.filter(|other| self.counterpart(*other) == Some(port)));
        next
    }

    /// Namespaces with a link that hears what is sent on another one's.
    pub(super) fn stacked(&self) -> Vec<NetnsId> {
        let above = |link: &Link| {
            let kind = link.kind.as_deref();
            link.link_netnsid.is_some() && kind.is_some_and(|k| k != "veth" && COUPLED.contains(&k))
        };
        let found = self.links.iter().filter(|(_, links)| links.iter().any(above));
        found.map(|(id, _)| *id).collect()
    }

    /// A namespace on the segment whose numbers for others are not known yet and matter.
    pub(super) fn unnumbered(&self, from: Port, known: &HashSet<NetnsId>) -> Option<NetnsId> {
        let leads_elsewhere = |port: &&Port| {
            let link = self.link(**port);
            link.is_some_and(|l| l.link_netnsid.is_some() && l.kind.as_deref() == Some("veth"))
        };
        let segment = self.segment(from);
        let mut all = segment.iter().chain([&from]);
        all.find(|port| !known.contains(&port.0) && leads_elsewhere(port)).map(|port| port.0)
    }

    /// Every link that hears what `from` sends, `from` excluded.
    pub(super) fn segment(&self, from: Port) -> HashSet<Port> {
        let mut heard = HashSet::from([from]);
        let mut open = VecDeque::from([from]);
        while let Some(port) = open.pop_front() {
            for next in self.next_to(port) {
                if heard.insert(next) {
                    open.push_back(next);
                }
            }
        }
        heard.remove(&from);
        heard
    }
}
