//! Verbs that read tables.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::run::{command, finish, lab, pair, powerless, vision, vision_in};

fn schema(value: &Value) -> &str {
    value["schema"].as_str().unwrap_or_default()
}

#[test]
fn links_agree_with_ip() {
    let Some((_lab, a, _b)) = pair() else { return };
    let ours = vision_in(&a, "link --json").expect(0).json();
    let theirs: Value = serde_json::from_str(&a.sh("ip -j addr")).expect("ip speaks JSON");
    assert_eq!(schema(&ours), "vision/link@1");
    let ours = ours["report"]["links"].as_array().expect("a list");
    let theirs = theirs.as_array().expect("a list");
    assert_eq!(ours.len(), theirs.len());
    for (mine, other) in ours.iter().zip(theirs) {
        assert_eq!(mine["name"], other["ifname"]);
        assert_eq!(mine["ifindex"], other["ifindex"]);
        assert_eq!(mine["mtu_bytes"], other["mtu"]);
        assert_eq!(mine["operstate"], other["operstate"]);
        assert_eq!(mine["address"], other["address"]);
        let locals = |list: &Value| -> BTreeSet<String> {
            let list = list.as_array().expect("a list");
            list.iter().filter_map(|a| a["local"].as_str().map(str::to_owned)).collect()
        };
        assert_eq!(locals(&mine["addrs"]), locals(&other["addr_info"]));
    }
    let text = vision_in(&a, "link").expect(0).out;
    for line in a.sh("ip addr").lines().filter(|line| line.contains("mtu")) {
        assert!(text.contains(line.trim_end()), "`{line}` is missing in\n{text}");
    }
}

#[test]
fn one_link_with_its_counters() {
    let Some((_lab, a, _b)) = pair() else { return };
    let text = vision_in(&a, "link eth0 --stats").expect(0).out;
    assert!(text.contains("RX: ") && !text.contains(": lo"), "{text}");
    let missing = vision_in(&a, "link eth7").expect(3);
    assert_eq!(missing.err, "vision: interface `eth7` not found; list them with `vision link`\n");
}

#[test]
fn routes_agree_with_ip() {
    let Some(lab) = lab() else { return };
    let [a, _r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    a.sh("ip route add blackhole 10.66.0.0/16; ip rule add fwmark 0x10 lookup 100 prio 100");
    a.sh("ip route add 10.67.0.0/16 dev eth0 table 100 metric 7");
    for family in ["-4", "-6"] {
        let ours = vision_in(&a, &format!("route {family}")).expect(0).out;
        let theirs = a.sh(&format!("ip {family} route"));
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.trim_end().to_owned()).collect()
        };
        assert_eq!(lines(&ours), lines(&theirs));
    }
    let all = vision_in(&a, "route --all -4").expect(0).out;
    assert!(all.contains("10.67.0.0/16 dev eth0 table 100 scope link metric 7"), "{all}");
    let rules = vision_in(&a, "route --rules -4").expect(0).out;
    assert_eq!(rules.replace('\t', " "), a.sh("ip rule").replace('\t', " "));
    let json = vision_in(&a, "route --json").expect(0).json();
    assert_eq!(schema(&json), "vision/route@1");
    assert_eq!(json["report"]["consistent"], "yes");
    let way = vision_in(&a, &format!("route get {}", b.v4())).expect(0).out;
    assert!(way.contains(&format!("via {}", a.gateway_v4())), "{way}");
    let none = vision_in(&a, "route get 10.66.1.1").expect(1).out;
    assert!(none.contains("10.66.1.1: a blackhole route or rule (EINVAL"), "{none}");
}

#[test]
fn neighbours_that_failed_come_with_a_sentence() {
    let Some((_lab, a, b)) = pair() else { return };
    a.sh("ip neigh add 10.1.0.77 dev eth0 nud failed; ip neigh add 10.1.0.78 dev eth0 nud noarp lladdr 2:0:0:0:0:1");
    let text = vision_in(&a, "neigh -4").expect(0).out;
    assert!(text.contains(&format!("{} dev eth0 lladdr", b.v4())), "{text}");
    assert!(text.contains("10.1.0.77 dev eth0 FAILED\n    nobody on the link answered"), "{text}");
    assert!(!text.contains("10.1.0.78"), "{text}");
    assert!(vision_in(&a, "neigh --all").expect(0).out.contains("10.1.0.78"));
    let json = vision_in(&a, "neigh --json -I eth0").expect(0).json();
    assert_eq!(json["report"]["neighbours"][0]["dev"], "eth0");
    assert_eq!(schema(&json), "vision/neigh@1");
}

#[test]
fn sockets_agree_with_ss() {
    let Some(lab) = lab() else { return };
    let node = lab.node("s").expect("a node");
    let _tcp = node.enter(|| std::net::TcpListener::bind("127.0.0.1:8080")).expect("listens");
    let _udp = node.enter(|| std::net::UdpSocket::bind("[::1]:5353")).expect("bound");
    let _peer = node.enter(|| std::net::TcpStream::connect("127.0.0.1:8080")).expect("connects");
    let fields = |text: &str| -> BTreeSet<Vec<String>> {
        let rows = text.lines().map(|row| row.split_whitespace().take(6).map(str::to_owned));
        rows.map(Iterator::collect).collect()
    };
    for flags in ["-l", "-t", "-a", "-u -a", "-t -l"] {
        let ours = vision_in(&node, &format!("sock {flags}")).expect(0).out;
        let ours: String = ours.lines().skip(1).map(|line| format!("{line}\n")).collect();
        let kinds = if flags.contains("-t") || flags.contains("-u") { "" } else { "-tu" };
        // With one kind only, `ss` leaves its column out.
        let theirs = node.sh(&format!("ss -Hn {kinds} {flags}"));
        let theirs: String = match (flags.contains("-t"), flags.contains("-u")) {
            (true, _) => theirs.lines().map(|l| format!("tcp {l}\n")).collect(),
            (_, true) => theirs.lines().map(|l| format!("udp {l}\n")).collect(),
            _ => theirs,
        };
        assert_eq!(fields(&ours), fields(&theirs), "sock {flags}");
    }
    let json = vision_in(&node, "sock -a --json").expect(0).json();
    assert_eq!(json["report"]["sockets"].as_array().map(Vec::len), Some(4));
    assert_eq!(schema(&json), "vision/sock@1");
}

#[test]
fn tracked_connections_agree_with_conntrack() {
    let Some(lab) = lab() else { return };
    let node = lab.node("c").expect("a node");
    node.sh("sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1");
    node.sh("nft 'table inet f { chain i { type filter hook output priority 0; ct state new ct mark set 7; }; }'");
    let server = node.enter(|| std::net::TcpListener::bind("127.0.0.1:8080")).expect("listens");
    let _peer = node.enter(|| std::net::TcpStream::connect("127.0.0.1:8080")).expect("connects");
    let udp = node.enter(|| std::net::UdpSocket::bind("[::1]:0")).expect("bound");
    udp.send_to(b"x", "[::1]:53").expect("sent");
    node.sh("ping -q -c1 127.0.0.1");
    // Times move, and so may the number of those who look.
    let lines = |text: &str| -> BTreeSet<String> {
        let fixed = |word: &&str| !word.starts_with("delta-time=") && !word.starts_with("use=");
        let line = |line: &str| {
            let words = line.split_whitespace().enumerate().filter(|(n, _)| *n != 2);
            words.map(|(_, word)| word).filter(fixed).collect::<Vec<_>>().join(" ")
        };
        text.lines().map(line).collect()
    };
    for (ours, theirs) in [
        ("", ""),
        ("--proto tcp", "-p tcp"),
        ("--proto tcp --src 127.0.0.1 --dport 8080", "-p tcp -s 127.0.0.1 --dport 8080"),
        ("-6", "-f ipv6"),
        ("--dst 127.0.0.0/8", "-d 127.0.0.0/8"),
    ] {
        let mine = vision_in(&node, &format!("ct {ours}")).expect(0).out;
        let other = node.sh(&format!("conntrack -L {theirs} 2>/dev/null"));
        assert_eq!(lines(&mine), lines(&other), "ct {ours}");
        assert!(!mine.is_empty(), "ct {ours}");
    }
    drop(server);
    let json = vision_in(&node, "ct --json --proto udp").expect(0).json();
    assert_eq!(schema(&json), "vision/ct@1");
    let row = &json["report"]["connections"][0];
    assert_eq!((&row["protocol"], &row["original"]["dst_port"]), (&"udp".into(), &53.into()));
    assert_eq!(row["status"].as_array().map(|s| s.contains(&"confirmed".into())), Some(true));
    let count = vision_in(&node, "ct --count --json").expect(0).json();
    assert_eq!(schema(&count), "vision/ct-count@1");
    assert_eq!(count["report"]["count"], 3);
    assert!(vision_in(&node, "ct --count").expect(0).out.starts_with("3 of "));
    let denied = powerless(&node, "ct").expect(4);
    assert!(denied.err.contains("CAP_NET_ADMIN"), "{denied:?}");
    powerless(&node, "ct --count").expect(4);
    assert!(vision_in(&node, "ct --proto no").expect(2).err.contains("`no` is not tcp"));
}

#[test]
fn the_firewall_is_shown_as_nft_reads_it() {
    let Some(lab) = lab() else { return };
    let node = lab.node("f").expect("a node");
    assert_eq!(vision_in(&node, "fw").expect(0).out, "");
    node.sh(
        "nft 'table inet t { set s { type inet_service; elements = { 22 } }; chain c { type filter hook input \
         priority 0; policy drop; tcp dport @s counter accept comment \"ssh\"; }; }'",
    );
    let text = vision_in(&node, "fw").expect(0).out;
    assert!(
        text.contains("tcp dport @s counter packets 0 bytes 0 accept comment \"ssh\""),
        "{text}"
    );
    assert!(text.contains("type filter hook input priority 0; policy drop;"), "{text}");
    let json = vision_in(&node, "fw --json").expect(0).json();
    assert_eq!(schema(&json), "vision/fw@1");
    let objects = json["report"]["objects"].as_array().expect("a list");
    let kinds: Vec<_> = objects.iter().filter_map(|it| it["kind"].as_str()).collect();
    assert_eq!(kinds, ["table", "set", "chain", "rule"]);
    assert_eq!(json["report"]["consistent"], "yes");
    let sets = vision_in(&node, "fw sets").expect(0).out;
    assert!(sets.contains("elements = { 22 }"), "{sets}");
    let counters = vision_in(&node, "fw --counters --json").expect(0).json();
    assert_eq!(counters["report"]["counters"][0]["packets"], 0);
    let why = vision_in(&node, "fw --why 127.0.0.1:9->127.0.0.1:22/tcp --json").expect(0).json();
    assert_eq!(why["report"]["met"][0]["outcome"], "accept");
    assert_eq!(why["report"]["met"][0]["static"], true);
    assert!(
        vision_in(&node, "fw --why nonsense").expect(2).err.contains("SRC:PORT -> DST:PORT/tcp")
    );
    assert_eq!(vision_in(&node, "fw --iptables").expect(0).out, "");
    let denied = powerless(&node, "fw").expect(4);
    assert!(denied.err.contains("CAP_NET_ADMIN"), "{denied:?}");
}

#[test]
fn owners_of_sockets_are_shown_as_ss_shows_them() {
    let Some(lab) = lab() else { return };
    let node = lab.node("o").expect("a node");
    let owner = node.spawn("nc.openbsd -l -k 127.0.0.1 8080");
    let line = (0..500).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        Some(node.sh("ss -Htlnp")).filter(|text| !text.is_empty())
    });
    let theirs = line.expect("it listens");
    let users = theirs.split_whitespace().last().expect("a column");
    let ours = vision_in(&node, "sock -l -t -p").expect(0).out;
    assert_eq!(ours.lines().nth(1).and_then(|l| l.split_whitespace().last()), Some(users));
    assert!(ours.lines().next().is_some_and(|head| head.ends_with("users")), "{ours}");
    let json = vision_in(&node, "sock -l -p --json").expect(0).json();
    let first = &json["report"]["sockets"][0]["owners"][0];
    assert_eq!(first["pid"], owner.pid());
    assert_eq!(first["comm"], "nc.openbsd");
    // Without the right to look at others', the rest is still there.
    let some = powerless(&node, "sock -l -p").expect(0);
    assert!(some.err.contains("SYS_PTRACE"), "{some:?}");
    assert!(some.out.contains("127.0.0.1:8080"), "{some:?}");
}

#[test]
fn namespaces_are_listed_identified_and_entered() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let (pid, inode) = (sleeper.pid(), node.inode());
    let text = vision("ns ls").expect(0).out;
    let row = text.lines().find(|line| line.starts_with(&inode.to_string())).expect("a row");
    assert!(row.contains(&pid.to_string()) && row.contains("sleep"), "{row}");
    let json = vision("ns ls --json").expect(0).json();
    assert_eq!(schema(&json), "vision/ns@1");
    let of = vision(&format!("ns of pid:{pid} --json")).expect(0).json();
    assert_eq!(of["report"]["id"]["ino"], inode);
    assert_eq!(of["target"]["selector"], format!("pid:{pid}"));
    assert!(vision(&format!("--pid {pid} ns of")).expect(0).out.contains(&inode.to_string()));

    let inside = vision(&format!("ns exec pid:{pid} -- readlink /proc/self/ns/net")).expect(0);
    assert_eq!(inside.out.trim(), format!("net:[{inode}]"));
    assert_eq!(vision(&format!("ns exec pid:{pid} false")).code, Some(1));
    vision("ns exec self no-such-program").expect(127);
    vision("ns exec self /etc/passwd").expect(126);
    let mut sh = command(&format!("ns exec pid:{pid} -- sh -c"));
    sh.arg("kill -TERM $$");
    assert_eq!(finish(sh).code, None, "killed by its signal");
}

#[test]
fn a_container_is_a_target_by_its_name() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let (pid, inode) = (sleeper.pid(), node.inode());
    // What runc leaves of a container; the process's start makes its number believable.
    let name = format!("vision-cli-{}", std::process::id());
    let dir = std::path::PathBuf::from(format!("/run/runc/{name}"));
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("alive");
    let start =
        stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(20)).expect("22 fields");
    let state = format!(r#"{{"init_process_pid":{pid},"init_process_start":{start}}}"#);
    if std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(dir.join("state.json"), state))
        .is_err()
    {
        assert!(std::env::var_os("VISION_FORBID_SKIP").is_none(), "needs root");
        return;
    }
    let of = vision(&format!("ns of ctr:{name} --json"));
    let text = vision(&format!("ns of {name}"));
    let list = vision("ns ls");
    let inside = vision(&format!("ns exec ctr:{name} -- readlink /proc/self/ns/net"));
    let flag = vision(&format!("link --container {name} --json"));
    drop(sleeper);
    let stopped = vision(&format!("link --in ctr:{name}"));
    std::fs::remove_dir_all(&dir).expect("removed");
    let of = of.expect(0).json();
    assert_eq!(of["report"]["id"]["ino"], inode);
    assert_eq!(of["target"]["container"]["name"], name.as_str());
    assert_eq!(of["target"]["container"]["engine"], "oci");
    assert!(text.expect(0).out.contains(&format!("container  oci runtime {name} pid {pid}")));
    let row = list.expect(0).out;
    let row = row.lines().find(|line| line.starts_with(&inode.to_string())).expect("a row");
    assert!(row.contains(&format!("ctr:{name}")), "{row}");
    assert_eq!(inside.expect(0).out.trim(), format!("net:[{inode}]"));
    assert_eq!(flag.expect(0).json()["target"]["selector"], format!("ctr:{name}"));
    let stopped = stopped.expect(3).err;
    assert!(stopped.contains("not running") && stopped.contains(&name), "{stopped}");
}

#[test]
fn a_command_gets_a_network_of_its_own() {
    let Some(_lab) = lab() else { return };
    let own = std::fs::read_link("/proc/self/ns/net").expect("own");
    let fresh = vision("ns exec --new -- readlink /proc/self/ns/net").expect(0).out;
    assert_ne!(fresh.trim(), own.display().to_string());
    let links = vision("ns exec --new -- ip -br link").expect(0).out;
    assert_eq!(links.lines().count(), 1, "{links}");
    assert!(links.starts_with("lo ") && links.contains("DOWN"), "{links}");
    let rootless = vision("ns exec --new --rootless -- cat /proc/self/uid_map").expect(0).out;
    let map: Vec<_> = rootless.split_whitespace().collect();
    assert_eq!(map, ["0", &nix::unistd::geteuid().to_string(), "1"]);
}

#[test]
fn caps_says_what_is_missing_and_who_grants_it() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let text = powerless(&node, "caps").expect(0).out;
    assert!(text.contains("in force  nothing"), "{text}");
    assert!(text.contains("capabilities: {add: [NET_RAW]}"), "{text}");
    assert!(text.contains("--cap-add NET_RAW"), "{text}");
    let json = powerless(&node, "caps --json").expect(0).json();
    assert_eq!(json["report"]["effective"], Value::Array(Vec::new()));
    let all = vision("caps --json").expect(0).json();
    assert!(all["report"]["effective"].as_array().is_some_and(|list| list.len() > 3));
}

#[test]
fn causes_are_listed_and_unknown_ones_refused() {
    assert!(vision("explain").expect(0).out.contains("neigh.gateway-no-answer"));
    let error = vision("explain gateway").expect(3).err;
    assert!(error.contains("near: route.gateway-not-router, neigh.gateway-no-answer"), "{error}");
}

#[test]
fn reading_needs_no_capability() {
    let Some((_lab, a, _b)) = pair() else { return };
    for verb in ["link", "route --all", "route --rules", "neigh", "sock -a", "ns ls", "explain"] {
        powerless(&a, verb).expect(0);
    }
}

#[test]
fn sets_of_ipset_and_legacy_tables_are_listed_as_their_tools_do() {
    let Some(lab) = lab() else { return };
    let node = lab.node("f").expect("a node");
    if node.try_sh("ipset --version && iptables-legacy --version").is_err() {
        let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
        assert!(!forbidden, "may not be skipped: no ipset or no iptables-legacy in PATH");
        eprintln!("SKIP: no ipset or no iptables-legacy in PATH");
        return;
    }
    assert_eq!(vision_in(&node, "fw sets --ipset").expect(0).out, "");
    assert_eq!(vision_in(&node, "fw --legacy").expect(0).out, "");
    assert_eq!(vision_in(&node, "fw").expect(0).err, "");
    node.sh("ipset create blocked hash:ip,port counters && ipset add blocked 10.0.0.1,tcp:80 && \
         ipset create other hash:net && \
         iptables-legacy -A INPUT -m set --match-set blocked src,dst -j DROP");
    let theirs = node.sh("ipset list");
    assert_eq!(vision_in(&node, "fw sets --ipset").expect(0).out.trim_end(), theirs.trim_end());
    let terse = vision_in(&node, "fw sets --ipset -t --name other").expect(0).out;
    assert_eq!(terse.trim_end(), node.sh("ipset list -t other").trim_end());
    let json = vision_in(&node, "fw sets --ipset --json").expect(0).json();
    assert_eq!(schema(&json), "vision/fw-ipset@1");
    let set = &json["report"]["sets"][0];
    assert_eq!((&set["name"], &set["type"]), (&"blocked".into(), &"hash:ip,port".into()));
    assert_eq!(set["references"], 1);
    assert_eq!(set["elements"][0]["elem"], "10.0.0.1,tcp:80");
    assert_eq!(set["elements"][0]["port"], 80);
    assert_eq!(set["elements"][0]["counter"]["packets"], 0);
    let yes = vision_in(&node, "fw sets test blocked 10.0.0.1,tcp:80").expect(0).out;
    assert_eq!(yes, "10.0.0.1,tcp:80 is in set blocked\n");
    let no = vision_in(&node, "fw sets test blocked 10.0.0.1,udp:80 --json").expect(1).json();
    assert_eq!(no["report"]["found"], false);
    let bad = vision_in(&node, "fw sets test blocked 10.0.0.1").expect(2).err;
    assert!(bad.contains("ip,port"), "{bad}");
    let missing = vision_in(&node, "fw sets test nothing 10.0.0.1").expect(3).err;
    assert!(missing.contains("nothing"), "{missing}");
    let text = vision_in(&node, "fw --legacy").expect(0).out;
    let lines = |text: &str| -> Vec<String> {
        text.lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(lines(&text), lines(&node.sh("iptables-legacy-save -c")));
    let json = vision_in(&node, "fw --legacy --json").expect(0).json();
    assert_eq!(schema(&json), "vision/fw-legacy@1");
    let rule = &json["report"]["tables"][0]["chains"][0]["rules"][0];
    assert_eq!(rule["matches"][0]["options"], "--match-set blocked src,dst");
    assert_eq!(rule["target"]["verdict"], "drop");
    // A clean ruleset of nf_tables is not all there is.
    let clean = vision_in(&node, "fw").expect(0);
    assert_eq!(clean.out, "");
    assert!(clean.err.contains("legacy") && clean.err.contains("1 rule"), "{clean:?}");
    let objects = vision_in(&node, "fw --json").expect(0).json();
    assert_eq!(objects["report"]["objects"][0]["kind"], "legacy_table");
    for verb in ["fw sets --ipset", "fw --legacy", "fw sets test blocked 10.0.0.1,tcp:80"] {
        let denied = powerless(&node, verb).expect(4);
        assert!(denied.err.contains("CAP_NET_ADMIN"), "{denied:?}");
    }
}

#[test]
fn a_kernel_without_ipvs_is_said_to_lack_it() {
    let Some(lab) = lab() else { return };
    let node = lab.node("v").expect("a node");
    if node.try_sh("test -e /proc/net/ip_vs").is_ok() {
        let report = vision_in(&node, "ipvs --json").expect(0).json();
        assert_eq!(report["report"]["services"], serde_json::json!([]));
        return;
    }
    let run = vision_in(&node, "ipvs");
    assert!(run.code.is_some_and(|code| code > 1), "{run:?}");
    assert!(run.err.contains("this kernel lacks IPVS"), "{run:?}");
}
