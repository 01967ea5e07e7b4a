//! The relay, seen by ping and plain sockets.

use std::{
    io::{Read, Write},
    net::{TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use vision_lab::{Lab, RelaySpec, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer, require};

use crate::{pings, until};

#[test]
fn a_relay_delays_drops_reorders_and_duplicates() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let spec =
        RelaySpec { delay: Duration::from_millis(30), drop_one_in: 4, ..RelaySpec::default() };
    let ([a, b], relay) = lab.relayed_pair(spec).expect("a relayed pair");
    let start = Instant::now();
    let out = a.sh(&format!("ping -n -q -c8 -i0.01 -W1 {}", b.v4()));
    assert!(out.contains("8 packets transmitted") && !out.contains("8 received"), "{out}");
    let least = out
        .split("min/avg/max/mdev = ")
        .nth(1)
        .and_then(|s| s.split('/').next())
        .map(str::to_owned);
    let least: f64 = least.and_then(|ms| ms.parse().ok()).expect("ping's rtt");
    assert!(least >= 60.0 && start.elapsed() < Duration::from_secs(5), "{out}");

    let server = UdpServer::start(&b, "[::]:8", UdpBehaviour::Silent).expect("a server");
    let socket = a.enter(|| UdpSocket::bind("[::]:0")).expect("a socket");
    relay.set(RelaySpec { reorder_one_in: 2, ..RelaySpec::default() });
    let sink = b.enter(|| UdpSocket::bind("[::]:7")).expect("a socket");
    sink.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    for i in 0..9u8 {
        socket.send_to(&[i], (b.v6(), 7)).expect("sent");
    }
    let got: Vec<u8> = (0..9)
        .map(|_| {
            let mut byte = [0];
            sink.recv(&mut byte).expect("all of nine");
            byte[0]
        })
        .collect();
    assert!(!got.is_sorted(), "{got:?}");
    relay.set(RelaySpec { duplicate_one_in: 1, ..RelaySpec::default() });
    for _ in 0..5 {
        socket.send_to(b"x", (b.v4().to_ipv6_mapped(), 8)).expect("sent");
    }
    until("ten of five", || server.received() == 10);

    relay.set(RelaySpec::default());
    let _tcp = TcpServer::start(&b, "[::]:9", TcpBehaviour::Echo).expect("a server");
    let mut stream = a.enter(|| TcpStream::connect((b.v6(), 9))).expect("connected");
    let (mut writer, sent) = (stream.try_clone().expect("a clone"), vec![7; 1 << 20]);
    let echo = thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&sent).expect("written"));
        let mut echo = vec![0; 1 << 20];
        stream.read_exact(&mut echo).expect("all of it");
        echo
    });
    assert!(echo == sent, "a megabyte each way through the relay");
    drop(relay);
    assert!(!pings(&a, b.v4()), "without the relay the wire is dead");
}
