//! Every fault has its effect, and only that.

use std::{net::UdpSocket, thread, time::Duration};

use vision_lab::{
    Family, Fault, Hook, Lab, Node, Proto, RejectKind, RouteKind, TcpBehaviour, TcpServer,
    UdpBehaviour, UdpServer, require,
};

use crate::{connect, pings, until};

#[test]
fn rules_drop_and_reject_as_asked() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    let _server = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("a server");
    assert_eq!((connect(&a, b.v4(), 80), connect(&a, b.v6(), 80)), ("ok".into(), "ok".into()));
    assert_eq!(connect(&a, b.v4(), 81), "ConnectionRefused");
    let (hook, proto) = (Hook::Forward, Proto::Tcp);
    let kinds = [
        (RejectKind::TcpReset, "ConnectionRefused"),
        (RejectKind::PortUnreachable, "ConnectionRefused"),
        (RejectKind::HostUnreachable, "HostUnreachable"),
        (RejectKind::NetUnreachable, "NetworkUnreachable"),
        (RejectKind::AdminProhibited, "HostUnreachable"),
    ];
    for (port, (kind, errno)) in (1000..).zip(kinds) {
        lab.fault(&r, Fault::Reject { hook, proto, dport: Some(port), kind })
            .expect("a reject rule");
        assert_eq!(connect(&a, b.v4(), port), errno, "{kind:?}");
    }
    lab.fault(&r, Fault::Drop { hook, proto, dport: Some(80) }).expect("a drop rule");
    assert_eq!(connect(&a, b.v4(), 80), "TimedOut");
    assert!(pings(&a, b.v4()), "only TCP port 80 is dropped");
    lab.fault(&b, Fault::Drop { hook: Hook::Input, proto: Proto::Icmpv6, dport: None })
        .expect("a drop rule");
    lab.fault(&a, Fault::Drop { hook: Hook::Output, proto: Proto::Any, dport: Some(81) })
        .expect("a drop rule");
    assert!(!pings(&a, b.v6()));
    assert_ne!(connect(&a, b.v4(), 81), "ConnectionRefused");
}

#[test]
fn loss_and_rate_are_as_asked() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    lab.fault(&r, Fault::Loss { hook: Hook::Forward, one_in: 4 }).expect("a loss rule");
    let out = a.sh(&format!("ping -n -q -c8 -i0.01 -W1 {}", b.v4()));
    // One in four of sixteen packets at most, both ways, and a lost request has no reply.
    let received =
        out.split(" received").next().and_then(|s| s.rsplit(' ').next()).map(str::to_owned);
    let received: u32 = received.and_then(|n| n.parse().ok()).expect("ping's count");
    assert!((4..8).contains(&received), "{out}");
    let [a, b] = lab.pair().expect("a pair");
    let server = UdpServer::start(&b, "0.0.0.0:9", UdpBehaviour::Silent).expect("a server");
    lab.fault(&a, Fault::Rate { dev: "eth0", kbit: 1000 }).expect("a bucket");
    let socket = a.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
    for _ in 0..40 {
        socket.send_to(&[0; 1000], (b.v4(), 9)).expect("sent");
    }
    thread::sleep(Duration::from_millis(100));
    let early = server.received();
    thread::sleep(Duration::from_millis(500));
    assert!(early < 30 && server.received() > early, "{early} early, {} in all", server.received());
}

#[test]
fn an_mtu_black_hole_says_nothing() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    let big = |to: String| a.try_sh(&format!("ping -n -c1 -W1 -M do -s 1400 {to}"));
    assert!(big(b.v4().to_string()).is_ok());
    lab.fault(&r, Fault::MtuBlackHole { dev: "eth1", mtu: 1300 }).expect("a black hole");
    for to in [b.v4().to_string(), b.v6().to_string()] {
        let error = big(to).expect_err("too big to pass");
        assert!(!error.stdout.contains("From"), "no ICMP error: {}", error.stdout);
    }
    assert!(pings(&a, b.v4()) && pings(&a, b.v6()));
}

#[test]
fn addresses_neighbours_and_routes_break() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let pair = || lab.pair().expect("a pair");
    let broken = |[a, b]: [Node; 2], at_b: bool, fault: Fault<'_>| {
        lab.fault(if at_b { &b } else { &a }, fault).expect("a fault");
        a.sh("ip neigh flush all nud reachable nud stale nud delay nud probe");
        (!pings(&a, b.v4()), !pings(&a, b.v6()))
    };
    let two = pair();
    let ip = two[1].v4().into();
    assert_eq!(broken(two, false, Fault::WrongNeighbour { dev: "eth0", ip }), (true, false));
    let two = pair();
    let ip = two[1].v6().into();
    assert_eq!(broken(two, false, Fault::WrongNeighbour { dev: "eth0", ip }), (false, true));
    assert_eq!(broken(pair(), true, Fault::ArpSilent { dev: "eth0" }), (true, true));
    assert_eq!(broken(pair(), true, Fault::LinkDown { dev: "eth0" }), (true, true));
    assert_eq!(
        broken(pair(), false, Fault::FlushAddr { dev: "eth0", family: Family::V4 }),
        (true, false)
    );
    assert_eq!(
        broken(pair(), false, Fault::FlushAddr { dev: "eth0", family: Family::V6 }),
        (false, true)
    );
    assert_eq!(broken(pair(), false, Fault::Ipv6Disabled), (false, true));
    for (kind, errno) in [
        (RouteKind::Blackhole, "InvalidInput"),
        (RouteKind::Unreachable, "HostUnreachable"),
        (RouteKind::Prohibit, "PermissionDenied"),
    ] {
        let [a, b] = pair();
        lab.fault(&a, Fault::Route { kind, prefix: &format!("{}/32", b.v4()) }).expect("a route");
        lab.fault(&a, Fault::Route { kind, prefix: &format!("{}/128", b.v6()) }).expect("a route");
        assert_eq!((connect(&a, b.v4(), 9), connect(&a, b.v6(), 9)), (errno.into(), errno.into()));
    }
}

#[test]
fn routers_and_gateways_break() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    lab.fault(&r, Fault::Masquerade { dev: "eth1" }).expect("a masquerade");
    let server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Echo).expect("a server");
    assert_eq!(connect(&a, b.v4(), 80), "ok");
    until("the server accepts", || server.peers().iter().any(|peer| peer.ip() == b.gateway_v4()));
    lab.fault(&a, Fault::NoDefaultRoute { family: Family::V6 }).expect("no route");
    assert_eq!(connect(&a, b.v6(), 80), "NetworkUnreachable");
    assert!(pings(&a, b.v4()));
    lab.fault(&r, Fault::RpFilter { mode: 1 }).expect("strict");
    assert!(pings(&a, b.v4()), "symmetric routes pass the strict filter");
    r.sh(&format!("ip route add {}/32 dev eth1", a.v4()));
    assert!(!pings(&a, r.v4()), "the way back is another device");
    r.sh(&format!("ip route del {}/32 dev eth1", a.v4()));
    lab.fault(&r, Fault::ForwardingOff).expect("no forwarding");
    assert!(!pings(&a, b.v4()));
    lab.fault(&a, Fault::DeadGateway { via: [10, 9, 9, 9].into(), dev: "eth0" })
        .expect("a dead gateway");
    assert!(a.sh("ip route show default").contains("10.9.9.9"));
    let bridge = lab.bridge("host", &["c1", "c2"]).expect("a bridge");
    let (c1, c2) = (bridge.container("c1"), bridge.container("c2"));
    for dev in ["v-c1", "v-c2"] {
        lab.fault(&bridge.host, Fault::PortIsolated { dev }).expect("isolated");
    }
    assert!(!pings(c1, c2.v4()) && pings(c1, bridge.host.v4()));
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-c2" }).expect("detached");
    assert!(!pings(c2, bridge.host.v4()));
}
