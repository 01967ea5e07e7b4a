use serde_json::Value;
use vision_core::inventory::{Consistency, Rule, RuleAction};

use super::ns::{Ns, budget, number, same, text};

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
        same(
            "table",
            ours.table.map(|t| t.to_string()),
            text(row, "table"),
            row,
        );
        same(
            "protocol",
            ours.protocol.map(|t| t.to_string()),
            text(row, "protocol"),
            row,
        );
    }
}

fn compare(ours: &Rule, row: &Value) {
    same(
        "priority",
        Some(ours.priority.into()),
        number(row, "priority"),
        row,
    );
    for (key, len, prefix) in [("src", "srclen", ours.src), ("dst", "dstlen", ours.dst)] {
        let theirs = text(row, key).filter(|t| t != "all");
        same(key, prefix.map(|p| p.addr().to_string()), theirs, row);
        let bits = prefix
            .map(|p| u64::from(p.bits()))
            .filter(|b| *b != u64::from(prefix.map_or(0, |p| p.family().bits())));
        same(len, bits, number(row, len), row);
    }
    same(
        "iif",
        ours.iif.as_ref().map(|n| n.escaped().to_string()),
        text(row, "iif"),
        row,
    );
    same(
        "oif",
        ours.oif.as_ref().map(|n| n.escaped().to_string()),
        text(row, "oif"),
        row,
    );
    same("not", ours.invert, row.get("not").is_some(), row);
    same("l3mdev", ours.l3mdev, row.get("l3mdev").is_some(), row);
    same(
        "mark",
        ours.fwmark.map(|m| format!("{m:#x}")),
        text(row, "fwmark"),
        row,
    );
    let mask = ours
        .fwmask
        .filter(|m| *m != u32::MAX)
        .map(|m| format!("{m:#x}"));
    same("mask", mask, text(row, "fwmask"), row);
    same(
        "goto",
        ours.goto_priority.map(u64::from),
        number(row, "goto"),
        row,
    );
    same(
        "uid",
        ours.uid_range.map(|r| u64::from(r.0)),
        number(row, "uid_start"),
        row,
    );
    same(
        "uid",
        ours.uid_range.map(|r| u64::from(r.1)),
        number(row, "uid_end"),
        row,
    );
    same(
        "sport",
        ours.sport.map(|r| u64::from(r.0)),
        number(row, "sport_start"),
        row,
    );
    same(
        "sport",
        ours.sport.map(|r| u64::from(r.1)),
        number(row, "sport_end"),
        row,
    );
    same(
        "dport",
        ours.dport.map(|r| u64::from(r.0)),
        number(row, "dport"),
        row,
    );
    let proto = text(row, "ipproto").map(|p| p.replace("ipproto-", ""));
    same("proto", ours.ip_protocol.map(|p| p.to_string()), proto, row);
    let tos = Some(ours.tos)
        .filter(|t| *t != 0)
        .map(|t| format!("{t:#x}"));
    same("tos", tos, text(row, "tos"), row);
    same(
        "suppress",
        ours.suppress_prefix_bits.map(u64::from),
        number(row, "suppress_prefixlen"),
        row,
    );
    same(
        "group",
        ours.suppress_ifgroup.map(|g| g.to_string()),
        text(row, "suppress_ifgroup"),
        row,
    );
    let action = match ours.action {
        RuleAction::Lookup | RuleAction::Goto => None,
        RuleAction::Nop => {
            return assert!(row.get("nop").is_some() || text(row, "action").is_some());
        }
        other => Some(other.raw().to_string()),
    };
    let theirs = text(row, "action");
    same("action", action.is_some(), theirs.is_some(), row);
    same(
        "detached",
        ours.flags.names().any(|n| n == "iif_detached"),
        row.get("iif_detached").is_some(),
        row,
    );
}
