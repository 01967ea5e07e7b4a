//! What only speaks from out of sight, and what decides by more than the destination: policy rules
//! that look at the source or the link, translation that hides the way back.

use vision_lab::{Fault, Hook, Lab, Node, Proto};

use super::Built;
use crate::Result;
use crate::score::{
    container::{beside, listen, nameserver, silent_nameserver, with_dns},
    scenario::{Scenario, Site},
};

const DIVERTS: &str = "route.rule-diverts";
const REFUSES: &str = "route.unreachable";
const RULE_DROP: &str = "firewall.rule-drop";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault("route.loop", "between two routers out of sight, v4 TCP", loop_out_of_sight),
    Scenario::fault("firewall.reject", "prohibited by a router out of sight, v4", prohibited)
        .or(&[REFUSES]),
    Scenario::fault(REFUSES, "second router out of sight, v4 TCP", unreachable_out_of_sight),
    Scenario::fault(DIVERTS, "own rule by source, to a dead gateway", diverted_by_source),
    Scenario::fault("route.blackhole", "router's rule by incoming link", hole_by_link)
        .or(&[DIVERTS])
        .seen(),
    Scenario::fault(RULE_DROP, "masqueraded, routers know no way back", dropped_behind_nat).seen(),
    Scenario::fault("dns.server-silent", "host asked for by name alone", silent_by_name_alone),
    Scenario::fault(RULE_DROP, "nameserver's host drops its queries", queries_dropped).seen(),
    Scenario::healthy("masqueraded, routers know no way back", behind_nat).seen(),
    Scenario::healthy("own rule by source, the same way", same_way_by_source),
    Scenario::healthy("router's rule by incoming link, the same way", same_way_by_link).seen(),
    Scenario::healthy("marked packets only are thrown away", marks_only),
];

/// The gateway of a node's way to an address, as its own tables say.
fn via(to: impl std::fmt::Display) -> String {
    format!("$(ip route get {to} | sed -n 's/.* via \\([^ ]*\\) .*/\\1/p')")
}

fn loop_out_of_sight(lab: &Lab) -> Built {
    let [a, _, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    let server = listen(&b, 443)?;
    s.try_sh(&format!("ip route add {}/32 via {}", b.v4(), via(a.v4())))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn prohibited(lab: &Lab) -> Built {
    let [a, _, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    s.try_sh(&format!("ip route add prohibit {}/32", b.v4()))?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 443))
}

fn unreachable_out_of_sight(lab: &Lab) -> Built {
    let [a, _, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    s.try_sh(&format!("ip route add unreachable {}/32", b.v4()))?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 443))
}

/// The first look-up of a connect has no source yet and goes by the main table.
fn diverted_by_source(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    a.try_sh(&format!(
        "ip route add default via {} dev eth0 table 100
         ip rule add from {}/32 lookup 100",
        beside(&a, 250),
        a.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&a))
}

fn hole_by_link(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh("ip route add blackhole default table 200; ip rule add iif eth0 lookup 200")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

/// The first router hides `a`; of the others each has its default route to the other, as where the
/// internet is a default route away: their way back to `a` goes round, and no packet takes it.
fn hide(a: &Node, [r0, r1, r2]: [&Node; 3], b: &Node) -> Result<()> {
    r0.try_sh(
        "nft 'add table ip lab_hide
         add chain ip lab_hide post { type nat hook postrouting priority 100 ; }
         add rule ip lab_hide post oifname eth1 masquerade'",
    )?;
    let lose = format!("ip route del {}/24", beside(a, 0));
    r2.try_sh(&format!("ip route add default via {}; {lose}", via(r0.v4())))?;
    r1.try_sh(&format!("ip route add default via {}; {lose}", via(b.v4())))?;
    Ok(())
}

fn dropped_behind_nat(lab: &Lab) -> Built {
    let [a, r0, r1, r2, b] = lab.chain(["a", "r0", "r1", "r2", "b"])?;
    let server = listen(&b, 443)?;
    hide(&a, [&r0, &r1, &r2], &b)?;
    lab.fault(&b, Fault::Drop { hook: Hook::Input, proto: Proto::Tcp, dport: Some(443) })?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&b))
}

fn behind_nat(lab: &Lab) -> Built {
    let [a, r0, r1, r2, b] = lab.chain(["a", "r0", "r1", "r2", "b"])?;
    let server = listen(&b, 443)?;
    hide(&a, [&r0, &r1, &r2], &b)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

/// That the nameserver's host answers echo requests says nothing about the host asked for.
fn silent_by_name_alone(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = silent_nameserver(&b)?;
    Ok(Site::in_process(with_dns(&a, b.v4())?).keep(server).ask("db.example"))
}

fn queries_dropped(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = nameserver(&b, &b)?;
    lab.fault(&b, Fault::Drop { hook: Hook::Input, proto: Proto::Udp, dport: Some(53) })?;
    Ok(Site::in_process(with_dns(&a, b.v4())?).keep(server).ask("db.example:80").blame(&b))
}

fn same_way_by_source(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    a.try_sh(&format!(
        "ip route add default via {} dev eth0 table 100
         ip rule add from {}/32 lookup 100",
        via(b.v4()),
        a.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn same_way_by_link(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh(&format!(
        "ip route add {}/24 dev eth1 table 200
         ip rule add iif eth0 lookup 200",
        beside(&b, 0)
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn marks_only(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(
        "ip route add blackhole default table 107
         ip rule add fwmark 7 lookup 107",
    )?;
    Ok(Site::at(&a).ask(b.v4()))
}
