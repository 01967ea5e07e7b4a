//! Sockets that have run out of something: ports, descriptors, room in a buffer.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use vision_lab::{Lab, Node, Proc, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer};

use super::Built;
use crate::{
    Result,
    score::{
        container::{fill, listen},
        scenario::{Scenario, Site},
    },
};

const READING: &str = "socket.not-reading";
const PORTS: &str = "socket.ports-exhausted";
const FILES: &str = "socket.fd-limit";
const BUFFER: &str = "socket.receive-buffer-full";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(READING, "wire, v4", unread_v4).seen(),
    Scenario::fault(READING, "chain, v6, by pid, others are read", unread_v6).seen(),
    Scenario::fault(READING, "own loopback", unread_own),
    Scenario::healthy("unread data that the window has room for", unread_little).seen(),
    Scenario::healthy("a stalled connection to another port", stalled_elsewhere).seen(),
    Scenario::fault(PORTS, "wire, v4, all connected", ports_v4).seen(),
    Scenario::fault(PORTS, "chain, v6, all in TIME-WAIT", ports_v6).seen(),
    Scenario::healthy("all ports lead to another destination", ports_elsewhere).seen(),
    Scenario::healthy("a small range with room", ports_left).seen(),
    Scenario::fault(FILES, "wire, v4, the queue is full", files_full).seen(),
    Scenario::fault(FILES, "own loopback, the queue has room", files_own),
    Scenario::healthy("a process at its limit that nobody waits for", files_idle).seen(),
    Scenario::fault(BUFFER, "wire, v4", buffer_v4).seen(),
    Scenario::fault(BUFFER, "chain, v6", buffer_v6).seen(),
    Scenario::unnamed(
        "a UDP service that does not read, with room",
        &["firewall.remote"],
        buffer_room,
    )
    .seen(),
];

/// Writes until nothing more is taken, and lets the time pass in which a reader may pause.
fn stall(from: &Node, to: SocketAddr) -> Result<TcpStream> {
    let mut stream = fill(from, to, 1).pop().ok_or("no connection")?;
    stream.set_nonblocking(true)?;
    let (block, mut refused) = ([0_u8; 16384], 0);
    while refused < 20 {
        match stream.write(&block) {
            Ok(_) => refused = 0,
            Err(_) => refused += 1,
        }
        thread::sleep(Duration::from_millis(if refused > 0 { 10 } else { 0 }));
    }
    thread::sleep(Duration::from_millis(1300));
    Ok(stream)
}

fn never_read(node: &Node, addr: &str) -> Result<TcpServer> {
    Ok(TcpServer::start(node, addr, TcpBehaviour::NeverRead)?)
}

fn unread_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = never_read(&b, "0.0.0.0:5432")?;
    let stream = stall(&a, (b.v4(), 5432).into())?;
    Ok(Site::at(&a).keep((stream, server)).ask_tcp(b.v4(), 5432).blame(&b))
}

fn unread_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = never_read(&b, "[::]:80")?;
    let other = listen(&b, 81)?;
    let read = fill(&a, (b.v6(), 81).into(), 3);
    let stream = stall(&a, (b.v6(), 80).into())?;
    let url = format!("http://[{}]/", b.v6());
    Ok(Site::in_process(a.sleeper()).keep((stream, server, other, read)).ask(url).blame(&b))
}

fn unread_own(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = never_read(&a, "127.0.0.1:9000")?;
    let stream = stall(&a, ([127, 0, 0, 1], 9000).into())?;
    Ok(Site::at(&a).keep((stream, server)).ask("127.0.0.1:9000").blame(&a))
}

fn unread_little(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = never_read(&b, "0.0.0.0:5432")?;
    let mut streams = fill(&a, (b.v4(), 5432).into(), 2);
    for stream in &mut streams {
        stream.write_all(&[0; 4000])?;
    }
    thread::sleep(Duration::from_millis(1200));
    Ok(Site::at(&a).keep((streams, server)).ask_tcp(b.v4(), 5432))
}

fn stalled_elsewhere(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let kept = (never_read(&b, "0.0.0.0:5432")?, listen(&b, 80)?);
    let stream = stall(&a, (b.v4(), 5432).into())?;
    Ok(Site::at(&a).keep((stream, kept)).ask_tcp(b.v4(), 80))
}

fn small_range(node: &Node) -> Result<()> {
    Ok(node.sysctl("net/ipv4/ip_local_port_range", "40000 40007")?)
}

fn ports_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    small_range(&a)?;
    let server = listen(&b, 443)?;
    let open = fill(&a, (b.v4(), 443).into(), 8);
    Ok(Site::at(&a).keep((open, server)).ask_tcp(b.v4(), 443).blame(&a))
}

fn ports_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    small_range(&a)?;
    a.sysctl("net/ipv4/tcp_tw_reuse", "0")?;
    let server = listen(&b, 443)?;
    drop(fill(&a, (b.v6(), 443).into(), 8));
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&a))
}

fn ports_elsewhere(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    small_range(&a)?;
    let servers = (listen(&b, 443)?, listen(&b, 80)?);
    let open = fill(&a, (b.v4(), 443).into(), 8);
    Ok(Site::at(&a).keep((open, servers)).ask_tcp(b.v4(), 80))
}

fn ports_left(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    small_range(&a)?;
    let server = listen(&b, 443)?;
    let open = fill(&a, (b.v4(), 443).into(), 5);
    Ok(Site::at(&a).keep((open, server)).ask_tcp(b.v4(), 443))
}

/// A process that listens on port 80 of an address, opens all files it may and never accepts.
pub(super) fn out_of_files(node: &Node, backlog: u8) -> Result<Proc> {
    let script = format!(
        "use Socket; socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(80, INADDR_ANY)); \
         listen(S, {backlog}); while (open(my $f, q(<), q(/dev/null))) {{ push @f, $f }} sleep 1000"
    );
    let process = node
        .spawn(&format!("sh -c \"ulimit -n 16; exec perl -e '{}'\"", script.replace('$', "\\$")));
    let end = Instant::now() + Duration::from_secs(5);
    let open =
        || std::fs::read_dir(format!("/proc/{}/fd", process.pid())).map_or(0, Iterator::count);
    while open() < 16 {
        if Instant::now() > end {
            return Err("no process without descriptors".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(process)
}

fn files_full(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let process = out_of_files(&b, 1)?;
    let waiting = fill(&a, (b.v4(), 80).into(), 4);
    Ok(Site::at(&a).keep((process, waiting)).ask_tcp(b.v4(), 80).blame(&b))
}

fn files_own(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let process = out_of_files(&a, 16)?;
    let waiting = fill(&a, ([127, 0, 0, 1], 80).into(), 2);
    Ok(Site::at(&a).keep((process, waiting)).ask("127.0.0.1:80").blame(&a))
}

fn files_idle(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let kept = (out_of_files(&b, 16)?, listen(&b, 443)?);
    Ok(Site::at(&a).keep(kept).ask_tcp(b.v4(), 443))
}

fn flood(from: &Node, to: SocketAddr, count: usize) -> Result<()> {
    from.enter(|| -> std::io::Result<()> {
        let any: SocketAddr =
            if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" }.parse().expect("any");
        let socket = UdpSocket::bind(any)?;
        (0..count).try_for_each(|_| socket.send_to(&[0; 1200], to).map(|_| ()))
    })?;
    Ok(())
}

fn buffer_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = UdpServer::start(&b, "0.0.0.0:514", UdpBehaviour::NeverRead)?;
    flood(&a, (b.v4(), 514).into(), 400)?;
    Ok(Site::at(&a).keep(server).ask_udp(b.v4(), 514).blame(&b))
}

fn buffer_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = UdpServer::start(&b, "[::]:8125", UdpBehaviour::NeverRead)?;
    flood(&a, (b.v6(), 8125).into(), 400)?;
    Ok(Site::at(&a).keep(server).ask_udp(b.v6(), 8125).blame(&b))
}

fn buffer_room(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = UdpServer::start(&b, "0.0.0.0:514", UdpBehaviour::NeverRead)?;
    flood(&a, (b.v4(), 514).into(), 5)?;
    Ok(Site::at(&a).keep(server).ask_udp(b.v4(), 514))
}
