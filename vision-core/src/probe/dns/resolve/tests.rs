use std::net::SocketAddr;
use std::time::Duration;

use super::super::nonce::Nonces;
use super::super::sim::{React, Sent, ms, place, run};
use super::{
    HostsEntry, HostsTable, Libc, Resolution, Resolve, ResolveOutcome, ResolvedBy, ResolverConfig,
};
use crate::base::Family;
use crate::inventory::{Hosts, Resolver};
use crate::wire::dns::RecordType;

fn cluster() -> ResolverConfig {
    ResolverConfig {
        servers: vec!["10.96.0.10:53".parse().expect("an address")],
        search: ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"]
            .map(str::to_owned)
            .to_vec(),
        ndots: 5,
        ..ResolverConfig::default()
    }
}

fn resolve(
    resolve: &Resolve,
    config: &ResolverConfig,
    network: impl FnMut(&Sent) -> Vec<(Duration, React)>,
) -> (Resolution, Vec<Sent>) {
    let nonces = |_| Ok(Nonces::scripted(100..200));
    let machine = resolve.machine(config, place(), nonces).expect("a machine");
    run(machine, ms(600_000), network)
}

/// Knows these names, everything else does not exist.
fn zone(known: &[(&str, &[&str])], sent: &Sent) -> Vec<(Duration, React)> {
    let question = sent.question();
    let name = question.name.to_string().to_ascii_lowercase();
    let reply = match known.iter().find(|(known, _)| *known == name) {
        None => sent.reply(3, &[]),
        Some((_, addresses)) => {
            let wanted = |addr: &&&str| addr.contains(':') == (question.rtype == RecordType::Aaaa);
            let addresses: Vec<_> = addresses.iter().filter(wanted).copied().collect();
            sent.reply(0, &addresses)
        }
    };
    vec![(ms(2), React::Reply(reply))]
}

fn names(result: &Resolution) -> Vec<String> {
    let tried = result.tried.iter().filter(|t| t.rtype == RecordType::A);
    tried.map(|t| t.name.to_string()).collect()
}

#[test]
fn five_dots_walk_the_search_list_first() {
    let known: &[(&str, &[&str])] = &[("db.svc.cluster.local.", &["10.0.0.7", "fd00::7"])];
    let (result, sent) = resolve(&Resolve::new("db"), &cluster(), |q| zone(known, q));
    assert_eq!(result.outcome, ResolveOutcome::Found);
    let found: Vec<_> = result.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.7", "fd00::7"]);
    assert_eq!(names(&result), ["db.default.svc.cluster.local.", "db.svc.cluster.local."]);
    assert_eq!(sent.len(), 4);
    assert_eq!((sent[0].at, sent[1].at), (ms(0), ms(0)));
    let server: SocketAddr = "10.96.0.10:53".parse().expect("an address");
    assert_eq!(result.source, Some(ResolvedBy::Dns { server }));
    assert_eq!(result.tried[0].elapsed, ms(2));
    assert_eq!(result.tried[2].search.as_deref(), Some("svc.cluster.local"));
}

#[test]
fn a_name_outside_costs_the_whole_list_and_comes_last() {
    let known: &[(&str, &[&str])] = &[("www.example.com.", &["192.0.2.9"])];
    let (result, sent) = resolve(&Resolve::new("www.example.com"), &cluster(), |q| zone(known, q));
    assert_eq!((names(&result).len(), sent.len()), (4, 8));
    assert_eq!(names(&result).last().map(String::as_str), Some("www.example.com."));
    let dotted = ResolverConfig { ndots: 1, ..cluster() };
    let (result, _) = resolve(&Resolve::new("www.example.com"), &dotted, |q| zone(known, q));
    assert_eq!(names(&result), ["www.example.com."]);
    let absolute = Resolve::new("www.example.com.").family(Family::V4);
    let (result, sent) = resolve(&absolute, &cluster(), |q| zone(known, q));
    assert_eq!((names(&result), sent.len()), (vec!["www.example.com.".to_owned()], 1));
}

#[test]
fn the_name_as_given_decides_the_failure_when_it_came_first() {
    let dotted = ResolverConfig { ndots: 1, ..cluster() };
    let known: &[(&str, &[&str])] = &[("a.b.svc.cluster.local.", &[])];
    let (result, _) = resolve(&Resolve::new("a.b"), &dotted, |q| zone(known, q));
    assert_eq!((result.outcome, names(&result).len()), (ResolveOutcome::NoSuchName, 4));
    let known: &[(&str, &[&str])] = &[("a.svc.cluster.local.", &[])];
    let (result, _) = resolve(&Resolve::new("a"), &cluster(), |q| zone(known, q));
    assert_eq!((result.outcome, names(&result).len()), (ResolveOutcome::NoAddress, 4));
}

#[test]
fn silent_servers_are_waited_for_as_long_as_glibc_waits() {
    let servers = ["10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"];
    let config = ResolverConfig {
        servers: servers.map(|s| s.parse().expect("an address")).to_vec(),
        search: vec!["example".to_owned()],
        ..cluster()
    };
    let lookup = Resolve::new("db").family(Family::V4);
    let (result, sent) = resolve(&lookup, &config, |_| Vec::new());
    let seconds: Vec<_> = sent.iter().take(7).map(|q| q.at.as_secs_f32().round()).collect();
    // 5 s for the first server, 10/3 s for the second, 20/3 s for the third, twice.
    assert_eq!(seconds, [0.0, 5.0, 8.0, 15.0, 20.0, 23.0, 30.0]);
    assert_eq!(result.outcome, ResolveOutcome::TryAgain);
    // The search is broken off, the name as given is still tried.
    assert_eq!(names(&result), ["db.example.", "db."]);
    assert!(result.tried[0].failure().is_some());
}

#[test]
fn a_failing_server_leads_to_the_next_one() {
    let servers = ["10.0.0.1:53", "10.0.0.2:53"];
    let config = ResolverConfig {
        servers: servers.map(|s| s.parse().expect("an address")).to_vec(),
        search: Vec::new(),
        ..cluster()
    };
    let lookup = Resolve::new("db").family(Family::V4);
    let (result, sent) = resolve(&lookup, &config, |q| {
        let failing = q.to.ip().to_string() == "10.0.0.1";
        let reply = if failing { q.reply(2, &[]) } else { q.reply(0, &["10.0.0.7"]) };
        vec![(ms(1), React::Reply(reply))]
    });
    assert_eq!((sent.len(), result.outcome), (2, ResolveOutcome::Found));
    assert!(
        matches!(result.source, Some(ResolvedBy::Dns { server }) if server == config.servers[1])
    );
    assert_eq!(result.tried[0].report.attempts.len(), 2);
}

#[test]
fn closed_ports_end_the_search_at_once() {
    let from = "10.96.0.10".parse().expect("an address");
    let closed = |_: &Sent| vec![(ms(1), React::Icmp(from, 3, 3))];
    let (result, _) = resolve(&Resolve::new("db"), &cluster(), closed);
    assert_eq!(result.outcome, ResolveOutcome::TryAgain);
    assert_eq!(names(&result), ["db.default.svc.cluster.local."]);
}

#[test]
fn one_family_is_enough_and_single_requests_come_in_turn() {
    let known: &[(&str, &[&str])] = &[("db.cluster.local.", &["fd00::7"])];
    let config = ResolverConfig { single_request: true, ..cluster() };
    let (result, sent) = resolve(&Resolve::new("db"), &config, |q| zone(known, q));
    assert_eq!((result.outcome, result.addresses.len()), (ResolveOutcome::Found, 1));
    assert_eq!((sent[0].at, sent[1].at, sent[2].at), (ms(0), ms(2), ms(4)));
    assert_eq!(names(&result).len(), 3);
}

#[test]
fn literals_and_hosts_need_no_server() {
    let entry = |addr: &str, names: &[&str]| HostsEntry {
        addr: addr.parse().expect("an address"),
        names: names.iter().map(|n| (*n).to_owned()).collect(),
    };
    let hosts = HostsTable {
        entries: vec![
            entry("127.0.0.1", &["localhost"]),
            entry("10.1.1.1", &["pod-a.ns", "pod-a"]),
            entry("fd00::1", &["pod-a"]),
        ],
        origin: None,
    };
    let look = |name: &str, family: Option<Family>| {
        let lookup = Resolve { family, ..Resolve::new(name) };
        lookup.without_servers(&hosts, place().0)
    };
    let both = look("POD-A", None).expect("known");
    assert_eq!(both.addresses.len(), 2);
    assert_eq!(both.canonical.map(|n| n.to_string()).as_deref(), Some("pod-a.ns."));
    assert_eq!(look("pod-a", Some(Family::V6)).map(|r| r.addresses.len()), Some(1));
    assert_eq!(look("localhost", Some(Family::V6)), None);
    assert_eq!(look("192.0.2.1", None).and_then(|r| r.source), Some(ResolvedBy::Literal));
    let none = look("192.0.2.1", Some(Family::V6)).expect("decided");
    assert_eq!(none.outcome, ResolveOutcome::NoAddress);
}

#[test]
fn odd_search_domains_are_skipped_and_named() {
    let long = format!("{}.test", "x".repeat(64));
    let config = ResolverConfig { search: vec![long, ".".to_owned()], ndots: 1, ..cluster() };
    let known: &[(&str, &[&str])] = &[("db.", &["10.0.0.1"])];
    let (result, _) = resolve(&Resolve::new("db"), &config, |q| zone(known, q));
    assert_eq!((names(&result), result.gaps.len()), (vec!["db.".to_owned()], 1));
}

#[test]
fn single_names_are_not_tried_as_given_where_the_file_forbids_it() {
    let config = ResolverConfig { no_tld_query: true, ..cluster() };
    let (result, _) = resolve(&Resolve::new("db"), &config, |q| zone(&[], q));
    assert_eq!(names(&result).len(), 3);
    let (result, _) = resolve(&Resolve::new("db.x"), &config, |q| zone(&[], q));
    assert_eq!(names(&result).len(), 4);
}

#[test]
fn the_files_of_a_target_become_a_configuration() {
    let file = Resolver::parse(
        b"nameserver fe80::1%eth0\nnameserver 10.0.0.1\nsearch a.test b.test\noptions ndots:5 timeout:2 use-vc no-tld-query\n",
    );
    let config = ResolverConfig::from_file(&file, |zone| (*zone == *"eth0").then_some(7));
    let servers: Vec<_> = config.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["[fe80::1%7]:53", "10.0.0.1:53"]);
    assert_eq!((config.ndots, config.timeout), (5, Duration::from_secs(2)));
    assert_eq!(config.search, ["a.test", "b.test"]);
    assert!(config.use_tcp && config.no_tld_query && !config.edns0);
    let hosts = HostsTable::from(&Hosts::parse(b"10.1.1.1 pod-a.ns pod-a # a pod\n"));
    assert_eq!(hosts.entries[0].names, ["pod-a.ns", "pod-a"]);
}

#[test]
fn musl_takes_the_first_answer_of_any_server() {
    let slow_first = ResolverConfig {
        servers: vec![([10, 0, 0, 1], 53).into(), ([10, 0, 0, 2], 53).into()],
        ..cluster()
    };
    let lookup = Resolve::new("db").libc(Libc::Musl);
    let (result, sent) = resolve(&lookup, &slow_first, |q| {
        let known: &[(&str, &[&str])] = &[("db.default.svc.cluster.local.", &["10.0.0.7"])];
        let other: &[(&str, &[&str])] = &[("db.default.svc.cluster.local.", &["10.0.0.8"])];
        match q.to.ip().to_string() == "10.0.0.1" {
            true => zone(known, q).into_iter().map(|(at, react)| (at + ms(50), react)).collect(),
            false => zone(other, q),
        }
    });
    let found: Vec<_> = result.addresses.iter().map(ToString::to_string).collect();
    assert_eq!((found, sent.len()), (vec!["10.0.0.8".to_owned()], 4));
    assert!(sent.iter().all(|sent| sent.at == ms(0) && sent.message().edns.is_none()));
    assert_eq!(result.libc, Libc::Musl);
}

#[test]
fn musl_never_searches_for_a_name_with_enough_dots() {
    let dotted = ResolverConfig { ndots: 1, ..cluster() };
    let known: &[(&str, &[&str])] = &[("a.b.svc.cluster.local.", &["10.0.0.7"])];
    let musl = Resolve::new("a.b").libc(Libc::Musl);
    let (result, _) = resolve(&musl, &dotted, |q| zone(known, q));
    assert_eq!(
        (result.outcome, names(&result)),
        (ResolveOutcome::NoSuchName, vec!["a.b.".to_owned()])
    );
    let (result, _) = resolve(&Resolve::new("a.b"), &dotted, |q| zone(known, q));
    assert_eq!(result.outcome, ResolveOutcome::Found);
}

#[test]
fn musl_stops_at_a_name_without_address_where_glibc_goes_on() {
    let known: &[(&str, &[&str])] =
        &[("db.default.svc.cluster.local.", &[]), ("db.svc.cluster.local.", &["10.0.0.7"])];
    let (result, _) = resolve(&Resolve::new("db").libc(Libc::Musl), &cluster(), |q| zone(known, q));
    assert_eq!((result.outcome, names(&result).len()), (ResolveOutcome::NoAddress, 1));
    let (result, _) = resolve(&Resolve::new("db"), &cluster(), |q| zone(known, q));
    assert_eq!((result.outcome, names(&result).len()), (ResolveOutcome::Found, 2));
}

#[test]
fn an_answer_that_was_cut_and_cannot_be_had_whole_is_none_to_glibc() {
    let network = |known: &'static [&'static str]| {
        move |q: &Sent| {
            if q.tcp {
                return Vec::new();
            }
            let first = q.question().rtype == RecordType::A;
            let mut reply = q.reply(0, if first { known } else { &[] });
            reply[2] |= if first { 2 } else { 0 };
            vec![(ms(1), React::Reply(reply))]
        }
    };
    let outcome = |libc: Libc, known| {
        let config = ResolverConfig { search: Vec::new(), ..cluster() };
        resolve(&Resolve::new("db.example").libc(libc), &config, network(known)).0.outcome
    };
    assert_eq!(outcome(Libc::Glibc, &[]), ResolveOutcome::TryAgain);
    assert_eq!(outcome(Libc::Glibc, &["192.0.2.7"]), ResolveOutcome::TryAgain);
    assert_eq!(outcome(Libc::Musl, &["192.0.2.7"]), ResolveOutcome::Found);
}
