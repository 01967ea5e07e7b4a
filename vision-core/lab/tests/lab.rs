//! The lab itself, on the kernel it runs on. Skipped where no namespace can be made.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use vision_lab::{
    DnsServer, Family, Fault, Hook, Lab, Node, Proto, RejectKind, RouteKind, TcpBehaviour, TcpServer, UdpBehaviour,
    UdpServer,
    dns::{Behaviour, DnsScript, Forgery, Rdata, Transport, Type},
    require,
};

fn pings(from: &Node, to: impl Into<IpAddr>) -> bool {
    from.try_sh(&format!("ping -n -q -c1 -W1 {}", to.into())).is_ok()
}

/// The errno name of a TCP connect with a second of patience, or `ok`.
fn connect(from: &Node, to: impl Into<IpAddr>, port: u16) -> String {
    let addr = SocketAddr::new(to.into(), port);
    match from.enter(|| TcpStream::connect_timeout(&addr, Duration::from_secs(1))) {
        Ok(_) => "ok".into(),
        Err(error) => format!("{:?}", error.kind()),
    }
}

#[test]
fn a_chain_of_five_carries_both_families() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b, c, d, e] = lab.chain(["a", "b", "c", "d", "e"]).expect("a chain");
    assert!(pings(&e, a.v4()) && pings(&e, a.v6()));
    assert!(pings(&b, e.v4()) && pings(&d, a.v6()), "inner nodes reach the ends");
    assert!(pings(&a, a.gateway_v4()) && pings(&e, e.gateway_v6()));
    assert_eq!(c.sh("cat /proc/sys/net/ipv4/ip_forward").trim(), "1");
    let hops = a.sh(&format!("ping -n -c1 -t2 {} || true", e.v4()));
    assert!(hops.contains("Time to live exceeded"), "{hops}");
}

#[test]
fn a_bridge_with_uplink_masquerades() {
    let Some(lab) = require(Lab::new()) else { return };
    let bridge = lab.bridge_with_uplink("host", &["c1", "c2"]).expect("a bridge");
    let (c1, c2, outside) = (bridge.container("c1"), bridge.container("c2"), bridge.outside());
    assert!(pings(c1, c2.v4()) && pings(c2, c1.v6()));
    let server = TcpServer::start(outside, "[::]:80", TcpBehaviour::Banner(b"hello".to_vec())).expect("a server");
    for ip in [IpAddr::from(outside.v4()), IpAddr::from(outside.v6())] {
        let mut stream = c1.enter(|| TcpStream::connect((ip, 80))).expect("the outside answers");
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).expect("a banner");
        assert_eq!(&hello, b"hello");
    }
    let seen = server.peers();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|peer| peer.ip() != IpAddr::from(c1.v4()) && peer.ip() != IpAddr::from(c1.v6())));
}

#[test]
fn a_node_is_reachable_by_path_fd_and_pid() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    let mut sleeper = thread::spawn({
        let node = node.clone();
        move || node.sleeper()
    })
    .join()
    .expect("a sleeper");
    let inode = |path: String| std::fs::metadata(path).expect("a namespace").ino();
    assert_eq!(inode(format!("/proc/{}/ns/net", sleeper.pid())), node.inode());
    assert_eq!(inode(node.path().display().to_string()), node.inode());
    let name = std::fs::read_to_string(format!("/proc/{}/comm", sleeper.pid())).expect("its name");
    assert_eq!(name.trim(), "sleep");
    assert!(sleeper.alive(), "it outlives the thread that asked for it");
    let pid = sleeper.pid();
    drop(sleeper);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "killed and reaped");
    assert!(node.sh("ip -o link show lo").contains("LOWER_UP"));
    let raw = lab.node_raw("raw").expect("a raw node");
    assert!(!raw.sh("ip -o link show lo").contains("LOWER_UP"));
    let error = node.try_sh("echo out; echo err >&2; exit 3").expect_err("it fails");
    assert_eq!((error.status.and_then(|s| s.code()), error.stderr.trim()), (Some(3), "err"));
    let mut piped = node.spawn_piped("ip -o link");
    let mut out = String::new();
    piped.stdout().expect("a pipe").read_to_string(&mut out).expect("its output");
    assert!(out.contains("lo") && piped.wait(Duration::from_secs(1)).is_some_and(|s| s.success()));
}

#[test]
fn duplicate_address_detection_is_off_unless_asked_for() {
    let Some(lab) = require(Lab::new()) else { return };
    for (node, tentative) in [(lab.node("off"), false), (lab.node_with_dad("on"), true)] {
        let (node, peer) = (node.expect("a node"), lab.node("peer").expect("a peer"));
        lab.link(&node, "eth0", &peer, "eth0").expect("a wire");
        node.sh("ip addr add fd00::1/64 dev eth0");
        assert_eq!(node.sh("ip -6 addr show dev eth0 scope global").contains("tentative"), tentative);
    }
}

#[test]
fn rules_drop_and_reject_as_asked() {
    let Some(lab) = require(Lab::new()) else { return };
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
        lab.fault(&r, Fault::Reject { hook, proto, dport: Some(port), kind }).expect("a reject rule");
        assert_eq!(connect(&a, b.v4(), port), errno, "{kind:?}");
    }
    lab.fault(&r, Fault::Drop { hook, proto, dport: Some(80) }).expect("a drop rule");
    assert_eq!(connect(&a, b.v4(), 80), "TimedOut");
    assert!(pings(&a, b.v4()), "only TCP port 80 is dropped");
    lab.fault(&b, Fault::Drop { hook: Hook::Input, proto: Proto::Icmpv6, dport: None }).expect("a drop rule");
    lab.fault(&a, Fault::Drop { hook: Hook::Output, proto: Proto::Any, dport: Some(81) }).expect("a drop rule");
    assert!(!pings(&a, b.v6()));
    assert_ne!(connect(&a, b.v4(), 81), "ConnectionRefused");
}

#[test]
fn loss_and_rate_are_as_asked() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    lab.fault(&r, Fault::Loss { hook: Hook::Forward, one_in: 4 }).expect("a loss rule");
    let out = a.sh(&format!("ping -n -q -c8 -i0.01 -W1 {}", b.v4()));
    // One in four of sixteen packets at most, both ways, and a lost request has no reply.
    let received = out.split(" received").next().and_then(|s| s.rsplit(' ').next()).map(str::to_owned);
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
    let Some(lab) = require(Lab::new()) else { return };
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
    let Some(lab) = require(Lab::new()) else { return };
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
    assert_eq!(broken(pair(), false, Fault::FlushAddr { dev: "eth0", family: Family::V4 }), (true, false));
    assert_eq!(broken(pair(), false, Fault::FlushAddr { dev: "eth0", family: Family::V6 }), (false, true));
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
    let Some(lab) = require(Lab::new()) else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    lab.fault(&r, Fault::Masquerade { dev: "eth1" }).expect("a masquerade");
    let server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Echo).expect("a server");
    assert_eq!(connect(&a, b.v4(), 80), "ok");
    assert_eq!(server.peers()[0].ip(), IpAddr::from(b.gateway_v4()));
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
    lab.fault(&a, Fault::DeadGateway { via: [10, 9, 9, 9].into(), dev: "eth0" }).expect("a dead gateway");
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

fn read_some(stream: &mut TcpStream) -> Result<usize, std::io::ErrorKind> {
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    stream.read(&mut [0; 64]).map_err(|error| error.kind())
}

#[test]
fn tcp_and_udp_servers_behave() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("a pair");
    let start = |port, behaviour| TcpServer::start(&b, &format!("0.0.0.0:{port}"), behaviour).expect("a server");
    let _servers = [
        start(1, TcpBehaviour::Accept),
        start(2, TcpBehaviour::Echo),
        start(3, TcpBehaviour::CloseAtOnce),
        start(4, TcpBehaviour::Reset),
        start(5, TcpBehaviour::NeverAccept { backlog: 1 }),
        start(6, TcpBehaviour::NeverRead),
    ];
    let open = |port| a.enter(|| TcpStream::connect((b.v4(), port))).expect("connected");
    assert_eq!(read_some(&mut open(1)), Err(std::io::ErrorKind::WouldBlock));
    let mut echo = open(2);
    echo.write_all(b"abc").expect("written");
    assert_eq!(read_some(&mut echo), Ok(3));
    assert_eq!(read_some(&mut open(3)), Ok(0));
    assert_eq!(read_some(&mut open(4)), Err(std::io::ErrorKind::ConnectionReset));
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

fn dig(node: &Node, server: &Node, args: &str) -> String {
    node.try_sh(&format!("dig +tries=1 +time=1 @{} {args}", server.v4())).unwrap_or_else(|error| error.stdout)
}

#[test]
fn dns_answers_truthfully() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("a pair");
    let soa = Rdata::Soa { mname: "ns.lab.test".into(), rname: "me.lab.test".into(), serial: 7 };
    let script = DnsScript::new()
        .record("lab.test", soa)
        .record("lab.test", Rdata::Mx { preference: 10, exchange: "mail.lab.test".into() })
        .record("lab.test", Rdata::Ns("ns.lab.test".into()))
        .record("lab.test", Rdata::Txt(vec!["x".repeat(200), "y".repeat(255), "z".repeat(255)]))
        .a("www.lab.test", [192, 0, 2, 1].into())
        .aaaa("www.lab.test", b.v6())
        .cname("alias.lab.test.", "WWW.lab.test")
        .record("1.2.0.192.in-addr.arpa", Rdata::Ptr("www.lab.test".into()))
        .record(
            "_http._tcp.lab.test",
            Rdata::Srv { priority: 1, weight: 2, port: 80, target: "www.lab.test".into() },
        );
    let server = DnsServer::start(&b, "0.0.0.0:53", script).expect("a server");
    let short = |args: &str| dig(&a, &b, &format!("+short {args}"));
    assert_eq!(short("www.lab.test"), "192.0.2.1\n");
    assert_eq!(short("alias.lab.test"), "WWW.lab.test.\n192.0.2.1\n");
    assert_eq!(short("+tcp www.lab.test AAAA"), format!("{}\n", b.v6()));
    assert_eq!(short("lab.test MX"), "10 mail.lab.test.\n");
    assert_eq!(short("-x 192.0.2.1"), "www.lab.test.\n");
    assert_eq!(short("_http._tcp.lab.test SRV"), "1 2 80 www.lab.test.\n");
    let nodata = dig(&a, &b, "_tcp.lab.test A");
    assert!(nodata.contains("NOERROR") && nodata.contains("ANSWER: 0") && nodata.contains("SOA"), "{nodata}");
    let missing = dig(&a, &b, "no.lab.test");
    assert!(missing.contains("NXDOMAIN") && missing.contains("lab.test.\t\t60\tIN\tSOA"), "{missing}");
    server.forget();
    assert!(short("+noedns lab.test TXT").contains("zzz"), "too big for 512 bytes, so over TCP");
    let asked = server.queries();
    assert_eq!(asked.iter().map(|q| q.transport).collect::<Vec<_>>(), [Transport::Udp, Transport::Tcp]);
    assert_eq!((asked[0].name.as_str(), asked[0].kind, asked[0].edns_bytes), ("lab.test", Type::Txt, None));
    assert_eq!(asked[0].from.ip(), IpAddr::from(a.v4()));
}

#[test]
fn dns_lies_as_scripted() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("a pair");
    let cases = [
        (Behaviour::NxDomain, "NXDOMAIN"),
        (Behaviour::ServFail, "SERVFAIL"),
        (Behaviour::Refused, "REFUSED"),
        (Behaviour::NoData, "ANSWER: 0"),
        (Behaviour::Silent, "timed out"),
        (Behaviour::Slow(Duration::from_millis(300)), "Query time: 30"),
        (Behaviour::Truncate, "Truncated, retrying in TCP"),
        (Behaviour::Forged(Forgery::Id), "ID mismatch"),
        (Behaviour::Forged(Forgery::Source), "reply from unexpected source"),
        (Behaviour::Forged(Forgery::Case), "N0.LAB.TEST"),
        (Behaviour::Forged(Forgery::Name), "o0.mbc.uftu"),
        (Behaviour::Forged(Forgery::Address), "192.0.2.66"),
        (Behaviour::ForgedFirst(Forgery::Address), "192.0.2.66"),
        (Behaviour::Garbage, "malformed"),
        (Behaviour::FormErrOnEdns, "FORMERR"),
    ];
    let mut script = DnsScript::new();
    for (i, (behaviour, _)) in cases.iter().enumerate() {
        let name = if matches!(behaviour, Behaviour::Forged(_)) { "n0.lab.test".into() } else { format!("n{i}.lab.test") };
        script = script.a(&name, [192, 0, 2, 1].into());
    }
    for (behaviour, shown) in cases {
        let script = script.clone().otherwise(behaviour.clone());
        let _server = DnsServer::start(&b, "0.0.0.0:53", script).expect("a server");
        let got = dig(&a, &b, "n0.lab.test 2>&1");
        assert!(got.contains(shown), "{behaviour:?} shows no `{shown}`: {got}");
    }
    let script = script.behave_for("n0.lab.test", Type::Aaaa, Behaviour::Silent).otherwise(Behaviour::ServFailFirst(1));
    let _server = DnsServer::start(&b, "0.0.0.0:53", script).expect("a server");
    assert!(dig(&a, &b, "n0.lab.test").contains("SERVFAIL"));
    assert!(dig(&a, &b, "n0.lab.test").contains("192.0.2.1"));
    assert!(dig(&a, &b, "n0.lab.test AAAA").contains("timed out"));
}

#[test]
fn eight_labs_at_once_do_not_meet() {
    if require(Lab::new()).is_none() {
        return;
    }
    let build = || {
        let lab = Lab::new()?;
        let [a, _, b] = lab.chain(["a", "r", "b"]).expect("a chain");
        a.sh(&format!("ping -n -q -c3 -i0.01 -W1 {}", b.v4()));
        Ok::<_, vision_lab::Skip>([a, b])
    };
    let labs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a lab").expect("no skip")).collect()
    });
    let mut inodes: Vec<u64> = labs.iter().flatten().map(Node::inode).collect();
    inodes.sort_unstable();
    inodes.dedup();
    assert_eq!(inodes.len(), 16);
}

/// Not a test of its own: [`a_killed_lab_leaves_nothing`] runs it in a child process.
#[test]
#[ignore = "runs only as the child of another test"]
fn child_that_is_killed() {
    let peer = env::var("LAB_PEER").expect("the parent's namespace");
    let lab = Lab::new().expect("a lab");
    let node = lab.node("child").expect("a node");
    let sleeper = node.sleeper();
    node.sh(&format!("ip link add here type veth peer name there netns {peer}"));
    println!("pid {}", sleeper.pid());
    thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_lab_leaves_nothing() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("parent").expect("a node");
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "child_that_is_killed"])
        .env("LAB_PEER", node.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let pid = lines.map_while(Result::ok).find_map(|line| Some(line.split_once("pid ")?.1.to_owned()));
    let pid = pid.expect("the sleeper's pid");
    assert!(node.try_sh("ip link show there").is_ok(), "the child's wire ends here");
    child.kill().expect("killed");
    child.wait().expect("reaped");
    // Its end of the wire goes only when the kernel has torn the other namespace down.
    let end = Instant::now() + Duration::from_secs(5);
    while node.try_sh("ip link show there").is_ok() {
        assert!(Instant::now() < end, "the killed child's namespace lives on");
        thread::sleep(Duration::from_millis(20));
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z"), "the sleeper lives on: {stat}");
}
