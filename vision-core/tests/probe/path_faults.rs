//! What paths look like that are broken, limited, balanced or lied about.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use vision_core::probe::{PathEnd, PathProbe, ProbeField, Probing, Remark};
use vision_lab::{Fault, Hook, Lab, Node};

use crate::path::{addrs, long_chain, run, unlimited};
use crate::{lab, ms};

const UDP: Probing = Probing::Udp { port: 33_434 };

#[test]
fn a_router_that_limits_its_answers_loses_nothing() {
    let Some(lab) = lab() else { return };
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"]).expect("four in a row");
    [&s, &b].into_iter().for_each(unlimited);
    r.sysctl("net/ipv4/icmp_ratelimit", "1000").expect("set");
    let report = run(PathProbe::new(b.v4().into()).rounds(20).interval(ms(100)), &a);
    let hop = &report.hops[0];
    assert!(hop.lost >= 5 && hop.received >= 1, "{hop:?}");
    assert_eq!((report.hops[1].lost, report.hops[2].lost), (0, 0));
    let [Remark::AnswersLimited { ttl: 1, .. }] = report.remarks[..] else {
        panic!("{:?}", report.remarks)
    };
    assert!(report.remarks[0].to_string().contains("limited, not loss"));
    assert!(!report.remarks[0].is_fault());
}

#[test]
fn loss_on_the_way_shows_at_every_hop_behind_it() {
    let Some(lab) = lab() else { return };
    let nodes = lab.chain(["a", "r1", "r2", "r3", "b"]).expect("five in a row");
    nodes.iter().for_each(unlimited);
    lab.fault(&nodes[2], Fault::Loss { hook: Hook::Forward, one_in: 5 }).expect("a loss rule");
    let report = run(PathProbe::new(nodes[4].v4().into()).rounds(30).interval(ms(100)), &nodes[0]);
    assert_eq!((report.hops[0].lost, report.hops[1].lost), (0, 0));
    let onset = report.remarks.iter().find_map(|remark| match remark {
        Remark::LossOnwards { ttl, loss_percent } => Some((*ttl, *loss_percent)),
        _ => None,
    });
    let (ttl, percent) = onset.expect("loss");
    assert_eq!(ttl, 3, "{:?}", report.remarks);
    assert!((10.0..70.0).contains(&percent), "{percent}");
    assert!(report.is_reached());
}

#[test]
fn a_silent_router_and_a_silent_end_are_told_apart() {
    let Some(lab) = lab() else { return };
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"]).expect("four in a row");
    [&r, &s, &b].into_iter().for_each(unlimited);
    r.sh("nft 'add table inet t; add chain inet t o { type filter hook output priority 0 ; }
          add rule inet t o icmp type time-exceeded drop'");
    let probe = || PathProbe::new(b.v4().into()).wait(ms(300));
    let report = run(probe(), &a);
    assert_eq!(report.remarks, [Remark::NoAnswer { first: 1, last: 1 }]);
    b.sh("nft 'add table inet t; add chain inet t i { type filter hook input priority 0 ; policy drop ; }'");
    let report = run(probe(), &a);
    assert_eq!(report.end, PathEnd::Silent { after: 2 });
    s.sh("nft 'add table inet t; add chain inet t f { type filter hook forward priority 0 ; }
          add rule inet t f reject with icmpx admin-prohibited'");
    let report = run(probe(), &a);
    let PathEnd::Refused { hops: 3, error } = report.end else { panic!("{report:?}") };
    assert_eq!((error.kind, error.code), (3, 13));
}

#[test]
fn a_route_loop_is_named_with_its_routers() {
    let Some(lab) = lab() else { return };
    let [a, r, s, _] = lab.chain(["a", "r", "s", "b"]).expect("four in a row");
    [&r, &s].into_iter().for_each(unlimited);
    let (r_right, s_left) = (right_of(&r), s.v4());
    r.sh(&format!("ip route add 192.0.2.0/24 via {s_left}"));
    s.sh(&format!("ip route add 192.0.2.0/24 via {r_right}"));
    let report = run(PathProbe::new("192.0.2.1".parse().expect("address")).wait(ms(500)), &a);
    let found = report.remarks.iter().find_map(|remark| match remark {
        Remark::RouteLoop { ttl, among } => Some((*ttl, among.clone())),
        _ => None,
    });
    let (ttl, among) = found.unwrap_or_else(|| panic!("{report:?}"));
    assert!(ttl <= 2 && among.contains(&s_left.into()), "{among:?}");
    assert_eq!(among.len(), 2);
}

/// The address on `eth1`.
fn right_of(node: &Node) -> Ipv4Addr {
    let said = node.sh("ip -4 -o addr show dev eth1");
    let addr = said.split_whitespace().nth(3).and_then(|text| text.split('/').next());
    addr.and_then(|text| text.parse().ok()).expect("an address")
}

#[test]
fn a_longer_way_back_is_seen_by_the_life_of_the_answers() {
    let Some(lab) = lab() else { return };
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"]).expect("four in a row");
    [&r, &s, &b].into_iter().for_each(unlimited);
    // What s sends back takes a detour of two more routers.
    let detour = [lab.node("x").expect("node"), lab.node("y").expect("node")];
    let stops = [&s, &detour[0], &detour[1], &r];
    for (i, two) in stops.windows(2).enumerate() {
        lab.link(two[0], &format!("d{i}"), two[1], &format!("u{i}")).expect("a link");
        two[0].sh(&format!("ip addr add 172.16.{i}.1/24 dev d{i}"));
        two[1].sh(&format!("ip addr add 172.16.{i}.2/24 dev u{i}"));
    }
    let home = a.v4();
    for (i, node) in stops.iter().take(3).enumerate() {
        node.sysctl("net/ipv4/ip_forward", "1").expect("set");
        node.sh(&format!("ip route replace {home}/32 via 172.16.{i}.2"));
    }
    let report = run(PathProbe::new(b.v4().into()), &a);
    let asymmetric = report.remarks.iter().find_map(|remark| match remark {
        Remark::Asymmetric { ttl, forward, back } => Some((*ttl, *forward, *back)),
        _ => None,
    });
    assert_eq!(asymmetric, Some((2, 2, 4)), "{report:?}");
}

/// Two routers side by side between `r` and `s`.
fn diamond(lab: &Lab) -> [Node; 4] {
    let [a, r, s, b] = ["a", "r", "s", "b"].map(|name| lab.node(name).expect("node"));
    let wires = [(&a, "e0", &r, "w0", 0), (&s, "e9", &b, "w9", 9)];
    let mids: Vec<Node> = (1..=4).map(|i| lab.node(&format!("m{i}")).expect("node")).collect();
    let (east, west): (Vec<_>, Vec<_>) = (1..=4)
        .map(|i| ((format!("e{i}"), format!("w{i}")), (format!("f{i}"), format!("v{i}"))))
        .unzip();
    let mut all: Vec<(&Node, &str, &Node, &str, usize)> = wires.to_vec();
    for (i, mid) in mids.iter().enumerate() {
        all.push((&r, &east[i].0, mid, &east[i].1, i + 1));
        all.push((mid, &west[i].0, &s, &west[i].1, i + 11));
    }
    for (left, left_dev, right, right_dev, net) in all {
        lab.link(left, left_dev, right, right_dev).expect("a link");
        left.sh(&format!("ip addr add 10.80.{net}.1/24 dev {left_dev}"));
        right.sh(&format!("ip addr add 10.80.{net}.2/24 dev {right_dev}"));
    }
    for node in [&r, &s, &b].into_iter().chain(&mids) {
        node.sysctl("net/ipv4/ip_forward", "1").expect("set");
        unlimited(node);
    }
    r.sysctl("net/ipv4/fib_multipath_hash_policy", "1").expect("set");
    let hops: String = (1..=4).map(|i| format!(" nexthop via 10.80.{i}.2")).collect();
    a.sh("ip route add default via 10.80.0.2");
    r.sh(&format!("ip route add 10.80.9.0/24{hops}"));
    mids.iter().zip(1..).for_each(|(mid, i)| {
        mid.sh(&format!("ip route add 10.80.9.0/24 via 10.80.{}.2", i + 10));
        mid.sh(&format!("ip route add 10.80.0.0/24 via 10.80.{i}.1"));
    });
    s.sh("ip route add 10.80.0.0/24 via 10.80.11.1");
    b.sh("ip route add default via 10.80.9.1");
    [a, r, s, b]
}

#[test]
fn one_flow_keeps_to_one_branch_and_many_show_them_all() {
    let Some(lab) = lab() else { return };
    let [a, ..] = diamond(&lab);
    let to: IpAddr = "10.80.9.2".parse().expect("address");
    for probing in [UDP, Probing::Tcp { port: 9 }] {
        let one = run(PathProbe::new(to).probing(probing).rounds(10), &a);
        assert_eq!(addrs(&one).len(), 4, "{one:?}");
        let many =
            run(PathProbe::new(to).probing(probing).flows(32).rounds(64).interval(ms(100)), &a);
        let branch = &many.hops[1];
        assert_eq!(branch.responders.len(), 4, "{branch:?}");
        let found = many.remarks.iter().find_map(|remark| match remark {
            Remark::Branches { ttl, routers, within_a_flow } => {
                Some((*ttl, *routers, *within_a_flow))
            }
            _ => None,
        });
        assert_eq!(found, Some((2, 4, false)), "{:?}", many.remarks);
    }
}

#[test]
fn rewritten_headers_are_seen_in_what_routers_quote() {
    let Some(lab) = lab() else { return };
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"]).expect("four in a row");
    [&r, &s, &b].into_iter().for_each(unlimited);
    let public: IpAddr = "203.0.113.7".parse().expect("address");
    // Without connection tracking, so that nobody undoes it in the errors.
    r.sh(&format!(
        "nft 'add table ip t
         add chain ip t p {{ type filter hook prerouting priority -300 ; }}
         add rule ip t p ip daddr {public} ip dscp set cs1
         add rule ip t p ip daddr {public} ip daddr set {0}
         add rule ip t p ip saddr {0} icmp type echo-reply ip saddr set {public}'",
        b.v4()
    ));
    let report = run(PathProbe::new(public).wait(ms(300)), &a);
    let translated = report.remarks.iter().find_map(|remark| match remark {
        Remark::Translated { ttl, changed } => Some((*ttl, changed.clone())),
        _ => None,
    });
    let (ttl, changed) = translated.unwrap_or_else(|| panic!("{report:?}"));
    assert_eq!(
        (changed[0].field, &changed[0].seen),
        (ProbeField::Destination, &b.v4().to_string())
    );
    // r itself quotes what it has made of the packet.
    assert_eq!(ttl, 1);
    let remarked = report
        .remarks
        .iter()
        .any(|r| matches!(r, Remark::Remarked { changed, .. } if changed.seen == "32"));
    assert!(remarked, "{:?}", report.remarks);
    assert!(report.is_reached(), "{report:?}");
}

#[test]
fn sixty_four_traces_at_once_never_mix_their_hops() {
    let Some(lab) = lab() else { return };
    let nodes = long_chain(&lab);
    let a = &nodes[0];
    let ways: Vec<Vec<IpAddr>> = [Probing::Icmp]
        .into_iter()
        .map(|probing| addrs(&run(PathProbe::new(nodes[13].v4().into()).probing(probing), a)))
        .collect();
    let way = &ways[0];
    std::thread::scope(|scope| {
        for i in 0..64_usize {
            let last = i % 13 + 1;
            let to = IpAddr::from(nodes[last].v4());
            let probing = [Probing::Icmp, UDP, Probing::Tcp { port: 9 }][i / 13 % 3];
            scope.spawn(move || {
                let report = run(PathProbe::new(to).probing(probing).rounds(5), a);
                assert_eq!(addrs(&report), way[..last], "{probing} to {to}");
                assert!(report.is_reached());
                assert_eq!(report.ignored, 0);
            });
        }
    });
}

/// "Time exceeded" for whatever a prober might have sent, 100 000 times.
fn forge(victim: Ipv4Addr, to: Ipv4Addr, stop: &AtomicBool) -> u32 {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("raw");
    let there = SocketAddr::from((victim, 0)).into();
    let mut state = 0x2545_f491_u32;
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) && sent < 100_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [b0, b1, ..] = state.to_be_bytes();
        let [c0, c1] = (sent as u16).to_be_bytes();
        let mut message = vec![11, 0, 0, 0, 0, 0, 0, 0];
        let protocol = [1, 17, 6][sent as usize % 3];
        message.extend([0x45, 0, 0, 64, c0, c1, 0, 0, 1, protocol, 0, 0]);
        message.extend(victim.octets());
        message.extend(to.octets());
        match protocol {
            1 => message.extend([8, 0, b0, b1, b1, c0, c0, c1]),
            _ => message.extend([b0 | 0x80, b1, 0x82, 0x9a, 0, 44, c0, c1]),
        }
        let sum = checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        let _ = socket.send_to(&message, &there);
        sent += 1;
        if sent % 500 == 0 {
            std::thread::sleep(ms(5));
        }
    }
    sent
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn a_hundred_thousand_forged_errors_make_no_hop() {
    let Some(lab) = lab() else { return };
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"]).expect("four in a row");
    [&r, &s, &b].into_iter().for_each(unlimited);
    // The forger speaks with an address of its own, so that a hop of its making would show.
    let liar = lab.node("liar").expect("node");
    lab.link(&a, "evil", &liar, "eth0").expect("a link");
    a.sh("ip addr add 10.66.6.1/24 dev evil");
    liar.sh("ip addr add 10.66.6.66/24 dev eth0; ip route add default via 10.66.6.1");
    let stop = AtomicBool::new(false);
    let (victim, to) = (a.v4(), b.v4());
    let (forged, reports) = std::thread::scope(|scope| {
        let forger = scope.spawn(|| liar.enter(|| forge(victim, to, &stop)));
        let mut reports = Vec::new();
        while !forger.is_finished() {
            for probing in [Probing::Icmp, UDP, Probing::Tcp { port: 9 }] {
                reports.push(run(
                    PathProbe::new(to.into()).probing(probing).rounds(10).wait(ms(500)),
                    &a,
                ));
            }
        }
        stop.store(true, Ordering::Relaxed);
        (forger.join().expect("forged"), reports)
    });
    assert_eq!(forged, 100_000);
    let truth: [IpAddr; 3] = [r.v4().into(), s.v4().into(), to.into()];
    for report in &reports {
        let named = |hop: &vision_core::probe::Hop| {
            hop.responders.iter().map(|r| r.addr).collect::<Vec<_>>()
        };
        let seen: Vec<_> = report.hops.iter().flat_map(named).collect();
        assert_eq!(seen, truth, "{report:?}");
    }
    println!("{} paths beside {forged} forged errors", reports.len());
}
