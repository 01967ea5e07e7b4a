//! The doctor against faults injected into real namespaces.

mod latency;
mod loss;
mod second;
#[cfg(feature = "tls")]
mod spoken;

use std::path::Path;
use std::time::Duration;

use vision_core::doctor::{
    CaseFile, Cause, Confidence, Diagnosis, Question, Severity, Vantages, Verdict, diagnose, judge,
};
use vision_core::{Budget, Selector, Target};
use vision_lab::dns::DnsScript;
use vision_lab::{
    DnsServer, Fault, Lab, Node, Proc, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer, require,
    whole_machine,
};

/// Keeps a case under its first cause, or as healthy, if it is the smallest so far, in the folder that
/// `RECORD_CASES` names.
fn keep(text: &str, diagnosis: &Diagnosis) {
    let Some(folder) = std::env::var_os("RECORD_CASES") else { return };
    let name = match (diagnosis.findings.first(), diagnosis.verdict) {
        (Some(finding), _) => finding.cause.slug(),
        (None, Verdict::Healthy) => "healthy",
        (None, _) => "inconclusive",
    };
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let text = value.to_string();
    let path = Path::new(&folder).join(format!("{name}.json"));
    let smaller = std::fs::metadata(&path).is_ok_and(|old| old.len() <= text.len() as u64);
    if !smaller {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
}

/// Examines a node through a process in it, as a user would a container.
fn examine(node: &Node, question: &str) -> Diagnosis {
    examine_process(node, &node.sleeper(), question)
}

/// A process in a node with a resolv.conf of its own, as a container has it.
fn with_resolver(node: &Node, content: &str) -> Proc {
    let file =
        std::env::temp_dir().join(format!("vision-resolv-{}-{}", std::process::id(), node.inode()));
    std::fs::write(&file, content).expect("a scratch file");
    let script = format!("mount --bind {} /etc/resolv.conf; exec sleep 1000", file.display());
    let process = node.spawn(&format!("unshare -m sh -c '{script}'"));
    let mounted = || std::fs::read(format!("/proc/{}/root/etc/resolv.conf", process.pid()));
    for _ in 0..200 {
        if mounted().is_ok_and(|seen| seen == content.as_bytes()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = std::fs::remove_file(file);
    process
}

fn examine_process(node: &Node, process: &Proc, question: &str) -> Diagnosis {
    let budget = Budget::within(Duration::from_secs(15));
    let target = Target::resolve(&Selector::Pid(process.pid()), &budget).expect("a live process");
    let question = match question {
        "" => Question::Health,
        text => text.parse().expect("a question"),
    };
    let vantages = Vantages::of(&target).named(node.name());
    let (case, diagnosis) =
        diagnose(CaseFile::new(question), &vantages, &budget).expect("the target can be seen");
    // What was judged live must be judged the same from the saved file.
    let text = case.to_json().expect("a case can be written");
    let saved = CaseFile::from_json(&text).expect("what was written can be read");
    assert_eq!(judge(&saved), diagnosis);
    keep(&text, &diagnosis);
    diagnosis
}

#[track_caller]
fn must_name(diagnosis: &Diagnosis, cause: &str) {
    let cause: Cause = cause.parse().expect("a slug");
    let first = diagnosis.findings.first().unwrap_or_else(|| panic!("no finding: {diagnosis:#?}"));
    assert_eq!(first.cause, cause, "{diagnosis:#?}");
    assert_eq!(diagnosis.verdict, Verdict::Faulty, "{diagnosis:#?}");
    assert_eq!(first.severity, Severity::Error);
}

#[track_caller]
fn must_prove(diagnosis: &Diagnosis, cause: &str) {
    must_name(diagnosis, cause);
    assert_eq!(diagnosis.findings[0].confidence, Confidence::Proved, "{diagnosis:#?}");
}

#[track_caller]
fn must_be_healthy(diagnosis: &Diagnosis) {
    assert_eq!(diagnosis.verdict, Verdict::Healthy, "{diagnosis:#?}");
    assert!(diagnosis.findings.is_empty(), "{diagnosis:#?}");
}

/// Three nodes in a row, each with a process so that its namespace can be found.
fn row(lab: &Lab) -> ([Node; 3], Vec<Proc>) {
    let nodes = lab.chain(["a", "r", "b"]).expect("a chain");
    let processes = nodes.iter().map(Node::sleeper).collect();
    (nodes, processes)
}

#[test]
fn a_working_path_is_healthy_in_both_families() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let _v4 = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    let _v6 = TcpServer::start(&b, "[::]:81", TcpBehaviour::Accept).expect("server");
    must_be_healthy(&examine(&a, &format!("{}:80", b.v4())));
    must_be_healthy(&examine(&a, &format!("[{}]:81", b.v6())));
    must_be_healthy(&examine(&a, &b.v4().to_string()));
    must_be_healthy(&examine(&a, ""));
}

#[test]
fn a_port_without_a_listener_is_proved_by_the_other_ends_tables() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let diagnosis = examine(&a, &format!("{}:80", b.v4()));
    must_prove(&diagnosis, "socket.no-listener");
    must_prove(&examine(&a, &format!("[{}]:80", b.v6())), "socket.no-listener");
    must_prove(&examine(&a, "127.0.0.1:80"), "socket.no-listener");
    must_prove(&examine(&a, &format!("udp:{}:99", b.v4())), "socket.no-listener");
}

#[test]
fn a_missing_route_here_and_on_the_router_is_told_apart() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    r.sh("ip route add 203.0.113.0/24 via 10.255.255.1 dev lo onlink || true");
    let diagnosis = examine(&r, "198.51.100.7:80");
    must_prove(&diagnosis, "route.none");
    let diagnosis = examine(&a, "198.51.100.7:80");
    must_name(&diagnosis, "route.none");
    assert_ne!(diagnosis.findings[0].subject.place, "a", "{diagnosis:#?}");
    drop(b);
}

#[test]
fn a_link_that_is_down_is_named_with_and_without_a_destination() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    lab.fault(&a, Fault::LinkDown { dev: "eth0" }).expect("fault");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "link.down");
    must_prove(&examine(&a, &format!("[{}]:80", b.v6())), "link.down");
    must_prove(&examine(&a, ""), "link.down");
}

#[test]
fn a_peer_that_is_down_is_no_dead_gateway() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    r.sh("ip link set eth0 down");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "link.peer-down");
    must_prove(&examine(&a, ""), "link.peer-down");
}

#[test]
fn a_namespace_without_an_address_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    a.sh("ip -4 addr flush dev eth0");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "addr.none");
    a.sh("ip -6 addr flush dev eth0 scope global");
    must_prove(&examine(&a, &format!("[{}]:80", b.v6())), "addr.none");
    must_prove(&examine(&a, ""), "addr.none");
}

#[test]
fn a_blackhole_is_found_here_and_on_the_router() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    a.sh("ip route add blackhole 198.51.100.0/24; ip -6 route add blackhole 2001:db8:9::/48");
    must_prove(&examine(&a, "198.51.100.7:80"), "route.blackhole");
    must_prove(&examine(&a, "[2001:db8:9::7]:80"), "route.blackhole");
    r.sh(&format!("ip route add blackhole {}/32", b.v4()));
    let diagnosis = examine(&a, &format!("{}:80", b.v4()));
    must_prove(&diagnosis, "route.blackhole");
    assert_ne!(diagnosis.findings[0].subject.place, "a", "{diagnosis:#?}");
}

#[test]
fn a_gateway_nobody_has_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    // One address of the link's own prefix that nobody has, in each family.
    a.sh("ip route replace default via $(ip -4 -o addr show eth0 | awk '{print $4}' | \
          sed 's/\\.[0-9]*\\/.*/.251/') dev eth0");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "neigh.gateway-no-answer");
    must_prove(&examine(&a, ""), "neigh.gateway-no-answer");
}

#[test]
fn a_wrong_entry_set_by_hand_is_shown_beside_the_real_address() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    let gateway = a.gateway_v4();
    a.sh(&format!("ip neigh replace {gateway} lladdr 02:00:00:00:00:66 dev eth0 nud permanent"));
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "neigh.wrong-static");
    drop(r);
}

#[test]
fn a_drop_out_of_sight_is_never_blamed_on_anything_else() {
    let Some(lab) = require(Lab::new()) else { return };
    // No process in the others: their filters are out of sight.
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    r.sh("nft add table ip f; nft 'add chain ip f c { type filter hook forward priority 0; }'; \
          nft add rule ip f c ip daddr != 0.0.0.0 drop");
    let diagnosis = examine(&a, &format!("{}:80", b.v4()));
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive, "{diagnosis:#?}");
    assert!(diagnosis.findings.is_empty(), "{diagnosis:#?}");
    assert!(diagnosis.unchecked.iter().any(|u| u.what == "firewall"));
    // Where namespaces of others may not be looked into, the filter may be in one of them.
    if require(whole_machine()).is_none() {
        return;
    }
    // The host answers now, its port does not.
    r.sh("nft flush chain ip f c; nft add rule ip f c tcp dport 80 drop");
    let likely = examine(&a, &format!("{}:80", b.v4()));
    must_name(&likely, "firewall.remote");
    assert_eq!(likely.findings[0].confidence, Confidence::Likely);
}

#[test]
fn filters_of_all_three_namespaces_are_read_and_the_one_that_drops_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    let _server = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("server");
    for (node, hook) in [(&a, "output"), (&r, "forward"), (&b, "input")] {
        node.sh(&format!(
            "nft 'add table inet f; add chain inet f c {{ type filter hook {hook} priority 0; }}; \
             add rule inet f c tcp dport 81 counter drop; add rule inet f c tcp dport 80 counter drop'"
        ));
        for dst in [b.v4().to_string(), format!("[{}]", b.v6())] {
            let diagnosis = examine(&a, &format!("{dst}:80"));
            must_prove(&diagnosis, "firewall.rule-drop");
            let netns = diagnosis.findings[0].subject.netns.expect("a namespace");
            assert_eq!(netns.ino, node.inode(), "{diagnosis:#?}");
        }
        node.sh("nft flush ruleset");
    }
    must_be_healthy(&examine(&a, &format!("{}:80", b.v4())));
}

#[test]
fn a_name_that_does_not_exist_is_told_from_a_server_that_is_silent() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let script = DnsScript::new().a("db.example.test", b.v4());
    let server = DnsServer::start(&b, &format!("{}:53", b.v4()), script).expect("server");
    let _web = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    let process = with_resolver(&a, &format!("nameserver {}\nsearch example.test\n", b.v4()));
    must_be_healthy(&examine_process(&a, &process, "db:80"));
    must_be_healthy(&examine_process(&a, &process, ""));
    let diagnosis = examine_process(&a, &process, "dbb:80");
    must_prove(&diagnosis, "dns.nxdomain");
    assert!(diagnosis.findings[0].evidence.iter().any(|e| e.asked.contains("dbb.example.test")));
    drop(server);
    let _silent =
        UdpServer::start(&b, &format!("{}:53", b.v4()), UdpBehaviour::Silent).expect("server");
    must_prove(&examine_process(&a, &process, "db:80"), "dns.server-silent");
    must_prove(&examine_process(&a, &process, ""), "dns.server-silent");
    let diagnosis = examine_process(&a, &process, &format!("{}:80", b.v4()));
    must_be_healthy(&diagnosis);
}

#[test]
fn a_dead_gateway_explains_names_that_do_not_resolve() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    let process = with_resolver(&a, &format!("nameserver {}\n", b.v4()));
    r.sh("sysctl -qw net.ipv4.conf.all.arp_ignore=8");
    a.sh("ip neigh flush all");
    let diagnosis = examine_process(&a, &process, "db.example.test:80");
    must_prove(&diagnosis, "neigh.gateway-no-answer");
    let said: Vec<_> = diagnosis.consequences.iter().map(|c| c.summary.as_str()).collect();
    assert!(said.iter().any(|s| s.contains("db.example.test could not be resolved")), "{said:?}");
}

#[test]
fn containers_on_a_bridge_are_followed_through_it() {
    let Some(lab) = require(Lab::new()) else { return };
    let bridge = lab.bridge("host", &["c1", "c2"]).expect("a bridge");
    let _host = bridge.host.sleeper();
    let [c1, c2] = [&bridge.containers[0], &bridge.containers[1]];
    let _other = c2.sleeper();
    must_prove(&examine(c1, &format!("{}:80", c2.v4())), "socket.no-listener");
    must_be_healthy(&examine(c1, &c2.v4().to_string()));
    must_be_healthy(&examine(c1, ""));
    bridge.host.sh("ip link set v-c1 down");
    must_prove(&examine(c1, &format!("{}:80", c2.v4())), "link.peer-down");
    bridge.host.sh("ip link set v-c1 up");
    let diagnosis = examine(c1, "10.88.99.99:80");
    assert_ne!(diagnosis.verdict, Verdict::Healthy);
}

#[test]
fn a_reset_that_a_router_forges_is_not_taken_for_the_hosts_own() {
    let Some(lab) = require(Lab::new()) else { return };
    // No process in the others: their tables are out of sight.
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    let question = format!("{}:81", b.v4());
    let likely = examine(&a, &question);
    must_name(&likely, "socket.no-listener");
    assert_eq!(likely.findings[0].confidence, Confidence::Likely);
    r.sh("nft add table ip f; nft 'add chain ip f c { type filter hook forward priority 0; }'; \
          nft add rule ip f c tcp dport 80-81 reject with tcp reset");
    // The time to live of the reset tells who it is from.
    let diagnosis = examine(&a, &question);
    must_name(&diagnosis, "firewall.reject");
    assert_eq!(diagnosis.findings[0].confidence, Confidence::Likely);
}

#[test]
fn a_router_out_of_sight_that_has_no_route_is_named_by_its_own_word() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, _r, _b] = lab.chain(["a", "r", "b"]).expect("a chain");
    let diagnosis = examine(&a, "198.51.100.7:80");
    must_name(&diagnosis, "route.none");
    assert_eq!(diagnosis.findings[0].confidence, Confidence::Likely);
    assert_eq!(diagnosis.findings[0].subject.place, a.gateway_v4().to_string());
}

#[test]
fn faults_on_the_way_back_are_found_where_they_are() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    let question = format!("{}:80", b.v4());
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    b.sh(&format!(
        "ip neigh replace {} lladdr 02:00:00:00:00:66 dev eth0 nud permanent",
        b.gateway_v4()
    ));
    let diagnosis = examine(&a, &question);
    must_prove(&diagnosis, "neigh.wrong-static");
    assert_ne!(diagnosis.findings[0].subject.place, "a");
    b.sh(&format!("ip neigh del {} dev eth0", b.gateway_v4()));
    must_be_healthy(&examine(&a, &question));
    b.sh("ip route del default");
    let diagnosis = examine(&a, &question);
    must_prove(&diagnosis, "route.return-missing");
    assert_ne!(diagnosis.findings[0].subject.place, "a");
    drop(r);
}

#[test]
fn a_link_that_is_down_on_a_second_interface_is_found_behind_the_default_route() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let peer = lab.node("peer").expect("a node");
    lab.link(&a, "eth1", &peer, "eth0").expect("a link");
    a.sh("ip addr add 192.0.2.1/24 dev eth1; ip link set eth1 down");
    peer.sh("ip addr add 192.0.2.2/24 dev eth0");
    must_prove(&examine(&a, "192.0.2.2:80"), "link.down");
    must_be_healthy(&examine(&a, &b.v4().to_string()));
}
