//! A server that does its worst: the run ends in time, nothing false is believed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vision_core::Budget;
use vision_core::probe::{
    DnsBulk, DnsOutcome, DnsQuery, Probe, Trace, TraceEnd, TransferEnd, Transport, ZoneTransfer,
};
use vision_core::wire::dns::{Question, RecordType};

use crate::net::Net;

const AT: &str = "127.0.0.1:53";

fn at() -> SocketAddr {
    AT.parse().expect("an address")
}

/// A server whose threads end with it.
struct Server {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn udp(net: &Net, act: impl Fn(&UdpSocket, &[u8], SocketAddr) + Send + 'static) -> Server {
    let socket = net.udp(AT);
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("set");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !stopped.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                act(&socket, &buffer[..length], from);
            }
        }
    });
    Server { stop, threads: vec![thread] }
}

fn tcp(net: &Net, act: impl Fn(TcpStream, Vec<u8>, &AtomicBool) + Send + 'static) -> Server {
    let listener: TcpListener = net.tcp(at());
    listener.set_nonblocking(true).expect("set");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            let Ok((mut stream, _)) = listener.accept() else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            stream.set_nonblocking(false).expect("set");
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_ok() {
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                if stream.read_exact(&mut query).is_ok() {
                    act(stream, query, &stopped);
                }
            }
        }
    });
    Server { stop, threads: vec![thread] }
}

/// Header and question of a reply to `query`, with these counts of records.
fn head(query: &[u8], answers: u16) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|b| *b == 0).expect("a name") + 5;
    let mut reply = query[..end].to_vec();
    (reply[2], reply[3]) = (0x84, 0);
    reply[6..12].copy_from_slice(&[answers.to_be_bytes(), [0, 0], [0, 0]].concat());
    reply
}

fn address(query: &[u8], last: u8) -> Vec<u8> {
    let mut reply = head(query, 1);
    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, last]);
    reply
}

fn query() -> DnsQuery {
    let name = "www.example.test".parse().expect("a name");
    let query = DnsQuery::new(name, RecordType::A).server(at());
    query.timeout(Duration::from_millis(400)).tries(1)
}

fn budget() -> Budget {
    Budget::within(Duration::from_secs(10))
}

/// What a server makes of a query.
type Reply = fn(&[u8]) -> Vec<u8>;

#[test]
fn loops_lies_and_giants_end_in_time() {
    let Some(net) = Net::new() else { return };
    let replies: [Reply; 5] = [
        // A name that points at itself.
        |query| [head(query, 1), vec![0xc0, (query.len() & 0xff) as u8, 0xc0, 0xff]].concat(),
        // Sixty thousand records announced, one there.
        |query| {
            let mut reply = address(query, 1);
            reply[6..8].copy_from_slice(&60_000_u16.to_be_bytes());
            reply
        },
        // An answer to another question.
        |query| {
            let mut reply = address(query, 6);
            reply[13] ^= 1;
            reply
        },
        // A chain of pointers as long as a datagram.
        |query| {
            let mut reply = head(query, 1);
            for _ in 0..2000 {
                let to = (reply.len() as u16).saturating_sub(2) | 0xc000;
                reply.extend(to.to_be_bytes());
            }
            reply
        },
        |_| vec![0xff; 60_000],
    ];
    for (n, reply) in replies.into_iter().enumerate() {
        let _server = udp(&net, move |socket, query, from| {
            let _ = socket.send_to(&reply(query), from);
        });
        let started = Instant::now();
        let report = query().run(&net.target(), &budget()).expect("asked");
        assert!(started.elapsed() < Duration::from_secs(2), "{n}: {:?}", started.elapsed());
        let believed = report.answer().into_iter().flat_map(|message| &message.answers);
        assert!(believed.into_iter().all(|r| r.data.to_string() != "192.0.2.6"), "{report:?}");
        match n {
            2 => assert_eq!(report.attempts[0].ignored.wrong_question, 1),
            4 => assert!(report.attempts[0].ignored.total() > 0),
            _ => assert!(report.answer().is_some_and(|m| m.stopped.is_some()), "{n}: {report:?}"),
        }
    }
}

#[test]
fn every_wrong_identifier_before_the_true_one_is_in_vain() {
    let Some(net) = Net::new() else { return };
    let netns = net.netns.clone();
    let _server = udp(&net, move |socket, query, from| {
        let mut forged = address(query, 6);
        let own = u16::from_be_bytes([query[0], query[1]]);
        for id in (0..=u16::MAX).filter(|id| *id != own) {
            forged[..2].copy_from_slice(&id.to_be_bytes());
            let _ = socket.send_to(&forged, from);
            // As fast as the other side can count them, however busy the machine is.
            if id % 64 == 0 {
                netns.run(|| until_read(from.port())).expect("entered");
            }
        }
        let _ = socket.send_to(&address(query, 1), from);
    });
    let query = query().timeout(Duration::from_secs(60));
    let report = query.run(&net.target(), &Budget::within(Duration::from_secs(90))).expect("asked");
    let answer = report.answer().expect("the true answer");
    assert_eq!(answer.answers[0].data.to_string(), "192.0.2.1");
    assert_eq!(report.attempts[0].ignored.wrong_id, 65_535, "{:?}", report.attempts[0].ignored);
}

/// Waits until the socket of a port has nothing left to read, or is gone.
fn until_read(port: u16) {
    let end = Instant::now() + Duration::from_secs(5);
    let waits = || {
        let table = std::fs::read_to_string("/proc/thread-self/net/udp").expect("a table");
        let port = format!(":{port:04X}");
        table.lines().any(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let ours = columns.next().is_some_and(|local| local.ends_with(&port));
            ours && !columns.nth(2).is_some_and(|queues| queues.ends_with(":00000000"))
        })
    };
    while waits() && Instant::now() < end {
        thread::sleep(Duration::from_micros(50));
    }
}

#[test]
fn a_list_of_names_survives_a_liar() {
    let Some(net) = Net::new() else { return };
    let _server = udp(&net, |socket, query, from| {
        let mut other_id = address(query, 6);
        other_id[1] ^= 0x5a;
        let mut other_name = address(query, 6);
        other_name[14] = b'x';
        let mut other_case = address(query, 6);
        other_case[13] ^= 0x20;
        for forged in [other_id, other_name, other_case, vec![0; 3], head(query, 0)[..11].to_vec()]
        {
            let _ = socket.send_to(&forged, from);
        }
        let _ = socket.send_to(&address(query, 1), from);
    });
    let name = |n| format!("host{n}.example.test").parse().expect("a name");
    let questions: Vec<_> = (0..500).map(|n| Question::new(name(n), RecordType::A)).collect();
    let bulk = DnsBulk::new(query().tries(3), questions).window(20);
    let mut session = bulk.start(&net.target()).expect("started");
    let mut count = 0;
    while let Some(answer) = vision_core::EventSource::recv(&mut session, &budget()).expect("read")
    {
        let DnsOutcome::Answer { message, .. } = &answer.outcome else { panic!("{answer:?}") };
        assert_eq!(message.answers[0].data.to_string(), "192.0.2.1");
        count += 1;
    }
    let report = session.finish();
    assert_eq!((count, report.answered), (500, 500));
    assert!(report.ignored.total() >= 4 * 500, "{:?}", report.ignored);
}

#[test]
fn a_slow_drip_over_tcp_is_left_at_the_deadline() {
    let Some(net) = Net::new() else { return };
    let _server = tcp(&net, |mut stream, query, stop| {
        let reply = address(&query, 1);
        let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
        for byte in framed {
            if stop.load(Ordering::Relaxed) || stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(60));
        }
    });
    let started = Instant::now();
    let report = query().transport(Transport::Tcp).run(&net.target(), &budget()).expect("asked");
    assert!(matches!(report.attempts[0].outcome, DnsOutcome::TimedOut { .. }), "{report:?}");
    let zone = ZoneTransfer::new(query()).run(&net.target(), &budget()).expect("asked");
    assert!(matches!(zone.end, TransferEnd::Failed { .. }), "{zone:?}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn an_endless_transfer_ends_with_the_budget() {
    let Some(net) = Net::new() else { return };
    let _server = tcp(&net, |mut stream, query, stop| {
        // The first record is the start of authority, which never comes again.
        let mut reply = head(&query, 1);
        let soa = [&[0, 0][..], &[0, 0, 0, 1], &[0; 16]].concat();
        reply.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 9, 0, soa.len() as u8]);
        reply.extend(soa);
        let more = address(&query, 1);
        let framed = |m: &[u8]| [&(m.len() as u16).to_be_bytes()[..], m].concat();
        let mut next = framed(&reply);
        while !stop.load(Ordering::Relaxed) && stream.write_all(&next).is_ok() {
            next = framed(&more);
        }
    });
    let started = Instant::now();
    let short = Budget::within(Duration::from_secs(1));
    let report = ZoneTransfer::new(query()).run(&net.target(), &short).expect("asked");
    assert_eq!(report.end, TransferEnd::Unfinished);
    assert!(report.records > 10 && started.elapsed() < Duration::from_secs(3), "{report:?}");
}

#[test]
fn a_server_that_refers_for_ever_is_left() {
    let Some(net) = Net::new() else { return };
    let _server = udp(&net, |socket, query, from| {
        // Always one delegation, to a server of the same name, without its address.
        let mut reply = head(query, 0);
        (reply[2], reply[9]) = (0x80, 1);
        reply.extend([0xc0, 12, 0, 2, 0, 1, 0, 0, 0, 9, 0, 5, 2, b'n', b's', 0xc0, 12]);
        let _ = socket.send_to(&reply, from);
    });
    let name = "a.b.c.d.example.test".parse().expect("a name");
    let query = DnsQuery::new(name, RecordType::A).timeout(Duration::from_millis(200)).tries(1);
    let trace = Trace::new(query).root(at());
    let report = trace.run(&net.target(), &budget()).expect("asked");
    assert!(matches!(report.end, TraceEnd::DeadEnd { .. } | TraceEnd::TooLong), "{report:?}");
    assert!(report.steps.len() <= 100);
}
