//! Puts the question to the network from inside the target.

use std::net::IpAddr;

use super::Site;
use super::probes::Prober;
use crate::base::{Budget, Error, Family, Host, Result};
use crate::doctor::case::{CaseFile, Probing};
use crate::doctor::plan::Step;
use crate::doctor::{Question, Service};
use crate::inventory::RouteAnswer;
use crate::netns::FileOrigin;

/// Asks what the steps call for and files the answers under the target's latest round.
pub(super) fn ask(
    case: &mut CaseFile,
    steps: &[Step],
    here: &mut Site,
    budget: &Budget,
) -> Result<()> {
    let first = steps.iter().any(|step| matches!(step, Step::Examine | Step::Again { .. }));
    let mut prober = Prober::new(case, here, budget);
    let result = match first {
        true => whole_question(case, &mut prober),
        false => second_round(case, steps, &mut prober),
    };
    prober.file(case, 0);
    result
}

fn whole_question(case: &CaseFile, prober: &mut Prober<'_>) -> Result<()> {
    let Question::Reach { host, service } = &case.question else {
        return health(case, prober);
    };
    let addrs = addresses(case, host, prober)?;
    for addr in &addrs {
        reach(*addr, *service, prober)?;
    }
    // Without an address, what matters is the way to the nameservers.
    if addrs.is_empty() {
        for server in prober.servers() {
            way_to(server, prober)?;
        }
    }
    Ok(())
}

/// The same probes once more, now that the namespaces on the way are being watched.
fn second_round(case: &CaseFile, steps: &[Step], prober: &mut Prober<'_>) -> Result<()> {
    for step in steps {
        match step {
            Step::SignOfLife { server } => prober.sign_of_life(*server)?,
            Step::Follow { dst } if prober.is_server(*dst) => {
                way_to(*dst, prober)?;
                // It has been silent once; this try is for the counters on the way.
                prober.ask_server(*dst, 1)?;
            }
            Step::Follow { dst } => match &case.question {
                Question::Reach { service, .. } => {
                    reach(*dst, *service, prober)?;
                    // Its own packets tell whether a reset was really the host's.
                    if prober.was_reset(*dst) {
                        prober.ping(*dst)?;
                    }
                }
                Question::Health => way_to(*dst, prober)?,
            },
            Step::Examine | Step::Again { .. } => {}
        }
    }
    Ok(())
}

/// The gateways and nameservers of the namespace.
fn health(case: &CaseFile, prober: &mut Prober<'_>) -> Result<()> {
    let wanted = |addr: &IpAddr| case.family.is_none_or(|family| family == Family::of(*addr));
    for addr in prober.gateways().into_iter().filter(wanted) {
        way_to(addr, prober)?;
        // Where table and answer differ, only a packet that goes by the table shows who is right.
        if prober.is_believed_elsewhere(addr) {
            prober.ping(addr)?;
        }
    }
    if prober.resolver_origin() == Some(FileOrigin::Inherited) {
        let why = "the namespace has no resolv.conf of its own";
        prober.note_gap("nameservers", why);
        return Ok(());
    }
    for server in prober.servers().into_iter().filter(wanted) {
        way_to(server, prober)?;
        prober.ask_server(server, 2)?;
    }
    Ok(())
}

/// The look-up and the first hop, without the probe itself.
fn way_to(addr: IpAddr, prober: &mut Prober<'_>) -> Result<()> {
    if let Some(RouteAnswer::Route(_)) = prober.look_up(addr)? {
        prober.solicit_next_hop(addr)?;
    }
    Ok(())
}

/// Finds the addresses of a destination, and files how.
fn addresses(case: &CaseFile, host: &Host, prober: &mut Prober<'_>) -> Result<Vec<IpAddr>> {
    let found = match host {
        Host::Addr(addr, zone) => {
            prober.set_zone(zone.as_deref())?;
            vec![*addr]
        }
        Host::Name(name) => prober.resolve(name)?,
    };
    let wanted = |addr: &IpAddr| case.family.is_none_or(|family| family == Family::of(*addr));
    let mut kept: Vec<_> = found.iter().copied().filter(wanted).collect();
    if kept.is_empty() && !found.is_empty() {
        let why = format!("`{host}` has no address of the family asked for");
        return Err(Error::invalid("destination", why));
    }
    // A name may have dozens of addresses; two of each family show what is wrong.
    let (mut v4, mut v6) = (0, 0);
    kept.retain(|addr| {
        let count = if addr.is_ipv6() { &mut v6 } else { &mut v4 };
        *count += 1;
        *count <= 2
    });
    Ok(kept)
}

fn reach(addr: IpAddr, service: Service, prober: &mut Prober<'_>) -> Result<()> {
    way_to(addr, prober)?;
    if prober.probing() == Probing::Passive {
        return Ok(());
    }
    match service {
        Service::Host => prober.host(addr),
        Service::Udp(port) => prober.udp(addr, port),
        Service::Tcp(port) | Service::Tls(port) | Service::Http(port) => prober.tcp(addr, &[port]),
    }
}
