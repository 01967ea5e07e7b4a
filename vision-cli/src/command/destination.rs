//! From what a person calls a host to an address that a probe takes.

use std::net::IpAddr;

use vision_core::inventory::{Inventory, RouteAnswer, RouteQuery};
use vision_core::probe::{Resolution, ResolveOutcome};
use vision_core::{Budget, Error, Family, Host, Result, Target};

use super::names::Names;
use super::resolver::Files;
use crate::context::Context;

/// Where to send.
pub struct Destination {
    /// The address.
    pub addr: IpAddr,
    /// The interface of a link-local address, by index; else zero.
    pub scope: u32,
}

/// Finds the address of a host as the target sees it, and remembers what a name was resolved to.
///
/// # Errors
/// [`Error::Invalid`] when the address is not of the family asked for, [`Error::NotFound`] for a
/// missing interface or a name without an address, and what [`Files::read`] says.
pub fn find(
    host: &Host,
    context: &mut Context,
    target: &Target,
    budget: &Budget,
) -> Result<Destination> {
    let family = context.family()?;
    let (addr, zone) = match host {
        Host::Addr(addr, zone) => (*addr, zone.as_deref()),
        Host::Name(name) => {
            let found = Files::read(target, budget)?.resolve(name, family, target, budget)?;
            let addr = choose(&found, target, budget)?;
            context.out.resolved(&found);
            (addr, None)
        }
    };
    check_family(addr, family)?;
    let interface = context.global.interface.as_deref().filter(|_| is_link_local(addr));
    let scope = match zone.or(interface) {
        None => 0,
        Some(name) => Names::read(&mut Inventory::open(target)?, budget)?.index(name)?,
    };
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

/// Takes the first address that there is a route to, or the first.
fn choose(found: &Resolution, target: &Target, budget: &Budget) -> Result<IpAddr> {
    let first = found.addresses.first().copied().ok_or_else(|| unresolved(found, budget))?;
    if found.addresses.len() == 1 {
        return Ok(first);
    }
    let mut inventory = Inventory::open(target)?;
    for addr in &found.addresses {
        if let RouteAnswer::Route(_) = inventory.route_to(&RouteQuery::to(*addr), budget)? {
            return Ok(*addr);
        }
    }
    Ok(first)
}

fn unresolved(found: &Resolution, budget: &Budget) -> Error {
    let why = match found.outcome {
        ResolveOutcome::NoSuchName => "no such name",
        ResolveOutcome::NoAddress => "the name has no address of the family asked for",
        ResolveOutcome::TryAgain => "no nameserver gave an answer",
        ResolveOutcome::Failed => "a nameserver refused",
        _ => match budget.remaining() {
            Err(ended) => return ended,
            Ok(_) => "not resolved",
        },
    };
    Error::NotFound(format!("host `{}` ({why})", found.name))
}

fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_multicast(),
    }
}
