//! Puts the question to the network from inside the target.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Site;
use super::probes::Prober;
use crate::base::{Budget, Error, Family, Host, Result};
use crate::doctor::case::{CaseFile, Probing};
use crate::doctor::plan::Step;
use crate::doctor::{Question, Service};
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
        reach(*addr, (host, *service), prober)?;
    }
    prober.proxy(host, *service)?;
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
    let mut patience = LONGEST;
    for step in steps {
        match step {
            Step::SignOfLife { server } => prober.sign_of_life(*server)?,
            Step::Follow { dst } if prober.is_server(*dst) => {
                way_to(*dst, prober)?;
                // It has been silent once; a slow one gets its time now, and the first whose host is alive all
                // that programs wait.
                let wait = match (prober.is_cut_off(*dst), prober.answered(*dst)) {
                    (true, _) => CUT_OFF,
                    (false, true) => std::mem::replace(&mut patience, PATIENT),
                    (false, false) => PATIENT,
                };
                prober.ask_server(*dst, asked_name(case), wait, 1)?;
            }
            Step::Follow { dst } => match &case.question {
                Question::Reach { host, service } => {
                    reach(*dst, (host, *service), prober)?;
                    // Its own packets tell whether a reset was really the host's.
                    let open = service.tcp_port().is_some() && !prober.answered(*dst);
                    if open || prober.was_reset(*dst) {
                        prober.ping(*dst)?;
                        prober.train(*dst, *service)?;
                    }
                }
                Question::Health => gateway(*dst, prober)?,
            },
            Step::LeaveAlone { dst } => {
                if let Some(port) = port_of(&case.question) {
                    prober.idle(case, *dst, port)?;
                }
            }
            Step::Examine | Step::Again { .. } => {}
        }
    }
    Ok(())
}

fn port_of(question: &Question) -> Option<u16> {
    match question {
        Question::Reach { service, .. } => service.tcp_port(),
        Question::Health => None,
    }
}

/// How long programs wait for a nameserver (resolv.conf(5), `timeout`).
const LONGEST: Duration = Duration::from_millis(5000);
/// How long a nameserver may take when it was silent before.
const PATIENT: Duration = Duration::from_millis(1900);
/// How long it may take when the first neighbour on the way is silent.
const CUT_OFF: Duration = Duration::from_millis(250);
/// How long it may take at first.
const BRISK: Duration = Duration::from_millis(800);

fn asked_name(case: &CaseFile) -> Option<&str> {
    match &case.question {
        Question::Reach { host: Host::Name(name), .. } => Some(name),
        _ => None,
    }
}

/// The loopback, the addresses, the gateways and the nameservers of the namespace.
fn health(case: &CaseFile, prober: &mut Prober<'_>) -> Result<()> {
    let wanted = |addr: &IpAddr| case.family.is_none_or(|family| family == Family::of(*addr));
    if prober.probing() == Probing::Active {
        // Nobody listens on port 1: a reset shows that the loopback works.
        prober.tcp(Ipv4Addr::LOCALHOST.into(), &[1])?;
        prober.own_addresses()?;
    }
    for addr in prober.gateways().into_iter().filter(wanted) {
        gateway(addr, prober)?;
    }
    if prober.resolver_origin() == Some(FileOrigin::Inherited) {
        let why = "the namespace has no resolv.conf of its own";
        prober.note_gap("nameservers", why);
        return Ok(());
    }
    for server in prober.servers().into_iter().filter(wanted) {
        way_to(server, prober)?;
        match prober.is_cut_off(server) {
            true => prober.ask_server(server, None, CUT_OFF, 1)?,
            false => prober.ask_server(server, None, BRISK, 2)?,
        }
    }
    Ok(())
}

/// A gateway the table knows is asked by the table first: an answer past the table would mend a
/// stale entry before it could be shown.
fn gateway(addr: IpAddr, prober: &mut Prober<'_>) -> Result<()> {
    prober.look_up(addr)?;
    if prober.probing() == Probing::Passive {
        return Ok(());
    }
    let zone = prober.scope;
    prober.scope = prober.zone_of(addr);
    let asked = ask_gateway(addr, prober);
    prober.scope = zone;
    asked
}

fn ask_gateway(addr: IpAddr, prober: &mut Prober<'_>) -> Result<()> {
    if prober.is_known(addr) && prober.ping_once(addr)? {
        return Ok(());
    }
    prober.solicit_next_hop(addr)?;
    // Who answers for an address need not be reached by packets: a port may have left its bridge.
    if prober.is_heard(addr) && (prober.ping_once(addr)? || prober.was_told(addr)) {
        return Ok(());
    }
    // Without the right to ask, a connect makes the kernel ask.
    if prober.is_heard(addr) || !prober.has_asked(addr) {
        prober.knock_at(addr)?;
    }
    Ok(())
}

/// The look-up and the first hop, without the probe itself.
fn way_to(addr: IpAddr, prober: &mut Prober<'_>) -> Result<()> {
    prober.look_up(addr)?;
    match prober.is_known(addr) {
        true => Ok(()),
        false => {
            // An answer to a question of our own would make the address known.
            prober.unresolved(addr)?;
            prober.solicit_next_hop(addr)
        }
    }
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

fn reach(addr: IpAddr, (host, service): (&Host, Service), prober: &mut Prober<'_>) -> Result<()> {
    way_to(addr, prober)?;
    if prober.probing() == Probing::Passive {
        return Ok(());
    }
    knock(addr, service, prober)?;
    if !prober.answered(addr) {
        prober.solicit_next_hop(addr)?;
        // The answer has renewed the entry: if that was the fault, it works now.
        if prober.has_renewed(addr) {
            knock(addr, service, prober)?;
        }
        prober.other_ways(addr)?;
    } else if let Some(port) = service.tcp_port() {
        prober.once_more(addr, port)?;
        prober.converse(addr, service, host)?;
        // A SYN that was lost may have gone to another who holds the next hop's address as well.
        if prober.has_retried(addr) {
            prober.solicit_next_hop(addr)?;
        }
    }
    prober.train(addr, service)?;
    prober.full_size(addr)?;
    prober.all_paths(addr)
}

fn knock(addr: IpAddr, service: Service, prober: &mut Prober<'_>) -> Result<()> {
    match service {
        Service::Host => prober.host(addr),
        Service::Udp(port) => prober.udp(addr, port),
        Service::Tcp(port) | Service::Tls(port) | Service::Http(port) | Service::Https(port) => {
            prober.tcp(addr, &[port])
        }
    }
}
