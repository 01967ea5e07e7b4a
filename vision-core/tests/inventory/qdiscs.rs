//! Traffic control against `tc`.

use serde_json::Value;
use vision_core::inventory::qdisc::{QdiscOptions, TcVerdict};
use vision_core::inventory::{Consistency, Qdisc, TcHandle, TcStats};

use super::ns::{Ns, budget, fields, same, show, text};

const SETUP: &str = "
    for n in 1 2 3; do ip link add v$n type veth peer name w$n; ip link set v$n up; ip link set w$n up; done
    ip addr add 10.1.1.1/24 dev v1; ip addr add 10.1.2.1/24 dev v2
    tc qdisc add dev v1 root handle 1: htb default 10
    tc class add dev v1 parent 1: classid 1:1 htb rate 10mbit ceil 20mbit
    tc class add dev v1 parent 1:1 classid 1:10 htb rate 3mbit ceil 5mbit prio 2 burst 30k
    tc class add dev v1 parent 1:1 classid 1:20 htb rate 40gbit quantum 2000
    tc qdisc add dev v1 parent 1:10 handle 10: tbf rate 2mbit burst 20k latency 50ms
    tc filter add dev v1 parent 1: protocol ip prio 5 u32 match ip dst 10.9.0.0/16 match ip dport 53 0xffff flowid 1:20
    tc filter add dev v1 parent 1: protocol ipv6 prio 6 u32 match u32 0 0 flowid 1:10
    tc qdisc add dev v2 root handle 2: pfifo limit 3
    tc qdisc add dev w2 clsact
    tc filter add dev w2 ingress protocol all prio 3 u32 match u32 0 0 action mirred egress redirect dev lo
    tc qdisc add dev w3 ingress
    tc qdisc add dev v3 root bfifo limit 9000
    ip neigh add 10.1.1.9 lladdr 02:00:00:00:00:09 dev v1
    ip neigh add 10.1.2.9 lladdr 02:00:00:00:00:09 dev v2
    ping -c3 -i0.02 -W1 10.1.1.9 || true
    ping -c3 -i0.02 -W1 10.1.2.9 || true";

fn stats(stats: &TcStats, row: &Value) {
    let table = [
        ("bytes", show(Some(stats.bytes))),
        ("packets", show(Some(stats.packets))),
        ("drops", show(Some(stats.drops))),
        ("overlimits", show(Some(stats.overlimits))),
        ("requeues", show(Some(stats.requeues))),
        ("backlog", show(Some(stats.backlog_bytes))),
        ("qlen", show(Some(stats.backlog_packets))),
    ];
    fields(row, &table);
}

/// What comes after a word in a line of `tc`.
fn after<'l>(line: &'l str, word: &str) -> Option<&'l str> {
    let mut words = line.split_whitespace().skip_while(|w| *w != word);
    words.nth(1)
}

#[test]
fn disciplines_and_their_counters_are_what_tc_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    let links = inventory.links(&budget()).expect("links").items;
    let (dump, theirs) = loop {
        let before = inventory.qdiscs(&budget()).expect("disciplines");
        let theirs = ns.json("tc -j -s -d qdisc");
        if inventory.qdiscs(&budget()).expect("disciplines") == before {
            break (before, theirs);
        }
    };
    assert_eq!((dump.consistent, dump.unreadable), (Consistency::Yes, 0));
    assert_eq!(dump.items.len(), theirs.len());
    for (qdisc, row) in dump.items.iter().zip(&theirs) {
        let link = links.iter().find(|l| l.ifindex == qdisc.ifindex).expect("its interface");
        let handle = match qdisc.handle {
            TcHandle::NONE => "0:".to_owned(),
            handle => handle.to_string(),
        };
        let parent = match qdisc.parent {
            TcHandle::ROOT => None,
            parent => Some(parent.to_string()),
        };
        let table = [
            ("kind", Some(qdisc.kind.clone())),
            ("handle", Some(handle)),
            ("dev", show(Some(link.name.escaped()))),
            ("parent", parent),
        ];
        fields(row, &table);
        stats(&qdisc.stats, row);
        options(qdisc, &row["options"]);
    }
    let sent = dump.items.iter().filter(|q| q.stats.packets > 0).count();
    assert!(sent >= 3, "{dump:?}");
}

fn options(qdisc: &Qdisc, row: &Value) {
    match qdisc.options.as_ref() {
        Some(QdiscOptions::Htb(htb)) => fields(
            row,
            &[
                ("r2q", show(htb.rate2quantum)),
                ("default", htb.default_class.map(|c| format!("0x{:x}", c.raw()))),
                ("direct_packets_stat", show(htb.direct_packets)),
                ("direct_qlen", show(htb.direct_qlen_packets)),
            ],
        ),
        Some(QdiscOptions::Tbf(tbf)) => {
            fields(row, &[("rate", show(tbf.rate_bytes_per_s))]);
            let burst = tbf.burst_bytes.map(|bytes| format!("{}Kb/1", bytes / 1024));
            same("burst", burst, text(row, "burst"), row);
        }
        Some(QdiscOptions::Fifo(fifo)) => {
            let limit = text(row, "limit").expect("a limit");
            let digits = limit.trim_end_matches(|c: char| c.is_alphabetic());
            same("limit", show(fifo.limit), Some(digits.to_owned()), row);
        }
        None => {
            assert!(["noqueue", "clsact", "ingress"].contains(&qdisc.kind.as_str()), "{qdisc:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn classes_are_what_tc_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    let links = inventory.links(&budget()).expect("links").items;
    let v1 = links.iter().find(|l| l.name == *"v1").expect("v1").ifindex;
    let classes = inventory.classes(v1, &budget()).expect("classes").items;
    // This version of tc has no JSON of classes.
    let told = ns.sh("tc -s -d class show dev v1");
    let lines: Vec<_> = told.lines().filter(|line| line.starts_with("class htb")).collect();
    let htb: Vec<_> = classes.iter().filter(|class| class.kind == "htb").collect();
    assert_eq!((htb.len(), lines.len()), (3, 3));
    for (class, line) in htb.iter().zip(&lines) {
        let settings = class.htb.as_ref().expect("settings");
        assert_eq!(line.split_whitespace().nth(2), Some(&*class.handle.to_string()), "{line}");
        let bits = |rate: Option<u64>| match rate.unwrap_or(0) * 8 {
            bits if bits >= 1_000_000_000 => format!("{}Gbit", bits / 1_000_000_000),
            bits => format!("{}Mbit", bits / 1_000_000),
        };
        assert_eq!(after(line, "rate"), Some(&*bits(settings.rate_bytes_per_s)), "{line}");
        assert_eq!(after(line, "ceil"), Some(&*bits(settings.ceil_bytes_per_s)), "{line}");
        assert_eq!(after(line, "leaf"), class.leaf.map(|l| l.to_string()).as_deref(), "{line}");
        assert_eq!(after(line, "level"), show(settings.level).as_deref(), "{line}");
        match settings.level {
            Some(0) => assert_eq!(after(line, "prio"), show(settings.prio).as_deref(), "{line}"),
            _ => assert_eq!(class.parent, TcHandle::ROOT),
        }
    }
    let ten = htb.iter().find(|class| class.handle.to_string() == "1:10").expect("1:10");
    assert_eq!(ten.htb.as_ref().and_then(|htb| htb.burst_bytes), Some(30 * 1024));
    assert!(ten.stats.packets >= 3, "{ten:?}");
    let ten = lines.iter().position(|line| line.contains("1:10")).expect("1:10");
    let sent = told.lines().filter(|line| line.trim_start().starts_with("Sent")).nth(ten);
    let wanted = format!("Sent {} bytes {} pkt", htb[ten].stats.bytes, htb[ten].stats.packets);
    assert!(sent.expect("counters").contains(&wanted), "{wanted}: {told}");
}

#[test]
fn filters_and_actions_are_what_tc_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    let links = inventory.links(&budget()).expect("links").items;
    let index = |name: &str| links.iter().find(|l| l.name == *name).expect("an interface").ifindex;
    let root = TcHandle::from_raw(0x1_0000);
    let cases = [
        ("v1", root, "tc -j -s filter show dev v1"),
        ("w2", TcHandle::INGRESS, "tc -j -s filter show dev w2 ingress"),
        ("w2", TcHandle::EGRESS, "tc -j -s filter show dev w2 egress"),
        ("w3", "ffff:".parse().expect("a handle"), "tc -j -s filter show dev w3 ingress"),
    ];
    let mut keys = Vec::new();
    for (dev, parent, command) in cases {
        let ours = inventory.filters(index(dev), parent, &budget()).expect("filters");
        assert_eq!(ours.unreadable, 0);
        let theirs = ns.json(command);
        assert_eq!(ours.items.len(), theirs.len(), "{dev}: {theirs:#?}");
        for (filter, row) in ours.items.iter().zip(&theirs) {
            let protocol = match filter.ethertype {
                3 => "all",
                0x800 => "ip",
                0x86dd => "ipv6",
                other => panic!("{other:x}"),
            };
            let table = [
                ("kind", Some(filter.kind.clone())),
                ("pref", show(Some(filter.priority))),
                ("protocol", Some(protocol.to_owned())),
                ("chain", show(filter.chain)),
            ];
            fields(row, &table);
            let class = row["options"].get("flowid").and_then(Value::as_str).map(str::to_owned);
            same("class", show(filter.options.class), class.filter(|c| !c.is_empty()), row);
            keys.extend(filter.options.u32_keys.clone());
            let acts = row["options"].get("actions").and_then(Value::as_array);
            let acts = acts.cloned().unwrap_or_default();
            assert_eq!(filter.actions.len(), acts.len(), "{row:#}");
            for (action, row) in filter.actions.iter().zip(&acts) {
                assert_eq!(row["kind"], action.kind);
                assert_eq!(row["to_dev"], "lo");
                assert_eq!(action.target_ifindex, Some(index("lo")));
                assert_eq!(action.verdict, Some(TcVerdict::Stolen));
                stats(&action.stats, &row["stats"]);
                assert!(action.stats.packets >= 3, "{action:?}");
            }
        }
    }
    let wanted = [
        "0a090000/ffff0000 at 16",
        "00000035/0000ffff at 20",
        "00000000/00000000 at 0",
        "00000000/00000000 at 0",
    ];
    assert_eq!(keys, wanted);
}
