//! The TCP and UDP servers, seen by plain sockets.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpStream, UdpSocket},
    time::{Duration, Instant},
};

use vision_lab::{Lab, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer, require};

use crate::connect;

fn read_some(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    stream.read(&mut [0; 64]).map_err(|error| error.kind())
}

#[test]
fn tcp_and_udp_servers_behave() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, b] = lab.pair().expect("a pair");
    let start = |port, behaviour| {
        TcpServer::start(&b, &format!("0.0.0.0:{port}"), behaviour).expect("a server")
    };
    let _servers = [
        start(1, TcpBehaviour::Accept),
        start(2, TcpBehaviour::Echo),
        start(3, TcpBehaviour::CloseAtOnce),
        start(4, TcpBehaviour::Reset),
        start(5, TcpBehaviour::NeverAccept { backlog: 1 }),
        start(6, TcpBehaviour::NeverRead),
        start(
            7,
            TcpBehaviour::Answer { after: Duration::from_millis(150), bytes: b"late".to_vec() },
        ),
    ];
    let open = |port| a.enter(|| TcpStream::connect((b.v4(), port))).expect("connected");
    assert_eq!(read_some(&mut open(1)), Err(ErrorKind::WouldBlock));
    let mut echo = open(2);
    echo.write_all(b"abc").expect("written");
    assert_eq!(read_some(&mut echo), Ok(3));
    let mut late = open(7);
    assert_eq!(read_some(&mut late), Err(ErrorKind::WouldBlock), "nobody asked");
    let asked = Instant::now();
    late.write_all(b"?").expect("written");
    assert_eq!(read_some(&mut late), Ok(4));
    assert!(asked.elapsed() >= Duration::from_millis(150));
    assert_eq!(read_some(&mut open(3)), Ok(0));
    assert_eq!(read_some(&mut open(4)), Err(ErrorKind::ConnectionReset));
    let _queued = [open(5), open(5)];
    assert_eq!(connect(&a, b.v4(), 5), "TimedOut", "the queue of two is full");
    let mut full = open(6);
    full.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(full.write_all(&vec![0; 16 << 20]).is_err(), "the window closes");

    let silent = UdpServer::start(&b, "0.0.0.0:7", UdpBehaviour::Silent).expect("a server");
    let _echo = UdpServer::start(&b, "[::]:8", UdpBehaviour::Echo).expect("a server");
    let socket = a.enter(|| UdpSocket::bind("[::]:0")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    socket.send_to(b"x", (b.v6(), 8)).expect("sent");
    assert_eq!(socket.recv(&mut [0; 9]).ok(), Some(1));
    socket.send_to(b"x", (b.v4().to_ipv6_mapped(), 7)).expect("sent");
    assert!(socket.recv(&mut [0; 9]).is_err());
    assert_eq!(silent.received(), 1);
}
