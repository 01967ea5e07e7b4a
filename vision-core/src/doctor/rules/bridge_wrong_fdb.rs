use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::base::LinkAddr;
use crate::doctor::scene::Scene;
use crate::doctor::wire::{Crossing, WireLink};
use crate::doctor::{Cause, Confidence, Risk};
use crate::inventory::{FdbEntry, NeighFlags, NeighState, Sections};

const DOCS: &str = "\
The bridge's forwarding table has a neighbour's link-layer address at another port than the one it
is behind: frames for it leave by the wrong port.

How it shows: one peer is dead, or does not answer for a while after it moved; others are fine.
How it is proved: the entry names another port than the one that leads to the owner of the address,
it is sticky or the bridge's own, so that frames do not correct it, and the flow's packets stay
unanswered. Any other entry is `likely` only: it corrects itself when its owner sends something.
What to do: delete the entry; the bridge learns the right port from the next frame.";

static META: RuleMeta =
    RuleMeta { cause: Cause::BridgeWrongFdb, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgeWrongFdb;

impl Rule for BridgeWrongFdb {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "the bridges on the way know the right ports", finding)
    }
}

/// An entry that sends frames elsewhere, and the port they should leave by.
struct Astray<'a> {
    bridge: &'a WireLink,
    port: &'a WireLink,
    entry: &'a FdbEntry,
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let wire = stretch.wire;
    if !wire.twins.is_empty() {
        return None;
    }
    let crossings = wire.crossings();
    let ends = (wire.start()?.lladdr()?, wire.end()?.lladdr()?);
    let Astray { bridge, port, entry } = crossings.iter().find_map(|c| astray(c, ends))?;
    let (name, bridge_name, lladdr) =
        (shown(&port.link.name), shown(&bridge.link.name), entry.lladdr);
    let wrong = match entry.ifindex == port.link.ifindex || entry.ifindex == bridge.link.ifindex {
        true => format!("{bridge_name} itself"),
        false => link_name(stretch, bridge, entry.ifindex),
    };
    let summary = format!(
        "{}: bridge {bridge_name} sends frames for {lladdr} to {wrong}; it is behind {name}",
        bridge.place
    );
    let asked = format!("forwarding table of {bridge_name}, {lladdr}");
    let mut draft = stretch.accuse(META.cause, bridge, summary).evidence(stretch.fact(
        bridge,
        asked,
        format!("{wrong} {}", entry.state),
    ));
    let stays = entry.state == NeighState::Permanent || entry.flags.contains(NeighFlags::STICKY);
    let confidence = if stays { Confidence::Proved } else { Confidence::Likely };
    draft = draft.confidence(confidence);
    let dev = if wrong.ends_with("itself") { name } else { wrong };
    Some(draft.command(format!("bridge fdb del {lladdr} dev {dev} master"), Risk::Safe))
}

/// The name of another port of the bridge, if it was seen.
fn link_name(stretch: &Stretch<'_>, bridge: &WireLink, ifindex: u32) -> String {
    let on_way =
        stretch.wire.way.iter().find(|s| s.netns == bridge.netns && s.link.ifindex == ifindex);
    let named = bridge.port_names.get(&ifindex).or(on_way.map(|s| &s.link.name));
    named.map_or_else(|| format!("interface {ifindex}"), shown)
}

fn astray<'a>(crossing: &Crossing<'a>, ends: (LinkAddr, LinkAddr)) -> Option<Astray<'a>> {
    let sides = [(crossing.before, ends.0), (crossing.after, ends.1)];
    sides.into_iter().find_map(|(port, lladdr)| {
        let port = port?;
        let all = || crossing.bridge.fdb.iter().filter(|e| e.lladdr == lladdr);
        // A permanent entry is the bridge's own: it keeps such frames.
        let right =
            |e: &FdbEntry| e.ifindex == port.link.ifindex && e.state != NeighState::Permanent;
        let entry = all().next().filter(|_| !all().any(right))?;
        Some(Astray { bridge: crossing.bridge, port, entry })
    })
}
