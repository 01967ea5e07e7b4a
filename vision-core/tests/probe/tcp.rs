//! Connects, beside netcat.

use std::net::{IpAddr, SocketAddr};

use vision_core::probe::{
    ExchangeEnd, IdleOutcome, IdleProbe, Payload, Probe, TcpOutcome, TcpProbe, TcpReport, Until,
};
use vision_core::{Budget, EventSource};
use vision_lab::{Fault, Hook, Node, Proto, RejectKind, TcpBehaviour, TcpServer};

use crate::{budget, has, lab, ms, outcome, target};

fn connect(from: &Node, to: IpAddr, port: u16) -> TcpOutcome {
    let report = TcpProbe::new(to, [port]).wait(ms(1000)).run(&target(from), &budget());
    report.expect("asked").attempts.remove(0).outcome
}

#[test]
fn six_ways_a_port_answers_are_told_apart_where_netcat_has_one_code() {
    let Some(lab) = lab() else { return };
    let [a, _r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    let _server = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("listens");
    let (hook, proto) = (Hook::Input, Proto::Tcp);
    lab.fault(&b, Fault::Drop { hook, proto, dport: Some(83) }).expect("a rule");
    for (dport, kind) in [(84, RejectKind::TcpReset), (85, RejectKind::AdminProhibited)] {
        lab.fault(&b, Fault::Reject { hook, proto, dport: Some(dport), kind }).expect("a rule");
    }
    let compare = has("nc.openbsd");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        for (port, expected) in
            [(80, "Open"), (81, "Refused"), (83, "TimedOut"), (84, "Refused"), (85, "Unreachable")]
        {
            let found = connect(&a, to, port);
            assert!(format!("{found:?}").starts_with(expected), "{to} {port}: {found:?}");
            if let TcpOutcome::Unreachable { icmp, .. } = &found {
                assert_eq!(icmp.from, Some(to));
                assert!(icmp.text().contains("prohibited"), "{icmp:?}");
            }
            if compare {
                let (open, said) = outcome(&a, &format!("nc.openbsd -vz -w 1 {to} {port}"));
                assert_eq!(open, found.is_open(), "{to} {port}: {said}");
            }
        }
    }
}

#[test]
fn a_dead_host_is_named_by_its_router() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    r.sh("echo 300 >/proc/sys/net/ipv4/neigh/eth1/retrans_time_ms; \
          echo 300 >/proc/sys/net/ipv6/neigh/eth1/retrans_time_ms");
    let v4 = IpAddr::from({
        let [w, x, y, _] = b.v4().octets();
        [w, x, y, 99]
    });
    let v6 = IpAddr::from({
        let mut octets = b.v6().octets();
        octets[15] = 0x99;
        octets
    });
    for (dead, router) in [(v4, IpAddr::from(a.gateway_v4())), (v6, a.gateway_v6().into())] {
        let probe = TcpProbe::new(dead, [80]).wait(ms(5000));
        let report = probe.run(&target(&a), &budget()).expect("asked");
        let TcpOutcome::Unreachable { icmp, .. } = &report.attempts[0].outcome else {
            panic!("{report:?}")
        };
        assert_eq!(icmp.from, Some(router));
    }
}

#[test]
fn what_is_said_is_what_netcat_hears() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let greeting = b"220 mail ready\r\n\x1b[2J".to_vec();
    let _mail = TcpServer::start(&b, "[::]:25", TcpBehaviour::Banner(greeting.clone()));
    let _echo = TcpServer::start(&b, "[::]:7", TcpBehaviour::Echo).expect("listens");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        let banner = TcpProbe::new(to, [25]).banner().run(&target(&a), &budget()).expect("asked");
        let heard = banner.attempts[0].exchange.as_ref().expect("something was said");
        assert_eq!((heard.received.as_bytes(), heard.end), (&greeting[..], ExchangeEnd::Paused));
        assert_eq!(heard.received.escaped().to_string(), r"220 mail ready\x0d\x0a\x1b[2J");
        let ping: Payload = r"PING\r\n".parse().expect("escapes");
        let probe = TcpProbe::new(to, [7]).send(ping.clone()).expect(ping);
        let echo = probe.run(&target(&a), &budget()).expect("asked");
        let heard = echo.attempts[0].exchange.as_ref().expect("something was said");
        assert_eq!((heard.expected, heard.sent_bytes), (Some(true), 6));
        if has("nc.openbsd") {
            let (_, said) =
                outcome(&a, &format!("printf 'PING\\r\\n' | nc.openbsd -N -w 1 {to} 7"));
            assert_eq!(said.as_bytes(), heard.received.as_bytes());
        }
    }
    for (behaviour, end) in [
        (TcpBehaviour::CloseAtOnce, ExchangeEnd::Closed),
        (TcpBehaviour::Accept, ExchangeEnd::TimedOut),
    ] {
        let _server = TcpServer::start(&b, "0.0.0.0:99", behaviour).expect("listens");
        let probe = TcpProbe::new(b.v4().into(), [99]).banner().wait(ms(200));
        let report = probe.run(&target(&a), &budget()).expect("asked");
        assert_eq!(report.attempts[0].exchange.as_ref().map(|e| e.end), Some(end));
    }
}

#[test]
fn several_ports_go_out_from_one_source_port() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("listens");
    let source = SocketAddr::from((a.v4(), 4444));
    let probe = TcpProbe::new(b.v4().into(), [80, 81, 82]).source(source);
    let report = probe.count(2).interval(ms(50)).run(&target(&a), &budget()).expect("asked");
    let summary = report.summary();
    assert_eq!((summary.open, summary.refused), (2, 4), "{report:?}");
    // The server accepts in its own time.
    std::thread::sleep(ms(100));
    assert_eq!(server.peers(), [source, source]);
}

#[test]
fn waiting_for_a_port_ends_when_it_opens_and_when_it_closes() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let wait = |until: Until, budget: &Budget| -> TcpReport {
        let probe = TcpProbe::new(b.v6().into(), [80]).until(until).interval(ms(50));
        let mut session = probe.start(&target(&a)).expect("started");
        let events = session.events(budget).filter(Result::is_ok).count();
        let report = session.finish();
        let decided = report.summary().attempts;
        assert_eq!(events, decided);
        report
    };
    let late = Budget::within(ms(220));
    assert_eq!(wait(Until::Open, &late).reached, Some(false));
    let report = std::thread::scope(|scope| {
        let server = scope.spawn(|| {
            std::thread::sleep(ms(200));
            TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("listens")
        });
        let report = wait(Until::Open, &budget());
        assert_eq!(wait(Until::Open, &budget()).attempts.len(), 1);
        drop(server.join().expect("a server"));
        report
    });
    assert_eq!(report.reached, Some(true));
    let count = report.attempts.len();
    assert!((3..=12).contains(&count), "{count} attempts");
    assert_eq!(wait(Until::Closed, &budget()).reached, Some(true));
}

/// A filter that takes a connection from its beginning only, and forgets it after two seconds.
const FORGETFUL: &str = "\
    echo 2 >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established
    echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose
    nft 'table inet f { chain c { type filter hook forward priority 0; ct state invalid drop; }; }'";

#[test]
fn a_connection_left_alone_is_lost_where_it_is_forgotten_and_goes_on_elsewhere() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    let _server = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("listens");
    let _banner = TcpServer::start(&b, "[::]:81", TcpBehaviour::Banner(b"hello".to_vec()));
    let _closes = TcpServer::start(&b, "[::]:82", TcpBehaviour::CloseAtOnce).expect("listens");
    r.sh(FORGETFUL);
    let ask = |to: IpAddr, port: u16, idle: u64| {
        let probe = IdleProbe::new(SocketAddr::new(to, port), ms(idle));
        let report = probe.run(&target(&a), &budget()).expect("asked");
        assert_eq!((report.to, report.idle), (SocketAddr::new(to, port), ms(idle)));
        assert!(report.started_at.is_some());
        report.outcome
    };
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        // Three seconds of silence, and a keepalive probe each at 3 and 4 s; given up at 5 s.
        match ask(to, 80, 3000) {
            IdleOutcome::Lost { reason, after } => {
                assert_eq!(reason.errno, 110, "ETIMEDOUT: {reason}");
                assert!(after >= ms(4500), "{after:?}");
            }
            other => panic!("{to}: {other:?}"),
        }
        assert_eq!(ask(to, 80, 1000), IdleOutcome::Alive, "{to}: not forgotten yet");
    }
    // What is said unasked is no end; a closed connection is.
    assert_eq!(ask(b.v4().into(), 81, 1000), IdleOutcome::Alive);
    let closed = ask(b.v4().into(), 82, 1000);
    assert!(matches!(closed, IdleOutcome::Closed { after } if after < ms(900)), "{closed:?}");
    match ask(b.v4().into(), 83, 1000) {
        IdleOutcome::NotOpen { reason: Some(reason) } => assert_eq!(reason.errno, 111, "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_size_of_segments_is_asked_for_or_refused_by_name() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let _server = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("listens");
    b.sh("nft 'table inet t { chain c { type filter hook input priority 0; tcp option maxseg size 536 counter; }; }'");
    let sized = |bytes| TcpProbe::new(b.v4().into(), [80]).wait(ms(1000)).segment_bytes(bytes);
    let open = sized(536).run(&target(&a), &budget()).expect("asked");
    assert!(open.attempts[0].outcome.is_open(), "{open:?}");
    let rules = b.sh("nft list ruleset");
    assert!(rules.contains("counter packets 1 "), "{rules}");
    for bytes in [0, 87, 32_768] {
        let error = sized(bytes).run(&target(&a), &budget()).expect_err("refused");
        assert!(error.to_string().contains(&format!("{bytes} bytes")), "{error}");
    }
}
