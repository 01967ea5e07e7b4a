use std::net::{IpAddr, Ipv4Addr};

use super::NeighProbe;
use crate::base::{Budget, Error, Family, LinkAddr, Result, Untrusted};
use crate::inventory::{Addr, Inventory, Link};
use crate::netns::Target;

/// Who asks: an interface with its own addresses.
#[derive(Debug, Clone)]
pub(crate) struct Station {
    pub(crate) ifindex: u32,
    pub(crate) name: Untrusted,
    pub(crate) mac: [u8; 6],
    pub(crate) source: IpAddr,
}

impl Station {
    pub(crate) fn name_text(&self) -> Option<&str> {
        std::str::from_utf8(self.name.as_bytes()).ok()
    }
}

/// Looks the interface up in the target's namespace.
pub(crate) fn find(target: &Target, probe: &NeighProbe) -> Result<Station> {
    let budget = Budget::unbounded();
    let mut inventory = Inventory::open(target)?;
    let links = inventory.links(&budget)?.items;
    let link = links.iter().find(|link| link.name == *probe.interface.as_str());
    let link = link.ok_or_else(|| missing(&probe.interface, &links))?;
    let mac = link.address.filter(|_| !link.is_noarp() && !link.is_loopback());
    let mac = mac.and_then(LinkAddr::to_ethernet).ok_or_else(|| {
        let why = format!("`{}` does no neighbour resolution", probe.interface);
        Error::invalid("interface", why)
    })?;
    let addrs = inventory.addrs(&budget)?.items;
    let source = match probe.source {
        Some(source) => source,
        None => own_source(probe.to, link, &addrs)?,
    };
    Ok(Station { ifindex: link.ifindex, name: link.name.clone(), mac, source })
}

fn missing(name: &str, links: &[Link]) -> Error {
    let known: Vec<_> = links.iter().map(|link| link.name.escaped().to_string()).collect();
    Error::NotFound(format!("interface `{name}` (there are: {})", known.join(", ")))
}

/// An address of the interface: one that shares the prefix first, then any.
fn own_source(to: IpAddr, link: &Link, addrs: &[Addr]) -> Result<IpAddr> {
    let usable = || {
        addrs.iter().filter(|addr| {
            addr.ifindex == link.ifindex && addr.family == Family::of(to) && addr.is_usable()
        })
    };
    let near = usable().find(|addr| addr.prefix().contains(to)).or_else(|| usable().next());
    match (near, to) {
        (Some(addr), _) => Ok(addr.local),
        // As a host without an address asks during duplicate detection (RFC 5227 §2.1.1).
        (None, IpAddr::V4(_)) => Ok(Ipv4Addr::UNSPECIFIED.into()),
        (None, IpAddr::V6(_)) => {
            let name = link.name.escaped();
            Err(Error::invalid("interface", format!("`{name}` has no usable IPv6 address")))
        }
    }
}
