use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Purpose, Scene};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The container is connected by a routed veth: its gateway is nobody's address, and the host answers ARP
for it. With proxy_arp off on the host's end nobody answers.

How it shows: the whole container is cut off; the entry of the gateway, often 169.254.1.1, is FAILED.
How it is proved: the gateway was asked live and stayed silent, no interface in sight has its address, and the
host routes the container's address to the very end of the veth pair whose proxy_arp is 0.
What to do: set net.ipv4.conf.VETH.proxy_arp to 1 on the host.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighProxyArpOff, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighProxyArpOff;

impl Rule for NeighProxyArpOff {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "nobody on the way has to answer for others", finding)
    }
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let wire = stretch.wire;
    let nobody = !wire.arrives && wire.owner.is_empty();
    let gateway = stretch.hop.via_gateway() || stretch.flow.purpose == Purpose::Gateway;
    if !nobody || !gateway || wire.neighbour.is_ipv6() {
        return None;
    }
    let mute = |step: &&WireLink| {
        step.is_veth()
            && !step.addressed
            && step
                .answering
                .is_some_and(|a| a.proxy_arp == Some(false) && a.leads_back == Some(true))
    };
    let end = wire.way.get(1).filter(mute)?;
    let name = shown(&end.link.name);
    let summary = format!(
        "{}: proxy_arp is off on {name}, so nobody answers {} for its gateway {}",
        end.place, stretch.hop.vantage.name, wire.neighbour
    );
    let key = format!("net.ipv4.conf.{name}.proxy_arp");
    let draft = stretch
        .accuse(META.cause, end, summary)
        .evidence(stretch.fact(end, key.clone(), "0"))
        .evidence(stretch.fact(end, "way to the container".to_owned(), format!("dev {name}")));
    Some(draft.command(format!("sysctl -w {key}=1"), Risk::Safe))
}
