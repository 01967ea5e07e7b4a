use serde_json::Value;
use vision_core::Prefix;
use vision_core::inventory::{Consistency, Rule, RuleAction};

use vision_lab::{require, whole_machine};

use super::ns::{Ns, budget, fields, same, show, text};

const SETUP: &str = "
    ip link add va type veth peer name vb
    ip rule add from 10.1.0.0/16 to 10.2.0.0/24 iif va fwmark 0x10/0xff table 100 priority 100
    ip rule add not oif vb uidrange 1000-2000 lookup main suppress_prefixlength 0 priority 200
    ip rule add ipproto tcp sport 1000-1010 dport 53 blackhole priority 300
    ip rule add tos 0x10 prohibit priority 400
    ip rule add l3mdev priority 500 || true
    ip rule add goto 32766 priority 600
    ip rule add iif gone0 table 7 priority 700 protocol static
    ip rule add nop priority 800
    ip -6 rule add from fd00:1::/64 unreachable priority 100
    ip -6 rule add to fd00:2::/64 table 4000000000 suppress_ifgroup 9 priority 200";

#[test]
fn every_field_of_every_rule_is_what_ip_shows() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let dump = ns.inventory().rules(&budget()).expect("rules");
    assert_eq!(dump.consistent, Consistency::Yes);
    let mut theirs = ns.json("ip -N -j -d -4 rule");
    theirs.extend(ns.json("ip -N -j -d -6 rule"));
    assert_eq!(dump.items.len(), theirs.len());
    for (ours, row) in dump.items.iter().zip(&theirs) {
        compare(ours, row);
    }
    let named = ns.json("ip -j -d -4 rule");
    for (ours, row) in dump.items.iter().zip(&named) {
        same("table", ours.table.map(|t| t.to_string()), text(row, "table"), row);
        same("protocol", ours.protocol.map(|t| t.to_string()), text(row, "protocol"), row);
    }
}

fn compare(ours: &Rule, row: &Value) {
    selectors(ours, row);
    let table = [
        ("priority", show(Some(ours.priority))),
        ("goto", show(ours.goto_priority)),
        ("suppress_prefixlen", show(ours.suppress_prefix_bits)),
        ("suppress_ifgroup", show(ours.suppress_ifgroup)),
    ];
    fields(row, &table);
    let has = |flag: &str| ours.flags.names().any(|n| n == flag);
    for (key, ours) in [
        ("not", ours.invert),
        ("l3mdev", ours.l3mdev),
        ("iif_detached", has("iif_detached")),
        ("oif_detached", has("oif_detached")),
        ("unresolved", has("unresolved")),
    ] {
        same(key, ours, row.get(key).is_some(), row);
    }
    let action = match ours.action {
        RuleAction::Lookup | RuleAction::Goto => None,
        RuleAction::Nop => return assert!(row.to_string().contains("nop"), "{row}"),
        other => Some(other.raw().to_string()),
    };
    same("action", action, text(row, "action"), row);
}

fn selectors(ours: &Rule, row: &Value) {
    let bits = |p: Option<Prefix>| p.filter(|p| p.bits() != p.family().bits()).map(|p| p.bits());
    let addr = |p: Option<Prefix>| p.map(|p| p.addr());
    let hex = |n: u32| format!("{n:#x}");
    let (src, theirs) = (show(addr(ours.src)), text(row, "src").filter(|t| t != "all"));
    same("src", src, theirs, row);
    let table = [
        ("srclen", show(bits(ours.src))),
        ("dst", show(addr(ours.dst))),
        ("dstlen", show(bits(ours.dst))),
        ("iif", show(ours.iif.as_ref().map(|n| n.escaped()))),
        ("oif", show(ours.oif.as_ref().map(|n| n.escaped()))),
        ("fwmark", ours.fwmark.map(hex)),
        ("fwmask", ours.fwmask.filter(|m| *m != u32::MAX).map(hex)),
        ("tos", Some(ours.tos.into()).filter(|t| *t != 0).map(hex)),
        ("uid_start", show(ours.uid_range.map(|r| r.0))),
        ("uid_end", show(ours.uid_range.map(|r| r.1))),
        ("sport_start", show(ours.sport.map(|r| r.0))),
        ("sport_end", show(ours.sport.map(|r| r.1))),
        ("dport", show(ours.dport.map(|r| r.0))),
        ("ipproto", show(ours.ip_protocol.map(|p| format!("ipproto-{p}")))),
    ];
    fields(row, &table);
}
