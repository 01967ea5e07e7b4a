//! Maps as pictures, for pages and tickets.

mod mermaid;
mod svg;

pub use self::mermaid::mermaid;
pub use self::svg::svg;

use std::collections::{BTreeMap, BTreeSet};

use vision_core::inventory::{MappedLink, MappedNamespace, NetworkMap};

use super::esc;
use super::human::map::is_plain_loopback;

/// Two ends that belong together: places of their namespaces in the map, numbers of interfaces.
struct Wire {
    from: (usize, u32),
    to: (usize, u32),
}

/// The connections between namespaces, each once.
fn wires(map: &NetworkMap) -> Vec<Wire> {
    let places = map.namespaces.iter().enumerate().map(|(at, one)| (one.info.id, at));
    let places: BTreeMap<_, _> = places.collect();
    let (mut wires, mut known) = (Vec::new(), BTreeSet::new());
    for (here, namespace) in map.namespaces.iter().enumerate() {
        for link in &namespace.links {
            let Some(end) = &link.other_end else { continue };
            let there = end.netns.and_then(|id| places.get(&id));
            let Some(there) = there.filter(|there| **there != here) else { continue };
            let (from, to) = ((here, link.ifindex), (*there, end.ifindex));
            if !known.contains(&(to, from)) {
                known.insert((from, to));
                wires.push(Wire { from, to });
            }
        }
    }
    wires
}

/// The interfaces worth drawing.
fn drawn(namespace: &MappedNamespace) -> impl Iterator<Item = &MappedLink> {
    namespace.links.iter().filter(|link| !is_plain_loopback(link))
}

/// An interface in a few words: name, kind, addresses, what it belongs to.
fn label(namespace: &MappedNamespace, link: &MappedLink) -> String {
    let mut text = link.name.escaped().to_string();
    if let Some(kind) = link.kind.as_deref().filter(|kind| *kind != "veth") {
        text += &format!(" [{}]", esc(kind));
    }
    if !link.up {
        text += " (down)";
    }
    for prefix in &link.addresses {
        text += &format!(" {prefix}");
    }
    if let Some(master) = link.master_ifindex.and_then(|master| namespace.link(master)) {
        text += &format!(" in {}", master.name.escaped());
    }
    let uplinks = namespace.defaults.iter().filter(|route| route.ifindex == Some(link.ifindex));
    for gateway in uplinks.filter_map(|route| route.gateway) {
        text += &format!(" via {gateway}");
    }
    text
}
