use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::base::{Error, Op, Result};

/// Protocol counters of a namespace, as `nstat -az` shows them: group, then name.
///
/// From `/proc/net/{snmp,netstat,snmp6}`; names are the kernel's (`TcpExt`, `ListenDrops`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Counters {
    groups: BTreeMap<String, BTreeMap<String, i64>>,
}

impl Counters {
    /// Returns a counter; `None` when this kernel lacks it or its value is negative.
    ///
    /// `Tcp` `MaxConn` is −1, which means no limit; see [`Counters::signed`].
    pub fn get(&self, group: &str, name: &str) -> Option<u64> {
        self.signed(group, name).and_then(|v| u64::try_from(v).ok())
    }

    /// Returns a counter, negative ones as they are.
    pub fn signed(&self, group: &str, name: &str) -> Option<i64> {
        self.groups.get(group)?.get(name).copied()
    }

    /// Returns all of them as group, name and value, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, i64)> {
        let groups = self.groups.iter();
        groups.flat_map(|(g, names)| names.iter().map(|(n, v)| (g.as_str(), n.as_str(), *v)))
    }

    /// Returns how much each grew since `before`; those that did not change are left out.
    pub fn delta(&self, before: &Self) -> Self {
        let mut delta = Self::default();
        for (group, name, value) in self.iter() {
            let grown = value.wrapping_sub(before.signed(group, name).unwrap_or(0));
            if grown != 0 {
                delta.set(group, name, grown);
            }
        }
        delta
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn set(&mut self, group: &str, name: &str, value: i64) {
        self.groups.entry(group.to_owned()).or_default().insert(name.to_owned(), value);
    }

    /// Takes `Group: name name…` lines, each followed by `Group: value value…`.
    fn add_pairs(&mut self, text: &str) {
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (Some((group, names)), Some((_, values))) =
                (names.split_once(':'), values.split_once(':'))
            else {
                continue;
            };
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                if let Some(value) = number(value) {
                    self.set(group, name, value);
                }
            }
        }
    }

    /// Takes `Group: name value name value…` lines.
    pub(super) fn add_words(&mut self, text: &str) {
        for (group, pairs) in text.lines().filter_map(super::softnet::words) {
            for (name, value) in pairs {
                self.set(group, name, value);
            }
        }
    }

    /// Takes `Ip6InReceives value` lines, which have the group in the name.
    fn add_snmp6(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(whole), Some(value)) = (words.next(), words.next().and_then(number)) else {
                continue;
            };
            let split = SNMP6_GROUPS.iter().find_map(|g| Some((*g, whole.strip_prefix(g)?)));
            if let Some((group, name)) = split {
                self.set(group, name, value);
            }
        }
    }
}

/// Reads the files of the calling thread's namespace; `/proc/net` would be the main thread's.
pub(super) fn read() -> Result<Counters> {
    let mut counters = Counters::default();
    counters.add_pairs(&file("snmp")?);
    counters.add_pairs(&file("netstat")?);
    counters.add_snmp6(&file("snmp6")?);
    Ok(counters)
}

/// A file that is not there, as `snmp6` without IPv6, has no counters.
fn file(name: &str) -> Result<String> {
    match fs::read(format!("/proc/thread-self/net/{name}")) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound && name != "snmp" => Ok(String::new()),
        Err(e) => Err(Error::sys(Op::ReadCounters, e)),
    }
}

/// Counters wrap at 64 bits; the upper half of the range is out of reach in practice.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.parse::<u64>().ok().map(|_| i64::MAX))
}

const SNMP6_GROUPS: [&str; 4] = ["Ip6", "Icmp6", "UdpLite6", "Udp6"];

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Counters {
        let mut counters = Counters::default();
        counters.add_pairs("Tcp: MaxConn OutRsts\nTcp: -1 7\nUdp: InDatagrams NoPorts\nUdp: 5\n");
        counters.add_snmp6("Ip6InReceives  \t12\nUdpLite6InErrors 3\nTcp6Nonsense 1\nIcmp6\n");
        counters
    }

    #[test]
    fn names_and_values_are_paired() {
        let counters = sample();
        assert_eq!(counters.get("Tcp", "OutRsts"), Some(7));
        assert_eq!(counters.get("Tcp", "MaxConn"), None);
        assert_eq!(counters.signed("Tcp", "MaxConn"), Some(-1));
        assert_eq!(counters.get("Udp", "NoPorts"), None);
        assert_eq!(counters.get("Ip6", "InReceives"), Some(12));
        assert_eq!(counters.get("UdpLite6", "InErrors"), Some(3));
    }

    #[test]
    fn a_delta_shows_what_grew() {
        let before = sample();
        let mut after = before.clone();
        after.add_pairs("Tcp: OutRsts\nTcp: 9\n");
        let delta = after.delta(&before);
        assert_eq!(delta.iter().collect::<Vec<_>>(), [("Tcp", "OutRsts", 2)]);
    }
}
