//! Every verb with the capabilities it needs, with one of them missing, with none, and as root.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::Value;
use vision_lab::dns::DnsScript;
use vision_lab::{DnsServer, Node, TcpBehaviour, TcpServer, require, whole_machine};

use crate::run::{Run, pair};
use crate::tools::{has, host_script, script};

/// Another user with exactly these capabilities and no way to more. The binary and the namespace
/// come as descriptors, for that user may not be allowed to go where they lie.
fn with(caps: &[&str], inside: &Node, other: &Node, line: &str) -> Run {
    let set = caps.iter().fold("-all".to_owned(), |set, cap| set + ",+" + cap);
    let text = format!(
        "exec 8<\"$V\" 9<{}; exec setpriv --reuid 65534 --regid 65534 --clear-groups \
         --inh-caps={set} --ambient-caps={set} --bounding-set={set} --no-new-privs -- \
         /proc/self/fd/8 {line}",
        other.path().display()
    );
    script(inside, &text)
}

fn as_root(inside: &Node, other: &Node, line: &str) -> Run {
    script(inside, &format!("exec 9<{}; exec \"$V\" {line}", other.path().display()))
}

/// Verbs, what each needs, and the code it ends with then. HOST is the other end of the wire, PID a
/// process of another user in another namespace.
const ROWS: &[(&str, &[&str], i32)] = &[
    ("link", &[], 0),
    ("route --all", &[], 0),
    ("route --rules", &[], 0),
    ("route get HOST", &[], 0),
    ("neigh", &[], 0),
    ("sock -a", &[], 0),
    ("ns ls", &[], 0),
    ("ns of self", &[], 0),
    ("caps", &[], 0),
    ("explain", &[], 0),
    ("tcp HOST:8080", &[], 0),
    ("tcp HOST:9", &[], 1),
    ("dns db.lab @HOST", &[], 0),
    ("doctor HOST:8080", &[], 0),
    ("doctor HOST:9", &[], 1),
    ("ping HOST -c1", &["net_raw"], 0),
    ("arp HOST -I eth0 -c1", &["net_raw"], 0),
    ("ct", &["net_admin"], 0),
    ("ct --count", &["net_admin"], 0),
    ("fw", &["net_admin"], 0),
    ("decode PCAP", &[], 0),
    ("filter -d icmp", &[], 0),
    ("bridge", &[], 0),
    ("bridge fdb", &[], 0),
    ("qdisc", &[], 0),
    ("stat", &[], 0),
    ("watch link,neigh --budget 100ms", &[], 0),
    ("scan HOST -p 9,8080", &[], 0),
    ("scan HOST -p 9,8080 --syn", &["net_raw"], 0),
    ("udp HOST:9", &[], 1),
    ("path HOST", &[], 0),
    ("path HOST --tcp 8080", &[], 0),
    ("ns show", &[], 0),
    ("capture -i eth0 -c1 --budget 20s", &["net_raw"], 0),
    ("capture -i any -c1 --budget 20s", &["net_raw"], 0),
    ("tcp HOST:8080 --source 0.0.0.0:81", &["net_bind_service"], 0),
    ("--in path:/proc/self/fd/9 link", &["sys_admin"], 0),
    ("ns exec path:/proc/self/fd/9 -- true", &["sys_admin"], 0),
    ("--pid PID link", &["sys_ptrace", "sys_admin"], 0),
    ("--pid PID route", &["sys_ptrace", "sys_admin"], 0),
    ("--pid PID ping 127.0.0.1 -c1", &["sys_ptrace", "sys_admin", "net_raw"], 0),
];

#[test]
fn each_verb_needs_exactly_the_capabilities_it_is_said_to_need() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((lab, a, b)) = pair() else { return };
    let _web = TcpServer::start(&b, &format!("{}:8080", b.v4()), TcpBehaviour::Accept);
    let names = DnsScript::new().a("db.lab", Ipv4Addr::new(192, 0, 2, 1));
    let _dns = DnsServer::start(&b, &format!("{}:53", b.v4()), names);
    let other = lab.node("other").expect("a node");
    let sleeper = other.sleeper();
    let _traffic = b.spawn(&format!("ping -q -i 0.05 {}", a.v4()));
    let pcap = Pcap::put();
    for (line, needs, code) in ROWS {
        let line = line.replace("HOST", &b.v4().to_string());
        let line = line.replace("PID", &sleeper.pid().to_string());
        let line = line.replace("PCAP", &pcap.0.display().to_string());
        let exact = with(needs, &a, &other, &line);
        assert_eq!(exact.code, Some(*code), "{line} with {needs:?}: {exact:?}");
        for missing in *needs {
            let rest: Vec<_> = needs.iter().filter(|cap| *cap != missing).copied().collect();
            let refused = with(&rest, &a, &other, &line);
            let named = format!("needs CAP_{}", missing.to_uppercase());
            assert_eq!(refused.code, Some(4), "{line} without {missing}: {refused:?}");
            assert!(refused.err.contains(&named), "{line} without {missing}: {refused:?}");
            assert_eq!(refused.err.lines().count(), 1, "{line} without {missing}: {refused:?}");
            assert!(refused.out.is_empty(), "{line} without {missing}: {refused:?}");
        }
        if !needs.is_empty() {
            let none = with(&[], &a, &other, &line);
            assert_eq!((none.code, none.err.lines().count()), (Some(4), 1), "{line}: {none:?}");
        }
        let root = as_root(&a, &other, &line);
        assert_eq!(root.code, Some(*code), "{line} as root: {root:?}");
    }
}

/// A capture file without a packet that everybody may read.
struct Pcap(PathBuf);

impl Pcap {
    fn put() -> Self {
        let path = std::env::temp_dir().join(format!("vision-caps-{}.pcap", std::process::id()));
        let head =
            [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
        std::fs::write(&path, head).expect("written");
        Self(path)
    }
}

impl Drop for Pcap {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The binary as an image has it, with capabilities that are permitted but not in force.
struct Image(PathBuf);

impl Image {
    /// `None` where files cannot have capabilities.
    fn build() -> Option<Self> {
        let path = std::env::temp_dir().join(format!("vision-image-{}", std::process::id()));
        std::fs::copy(env!("CARGO_BIN_EXE_vision"), &path).expect("copied");
        let image = Self(path);
        let all = "cap_net_raw,cap_net_admin,cap_sys_admin,cap_sys_ptrace,cap_dac_read_search=p";
        let set = format!("setcap {all} {}", image.0.display());
        let ready = has("setcap") && host_script(&set).code == Some(0);
        ready.then_some(image)
    }

    /// Runs it as a pod would: another user, these capabilities and no more.
    fn run(&self, node: &Node, user: u32, cap: &str, more: &str, line: &str) -> Run {
        let set = format!("-all{cap}");
        let text = format!(
            "exec setpriv --reuid {user} --regid {user} --clear-groups --inh-caps={set} \
             --ambient-caps={set} --bounding-set={set} {more} -- {} {line}",
            self.0.display()
        );
        script(node, &text)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn one_image_starts_in_every_kind_of_pod() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair() else { return };
    a.sysctl("net/ipv4/ping_group_range", "1 0").expect("set");
    let Some(image) = Image::build() else { return };
    let _traffic = b.spawn(&format!("ping -q -i 0.05 {}", a.v4()));
    let ping = format!("ping {} -c1", b.v4());
    for (user, cap, more) in [
        (65534, ",+net_raw", "--no-new-privs"),
        (65534, ",+net_raw", ""),
        (0, ",+net_raw", "--no-new-privs"),
    ] {
        let run = |line: &str| image.run(&a, user, cap, more, line);
        run(&ping).expect(0);
        run("capture -i eth0 -c1 --budget 20s").expect(0);
        let refused = run("ct").expect(4);
        assert!(refused.err.contains("needs CAP_NET_ADMIN"), "{user} {more}: {refused:?}");
    }
    // A restricted pod: nothing is granted, and what needs nothing works.
    for line in ["link", "route --all", "neigh", "sock -a", "ns of self", "caps", "tcp 127.0.0.1:1"]
    {
        let run = image.run(&a, 65534, "", "--no-new-privs", line);
        assert!(matches!(run.code, Some(0 | 1)), "{line}: {run:?}");
    }
    let refused = image.run(&a, 65534, "", "--no-new-privs", &ping).expect(4);
    assert!(refused.err.contains("needs CAP_NET_RAW"), "{refused:?}");
    // What is started inside of a namespace gets none of it.
    let all = ",+net_raw,+net_admin,+sys_admin,+sys_ptrace";
    let inner = image.run(&a, 65534, all, "", "ns exec self -- grep CapEff /proc/self/status");
    assert_eq!(inner.expect(0).out.trim(), "CapEff:\t0000000000000000");
}

#[test]
fn the_group_range_stands_in_for_the_right_to_ping() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair() else { return };
    a.sysctl("net/ipv4/ping_group_range", "65534 65534").expect("set");
    let line = format!("ping {} -c1 -v", b.v4());
    let run = with(&[], &a, &b, &line).expect(0);
    assert!(run.out.contains("method: datagram"), "{run:?}");
}

#[test]
fn owners_of_sockets_need_two_capabilities_and_the_missing_one_is_named() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((lab, a, _b)) = pair() else { return };
    let other = lab.node("other").expect("a node");
    let _listener = a.spawn("nc.openbsd -lk 127.0.0.1 7000");
    let listed = |caps: &[&str]| with(caps, &a, &other, "sock -l -p").expect(0);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !listed(&["sys_ptrace", "dac_read_search"]).out.contains("nc.openbsd") {
        assert!(std::time::Instant::now() < end, "the owner is never shown");
    }
    let without_list = listed(&["sys_ptrace"]);
    assert!(!without_list.out.contains("nc.openbsd"), "{without_list:?}");
    assert!(without_list.err.contains("DAC_READ_SEARCH"), "{without_list:?}");
    for caps in [&["dac_read_search"][..], &[]] {
        let run = listed(caps);
        assert!(run.err.contains("SYS_PTRACE") && run.out.contains("7000"), "{run:?}");
    }
}

#[test]
fn a_doctor_without_rights_says_which_capability_would_show_more() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((lab, a, b)) = pair() else { return };
    let other = lab.node("other").expect("a node");
    // Silence on the wire is where the doctor would ask the neighbour itself.
    a.sh(&format!("ip neigh flush dev eth0; ip route add 10.99.0.0/16 via {}", b.v4()));
    b.sh("ip addr flush dev eth0");
    let run = with(&[], &a, &other, "doctor 10.99.0.1:80 --json");
    assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
    let report = &run.json()["report"];
    let needs = |entry: &&Value| entry["needs"] == "NET_RAW";
    let unchecked = report["unchecked"].as_array().expect("a list");
    assert!(unchecked.iter().any(|entry| needs(&entry)), "{report}");
}

#[test]
fn what_caps_says_is_possible_is_what_then_works() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((lab, a, b)) = pair() else { return };
    let other = lab.node("other").expect("a node");
    for (cap, verb, line) in [
        ("net_raw", "ping", format!("ping {} -c1", b.v4())),
        ("net_admin", "ct", "ct".to_owned()),
        ("sys_admin", "name", "--in path:/proc/self/fd/9 link".to_owned()),
    ] {
        for (caps, works) in [(&[cap][..], true), (&[][..], false)] {
            let table = with(caps, &a, &other, "caps --json").expect(0).json();
            let rows = table["report"]["verbs"].as_array().expect("a list").clone();
            let named = |row: &&Value| {
                let verbs = row["verbs"].as_str().unwrap_or_default();
                verbs.split([' ', ',']).any(|word| word == verb)
            };
            let row = rows.iter().find(named).unwrap_or_else(|| panic!("no {verb}: {rows:?}"));
            assert_eq!(row["possible"], works, "{verb} with {caps:?}: {row}");
            let code = with(caps, &a, &other, &line).code;
            assert_eq!(code == Some(0), works, "{verb} with {caps:?}");
        }
    }
}
