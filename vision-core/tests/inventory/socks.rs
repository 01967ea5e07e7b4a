use std::collections::BTreeSet;
use std::io::Write;
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};

use vision_core::Family;
use vision_core::inventory::{Consistency, Sock, SockProtocol, SockState, SocketFilter};

use super::ns::{Ns, budget};

struct Held {
    _tcp: Vec<TcpListener>,
    _udp: Vec<UdpSocket>,
    _streams: Vec<TcpStream>,
}

/// Sockets of every kind ss tells apart.
fn sockets(ns: &Ns) -> Held {
    ns.within(|| {
        let v4 = TcpListener::bind("127.0.0.1:8080").expect("listener");
        let any = TcpListener::bind("0.0.0.0:8081").expect("listener");
        let v6 = TcpListener::bind("[::]:8082").expect("listener");
        let udp = UdpSocket::bind("127.0.0.1:5353").expect("udp");
        let udp6 = UdpSocket::bind("[::1]:5354").expect("udp");
        let to = UdpSocket::bind("127.0.0.1:0").expect("udp");
        to.connect("127.0.0.1:5353").expect("connected");
        udp.send_to(b"unread", udp.local_addr().expect("bound")).expect("sent");
        let client = TcpStream::connect("127.0.0.1:8080").expect("connected");
        let (mut server, _) = v4.accept().expect("accepted");
        server.write_all(&[7; 333]).expect("written");
        let pending = TcpStream::connect("127.0.0.1:8081").expect("connected");
        let mapped = TcpStream::connect("127.0.0.1:8082").expect("connected");
        let closed = TcpStream::connect("127.0.0.1:8080").expect("connected");
        drop(v4.accept().expect("accepted"));
        // Until the last close is acknowledged.
        std::thread::sleep(std::time::Duration::from_millis(200));
        Held {
            _tcp: vec![v4, any, v6],
            _udp: vec![udp, udp6, to],
            _streams: vec![client, server, pending, mapped, closed],
        }
    })
}

/// A row as ss prints it: protocol, state, queues, ends, owner, inode, cookie.
type Row = (String, String, u32, u32, String, String, u32, u32, String);

fn ours(sock: &Sock) -> Row {
    let end = |addr: IpAddr, port: u16| {
        let port = if port == 0 { "*".to_owned() } else { port.to_string() };
        match addr {
            // ss writes * where a socket of IPv6 takes IPv4 as well.
            IpAddr::V6(v6) if v6.is_unspecified() && sock.v6only == Some(false) => {
                format!("*:{port}")
            }
            IpAddr::V6(v6) => format!("[{v6}]:{port}"),
            IpAddr::V4(v4) => format!("{v4}:{port}"),
        }
    };
    (
        sock.protocol.to_string(),
        sock.state.to_string(),
        sock.recv_q,
        sock.send_q,
        end(sock.local, sock.local_port),
        end(sock.remote, sock.remote_port),
        sock.uid,
        sock.inode,
        format!("{:x}", sock.cookie),
    )
}

fn theirs(ns: &Ns, options: &str) -> BTreeSet<Row> {
    let text = ns.sh(&format!("ss -H -n -a -e {options}"));
    text.lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let named = |key: &str| {
                let value = words.iter().find_map(|w| w.strip_prefix(key));
                value.unwrap_or("0").to_owned()
            };
            let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("{line}"));
            // An interface after the address is of no interest here.
            (
                words[0].to_owned(),
                words[1].to_owned(),
                number(words[2]),
                number(words[3]),
                words[4].to_owned(),
                words[5].to_owned(),
                number(&named("uid:")),
                number(&named("ino:")),
                named("sk:"),
            )
        })
        .collect()
}

#[test]
fn every_field_of_every_socket_is_what_ss_shows() {
    let Some(ns) = Ns::new() else { return };
    let _held = sockets(&ns);
    let mut inventory = ns.inventory();
    let dump = inventory.sockets(&SocketFilter::default(), &budget()).expect("sockets");
    assert_eq!(dump.consistent, Consistency::Unknown);
    let mine: BTreeSet<_> = dump.items.iter().map(ours).collect();
    let ss = theirs(&ns, "-t -u");
    assert_eq!(mine, ss, "{mine:#?}{ss:#?}");
    assert_eq!(mine.len(), dump.items.len());
    let states: BTreeSet<_> = dump.items.iter().map(|s| s.state).collect();
    assert!(states.contains(&SockState::Established) && states.contains(&SockState::Listen));
    assert!(states.contains(&SockState::CloseWait), "{states:?}");
    assert!(dump.items.iter().any(|s| s.recv_q == 333));
}

#[test]
fn filters_give_what_the_same_filters_of_ss_give() {
    let Some(ns) = Ns::new() else { return };
    let _held = sockets(&ns);
    let mut inventory = ns.inventory();
    for (filter, options) in [
        (SocketFilter::default().protocol(SockProtocol::Tcp).listening(), "-t state listening"),
        (SocketFilter::default().protocol(SockProtocol::Udp).listening(), "-u state unconnected"),
        (SocketFilter::default().protocol(SockProtocol::Tcp).connected(), "-t state connected"),
        (SocketFilter::default().family(Family::V4), "-4 -t -u"),
        (SocketFilter::default().family(Family::V6), "-6 -t -u"),
        (SocketFilter::default().local_port(8080), "-t -u 'sport = :8080'"),
        (SocketFilter::default().remote_port(8081), "-t -u 'dport = :8081'"),
    ] {
        let dump = inventory.sockets(&filter, &budget()).expect("sockets").items;
        let mine: BTreeSet<_> = dump.iter().map(|s| s.cookie).collect();
        let text = ns.sh(&format!("ss -H -n -a -e {options}"));
        let cookies = text.split_whitespace().filter_map(|w| w.strip_prefix("sk:"));
        let ss: BTreeSet<_> =
            cookies.map(|c| u64::from_str_radix(c, 16).expect("cookie")).collect();
        assert_eq!(mine, ss, "{options}\n{text}");
        assert!(!mine.is_empty(), "{options}");
    }
}

#[test]
fn a_listener_says_whose_packets_it_takes() {
    let Some(ns) = Ns::new() else { return };
    let _held = sockets(&ns);
    let filter = SocketFilter::default().protocol(SockProtocol::Tcp).listening();
    let mut found = Vec::new();
    let mut inventory = ns.inventory();
    inventory.sockets_each(&filter, &budget(), |sock| found.push(sock)).expect("sockets");
    let at = |port| found.iter().find(|s| s.local_port == port).expect("listener");
    let [v4, v6]: [IpAddr; 2] = ["10.0.0.1", "fd00::1"].map(|a| a.parse().expect("address"));
    assert!(!at(8080).accepts(v4) && at(8080).accepts("127.0.0.1".parse().expect("address")));
    assert!(at(8081).accepts(v4) && !at(8081).accepts(v6));
    assert!(at(8082).accepts(v4) && at(8082).accepts(v6));
    assert!(at(8082).is_listening() && at(8082).v6only == Some(false));
}

#[test]
fn a_closed_connection_tells_for_how_long_it_still_holds_its_port() {
    let Some(ns) = Ns::new() else { return };
    ns.within(|| {
        let listener = TcpListener::bind("127.0.0.1:8090").expect("listener");
        let client = TcpStream::connect("127.0.0.1:8090").expect("connected");
        drop(listener.accept().expect("accepted"));
        std::thread::sleep(std::time::Duration::from_millis(100));
        drop(client);
    });
    let filter = SocketFilter::default().protocol(SockProtocol::Tcp).local_port(8090);
    let mut inventory = ns.inventory();
    let mut waiting = |filter: &SocketFilter| {
        let dump = inventory.sockets(filter, &budget()).expect("sockets").items;
        let mut all = dump.into_iter().filter(|sock| sock.state == SockState::TimeWait);
        let one = all.next().expect("a closed connection");
        assert!(all.next().is_none());
        one
    };
    assert!(waiting(&filter).details.is_none(), "not asked for");
    let details = waiting(&filter.details()).details.expect("asked for");
    assert_eq!(details.timer.map(|timer| timer.to_string()).as_deref(), Some("timewait"));
    let ours = details.timer_ms.expect("a timer") / 1000;
    let ss = ns.sh("ss -H -n -t -a -o state time-wait");
    let theirs = ss.split_once("timer:(timewait,").and_then(|(_, rest)| rest.split_once("sec"));
    let theirs: u32 =
        theirs.and_then(|(sec, _)| sec.parse().ok()).unwrap_or_else(|| panic!("{ss}"));
    assert!(ours.abs_diff(theirs) <= 1 && ours > 50, "{ours} {ss}");
}
