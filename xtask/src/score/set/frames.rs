//! Filters that frames between two containers of one bridge pass: rules for IP, where the bridge calls
//! them, and the family of bridges.

use vision_lab::{Bridge, Lab};

use super::Built;
use crate::Result;
use crate::score::{
    container::listen,
    scenario::{Scenario, Site},
};

const DROP: &str = "firewall.rule-drop";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(DROP, "containers of one bridge are kept apart, iptables", apart).seen(),
    Scenario::fault(DROP, "containers of one bridge are kept apart, v6", apart_v6).seen(),
    Scenario::fault("firewall.policy-drop", "policy of forwarding, by bridge", policy).seen(),
    Scenario::fault("firewall.reject", "refused between two ports", refused).seen(),
    Scenario::fault("firewall.legacy-drop", "legacy rule between two ports", legacy).seen(),
    Scenario::fault(DROP, "family of bridges, with counter", bridge_family).seen(),
    Scenario::fault(DROP, "family of bridges, the answers", bridge_answers).seen(),
    Scenario::fault(DROP, "ebtables", ebtables).seen(),
    Scenario::fault("neigh.answer-filtered", "family of bridges, ARP", bridge_arp).seen(),
    Scenario::fault(DROP, "peer's own, beside rules of the bridge about others", own).seen(),
    Scenario::healthy("rules that would keep containers apart are not called", not_called).seen(),
    Scenario::healthy("policy of forwarding, the bridge let pass", let_pass).seen(),
];

/// Two containers whose frames the host's rules for IP see, or do not.
fn called(lab: &Lab, calls: bool) -> Result<Bridge> {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let value = if calls { "1" } else { "0" };
    bridge.host.sysctl("net/bridge/bridge-nf-call-iptables", value)?;
    bridge.host.sysctl("net/bridge/bridge-nf-call-ip6tables", value)?;
    Ok(bridge)
}

/// Asks for a service of `db` from `web`.
pub(super) fn ask(bridge: &Bridge, v6: bool) -> Built {
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let site = Site::at(web).keep(listen(db, 443)?);
    Ok(match v6 {
        true => site.ask_tcp(db.v6(), 443),
        false => site.ask_tcp(db.v4(), 443),
    })
}

/// Blames the host for a script that it runs.
fn by_host(lab: &Lab, calls: bool, script: &str, v6: bool) -> Built {
    let bridge = called(lab, calls)?;
    bridge.host.try_sh(script)?;
    Ok(ask(&bridge, v6)?.blame(&bridge.host))
}

fn apart(lab: &Lab) -> Built {
    by_host(lab, true, "iptables-nft -A FORWARD -i br0 -o br0 -j DROP", false)
}

fn apart_v6(lab: &Lab) -> Built {
    by_host(lab, true, "ip6tables-nft -A FORWARD -i br0 -o br0 -p tcp -j DROP", true)
}

fn policy(lab: &Lab) -> Built {
    let rules = "nft 'table inet f { chain c { type filter hook forward priority 0; policy drop;
        ct state established,related accept; oifname != \"br0\" accept; }; }'";
    by_host(lab, true, rules, false)
}

fn refused(lab: &Lab) -> Built {
    let rule = "iptables-nft -A FORWARD -i br0 -o br0 -p tcp --dport 443 -j REJECT --reject-with tcp-reset";
    by_host(lab, true, rule, false)
}

fn legacy(lab: &Lab) -> Built {
    by_host(lab, true, "iptables-legacy -A FORWARD -i br0 -o br0 -j DROP", false)
}

/// A table of the bridge family with one rule about what is handed on.
fn forwarding(rule: &str) -> String {
    format!("nft 'table bridge f {{ chain c {{ type filter hook forward priority 0; {rule} }}; }}'")
}

fn bridge_family(lab: &Lab) -> Built {
    let rule = forwarding("iifname \"v-web\" tcp dport 443 counter drop;");
    by_host(lab, false, &rule, false)
}

fn bridge_answers(lab: &Lab) -> Built {
    by_host(lab, false, &forwarding("tcp sport 443 counter drop;"), false)
}

fn bridge_arp(lab: &Lab) -> Built {
    let bridge = called(lab, false)?;
    bridge.host.try_sh(&forwarding("ether type arp counter drop;"))?;
    for container in &bridge.containers {
        container.try_sh("ip neigh flush all")?;
    }
    Ok(ask(&bridge, false)?.blame(&bridge.host))
}

fn ebtables(lab: &Lab) -> Built {
    let bridge = called(lab, false)?;
    let db = bridge.container("db").v4();
    bridge.host.try_sh(&format!("ebtables-nft -A FORWARD -p IPv4 --ip-dst {db} -j DROP"))?;
    Ok(ask(&bridge, false)?.blame(&bridge.host))
}

fn own(lab: &Lab) -> Built {
    let bridge = called(lab, false)?;
    bridge.host.try_sh(&forwarding("iifname \"v-x\" drop; ip daddr 198.51.100.9 drop;"))?;
    let db = bridge.container("db");
    db.try_sh(
        "nft 'table inet f { chain c { type filter hook input priority 0; tcp dport 443 drop; }; }'",
    )?;
    Ok(ask(&bridge, false)?.blame(db))
}

fn not_called(lab: &Lab) -> Built {
    by_host(lab, false, "iptables-nft -A FORWARD -i br0 -o br0 -j DROP", false)
}

fn let_pass(lab: &Lab) -> Built {
    let rules = "iptables-nft -P FORWARD DROP
        iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        iptables-nft -A FORWARD -i br0 -o br0 -j ACCEPT";
    by_host(lab, true, rules, false)
}
