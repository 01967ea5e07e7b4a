//! Reads the legacy iptables around the probes.

use std::collections::{HashMap, VecDeque};

use super::Site;
use crate::base::{Budget, Untrusted};
use crate::doctor::walls::LegacyStop;
use crate::firewall::FwFamily;
use crate::firewall::legacy::{Legacy, LegacyTable, LegacyTarget, LegacyVerdict};
use crate::inventory::Inventory;

/// The tables at one time.
#[derive(Default)]
pub(super) struct Tables(Vec<LegacyTable>);

/// Reads the tables there are; none where they may not be read.
pub(super) fn read(site: &Site, budget: &Budget) -> Tables {
    if names(&site.inventory).is_empty() {
        return Tables::default();
    }
    let tables = Legacy::open(&site.target).and_then(|legacy| legacy.tables(budget));
    Tables(tables.unwrap_or_default())
}

/// The tables that legacy iptables made; readable by the namespace's administrator only.
pub(super) fn names(inventory: &Inventory) -> Vec<String> {
    let mut tables = Vec::new();
    for (file, family) in [("ip_tables_names", "ip"), ("ip6_tables_names", "ip6")] {
        let path = format!("/proc/thread-self/net/{file}");
        let Ok(Ok(text)) = inventory.netns().run(|| std::fs::read_to_string(path)) else {
            continue;
        };
        tables.extend(text.lines().map(|table| format!("{family} {table}")));
    }
    tables
}

impl Tables {
    /// What stopped packets between these tables and later ones.
    pub(super) fn stopped_until(&self, later: &Self) -> Vec<LegacyStop> {
        let key = |stop: &LegacyStop| {
            (stop.family.clone(), stop.table.clone(), stop.chain.clone(), stop.rule.clone())
        };
        // Equal rules of a chain stay in their order.
        let mut old: HashMap<_, VecDeque<u64>> = HashMap::new();
        for stop in self.0.iter().flat_map(stops) {
            old.entry(key(&stop)).or_default().push_back(stop.packets[1]);
        }
        let mut met: Vec<LegacyStop> = Vec::new();
        for mut stop in later.0.iter().flat_map(stops) {
            let before = old.get_mut(&key(&stop)).and_then(VecDeque::pop_front);
            let Some(before) = before else { continue };
            stop.packets[0] = before;
            if stop.moved() > 0 && met.len() < KEPT {
                met.push(stop);
            }
        }
        met
    }
}

/// Rules kept.
const KEPT: usize = 16;

/// The rules and policies of a table that end a packet's way.
fn stops(table: &LegacyTable) -> Vec<LegacyStop> {
    let text = |name: &Untrusted| name.escaped().to_string();
    let family = if table.family == FwFamily::Ip6 { "ip6" } else { "ip" };
    let mut found = Vec::new();
    for chain in &table.chains {
        let stop = |rule: String, packets: u64| LegacyStop {
            family: family.to_owned(),
            table: text(&table.name),
            chain: text(&chain.name),
            rule,
            packets: [0, packets],
        };
        for rule in &chain.rules {
            let ends = match &rule.target {
                Some(LegacyTarget::Verdict(verdict)) => *verdict == LegacyVerdict::Drop,
                Some(LegacyTarget::Extension(target)) => target.name == *"REJECT",
                _ => false,
            };
            if ends {
                let line = rule.line(chain);
                let line = line.split_once("] ").map_or(line.as_str(), |(_, line)| line);
                found.push(stop(line.to_owned(), rule.counter.packets));
            }
        }
        if chain.policy == Some(LegacyVerdict::Drop) {
            let line = format!("-P {} DROP", text(&chain.name));
            found.push(stop(line, chain.counter.packets));
        }
    }
    found
}
