use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{NeighProbe, OwnAddress, Purpose};
use crate::base::{Budget, Error, Family, LinkAddr, Result, Untrusted};
use crate::inventory::{Addr, AddrFlags, Inventory, Link};
use crate::netns::Target;

/// Who asks: an interface with its own addresses.
#[derive(Debug, Clone)]
pub(crate) struct Station {
    pub(crate) ifindex: u32,
    pub(crate) name: Untrusted,
    pub(crate) mac: [u8; 6],
    pub(crate) source: IpAddr,
    /// In a search for duplicates: how the address stands on the interface.
    pub(crate) own: Option<OwnAddress>,
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
    let source = match (probe.purpose, probe.source) {
        (Purpose::Duplicates, _) => unspecified(probe.to),
        (Purpose::Holder, Some(source)) => source,
        (Purpose::Holder, None) => own_source(probe.to, link, &addrs)?,
    };
    let own = (probe.purpose == Purpose::Duplicates).then(|| stands(probe.to, link, &addrs));
    Ok(Station { ifindex: link.ifindex, name: link.name.clone(), mac, source, own })
}

fn missing(name: &str, links: &[Link]) -> Error {
    let known: Vec<_> = links.iter().map(|link| link.name.escaped().to_string()).collect();
    Error::NotFound(format!("interface `{name}` (there are: {})", known.join(", ")))
}

/// Whoever looks for duplicates speaks for nobody (RFC 5227 §2.1.1, RFC 4862 §5.4.2).
fn unspecified(to: IpAddr) -> IpAddr {
    match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn stands(to: IpAddr, link: &Link, addrs: &[Addr]) -> OwnAddress {
    let mut own = addrs.iter().filter(|addr| addr.ifindex == link.ifindex && addr.local == to);
    match own.next().map(|addr| addr.flags) {
        None => OwnAddress::Absent,
        Some(flags) if flags.contains(AddrFlags::DADFAILED) => OwnAddress::DadFailed,
        Some(flags) if flags.contains(AddrFlags::TENTATIVE) => OwnAddress::Tentative,
        Some(_) => OwnAddress::Held,
    }
}

/// An address of the interface: one that shares the prefix first, then any.
fn own_source(to: IpAddr, link: &Link, addrs: &[Addr]) -> Result<IpAddr> {
    let usable = || {
        addrs.iter().filter(|addr| {
            addr.ifindex == link.ifindex && addr.family == Family::of(to) && addr.is_usable()
        })
    };
    let near = usable().find(|addr| addr.prefix().contains(to)).or_else(|| usable().next());
    // What the kernel falls back to for a link without one (net/ipv4/devinet.c `inet_select_addr`).
    let others = || {
        let wide = |addr: &&Addr| addr.local.is_ipv4() && !addr.local.is_loopback();
        addrs.iter().filter(|addr| addr.is_usable()).find(wide)
    };
    let near = near.or_else(|| others().filter(|_| to.is_ipv4()));
    match (near, to) {
        (Some(addr), _) => Ok(addr.local),
        // As a host without an address asks during duplicate detection (RFC 5227 §2.1.1).
        (None, IpAddr::V4(_)) => Ok(unspecified(to)),
        (None, IpAddr::V6(_)) => {
            let name = link.name.escaped();
            Err(Error::invalid("interface", format!("`{name}` has no usable IPv6 address")))
        }
    }
}
