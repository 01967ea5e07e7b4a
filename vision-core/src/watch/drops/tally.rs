use std::collections::BTreeMap;

use super::meaning::{Meaning, drop_meaning};
use super::{DroppedPacket, Location};
use crate::base::Timestamp;

/// Drops counted by reason and place.
#[derive(Debug, Clone, Default)]
pub struct DropTally {
    process: Option<u32>,
    groups: BTreeMap<(Option<String>, Location), DropGroup>,
    ignored: BTreeMap<String, u64>,
    dropped: u64,
}

/// Drops with one reason at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DropGroup {
    /// Why, by the kernel's name.
    pub reason: Option<String>,
    /// The function that dropped them.
    pub location: Location,
    /// How many.
    pub count: u64,
    /// How many of them while the process asked about ran ([`DropTally::of_process`]): packets it
    /// sent, or that an answer to them met on this machine.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub of_process: Option<u64>,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
    /// How many held what (`ETH_P_*`; 0 is not known).
    pub protocols: BTreeMap<u16, u64>,
    /// What the reason means, where this version knows it.
    #[cfg_attr(feature = "serde", serde(flatten, skip_serializing_if = "Option::is_none"))]
    pub meaning: Option<Meaning>,
}

/// Drops that every healthy machine has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IgnoredDrops {
    /// Why they are no fault.
    pub why: String,
    /// How many.
    pub count: u64,
}

impl DropTally {
    /// Begins to count, and counts the drops of one process apart.
    ///
    /// The kernel handles a packet on the time of whoever sends it as far as it stays on the
    /// machine, through bridges, veth pairs and firewalls: a drop there names the sender. What
    /// comes in by hardware interrupts whichever process runs, so a few may be named wrongly.
    pub fn of_process(pid: u32) -> Self {
        Self { process: Some(pid), ..Self::default() }
    }

    /// Takes a drop into account; with `all` also one that is no fault.
    pub fn add(&mut self, packet: &DroppedPacket, all: AllDrops) {
        self.dropped += 1;
        if let (Some(why), AllDrops::Without) = (&packet.ignorable, all) {
            *self.ignored.entry(why.clone()).or_default() += 1;
            return;
        }
        // One function may drop at several of its lines: they are one place to a person.
        let location = match &packet.location.function {
            Some(function) => {
                Location { address: 0, function: Some(function.clone()), offset_bytes: None }
            }
            None => packet.location.clone(),
        };
        let group = self.groups.entry((packet.reason.clone(), location.clone()));
        let group = group.or_insert_with(|| DropGroup {
            meaning: packet.reason.as_deref().and_then(drop_meaning),
            reason: packet.reason.clone(),
            location,
            count: 0,
            of_process: self.process.map(|_| 0),
            first: packet.at,
            last: packet.at,
            protocols: BTreeMap::new(),
        });
        group.count += 1;
        if let Some(own) = group.of_process.as_mut().filter(|_| self.process == Some(packet.pid)) {
            *own += 1;
        }
        group.first = group.first.min(packet.at);
        group.last = group.last.max(packet.at);
        *group.protocols.entry(packet.protocol.unwrap_or(0)).or_default() += 1;
    }

    /// Returns how many were taken into account.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the groups, the largest first.
    pub fn groups(&self) -> Vec<DropGroup> {
        let mut groups: Vec<_> = self.groups.values().cloned().collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        groups
    }

    /// Returns what was counted as no fault, the most frequent first.
    pub fn ignored(&self) -> Vec<IgnoredDrops> {
        let ignored = self.ignored.iter();
        let mut all: Vec<_> =
            ignored.map(|(why, count)| IgnoredDrops { why: why.clone(), count: *count }).collect();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.why.cmp(&b.why)));
        all
    }
}

/// Whether drops that every healthy machine has are grouped as well.
// closed: yes or no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AllDrops {
    /// All of them.
    With,
    /// They are counted apart.
    #[default]
    Without,
}
