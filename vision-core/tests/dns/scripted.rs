//! A server that does as it is told, on the loopback of a namespace of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use vision_core::probe::{
    DnsCause, DnsMismatch, DnsOutcome, DnsQuery, DnsReport, DnsTransport, Letters, Probe, Transport,
};
use vision_core::wire::dns::{Message, Rcode, RecordType};
use vision_core::{Budget, Reason};

use crate::net::Net;

const SERVER: &str = "127.0.0.1:53";

fn server() -> SocketAddr {
    SERVER.parse().expect("an address")
}

fn query() -> DnsQuery {
    let name = "www.example.test".parse().expect("a name");
    DnsQuery::new(name, RecordType::A).server(server()).timeout(Duration::from_millis(300))
}

fn ask(net: &Net, query: &DnsQuery) -> DnsReport {
    query.run(&net.target(), &Budget::within(Duration::from_secs(20))).expect("could be asked")
}

/// Turns a query into its response: one A record 192.0.2.1 for the question as it was asked.
fn respond(query: &[u8]) -> Vec<u8> {
    let mut reply = query.to_vec();
    let end = 12 + query[12..].iter().position(|b| *b == 0).expect("a name") + 5;
    reply.truncate(end);
    reply[2] = 0x85;
    reply[3] = 0x80;
    reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    reply
}

/// Hands each query to `act`, with its number, until the test is over.
fn serve(
    socket: UdpSocket,
    act: impl Fn(usize, &UdpSocket, &[u8], SocketAddr) + Send + 'static,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        for n in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                return;
            };
            if length == 1 {
                return;
            }
            act(n, &socket, &buffer[..length], from);
        }
    })
}

fn stop(net: &Net, server: thread::JoinHandle<()>) {
    net.udp("127.0.0.1:0").send_to(&[0], SERVER).expect("sent");
    server.join().expect("the server ends");
}

fn address(report: &DnsReport) -> Option<String> {
    Some(report.answer()?.answers.first()?.data.to_string())
}

#[test]
fn an_answer_over_either_family_is_shown_with_its_time() {
    let Some(net) = Net::new() else { return };
    for at in ["127.0.0.1:53", "[::1]:53"] {
        let at: SocketAddr = at.parse().expect("an address");
        let socket = net.udp(&at.to_string());
        let server = thread::spawn(move || {
            let mut buffer = [0; 2048];
            let (length, from) = socket.recv_from(&mut buffer).expect("a query");
            socket.send_to(&respond(&buffer[..length]), from).expect("sent");
        });
        let name = "www.example.test".parse().expect("a name");
        let report = ask(&net, &DnsQuery::new(name, RecordType::A).server(at));
        assert_eq!(address(&report).as_deref(), Some("192.0.2.1"));
        let attempt = &report.attempts[0];
        assert_eq!((report.attempts.len(), attempt.transport), (1, DnsTransport::Udp));
        assert!(matches!(attempt.outcome, DnsOutcome::Answer { rtt, late: false, .. }
            if rtt > Duration::ZERO && rtt < Duration::from_secs(1)));
        let json = serde_json::to_string(&report).expect("serialises");
        assert_eq!(serde_json::from_str::<DnsReport>(&json).expect("deserialises"), report);
        server.join().expect("the server ends");
    }
}

#[test]
fn a_closed_port_is_told_apart_from_silence() {
    let Some(net) = Net::new() else { return };
    let closed = ask(&net, &query().tries(1));
    assert!(matches!(closed.attempts[0].outcome,
        DnsOutcome::PortClosed { from: Some(from), .. } if from == server().ip()));
    let over_tcp = ask(&net, &query().tries(1).transport(Transport::Tcp));
    assert!(matches!(over_tcp.attempts[0].outcome, DnsOutcome::PortClosed { .. }));

    let _silent = net.udp(SERVER);
    let started = Instant::now();
    let report = ask(&net, &query().tries(2));
    assert!(started.elapsed() >= Duration::from_millis(600));
    assert_eq!(report.attempts.len(), 2);
    assert!(report.attempts.iter().all(|a| matches!(a.outcome, DnsOutcome::TimedOut { .. })));
    assert_eq!(report.attempts[1].cause, DnsCause::Retry);
}

#[test]
fn what_the_kernel_says_against_sending_is_data() {
    let Some(net) = Net::new() else { return };
    let far = || {
        let name = "x.test".parse().expect("a name");
        DnsQuery::new(name, RecordType::A).server("192.0.2.1:53".parse().expect("address")).tries(1)
    };
    for transport in [Transport::Udp, Transport::Tcp] {
        let report = ask(&net, &far().transport(transport));
        let unreachable = Reason::new(nix::libc::ENETUNREACH);
        assert_eq!(report.attempts[0].outcome, DnsOutcome::LocalError { reason: unreachable });
    }
    let rule = "add table ip f; add chain ip f o { type filter hook output priority 0; }; \
                add rule ip f o udp dport 53 drop";
    if net.output("nft", &[rule]).is_none() {
        println!("SKIP: nft is not installed");
        return;
    }
    let report = ask(&net, &query().tries(1));
    let denied = Reason::new(nix::libc::EPERM);
    assert_eq!(report.attempts[0].outcome, DnsOutcome::LocalError { reason: denied });
}

#[test]
fn forgeries_are_counted_and_the_true_answer_is_still_found() {
    let Some(net) = Net::new() else { return };
    let (other_addr, other_port) = (net.udp("127.0.0.2:53"), net.udp("127.0.0.1:54"));
    let server = serve(net.udp(SERVER), move |_, socket, query, from| {
        let right = respond(query);
        let change = |at: usize, by: u8| {
            let mut wrong = right.clone();
            wrong[at] ^= by;
            wrong
        };
        let wrongs =
            [change(0, 1), change(1, 0x80), change(13, 0x20), change(13, 3), change(2, 0x80)];
        for wrong in &wrongs {
            socket.send_to(wrong, from).expect("sent");
        }
        socket.send_to(b"no DNS", from).expect("sent");
        other_addr.send_to(&right, from).expect("sent");
        other_port.send_to(&right, from).expect("sent");
        thread::sleep(Duration::from_millis(20));
        socket.send_to(&right, from).expect("sent");
    });
    let report = ask(&net, &query());
    stop(&net, server);
    let [attempt] = report.attempts.as_slice() else { panic!("{report:?}") };
    assert_eq!(address(&report).as_deref(), Some("192.0.2.1"));
    let ignored = &attempt.ignored;
    assert_eq!((ignored.wrong_id, ignored.wrong_case, ignored.wrong_question), (3, 1, 1));
    assert_eq!((ignored.malformed, ignored.wrong_source), (1, 2));
    let first = ignored.first.as_ref().expect("an example");
    assert_eq!((first.why, first.from), (DnsMismatch::WrongId, Some(server_addr())));
}

fn server_addr() -> SocketAddr {
    server()
}

#[test]
fn an_answer_that_only_comes_from_another_address_is_named_and_not_believed() {
    let Some(net) = Net::new() else { return };
    let other = net.udp("127.0.0.9:53");
    let server = serve(net.udp(SERVER), move |_, _, query, from| {
        other.send_to(&respond(query), from).expect("sent");
    });
    let report = ask(&net, &query().tries(1));
    stop(&net, server);
    let attempt = &report.attempts[0];
    assert!(matches!(attempt.outcome, DnsOutcome::TimedOut { .. }));
    assert_eq!(attempt.ignored.wrong_source, 1);
    let first = attempt.ignored.first.as_ref().expect("an example");
    assert_eq!(first.from.map(|from| from.to_string()).as_deref(), Some("127.0.0.9:53"));
    assert_eq!(first.message.as_ref().map(|m| m.answers.len()), Some(1));
}

#[test]
fn every_wrong_identifier_there_is_does_not_hide_the_right_one() {
    let Some(net) = Net::new() else { return };
    let server = serve(net.udp(SERVER), |_, socket, query, from| {
        let right = respond(query);
        let id = u16::from_be_bytes([right[0], right[1]]);
        for wrong in (0..=u16::MAX).filter(|n| *n != id) {
            let mut forged = right.clone();
            forged[..2].copy_from_slice(&wrong.to_be_bytes());
            socket.send_to(&forged, from).expect("sent");
            // The receiver's buffer holds a few hundred.
            if wrong % 64 == 0 {
                thread::sleep(Duration::from_micros(400));
            }
        }
        thread::sleep(Duration::from_millis(50));
        socket.send_to(&right, from).expect("sent");
    });
    let report = ask(&net, &query().timeout(Duration::from_secs(15)));
    stop(&net, server);
    assert_eq!(report.attempts.len(), 1);
    assert_eq!(address(&report).as_deref(), Some("192.0.2.1"));
    let seen = report.attempts[0].ignored.wrong_id;
    println!("{seen} of 65535 forgeries were seen");
    assert!(seen > 30_000, "{seen}");
}

#[test]
fn a_truncated_answer_is_fetched_over_tcp_however_slowly_it_drips() {
    let Some(net) = Net::new() else { return };
    let listener = net.tcp(server());
    let server = serve(net.udp(SERVER), |_, socket, query, from| {
        let mut cut = respond(query);
        cut[2] |= 2;
        socket.send_to(&cut, from).expect("sent");
    });
    let over_tcp = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 2048];
        let length = stream.read(&mut buffer).expect("a query");
        let reply = respond(&buffer[2..length]);
        stream.set_nodelay(true).expect("set");
        for byte in [&(reply.len() as u16).to_be_bytes()[..], &reply].concat() {
            stream.write_all(&[byte]).expect("sent");
            thread::sleep(Duration::from_millis(2));
        }
    });
    let report = ask(&net, &query().timeout(Duration::from_secs(3)));
    stop(&net, server);
    over_tcp.join().expect("the server ends");
    let [first, second] = report.attempts.as_slice() else { panic!("{report:?}") };
    assert!(first.answer().is_some_and(|m| m.header.flags.tc));
    assert_eq!((second.transport, second.cause), (DnsTransport::Tcp, DnsCause::Truncated));
    assert!(second.connect.is_some() && second.answer().is_some_and(|m| !m.header.flags.tc));
}

#[test]
fn a_connection_that_ends_early_is_told_with_the_bytes_that_came() {
    let Some(net) = Net::new() else { return };
    let listener = net.tcp(server());
    let over_tcp = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 2048];
        assert!(stream.read(&mut buffer).expect("a query") > 0);
        stream.write_all(&[0, 99, 1, 2, 3]).expect("sent");
    });
    let report = ask(&net, &query().tries(1).transport(Transport::Tcp));
    over_tcp.join().expect("the server ends");
    let cut = DnsOutcome::Cut { reason: None, received_bytes: 5 };
    assert_eq!(report.attempts[0].outcome, cut);
}

#[test]
fn old_servers_are_asked_again_without_edns_and_without_mixed_case() {
    let Some(net) = Net::new() else { return };
    let server = serve(net.udp(SERVER), |_, socket, query, from| {
        let asked = Message::decode(query).expect("a query");
        let mut reply = respond(query);
        if asked.edns.is_some() {
            reply.truncate(12);
            reply[3] = Rcode::FormErr.raw() as u8;
            reply[4..12].fill(0);
        } else {
            // This one repeats every name in lower case.
            reply[12..].make_ascii_lowercase();
        }
        socket.send_to(&reply, from).expect("sent");
    });
    let report = ask(&net, &query().timeout(Duration::from_millis(600)));
    stop(&net, server);
    let causes: Vec<_> = report.attempts.iter().map(|a| a.cause).collect();
    assert_eq!(causes, [DnsCause::First, DnsCause::WithoutEdns, DnsCause::PlainCase]);
    assert_eq!(report.attempts[1].ignored.wrong_case, 1);
    assert_eq!(address(&report).as_deref(), Some("192.0.2.1"));
}

#[test]
fn a_late_answer_is_taken_and_said_to_be_late() {
    let Some(net) = Net::new() else { return };
    let server = serve(net.udp(SERVER), |n, socket, query, from| {
        if n == 0 {
            thread::sleep(Duration::from_millis(450));
            socket.send_to(&respond(query), from).expect("sent");
        }
    });
    let report = ask(&net, &query().letters(Letters::AsGiven));
    stop(&net, server);
    let [first, second] = report.attempts.as_slice() else { panic!("{report:?}") };
    assert!(matches!(first.outcome, DnsOutcome::Answer { rtt, late: true, .. }
        if rtt >= Duration::from_millis(450)));
    assert_eq!(second.outcome, DnsOutcome::Abandoned);
}

#[test]
fn a_budget_that_ends_first_leaves_a_gap() {
    let Some(net) = Net::new() else { return };
    let _silent = net.udp(SERVER);
    let query = query().timeout(Duration::from_secs(5));
    let report = query.run(&net.target(), &Budget::within(Duration::from_millis(100)));
    let report = report.expect("a report all the same");
    assert_eq!(report.attempts[0].outcome, DnsOutcome::Abandoned);
    assert_eq!(report.gaps.len(), 1);
}

#[test]
fn source_and_interface_are_obeyed_and_bad_ones_refused() {
    let Some(net) = Net::new() else { return };
    let (seen, senders) = std::sync::mpsc::channel();
    let server = serve(net.udp(SERVER), move |_, socket, query, from| {
        seen.send(from).expect("somebody listens");
        socket.send_to(&respond(query), from).expect("sent");
    });
    let source = |addr: &str| addr.parse().expect("an address");
    let report = ask(&net, &query().source(source("127.0.0.5:0")).interface("lo"));
    assert_eq!(address(&report).as_deref(), Some("192.0.2.1"));
    let sender = senders.recv().expect("a query");
    assert_eq!(sender.ip(), source("127.0.0.5:0").ip());
    let refusal = |query: DnsQuery| {
        let result = query.run(&net.target(), &Budget::within(Duration::from_secs(5)));
        result.expect_err("must be refused").kind()
    };
    assert_eq!(refusal(query().source(source("[::1]:0"))), "invalid");
    assert_eq!(refusal(query().source(source("192.0.2.9:0"))), "not_found");
    assert_eq!(refusal(query().interface("none0")), "not_found");
    let name = "x.test".parse().expect("a name");
    assert_eq!(refusal(DnsQuery::new(name, RecordType::A)), "invalid");
    stop(&net, server);
}
