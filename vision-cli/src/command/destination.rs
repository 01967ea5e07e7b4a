//! From what a person calls a host to an address that a probe takes.

use std::net::IpAddr;

use vision_core::base::Op;
use vision_core::{Budget, Error, Family, Host, Result, Target};

use crate::context::Context;

/// Where to send.
pub struct Destination {
    /// The address.
    pub addr: IpAddr,
    /// The interface of a link-local address, by index; else zero.
    pub scope: u32,
}

/// Finds the address of a host as the target sees it.
///
/// # Errors
/// [`Error::Invalid`] when the address is not of the family asked for, [`Error::NotFound`] for a
/// missing interface.
pub fn find(host: &Host, context: &Context, target: &Target, _: &Budget) -> Result<Destination> {
    let (addr, zone) = match host {
        Host::Addr(addr, zone) => (*addr, zone.as_deref()),
        Host::Name(_) => return Err(Error::Unsupported("name resolution yet; give an address")),
    };
    check_family(addr, context.family()?)?;
    let zone = zone.or(context.global.interface.as_deref().filter(|_| is_link_local(addr)));
    let scope = zone.map(|name| ifindex(name, target)).transpose()?.unwrap_or(0);
    Ok(Destination { addr, scope })
}

/// Refuses an address of the wrong family.
///
/// # Errors
/// [`Error::Invalid`] naming the address.
pub fn check_family(addr: IpAddr, wanted: Option<Family>) -> Result<()> {
    match wanted {
        Some(wanted) if wanted != Family::of(addr) => {
            let why = format!("`{addr}` is no {wanted} address");
            Err(Error::Invalid { what: "address", why })
        }
        _ => Ok(()),
    }
}

fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast(),
    }
}

fn ifindex(name: &str, target: &Target) -> Result<u32> {
    use nix::errno::Errno;
    if let Ok(index) = name.parse() {
        return Ok(index);
    }
    match target.open()?.run(|| nix::net::if_::if_nametoindex(name))? {
        Ok(index) => Ok(index),
        Err(Errno::ENODEV | Errno::ENXIO | Errno::EINVAL) => {
            Err(Error::NotFound(format!("interface `{name}`")))
        }
        Err(e) => Err(Error::Sys { op: Op::OpenSocket, source: e.into() }),
    }
}
