use super::mtu_veth_mismatch::{link_moved, swallowed, where_swallowed};
use super::text::{Draft, evidence, link_subject, shown};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::{FullSizeRecord, Vantage};
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, Confidence, Risk, Severity};
use crate::inventory::kind::{Df, Vxlan};
use crate::inventory::{Link, LinkKind, Sections};

const DOCS: &str = "\
The interface of a VXLAN tunnel takes packets that no longer fit the network below once the tunnel's own
headers are put before them (50 bytes over IPv4, 70 over IPv6). The outer packets may not be fragmented,
or their fragments are lost, and the sender is not told.

How it shows: within a node all is well; to other nodes connections open and large transfers hang.
How it is proved: two large echo requests stay unanswered while small ones are answered, and the packets
pass a VXLAN interface whose MTU and headers together exceed the MTU of the interface below. Where the outer packets may be fragmented it is `likely`.
What to do: give the tunnel's interface, and the containers behind it, an MTU that leaves room for the headers.";

static META: RuleMeta =
    RuleMeta { cause: Cause::MtuOverlayOverhead, needs: Sections::LINKS, docs: DOCS };

pub(super) struct MtuOverlayOverhead;

impl Rule for MtuOverlayOverhead {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        where_swallowed(scene, finding)
    }
}

/// A tunnel on the way, and what is below it.
struct Tunnel<'a> {
    vantage: &'a Vantage,
    link: &'a Link,
    below: &'a Link,
    /// Bytes before each packet: Ethernet, VXLAN, UDP and IP (RFC 7348 §5).
    overhead: u32,
    /// Whether the outer packets may be fragmented.
    fragments: bool,
}

/// The tunnels whose interface the packets or their answers leave by, routed to or as a bridge's port.
fn tunnels<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Vec<Tunnel<'a>> {
    let hops = || flow.hops.iter().chain(&flow.back);
    let routed = hops().filter_map(|hop| Some((hop.vantage, hop.egress()?.ifindex)));
    let steps = hops().filter_map(|hop| scene.wire(hop)).flat_map(|wire| &wire.way);
    let bridged = steps.filter(|step| step.is_tunnel()).filter_map(|step| {
        let vantage = scene.case.vantages.iter().find(|v| v.netns == step.netns)?;
        Some((vantage, step.link.ifindex))
    });
    let tunnel = |(vantage, ifindex): (&'a Vantage, u32)| {
        let link = vantage.link(ifindex)?;
        let Some(LinkKind::Vxlan(vxlan)) = &link.info else { return None };
        let below = below(vantage, vxlan)?;
        let outer_v6 = vxlan.local.or(vxlan.remote).is_some_and(|addr| addr.is_ipv6());
        let overhead = if outer_v6 { 70 } else { 50 };
        let fragments = vxlan.df.is_none_or(|df| df == Df::Unset);
        Some(Tunnel { vantage, link, below, overhead, fragments })
    };
    routed.chain(bridged).filter_map(tunnel).collect()
}

/// The interface that the outer packets leave by: the one it is bound to, or that has their source.
fn below<'a>(vantage: &'a Vantage, vxlan: &Vxlan) -> Option<&'a Link> {
    let holder = || vantage.addrs().iter().find(|addr| Some(addr.local) == vxlan.local);
    vantage.link(vxlan.link_ifindex.or_else(|| holder().map(|addr| addr.ifindex))?)
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, record: &FullSizeRecord) -> Option<Draft> {
    let (target, size) = (flow.hops.first()?, record.size_bytes);
    let too_large = |tunnel: &Tunnel<'_>| {
        let (own, below) = (tunnel.link.mtu_bytes?, tunnel.below.mtu_bytes?);
        let room = below.saturating_sub(tunnel.overhead);
        // One that is smaller than the packets has a router say so before it comes to this.
        (size <= own && size > room).then_some((own, below, room))
    };
    let found = tunnels(scene, flow).into_iter().filter_map(|tunnel| {
        let mtus = too_large(&tunnel)?;
        Some((tunnel, mtus))
    });
    // One whose outer packets may be fragmented loses them only where fragments are lost.
    let (tunnel, (own, below, room)) = found.min_by_key(|(tunnel, _)| tunnel.fragments)?;
    let (name, under, place) =
        (shown(&tunnel.link.name), shown(&tunnel.below.name), &tunnel.vantage.name);
    let summary = format!(
        "{place}: {name} takes packets of {own} bytes, and with the tunnel's {} bytes of headers they do not fit {under}, which takes {below}",
        tunnel.overhead
    );
    let mut draft = Draft::new(META.cause, target, link_subject(tunnel.link), summary)
        .all(swallowed(target, record));
    draft.finding.subject.netns = Some(tunnel.vantage.netns);
    draft.finding.subject.place.clone_from(place);
    draft.finding.severity = Severity::Warning;
    if tunnel.fragments {
        draft = draft.confidence(Confidence::Likely);
    }
    let dropped = link_moved(tunnel.vantage, tunnel.link.ifindex, |link| {
        Some(link.stats.as_ref()?.tx_dropped)
    });
    let facts = [
        (format!("MTU of {name}"), own.to_string()),
        (format!("MTU of {under} below it"), below.to_string()),
    ];
    let counter = dropped.filter(|by| *by > 0);
    let counter = counter.map(|by| (format!("tx dropped of {name}"), format!("moved by {by}")));
    for (asked, seen) in facts.into_iter().chain(counter) {
        let mut fact = evidence(target, target.at, asked, seen);
        fact.place.clone_from(place);
        draft = draft.evidence(fact);
    }
    Some(draft.command(format!("ip link set {name} mtu {room}"), Risk::Disruptive))
}
