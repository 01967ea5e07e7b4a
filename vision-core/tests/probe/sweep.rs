//! Sweeps, beside fping.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use vision_core::probe::{AddrRange, Probe, Rate, Sweep, SweepReport, SweepVerdict};
use vision_core::{Budget, EventSource, Pacer};
use vision_lab::{Fault, Hook, Node, Proto, RejectKind};

use crate::{budget, has, lab, ms, outcome, target};

/// Lets a node answer for a whole network, to which the other has a route.
fn answers_for(a: &Node, b: &Node, net: &str) {
    b.sh(&format!("ip route add local {net} dev lo"));
    a.sh(&format!("ip route add {net} via {}", b.v4()));
}

fn alive(report: &SweepReport) -> BTreeSet<IpAddr> {
    let alive = report.hosts.iter().filter(|host| host.verdict == SweepVerdict::Alive);
    alive.map(|host| host.to).collect()
}

fn range(text: &str) -> AddrRange {
    text.parse().expect(text)
}

#[test]
fn the_alive_of_a_network_are_those_fping_finds() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    answers_for(&a, &b, "10.77.0.0/24");
    b.sh("ip route del local 10.77.0.0/24 dev lo; ip route add local 10.77.0.0/28 dev lo
          ip route add blackhole 10.77.0.16/28; ip route add local 10.77.0.64/26 dev lo
          ip route add prohibit 10.77.0.32/27");
    b.sysctl("net/ipv4/ip_forward", "1").expect("set");
    b.sysctl("net/ipv4/icmp_ratelimit", "0").expect("set");
    let sweep = Sweep::new(range("10.77.0.0/24").iter()).rate(Rate::Max).wait(ms(300));
    let report = sweep.run(&target(&a), &budget()).expect("asked");
    let found = alive(&report);
    let expected =
        |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if matches!(ip.octets()[3], 1..=15 | 64..=127));
    assert_eq!(found.len(), 79);
    assert!(found.iter().all(expected));
    let prohibited = report.hosts.iter().find(|host| host.to == IpAddr::from([10, 77, 0, 32]));
    let Some(SweepVerdict::Unreachable(icmp)) = prohibited.map(|host| host.verdict) else {
        panic!("{prohibited:?}")
    };
    assert_eq!((icmp.from, icmp.code), (Some(b.v4().into()), 13));
    if has("fping") {
        let (all, said) = outcome(&a, "fping -a -q -r1 -t300 -g 10.77.0.0/24 2>/dev/null");
        let theirs: BTreeSet<IpAddr> =
            said.lines().filter_map(|line| line.trim().parse().ok()).collect();
        assert_eq!((all, theirs), (false, found));
    }
}

#[test]
fn sixty_five_thousand_addresses_are_found_without_any_missing() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    answers_for(&a, &b, "10.79.0.0/16");
    let sweep = Sweep::new(range("10.79.0.0/16").iter()).rate(Rate::Max);
    let report = sweep.run(&target(&a), &budget()).expect("asked");
    let summary = report.summary();
    assert_eq!((summary.hosts, summary.alive, report.ignored), (65_534, 65_534, 0));
    let spread = report.percentiles(&[50.0, 99.0]);
    assert!(spread[0].rtt_ns <= spread[1].rtt_ns, "{spread:?}");
}

#[test]
fn several_hosts_have_the_figures_fping_gives_them() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    // Each third echo request is lost, by count and not by chance.
    b.sh("nft 'add table inet t
          add chain inet t i { type filter hook input priority 0 ; }
          add rule inet t i icmp type echo-request numgen inc mod 3 == 0 drop'");
    let targets = [IpAddr::from(b.v4()), b.v6().into(), Ipv4Addr::new(10, 1, 0, 99).into()];
    let sweep = Sweep::new(targets).count(6).interval(ms(50)).wait(ms(200));
    let report = sweep.run(&target(&a), &budget()).expect("asked");
    let figures: Vec<_> = report.hosts.iter().map(|h| (h.to, h.sent, h.received, h.lost)).collect();
    assert_eq!(figures[0], (targets[0], 6, 4, 2));
    assert_eq!(figures[1], (targets[1], 6, 6, 0));
    assert_eq!((figures[2].1, figures[2].2), (6, 0));
    assert_eq!(report.methods.len(), 2);
    if has("fping") {
        let (_, said) = outcome(&a, &format!("fping -q -c 6 -p 50 -t 200 {}", b.v4()));
        assert!(said.contains("xmt/rcv/%loss = 6/4/33%"), "{said}");
        let (up, _) = outcome(&a, &format!("fping -q -c 1 -t 200 {}", b.v6()));
        assert!(up);
    }
}

/// What a plain loop lets go at a sweep's own rate: a machine that pauses takes from both.
fn left_in(time: Duration) -> u64 {
    let pacer = Pacer::per_second(200, 9);
    let end = Instant::now() + time;
    let mut left = 0;
    loop {
        let at = pacer.reserve(Instant::now());
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if Instant::now() >= end {
            return left;
        }
        left += 1;
    }
}

/// Threads made from now on stay with this one, so that the same pauses meet them all.
fn stay_on_one_processor() {
    let processor = nix::sched::sched_getcpu().expect("a processor");
    let mut set = nix::sched::CpuSet::new();
    set.set(processor).expect("in range");
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set).expect("our own");
}

#[test]
fn a_sweep_is_polite_unless_told_otherwise() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    answers_for(&a, &b, "10.78.0.0/22");
    b.sh("nft 'add table inet t
          add chain inet t i { type filter hook input priority 0 ; }
          add rule inet t i icmp type echo-request counter'");
    stay_on_one_processor();
    let mut session = Sweep::new(range("10.78.0.0/22").iter()).start(&target(&a)).expect("starts");
    let second = Budget::within(ms(1000));
    let allowed = std::thread::scope(|scope| {
        let allowed = scope.spawn(|| left_in(ms(1000)));
        while session.recv(&second).is_ok() {}
        allowed.join().expect("a number")
    });
    let sent = session.progress().sent;
    // And after the end not one more.
    let report = session.finish();
    std::thread::sleep(ms(100));
    let said = b.sh("nft list chain inet t i");
    let counted: u64 = said
        .split("packets ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .expect("a counter");
    assert!(counted <= 210, "{counted} in a second");
    assert!(counted * 4 >= allowed * 3, "{counted} in a second, and {allowed} could");
    assert_eq!(counted, sent);
    assert!(report.gaps[0].to_string().contains("undecided"), "{:?}", report.gaps);
}

#[test]
fn replies_that_somebody_forges_are_none() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    b.sh("nft 'add table inet t
          add chain inet t o { type filter hook output priority 0 ; }
          add rule inet t o icmp type echo-reply drop'");
    if !has("hping3") {
        return;
    }
    // Echo replies of every likely identifier, from the address asked.
    let forger = b.spawn(&format!("hping3 -1 --icmptype 0 -i u200 -q {}", a.v4()));
    let sweep = Sweep::new([b.v4().into()]).until_answered(3).wait(ms(200));
    let report = sweep.run(&target(&a), &budget()).expect("asked");
    drop(forger);
    assert_eq!(report.hosts[0].verdict, SweepVerdict::Silent, "{report:?}");
}

#[test]
fn an_error_of_a_hosts_own_and_no_route_are_told_apart() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let kind = RejectKind::AdminProhibited;
    lab.fault(&b, Fault::Reject { hook: Hook::Input, proto: Proto::Icmp, dport: None, kind })
        .expect("a rule");
    let nowhere = IpAddr::from([203, 0, 113, 9]);
    let sweep = Sweep::new([b.v4().into(), nowhere]).until_answered(1).wait(ms(300));
    let report = sweep.run(&target(&a), &budget()).expect("asked");
    let verdicts: Vec<_> = report.hosts.iter().map(|host| host.verdict).collect();
    let [SweepVerdict::Unreachable(icmp), SweepVerdict::LocalError(reason)] = verdicts[..] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(icmp.from, Some(b.v4().into()));
    assert!(reason.to_string().contains("unreachable"), "{reason}");
}
