//! A peer that answers in the place of others.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use vision_core::Budget;
use vision_core::probe::{EchoOutcome, Method, Ping, PingReport, Probe};
use vision_lab::{AtEnd, Lab, Node, require, whole_machine};

use super::target_of;

/// Forged replies for each request, a fifth of each kind.
const FORGED: usize = 2500;
const REQUESTS: u16 = 8;

/// An echo message: identifier, sequence number, payload.
#[derive(Clone)]
struct Echo {
    id: u16,
    seq: u16,
    payload: Vec<u8>,
}

impl Echo {
    /// Reads a request behind its IP header.
    fn request(packet: &[u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 15) * 4;
        let icmp = packet.get(header..)?;
        let [8, 0, _, _, id0, id1, seq0, seq1] = *icmp.first_chunk()? else { return None };
        let payload = icmp.get(8..)?.to_vec();
        Some(Self {
            id: u16::from_be_bytes([id0, id1]),
            seq: u16::from_be_bytes([seq0, seq1]),
            payload,
        })
    }

    fn reply(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(&self.payload);
        let words = bytes
            .chunks(2)
            .map(|two| u32::from(u16::from_be_bytes([two[0], two.get(1).copied().unwrap_or(0)])));
        let sum: u32 = words.sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        let check = !u16::try_from(folded).expect("folded");
        bytes[2..4].copy_from_slice(&check.to_be_bytes());
        bytes
    }
}

fn raw(node: &Node, from: Ipv4Addr) -> Socket {
    node.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("raw");
        socket.bind(&SocketAddr::new(from.into(), 0).into()).expect("bound");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("set");
        socket
    })
}

/// The lies about one request, which the truth follows. Returns how many a raw socket takes for
/// the own run's.
fn answer(echo: &Echo, to: &SockAddr, own: &Socket, other: &Socket) -> u32 {
    let id = Echo { id: echo.id ^ 1, ..echo.clone() };
    let seq = Echo { seq: echo.seq.wrapping_add(1000), ..echo.clone() };
    let mut cookie = echo.clone();
    cookie.payload[0] ^= 1;
    let short = Echo { payload: echo.payload[..4].to_vec(), ..echo.clone() };
    let lies = [(own, &id), (own, &seq), (own, &cookie), (own, &short), (other, echo)];
    let mut believable = 0;
    for n in 0..FORGED {
        let (socket, lie) = lies[n % lies.len()];
        // A full queue is a lie less.
        let sent = socket.send_to(&lie.reply(), to).is_ok();
        believable += u32::from(sent && lie.id == echo.id);
        if n % 50 == 49 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    // A queue that is full of lies drops the truth like any other packet.
    std::thread::sleep(Duration::from_millis(30));
    own.send_to(&echo.reply(), to).expect("the truth is sent");
    believable
}

/// Answers every request with lies and then the truth, and returns how many lies there were.
fn forge(own: &Socket, other: &Socket, done: &AtomicBool) -> u32 {
    let (mut buffer, mut believable) = ([0; 2048], 0);
    while !done.load(Ordering::Relaxed) {
        let len = match (&mut &*own).read(&mut buffer) {
            Ok(len) => len,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                continue;
            }
            Err(e) => panic!("{e}"),
        };
        let packet = &buffer[..len];
        let from: Option<&[u8; 4]> = packet.get(12..).and_then(|rest| rest.first_chunk());
        if let (Some(echo), Some(from)) = (Echo::request(packet), from) {
            let to = SocketAddr::new(Ipv4Addr::from(*from).into(), 0).into();
            believable += answer(&echo, &to, own, other);
        }
    }
    believable
}

fn ping_past_the_forger(groups: &str) -> Option<(PingReport, u32, IpAddr)> {
    let lab = require(Lab::new())?;
    let [a, b] = lab.pair().expect("two nodes on a wire");
    a.sysctl("net/ipv4/ping_group_range", groups).expect("set");
    b.sysctl("net/ipv4/icmp_echo_ignore_all", "1").expect("set");
    let second = Ipv4Addr::from(u32::from(b.v4()) + 7);
    b.sh(&format!("ip addr add {second}/24 dev eth0"));
    let (own, other) = (raw(&b, b.v4()), raw(&b, second));
    let done = AtomicBool::new(false);
    let (report, lies) = std::thread::scope(|scope| {
        let forger = scope.spawn(|| forge(&own, &other, &done));
        let ping = Ping::new(b.v4().into()).count(REQUESTS).interval(Duration::from_millis(150));
        let ping = ping.wait(Duration::from_secs(3));
        let report = ping.run(&target_of(&a), &Budget::within(Duration::from_secs(20)));
        done.store(true, Ordering::Relaxed);
        (report.expect("a report"), forger.join().expect("the forger"))
    });
    Some((report, lies, b.v4().into()))
}

fn assert_truth_alone(report: &PingReport, peer: IpAddr) {
    assert_eq!(report.echoes.len(), usize::from(REQUESTS));
    for echo in &report.echoes {
        // The lies took some 60 ms to send: what came earlier was one of them.
        let true_one = matches!(echo.outcome, EchoOutcome::Reply { from, rtt, .. }
            if from == peer && rtt > Duration::from_millis(40));
        assert!(true_one, "{echo:?}");
    }
    assert_eq!(report.duplicates, 0);
}

/// On a busy machine some are dropped before anybody looks at them.
fn assert_counted(report: &PingReport, lies: u32) {
    let counted = report.ignored;
    assert!(counted <= lies && counted > lies / 2, "{counted} of {lies}");
}

#[test]
fn of_twenty_thousand_forged_replies_none_is_taken_and_the_true_ones_are_found() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((report, lies, peer)) = ping_past_the_forger("1 0") else { return };
    assert_eq!(report.method, Method::Raw);
    assert_truth_alone(&report, peer);
    // Those with another identifier are another program's, and none of this one's business.
    println!("{lies} forged replies with the right identifier, {} counted", report.ignored);
    assert!(lies >= 15_000, "{lies}");
    assert_counted(&report, lies);
}

#[test]
fn a_datagram_socket_is_no_easier_to_fool() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((report, lies, peer)) = ping_past_the_forger("0 2147483647") else { return };
    assert_eq!(report.method, Method::Datagram);
    assert_truth_alone(&report, peer);
    assert_counted(&report, lies);
}

#[test]
fn a_flood_of_lies_holds_no_run_beyond_its_time() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes on a wire");
    b.sysctl("net/ipv4/icmp_echo_ignore_all", "1").expect("set");
    let (hear, own) = (raw(&b, b.v4()), raw(&b, b.v4()));
    let done = AtomicBool::new(false);
    let (report, took) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 2048];
            let echo = loop {
                let heard = (&mut &hear).read(&mut buffer);
                let echo = heard.ok().and_then(|len| Echo::request(&buffer[..len]));
                match echo {
                    Some(echo) => break echo,
                    None if done.load(Ordering::Relaxed) => return,
                    None => {}
                }
            };
            let to = SocketAddr::new(a.v4().into(), 0).into();
            let mut lie = echo;
            lie.payload[0] ^= 1;
            let lie = lie.reply();
            let flood = || {
                while !done.load(Ordering::Relaxed) {
                    let _ = own.send_to(&lie, &to);
                }
            };
            std::thread::scope(|scope| {
                scope.spawn(flood);
                scope.spawn(flood);
            });
        });
        let _done = AtEnd(&done);
        let ping = Ping::new(b.v4().into()).endless().interval(Duration::from_millis(100));
        let began = Instant::now();
        let report = ping.run(&target_of(&a), &Budget::within(Duration::from_secs(1)));
        let took = began.elapsed();
        done.store(true, Ordering::Relaxed);
        (report.expect("a report"), took)
    });
    println!("{} lies in {took:?}", report.ignored);
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(report.ignored > 1000, "{}", report.ignored);
    assert!(report.echoes.len() > 2, "{}", report.echoes.len());
}
