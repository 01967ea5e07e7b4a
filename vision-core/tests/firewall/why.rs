//! The walk on paper against packets that are really sent.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use vision_core::firewall::{Flow, FlowPart, Met, Text, why};
use vision_lab::{Lab, Node, require};

use super::round_trip::ruleset;

const RULES: &str = "table inet t {
  set nets { type ipv4_addr; flags interval; elements = { 127.0.0.0/8 } }
  chain first { type filter hook output priority -5; policy accept;
    udp dport vmap { 7000 : accept, 7001 : drop, 7002 : jump aside, 7003-7004 : goto aside }
    udp dport 7005 ip daddr @nets reject
    udp dport 7006 ct state new accept
    udp dport 7007 meta mark 5 drop
  }
  chain aside { udp dport 7002 return
    udp dport 7003 drop
  }
  chain second { type filter hook output priority 5; policy accept;
    udp dport 7000 drop
    ip saddr != 127.0.0.1-127.0.0.9 drop
  }
}";

fn walk(node: &Node, port: u16) -> Vec<Met> {
    let ruleset = ruleset(node);
    let flow = format!("127.0.0.1:5000 -> 127.0.0.1:{port}/udp").parse::<Flow>().expect("a flow");
    why(&ruleset, &Text::new(&ruleset), &flow)
}

/// A socket at an address that may still be held for a moment: a child that another test is starting has a copy of
/// every descriptor until its exec.
fn bound(address: &str) -> UdpSocket {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        match UdpSocket::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < end => {
                thread::sleep(Duration::from_millis(5));
            }
            socket => return socket.expect("a socket"),
        }
    }
}

/// Whether a datagram from the port the walk is told arrives.
fn arrives(node: &Node, port: u16) -> bool {
    node.enter(|| {
        let server = UdpSocket::bind(("127.0.0.1", port)).expect("a socket");
        server.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let client = bound("127.0.0.1:5000");
        client.send_to(b"x", ("127.0.0.1", port)).is_ok() && server.recv(&mut [0; 8]).is_ok()
    })
}

#[test]
fn what_is_certain_on_paper_happens_to_packets() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("a").expect("a node");
    node.sh(&format!("nft '{RULES}'"));
    for (port, passes) in [
        (7000, false),
        (7001, false),
        (7002, true),
        (7003, false),
        (7004, true),
        (7005, false),
        (7006, true),
    ] {
        let met = walk(&node, port);
        let last = met.last().expect("something");
        let through = !matches!(last.outcome.as_str(), "drop" | "reject");
        assert!(last.certain, "{port}: {met:?}");
        assert_eq!(through, passes, "{port}: {met:?}");
        assert_eq!(arrives(&node, port), passes, "{port}");
    }
}

#[test]
fn what_depends_on_more_is_met_but_not_certain() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("a").expect("a node");
    node.sh(&format!("nft '{RULES}'"));
    let met = walk(&node, 7007);
    let rule = met.iter().find(|it| it.outcome == "drop").expect("the rule");
    assert!(!rule.certain);
    assert_eq!(rule.depends_on, ["meta mark"]);
    let last = met.last().expect("a policy");
    assert_eq!((last.outcome.as_str(), last.certain), ("accept", false));
}

#[test]
fn links_by_number_and_chains_of_a_device_at_its_egress_are_read() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("a").expect("a node");
    node.sh("nft 'table inet t { chain i { type filter hook input priority 0; policy accept;
        iif lo udp dport 7008 drop; oif lo udp dport 7009 accept; }; }
      table netdev d { chain e { type filter hook egress device lo priority 0; udp dport 7010 drop; }; }'");
    let ruleset = ruleset(&node);
    let walk = |port: u16, iif: Option<&str>| {
        let flow = format!("127.0.0.1:5000 -> 127.0.0.1:{port}/udp").parse::<Flow>();
        let mut flow = flow.expect("a flow");
        flow.iif = iif.map(str::to_owned);
        let text = Text::new(&ruleset).interfaces([(1, "lo".into())]);
        let met = why(&ruleset, &text, &flow);
        met.into_iter().map(|m| (m.hook, m.outcome, m.certain)).collect::<Vec<_>>()
    };
    let met = |hook: &str, outcome: &str, certain| (hook.to_owned(), outcome.to_owned(), certain);
    assert!(walk(7008, Some("lo")).contains(&met("input", "drop", true)));
    // By which link it comes in is not said.
    assert!(walk(7008, None).contains(&met("input", "drop", false)));
    assert!(walk(7010, Some("lo")).contains(&met("egress", "drop", true)));
    for port in [7008, 7010] {
        assert!(!arrives(&node, port), "{port}");
    }
}

/// A chain of type nat counts the question and not the answer; so does the walk.
#[test]
fn chains_of_type_nat_are_met_by_the_first_packet_only() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("a").expect("a node");
    // Connections are tracked, and translated, once a rule asks for it.
    node.sh("nft 'table ip t { chain n { type nat hook output priority -100; counter; };
      chain f { type filter hook output priority -90; ct state new,established,invalid counter; }; }'");
    let met = |part: FlowPart| {
        let ruleset = ruleset(&node);
        let mut flow = "127.0.0.1:5000 -> 127.0.0.1:7000/udp".parse::<Flow>().expect("a flow");
        flow.part = part;
        let all = why(&ruleset, &Text::new(&ruleset), &flow);
        let named = |chain: &str| all.iter().any(|met| met.chain == chain && met.handle.is_some());
        [named("n"), named("f")]
    };
    assert_eq!(met(FlowPart::First), [true, true]);
    assert_eq!(met(FlowPart::Answer), [false, true]);
    assert_eq!(met(FlowPart::Stray), [false, true]);
    node.enter(|| {
        let server = UdpSocket::bind("127.0.0.1:7000").expect("a socket");
        server.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let client = bound("127.0.0.1:5000");
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        client.send_to(b"x", "127.0.0.1:7000").expect("sent");
        let (_, from) = server.recv_from(&mut [0; 8]).expect("a question");
        server.send_to(b"y", from).expect("sent");
        client.recv(&mut [0; 8]).expect("an answer");
    });
    let counted = node.sh("nft list ruleset");
    let packets = |chain: &str| {
        let (_, behind) = counted.split_once(&format!("chain {chain} {{")).expect("the chain");
        let (_, behind) = behind.split_once("counter packets ").expect("its counter");
        behind.split(' ').next().map(str::to_owned)
    };
    assert_eq!((packets("n").as_deref(), packets("f").as_deref()), (Some("1"), Some("2")));
}
