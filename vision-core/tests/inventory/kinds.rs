//! Interfaces, bridges and traffic control of every kind, from messages recorded on another
//! kernel together with what `ip`, `bridge` and `tc` said of them there.

use serde_json::Value;
use vision_core::inventory::{
    FdbEntry, Link, LinkKind, LinkRole, Mdb, PortVlans, Qdisc, Recorded, RecordedProtocol,
    RecordedRow,
};

fn rows(hex: &str) -> Vec<RecordedRow> {
    let lines = hex.lines().filter(|line| !line.starts_with('#'));
    let byte = |line: &str, at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    let read = |line: &str| {
        let bytes: Vec<u8> = (0..line.len()).step_by(2).map(|at| byte(line, at)).collect();
        let mut rows = Recorded::read(RecordedProtocol::Route, &bytes);
        rows.next().expect("one message").row
    };
    lines.map(read).collect()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn links() -> Vec<Link> {
    let rows = rows(include_str!("../data/nl/kinds.hex")).into_iter();
    rows.map(|row| match row {
        RecordedRow::Link(link) => *link,
        other => panic!("{other:?}"),
    })
    .collect()
}

/// Our field, the tool's field. What the tool leaves out must be nothing: off, zero, unset.
const FIELDS: &[(&str, &str)] = &[
    // The same in all kinds.
    ("id", "id"),
    ("vni", "id"),
    ("protocol", "protocol"),
    ("flags", "flags"),
    ("table", "table"),
    ("mode", "mode"),
    ("remote", "remote group remote6"),
    ("local", "local local6"),
    ("ttl", "ttl"),
    ("port", "port"),
    ("df", "df"),
    ("label", "label"),
    ("udp_csum", "udp_csum"),
    ("udp_zero_csum6_tx", "udp_zero_csum6_tx"),
    ("udp_zero_csum6_rx", "udp_zero_csum6_rx"),
    ("collect_metadata", "external"),
    // VXLAN.
    ("learning", "learning"),
    ("ageing_s", "ageing"),
    ("limit", "limit"),
    ("proxy", "proxy"),
    ("rsc", "rsc"),
    ("l2miss", "l2miss"),
    ("l3miss", "l3miss"),
    ("gbp", "gbp"),
    ("vnifilter", "vnifilter"),
    // Tunnels over IP.
    ("pmtudisc", "pmtudisc"),
    ("ignore_df", "ignore_df"),
    ("ikey", "ikey"),
    ("okey", "okey"),
    ("encap_limit", "encap_limit"),
    ("erspan_ver", "erspan_ver"),
    ("erspan_hwid", "erspan_hwid"),
    ("fwmark", "fwmark"),
    // Bonds.
    ("miimon_ms", "miimon"),
    ("up_delay_ms", "updelay"),
    ("down_delay_ms", "downdelay"),
    ("use_carrier", "use_carrier"),
    ("arp_interval_ms", "arp_interval"),
    ("arp_ip_targets", "arp_ip_target"),
    ("missed_max", "arp_missed_max"),
    ("xmit_hash_policy", "xmit_hash_policy"),
    ("resend_igmp", "resend_igmp"),
    ("num_peer_notif", "num_peer_notif"),
    ("all_slaves_active", "all_slaves_active"),
    ("min_links", "min_links"),
    ("lp_interval_s", "lp_interval"),
    ("packets_per_slave", "packets_per_slave"),
    ("ad_lacp_active", "ad_lacp_active"),
    ("ad_lacp_rate", "ad_lacp_rate"),
    ("ad_info", "ad_info"),
    ("ad_actor_sys_prio", "ad_actor_sys_prio"),
    ("ad_user_port_key", "ad_user_port_key"),
    ("ad_actor_system", "ad_actor_system"),
    ("tlb_dynamic_lb", "tlb_dynamic_lb"),
    ("peer_notif_delay_ms", "peer_notify_delay"),
    ("state", "state"),
    ("link_failure_count", "link_failure_count"),
    ("perm_hwaddr", "perm_hwaddr"),
    ("queue_id", "queue_id"),
    ("prio", "prio"),
    ("ad_aggregator_id", "ad_aggregator_id"),
    ("ad_actor_oper_port_state", "ad_actor_oper_port_state"),
    ("ad_partner_oper_port_state", "ad_partner_oper_port_state"),
    // macvlan, tun, MACsec.
    ("bc_queue_len", "bcqueuelen"),
    ("bc_queue_len_used", "usedbcqueuelen"),
    ("macaddr_count", "macaddr_count"),
    ("kind", "type"),
    ("pi", "pi"),
    ("vnet_hdr", "vnet_hdr"),
    ("multi_queue", "multi_queue"),
    ("persist", "persist"),
    ("owner_uid", "user"),
    ("group_gid", "group"),
    ("num_queues", "numqueues"),
    ("num_disabled_queues", "numdisabled"),
    ("sci", "sci"),
    ("icv_len_bytes", "icv_len"),
    ("encoding_sa", "encoding_sa"),
    ("encrypt", "encrypt"),
    ("protect", "protect"),
    ("inc_sci", "inc_sci"),
    ("end_station", "es"),
    ("scb", "scb"),
    ("replay_protect", "replay_protect"),
    ("window", "window"),
    ("validation", "validation"),
];

/// One form for what one side writes as a number and the other as a word.
fn plain(value: &Value) -> String {
    match value {
        Value::Bool(on) => u8::from(*on).to_string(),
        Value::String(word) => match word.as_str() {
            "on" => "1".to_owned(),
            "off" | "any" | "unset" => "0".to_owned(),
            hex if hex.starts_with("0x") => {
                u64::from_str_radix(&hex[2..], 16).expect("a number").to_string()
            }
            // Keys are written as addresses.
            dotted if dotted.starts_with("0.0.0.") => dotted[6..].to_owned(),
            word => word.to_owned(),
        },
        Value::Null => "0".to_owned(),
        other => other.to_string(),
    }
}

fn compare(name: &str, ours: &Value, theirs: &Value) -> usize {
    let Some(ours) = ours.as_object().and_then(|one| one.values().next()) else {
        assert!(theirs.is_null(), "{name}: we have nothing, they have {theirs}");
        return 0;
    };
    let mut compared = 0;
    for (mine, other) in FIELDS {
        let Some(mine) = ours.get(mine) else { continue };
        let other = other.split(' ').find_map(|key| theirs.get(key)).unwrap_or(&Value::Null);
        // Flags of ipvlan and tunnels are numbers with us, words with them.
        if *mine != Value::Null && mine.is_number() && other.is_array() {
            continue;
        }
        match (plain(mine), plain(other)) {
            (mine, other) if mine == other => compared += 1,
            (mine, other) if other == "0" && mine == "0.0.0.0" => compared += 1,
            (mine, other) => panic!("{name}: {mine} is not {other}\n{ours:#}\n{theirs:#}"),
        }
    }
    compared
}

#[test]
fn every_kind_of_link_is_what_ip_showed() {
    let links = links();
    let theirs = json(include_str!("../data/nl/kinds.json"));
    let theirs = theirs.as_array().expect("a list");
    assert_eq!(links.len(), theirs.len());
    let (mut kinds, mut compared) = (std::collections::BTreeSet::new(), 0);
    for (link, row) in links.iter().zip(theirs) {
        let name = link.name.escaped().to_string();
        assert_eq!(row["ifname"], name.as_str());
        let info = &row["linkinfo"];
        assert_eq!(info["info_kind"].as_str(), link.kind.as_deref(), "{name}");
        kinds.extend(link.kind.clone());
        let ours = serde_json::to_value(&link.info).expect("JSON");
        // `flags` of a macvlan and an ipvlan are told as words.
        compared += compare(&name, &without_flags(link, ours), &info["info_data"]);
        let role = serde_json::to_value(&link.role).expect("JSON");
        compared += compare(&name, &role, &info["info_slave_data"]);
        let read: Link =
            serde_json::from_value(serde_json::to_value(link).expect("JSON")).expect("reads back");
        assert_eq!(read, *link);
    }
    assert_eq!(kinds.len(), 18, "{kinds:?}");
    assert!(compared > 200, "{compared}");
}

fn without_flags(link: &Link, mut ours: Value) -> Value {
    if !matches!(link.info, Some(LinkKind::Vlan(_)))
        && let Some(fields) = ours.as_object_mut().and_then(|one| one.values_mut().next())
    {
        let fields = fields.as_object_mut().expect("fields");
        fields.remove("flags");
    }
    ours
}

#[test]
fn what_ip_tells_in_words_is_told_as_well() {
    let links = links();
    let find = |name: &str| links.iter().find(|l| l.name == *name).expect("a link");
    let index = |name: &str| Some(find(name).ifindex);
    let told = |name: &str| {
        let fields = find(name).info.as_ref().map(LinkKind::fields).unwrap_or_default();
        fields.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    let has = |name: &str, wanted: &[&str]| {
        let told = told(name);
        for word in wanted {
            assert!(told.iter().any(|t| t == word), "{word} in {name}: {told:?}");
        }
    };
    has("vx0", &["port_range=40000-41000", "df=inherit"]);
    has("gr0", &["iflags=key,seq,csum", "oflags=key,csum", "ikey=42"]);
    has("gt0", &["iflags=key", "okey=6"]);
    has("er0", &["erspan_dir=1", "oflags=key,seq"]);
    has("iv0", &["mode=l3s", "flags=1"]);
    has("bo1", &["arp_validate=1", "fail_over_mac=2", "primary_reselect=1"]);
    has("bo1", &["arp_ip_targets=10.1.0.9,10.1.0.10"]);
    has("bo0", &["ad_select=1"]);
    has("ms0", &["cipher_suite=0080c20001000002", "sci=8ea570241ce3000b"]);
    has("gn0", &["tos=22"]);
    has("t60", &["proto=4"]);
    let Some(LinkKind::Vxlan(vx0)) = &find("vx0").info else { panic!("no VXLAN") };
    assert_eq!(vx0.link_ifindex, index("d0"));
    let Some(LinkKind::Bond(bo1)) = &find("bo1").info else { panic!("no bond") };
    assert_eq!((bo1.active_ifindex, bo1.primary_ifindex), (index("d3"), index("d3")));
    let Some(LinkRole::Vrf(d4)) = &find("d4").role else { panic!("no VRF") };
    assert_eq!(d4.table, Some(77));
    let Some(LinkRole::BondPort(d1)) = &find("d1").role else { panic!("no member") };
    assert_eq!(d1.mii_status, Some(2));
    assert_eq!((find("wg0").kind.as_deref(), &find("wg0").info), (Some("wireguard"), &None));
}

#[test]
fn vlans_and_groups_of_a_bridge_are_what_bridge_showed() {
    let theirs = json(include_str!("../data/nl/bridge-vlans.json"));
    let name = |index: u32| theirs["names"][index.to_string()].as_str().expect("a name").to_owned();
    let (mut ports, mut entries, mut groups): (Vec<PortVlans>, Vec<FdbEntry>, Vec<Mdb>) =
        Default::default();
    for row in rows(include_str!("../data/nl/bridge-vlans.hex")) {
        match row {
            RecordedRow::Vlans(port) => ports.push(port),
            RecordedRow::Fdb(entry) => entries.push(*entry),
            RecordedRow::Mdb(mdb) => groups.push(mdb),
            other => panic!("{other:?}"),
        }
    }
    let rows = theirs["vlan"].as_array().expect("a list");
    assert_eq!((ports.len(), rows.len()), (3, 3));
    for (port, row) in ports.iter().zip(rows) {
        assert_eq!(row["ifname"], name(port.ifindex));
        let each = port.vlans.iter().flat_map(|v| (v.vid..=v.vid_end).map(move |vid| (vid, v)));
        let rows = row["vlans"].as_array().expect("a list");
        assert_eq!(each.clone().count(), rows.len(), "{row:#}");
        for ((vid, vlan), row) in each.zip(rows) {
            assert_eq!(row["vlan"], vid);
            let flags: Vec<_> = vlan.flags.names().filter(|flag| *flag != "brentry").collect();
            let theirs = row.get("flags").cloned().unwrap_or(Value::Array(Vec::new()));
            assert_eq!(serde_json::to_value(flags).expect("JSON"), theirs, "{row:#}");
            assert_eq!(row["state"], vlan.state.expect("a state").to_string());
            assert_eq!(row["mcast_router"].as_u64(), vlan.mcast_router.map(u64::from));
            // The tool looked a little later.
            assert!(vlan.rx_bytes.is_some_and(|n| Some(n) <= row["rx_bytes"].as_u64()), "{row:#}");
            assert!(
                vlan.rx_packets.is_some_and(|n| Some(n) <= row["rx_packets"].as_u64()),
                "{row:#}"
            );
            assert!(vlan.tx_bytes.is_some_and(|n| Some(n) <= row["tx_bytes"].as_u64()), "{row:#}");
            assert!(
                vlan.tx_packets.is_some_and(|n| Some(n) <= row["tx_packets"].as_u64()),
                "{row:#}"
            );
        }
    }
    let rows = theirs["fdb"].as_array().expect("a list");
    assert_eq!(entries.len(), rows.len());
    for (entry, row) in entries.iter().zip(rows) {
        assert_eq!(row["mac"], entry.lladdr.to_string());
        assert_eq!(row["ifname"], name(entry.ifindex));
        assert_eq!(row["vlan"].as_u64(), entry.vlan.map(u64::from), "{row:#}");
        assert_eq!(row["master"].as_str().map(str::to_owned), entry.master_ifindex.map(&name));
    }
    assert!(entries.iter().any(|e| e.vlan == Some(30)));
    let members: Vec<_> = groups.iter().flat_map(|bridge| &bridge.members).collect();
    let rows = theirs["mdb"][0]["mdb"].as_array().expect("a list");
    assert_eq!(members.len(), rows.len());
    for (member, row) in members.iter().zip(rows) {
        assert_eq!(row["grp"], member.group.expect("an address").to_string());
        assert_eq!(row["port"], name(member.port_ifindex));
        assert_eq!(row["vid"].as_u64(), member.vlan.map(u64::from));
        assert_eq!(row["state"], member.state.to_string());
        assert_eq!(row["src"].as_str().map(str::to_owned), member.source.map(|s| s.to_string()));
    }
}

#[test]
fn older_kernels_tell_the_same_vlans_with_their_links() {
    let new = rows(include_str!("../data/nl/bridge-vlans.hex"));
    let old = rows(include_str!("../data/nl/bridge-vlans-old.hex"));
    let flat = |rows: &[RecordedRow]| {
        let mut all = Vec::new();
        for row in rows {
            let RecordedRow::Vlans(port) = row else { continue };
            for vlan in &port.vlans {
                let flags: Vec<_> = vlan.flags.names().filter(|flag| *flag != "brentry").collect();
                all.extend((vlan.vid..=vlan.vid_end).map(|vid| (port.ifindex, vid, flags.clone())));
            }
        }
        all.sort();
        all
    };
    assert_eq!(flat(&old), flat(&new));
    assert_eq!(flat(&old).len(), 10);
}

#[test]
fn every_discipline_is_what_tc_showed() {
    let theirs = json(include_str!("../data/nl/tc.json"));
    let (mut qdiscs, mut classes, mut filters): (Vec<Qdisc>, _, _) =
        (Vec::new(), Vec::new(), Vec::new());
    for row in rows(include_str!("../data/nl/tc.hex")) {
        match row {
            RecordedRow::Qdisc(qdisc) => qdiscs.push(*qdisc),
            RecordedRow::Class(class) => classes.push(*class),
            RecordedRow::Filter(filter) => filters.push(*filter),
            other => panic!("{other:?}"),
        }
    }
    let rows = theirs["qdisc"].as_array().expect("a list");
    assert_eq!(qdiscs.len(), rows.len());
    for (qdisc, row) in qdiscs.iter().zip(rows) {
        assert_eq!(row["kind"], qdisc.kind.as_str());
        // The tool looked a little later.
        assert!(Some(qdisc.stats.bytes) <= row["bytes"].as_u64(), "{row:#}");
        assert!(Some(qdisc.stats.packets) <= row["packets"].as_u64(), "{row:#}");
    }
    let told = |kind: &str| {
        let qdisc = qdiscs.iter().find(|qdisc| qdisc.kind == kind).expect("a discipline");
        let fields = qdisc.options.as_ref().expect("settings").fields();
        fields
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        told("htb"),
        "rate2quantum=5 default_class=:10 direct_packets=0 direct_qlen_packets=1000"
    );
    let netem = told("netem");
    let wanted =
        "limit_packets=500 delay_ns=10000000 jitter_ns=2000000 loss=42949673 gap_packets=0";
    assert!(netem.starts_with(wanted), "{netem}");
    assert_eq!(
        told("sfq"),
        "quantum_bytes=1514 perturb_s=10 limit_packets=127 divisor=1024 flows=128 depth_packets=127"
    );
    assert_eq!(told("prio"), "bands=4 priomap=1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1");
    let fq = told("fq");
    for word in
        ["limit_packets=2000 flow_limit_packets=50 quantum_bytes=3028", "horizon_us=10000000"]
    {
        assert!(fq.contains(word), "{word}: {fq}");
    }
    assert!(told("fq_codel").starts_with("target_us=6999 limit_packets=10240 interval_us=80000 ecn=true flows=1024 quantum_bytes=1514"), "{}", told("fq_codel"));
    assert_eq!(told("tbf").split(' ').next_back(), Some("burst_bytes=20480"));
    assert!(
        told("red").starts_with("limit_bytes=400000 min_bytes=30000 max_bytes=90000"),
        "{}",
        told("red")
    );
    assert!(told("cake").starts_with("bandwidth_bytes_per_s=625000"), "{}", told("cake"));
    assert_eq!(told("pfifo"), "limit=33");
    assert_eq!(classes.iter().filter(|class| class.kind == "htb").count(), 3);
    assert_eq!(classes.iter().filter(|class| class.kind == "prio").count(), 4);
    let flower = filters.iter().find(|f| f.options.dst_port == Some(80)).expect("flower");
    assert_eq!(flower.options.dst.map(|d| d.to_string()).as_deref(), Some("10.8.0.0/16"));
    assert_eq!((flower.options.ip_protocol, flower.kind.as_str()), (Some(6), "flower"));
    let drop = filters.iter().find(|f| f.options.src.is_some()).expect("flower");
    assert_eq!(drop.actions[0].verdict.map(|v| v.to_string()).as_deref(), Some("drop"));
    let matchall =
        filters.iter().find(|f| f.kind == "matchall" && f.handle != 0).expect("matchall");
    assert_eq!(matchall.options.class.map(|c| c.to_string()).as_deref(), Some("1:10"));
    assert_eq!(theirs["filters"].as_array().map(Vec::len), Some(9));
    assert_eq!(filters.len(), 12);
}
