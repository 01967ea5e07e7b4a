//! The way of a flow's packets through the namespaces in sight, there and back: by which link each
//! is entered.

use std::net::IpAddr;

use crate::doctor::scene::{Flow, Hop, Scene};
use crate::inventory::{InterfaceSysctls, Link, Sysctls};

/// A namespace that a flow's packets enter, and by which link.
pub(super) struct Entry<'a> {
    /// The position of the hop, as the engine counts.
    pub(super) position: usize,
    pub(super) hop: &'a Hop<'a>,
    /// Who hands them over.
    pub(super) from: &'a Hop<'a>,
    pub(super) ingress: &'a Link,
    /// The source address of the packets that enter.
    pub(super) source: IpAddr,
    /// Whether these are the answers.
    pub(super) back: bool,
}

/// The source address the target uses.
pub(super) fn source_of(flow: &Flow<'_>) -> Option<IpAddr> {
    flow.hops.first()?.route()?.prefsrc
}

/// Every namespace that the packets enter, in order: there, then back as far as the target.
pub(super) fn entries<'a>(scene: &'a Scene<'a>, flow: &'a Flow<'a>) -> Vec<Entry<'a>> {
    let mut entries = Vec::new();
    let mut enter = |from: &'a Hop<'a>, into: Option<(usize, &'a Hop<'a>)>, source, back| {
        let (position, hop) = into?;
        let step = scene.wire(from)?.way.last().filter(|s| s.netns == hop.vantage.netns)?;
        let ingress = hop.vantage.link(step.link.ifindex)?;
        entries.push(Entry { position, hop, from, ingress, source, back });
        Some(())
    };
    let forth: Vec<_> = flow.hops.iter().enumerate().collect();
    for two in forth.windows(2) {
        if let (Some(source), [(_, from), (n, into)]) = (source_of(flow), two) {
            enter(from, Some((*n, into)), source, false);
        }
    }
    // Answers of an endpoint bear its own address until they are back where it was translated.
    let end = flow.hops.last().map_or(flow.dst, |hop| hop.towards);
    // The way back may pass others than the way there, in another order than they were met in.
    let base = flow.hops.len();
    let (mut at, mut passed) = (0, vec![0]);
    while let Some(from) = flow.back.get(at) {
        let led = scene.wire(from).and_then(|wire| wire.way.last()).map(|step| step.netns);
        let to = |id| flow.back.iter().position(|hop| hop.vantage.netns == id);
        let next = led.filter(|id| *id != from.vantage.netns).and_then(to).unwrap_or(at + 1);
        let into = match flow.back.get(next) {
            Some(hop) => Some((base + next, hop)),
            None => flow.hops.first().map(|target| (base + flow.back.len(), target)),
        };
        let home = into.is_some_and(|(n, _)| n == base + flow.back.len());
        enter(from, into, if home { flow.dst } else { end }, true);
        if passed.contains(&next) {
            break;
        }
        passed.push(next);
        at = next;
    }
    entries
}

impl<'a> Entry<'a> {
    pub(super) fn sysctls(&self) -> Option<&'a Sysctls> {
        self.hop.vantage.state()?.sysctls.as_ref()
    }

    /// The settings of the link the packets come in by.
    pub(super) fn own(&self) -> Option<&'a InterfaceSysctls> {
        self.sysctls()?.interface(self.ingress.name.as_bytes())
    }

    /// Tells whether the packets are to be passed on here, not taken in.
    pub(super) fn is_transit(&self, flow: &Flow<'_>) -> bool {
        let towards = if self.back { source_of(flow) } else { Some(self.hop.towards) };
        towards.is_some_and(|addr| !self.hop.vantage.owns(addr))
    }

    /// The setting by which packets of the family that come in here are not forwarded.
    pub(super) fn forwarding_off(&self) -> Option<String> {
        let name = self.ingress.name.escaped();
        let sysctls = self.sysctls()?;
        if self.hop.towards.is_ipv6() {
            let off = |i: Option<&InterfaceSysctls>| {
                i.and_then(|i| i.ipv6.as_ref()?.forwarding) == Some(false)
            };
            return off(sysctls.interface(b"all"))
                .then(|| "net.ipv6.conf.all.forwarding".to_owned());
        }
        if sysctls.ip_forward == Some(false) {
            return Some("net.ipv4.ip_forward".to_owned());
        }
        let own = self.own()?.ipv4?.forwarding?;
        (!own).then(|| format!("net.ipv4.conf.{name}.forwarding"))
    }

    /// Tells whether the way on leads out again by the link the packets came in by, or nowhere.
    pub(super) fn turns_back(&self) -> bool {
        self.hop.egress().is_none_or(|link| link.ifindex == self.ingress.ifindex)
    }
}
