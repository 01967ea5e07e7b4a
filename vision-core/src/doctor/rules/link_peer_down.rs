use super::text::{Draft, evidence, link_state, link_subject, shown, symptom};
use super::wires::{cut_off, downed_end, is_cut_off, is_pair};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Purpose, Scene};
use crate::doctor::{Cause, Evidence};
use crate::inventory::{Link, Sections};

const DOCS: &str = "\
The interface is up but has no carrier: the other end of the veth pair, or the device below, is
down or gone.

How it shows: connections time out or fail with EHOSTUNREACH after three seconds; the link says
NO-CARRIER or LOWERLAYERDOWN, and its routes are marked linkdown.
How it is told from a dead gateway: nothing leaves the link at all, so no neighbour could answer.
What to do: set the other end up, on the host or in the other container.";

static META: RuleMeta = RuleMeta {
    cause: Cause::LinkPeerDown,
    needs: Sections::LINKS.union(Sections::ROUTES),
    docs: DOCS,
};

pub(super) struct LinkPeerDown;

impl Rule for LinkPeerDown {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            if let Some(link) = without_carrier(flow, hop) {
                // A router's own link that is down is named as that.
                if cut_off(scene, flow).is_some_and(|(_, _, port)| is_pair(port, link)) {
                    continue;
                }
                let overrides = is_cut_off(flow, hop, link);
                let hit = finding(scene, flow, hop, link).hit(n, position);
                hits.push(Hit { overrides, ..hit });
            }
        }
        Answer::from_hits(hits, || {
            Answer::RuledOut("every link on the way that could be seen has a carrier".to_owned())
        })
    }
}

/// The link without a carrier that the hop's packets would take.
fn without_carrier<'a>(flow: &Flow<'_>, hop: &Hop<'a>) -> Option<&'a Link> {
    let dead = |link: &Link| link.is_up() && !link.is_loopback() && !link.has_carrier();
    if flow.purpose == Purpose::Anywhere {
        return hop.up_links().find(|link| dead(link));
    }
    if let Some(link) = hop.egress() {
        return Some(link).filter(|link| dead(link));
    }
    // With ignore_routes_with_linkdown the route is passed over as if it were not there.
    let routes = hop.vantage.state()?.routes.as_ref()?;
    let covering = routes.items.iter().filter(|r| r.dst.contains(hop.towards));
    let mut links = covering.filter_map(|route| hop.vantage.link(route.oif_ifindex?));
    links.find(|link| dead(link)).filter(|_| hop.has_no_route())
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, hop: &Hop<'_>, link: &Link) -> Draft {
    let name = shown(&link.name);
    let end = match link.kind.as_deref() {
        Some("veth") => "the other end of the veth pair is down",
        Some("bridge") => "none of its ports has one",
        _ => "the device below or the cable is down",
    };
    let summary = format!("{}: {name} has no carrier: {end}", hop.vantage.name);
    let state = evidence(hop, hop.at, format!("state of link {name}"), link_state(link));
    let mut draft = Draft::new(META.cause, hop, link_subject(link), summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    draft.evidence(state).all(far_end(scene, hop, link)).prose(match link.kind.as_deref() {
        Some("veth") => "set the other end of the veth pair up: ip link set dev PEER up",
        _ => "set the device below up, or plug it in",
    })
}

/// The other end of a veth pair, where a vantage shows it.
fn far_end(scene: &Scene<'_>, hop: &Hop<'_>, link: &Link) -> Option<Evidence> {
    let (vantage, peer) = downed_end(scene, hop.vantage, link)?;
    Some(Evidence {
        asked: format!("state of the other end, {}", shown(&peer.name)),
        place: vantage.name.clone(),
        seen: link_state(peer),
        at: vantage.state().map_or(hop.at, |s| s.at),
    })
}
