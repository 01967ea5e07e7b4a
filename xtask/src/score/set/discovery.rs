//! Filters that keep ARP and neighbour discovery from those who are asked, and filters of devices.

use vision_lab::{Bridge, Lab};

use super::{Built, frames::ask};
use crate::Result;
use crate::score::{
    container::listen,
    scenario::{Scenario, Site},
};

const FILTERED: &str = "neigh.answer-filtered";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(FILTERED, "policy drop that forgot neighbour discovery", policy_v6).seen(),
    Scenario::fault(FILTERED, "a rule about neighbour solicitations", rule_v6).seen(),
    Scenario::fault(FILTERED, "arp table of the peer, requests", requests).seen(),
    Scenario::fault(FILTERED, "arptables of the peer, answers", answers).seen(),
    Scenario::fault(FILTERED, "arp table of the host, by bridge", gateway).seen(),
    Scenario::fault("firewall.rule-drop", "at the ingress of a bridge port", ingress).seen(),
    Scenario::fault("firewall.rule-drop", "at the egress of a device", egress).seen(),
    Scenario::fault(FILTERED, "the asker's own policy, nothing asked", own_policy)
        .related(&["firewall.policy-drop"])
        .seen(),
    Scenario::healthy("policy drop that lets neighbour discovery pass", policy_well).seen(),
    Scenario::healthy("arp table about others", about_others).seen(),
    Scenario::healthy("ingress of another port", other_port).seen(),
];

/// A host with two containers, of which the second has a filter.
fn filtered(lab: &Lab, filter: &str, v6: bool) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let db = bridge.container("db");
    db.try_sh(filter)?;
    // What was learnt before the filter came would carry for a while.
    for container in &bridge.containers {
        container.try_sh("ip neigh flush all")?;
    }
    Ok(ask(&bridge, v6)?.blame(db))
}

/// The input chain of a careful host, with one more rule.
fn careful(rule: &str) -> String {
    format!(
        "nft 'table ip6 f {{ chain c {{ type filter hook input priority 0; policy drop;
           ct state established,related accept; tcp dport 443 accept; icmpv6 type echo-request accept; {rule} }}; }}'"
    )
}

fn policy_v6(lab: &Lab) -> Built {
    filtered(lab, &careful(""), true)
}

fn policy_well(lab: &Lab) -> Built {
    let rule = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept;";
    filtered(lab, &careful(rule), true)
}

fn rule_v6(lab: &Lab) -> Built {
    let filter = "nft 'table inet f { chain c { type filter hook input priority 0;
        icmpv6 type nd-neighbor-solicit counter drop; }; }'";
    filtered(lab, filter, true)
}

fn requests(lab: &Lab) -> Built {
    let filter = "nft 'table arp f { chain c { type filter hook input priority 0;
        arp operation request counter drop; }; }'";
    filtered(lab, filter, false)
}

fn answers(lab: &Lab) -> Built {
    filtered(lab, "arptables-nft -A OUTPUT --opcode Reply -j DROP", false)
}

fn about_others(lab: &Lab) -> Built {
    let filter = "nft 'table arp f { chain c { type filter hook input priority 0;
        arp operation request arp saddr ip 198.51.100.9 counter drop; }; }'";
    filtered(lab, filter, false)
}

fn gateway(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(outside, 443)?;
    bridge.host.try_sh(
        "nft 'table arp f { chain c { type filter hook input priority 0; iifname \"br0\" drop; }; }'",
    )?;
    web.try_sh("ip neigh flush all")?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(&bridge.host))
}

/// A rule that drops what comes in by a container's port of the bridge.
fn at_ingress(bridge: &Bridge, port: &str) -> Result<()> {
    bridge.host.try_sh(&format!(
        "nft 'table netdev f {{ chain c {{ type filter hook ingress device \"{port}\" priority 0; tcp dport 443 drop; }}; }}'"
    ))?;
    Ok(())
}

fn ingress(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(outside, 443)?;
    at_ingress(&bridge, "v-web")?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(&bridge.host))
}

fn other_port(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db", "other"])?;
    at_ingress(&bridge, "v-other")?;
    ask(&bridge, false)
}

fn egress(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(
        "nft 'table netdev d { chain e { type filter hook egress device eth1 priority 0; tcp dport 80 counter drop; }; }'",
    )?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80).blame(&r))
}

fn own_policy(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let web = bridge.container("web");
    web.try_sh(&careful("iif lo accept;"))?;
    web.try_sh("ip neigh flush all")?;
    Ok(Site::at(web).blame(web))
}
