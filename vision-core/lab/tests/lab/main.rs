//! The lab itself, on the kernel it runs on. Skipped where no namespace can be made.

mod dns;
mod faults;
mod relay;
mod servers;

use std::{
    env,
    io::{BufRead, BufReader, Read},
    net::{IpAddr, SocketAddr, TcpStream},
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use vision_lab::{Lab, Node, TcpBehaviour, TcpServer, require};

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

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !done() {
        assert!(Instant::now() < end, "five seconds, and not yet: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_chain_of_five_carries_both_families() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
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
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let bridge = lab.bridge_with_uplink("host", &["c1", "c2"]).expect("a bridge");
    let (c1, c2, outside) = (bridge.container("c1"), bridge.container("c2"), bridge.outside());
    assert!(pings(c1, c2.v4()) && pings(c2, c1.v6()));
    let server = TcpServer::start(outside, "[::]:80", TcpBehaviour::Banner(b"hello".to_vec()))
        .expect("a server");
    for ip in [IpAddr::from(outside.v4()), IpAddr::from(outside.v6())] {
        let mut stream = c1.enter(|| TcpStream::connect((ip, 80))).expect("the outside answers");
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).expect("a banner");
        assert_eq!(&hello, b"hello");
    }
    let seen = server.peers();
    assert_eq!(seen.len(), 2);
    assert!(
        seen.iter()
            .all(|peer| peer.ip() != IpAddr::from(c1.v4()) && peer.ip() != IpAddr::from(c1.v6()))
    );
}

#[test]
fn a_node_is_reachable_by_path_fd_and_pid() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
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
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    for (node, tentative) in [(lab.node("off"), false), (lab.node_with_dad("on"), true)] {
        let (node, peer) = (node.expect("a node"), lab.node("peer").expect("a peer"));
        lab.link(&node, "eth0", &peer, "eth0").expect("a wire");
        node.sh("ip addr add fd00::1/64 dev eth0");
        assert_eq!(
            node.sh("ip -6 addr show dev eth0 scope global").contains("tentative"),
            tentative
        );
    }
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
        Ok::<_, vision_lab::Skip>((lab, [a, b]))
    };
    let labs: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(build)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a lab").expect("no skip")).collect()
    });
    let mut inodes: Vec<u64> = labs.iter().flat_map(|(_, nodes)| nodes).map(Node::inode).collect();
    inodes.sort_unstable();
    inodes.dedup();
    assert_eq!(inodes.len(), 16);
}

#[test]
fn a_node_the_lab_lets_go_takes_its_wires_along() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, b] = lab.pair().expect("a pair");
    lab.let_go(&a);
    let held = a.netns_fd().expect("a descriptor");
    drop(a);
    assert!(b.try_sh("ip link show eth0").is_ok(), "a descriptor keeps the namespace");
    drop(held);
    until("the other end is gone", || b.try_sh("ip link show eth0").is_err());
}

#[test]
fn without_rights_tests_are_skipped_and_ci_says_so() {
    if require(Lab::new()).is_none() {
        return;
    }
    let run = |forbid: &str| {
        Command::new("setpriv")
            .args(["--bounding-set=-sys_admin", "--inh-caps=-all", "--"])
            .arg(env::current_exe().expect("this test"))
            .args(["--exact", "--nocapture", "a_chain_of_five_carries_both_families"])
            .env("VISION_FORBID_SKIP", forbid)
            .output()
            .expect("setpriv runs")
    };
    let skipped = run("0");
    let said = String::from_utf8_lossy(&skipped.stderr).into_owned();
    assert!(
        skipped.status.success() && said.contains("SKIP") && said.contains("CAP_SYS_ADMIN"),
        "{said}"
    );
    assert!(!run("1").status.success());
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
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let node = lab.node("parent").expect("a node");
    let mut child = Command::new(env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "child_that_is_killed"])
        .env("LAB_PEER", node.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let pid =
        lines.map_while(Result::ok).find_map(|line| Some(line.split_once("pid ")?.1.to_owned()));
    let pid = pid.expect("the sleeper's pid");
    assert!(node.try_sh("ip link show there").is_ok(), "the child's wire ends here");
    child.kill().expect("killed");
    child.wait().expect("reaped");
    // Its end of the wire goes only when the kernel has torn the other namespace down.
    until("the killed child's namespace is gone", || node.try_sh("ip link show there").is_err());
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z"), "the sleeper lives on: {stat}");
}
