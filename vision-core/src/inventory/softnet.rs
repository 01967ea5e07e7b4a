use std::collections::BTreeMap;
use std::fs;
use std::io;

use super::{Counters, Inventory};
use crate::base::{Budget, Error, Op, Result};

/// What one processor took from the network, of all namespaces together.
///
/// From `/proc/net/softnet_stat`; counts since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SoftnetCpu {
    /// Number of the processor.
    pub cpu: u32,
    /// Packets taken.
    pub processed: u32,
    /// Packets dropped because the queue was full (`net.core.netdev_max_backlog`).
    pub dropped: u32,
    /// How often work was left over because time or budget ended (`net.core.netdev_budget`).
    pub time_squeeze: u32,
    /// How often it was woken for packets that another processor steered here.
    pub received_rps: u32,
    /// Packets dropped because one flow had too many of them waiting.
    pub flow_limit: u32,
    /// Packets that wait; not told before 5.10.
    pub backlog_packets: Option<u32>,
}

impl Inventory {
    /// Returns how many sockets there are and what memory they take, as `ss -s` and
    /// `/proc/net/sockstat` tell: group, then name.
    ///
    /// `mem` is in pages, of all namespaces together; `memory` of `FRAG` is in bytes.
    ///
    /// # Errors
    /// [`Error::Sys`] when `/proc` is not mounted.
    pub fn sockstat(&mut self, budget: &Budget) -> Result<Counters> {
        budget.remaining()?;
        self.netns().run(|| {
            let mut counters = Counters::default();
            counters.add_words(&file("sockstat")?);
            counters.add_words(&file("sockstat6")?);
            Ok(counters)
        })?
    }

    /// Returns what each processor took from the network, of all namespaces together.
    ///
    /// # Errors
    /// [`Error::Sys`] when `/proc` is not mounted.
    pub fn softnet(&mut self, budget: &Budget) -> Result<Vec<SoftnetCpu>> {
        budget.remaining()?;
        let text = self.netns().run(|| file("softnet_stat"))??;
        Ok((0..).zip(text.lines()).filter_map(|(n, line)| row(n, line)).collect())
    }
}

/// Hexadecimal columns (net/core/net-procfs.c `softnet_seq_show`), more of them in newer kernels.
fn row(line_number: u32, line: &str) -> Option<SoftnetCpu> {
    let columns = line.split_whitespace().map(|word| u32::from_str_radix(word, 16).ok());
    let columns: Vec<_> = columns.collect();
    let column = |n: usize| columns.get(n).copied().flatten();
    Some(SoftnetCpu {
        // Older kernels leave the number out, and processors that are off.
        cpu: column(12).unwrap_or(line_number),
        processed: column(0)?,
        dropped: column(1)?,
        time_squeeze: column(2)?,
        received_rps: column(9).unwrap_or(0),
        flow_limit: column(10).unwrap_or(0),
        backlog_packets: column(11),
    })
}

/// Of the calling thread's namespace; a machine without IPv6 lacks one of them.
fn file(name: &str) -> Result<String> {
    match fs::read_to_string(format!("/proc/thread-self/net/{name}")) {
        Ok(text) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound && name == "sockstat6" => Ok(String::new()),
        Err(e) => Err(Error::sys(Op::ReadCounters, e)),
    }
}

/// Splits `TCP: inuse 5 orphan 0` into its group and its pairs.
pub(super) fn words(line: &str) -> Option<(&str, BTreeMap<&str, i64>)> {
    let (group, rest) = line.split_once(':')?;
    let words: Vec<_> = rest.split_whitespace().collect();
    let pairs = words.chunks_exact(2).filter_map(|pair| match pair {
        [name, value] => Some((*name, value.parse().ok()?)),
        _ => None,
    });
    Some((group, pairs.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_old_and_new_kernels_are_read() {
        let zeros = "00000000 ".repeat(6);
        let new =
            format!("0000000a 00000001 00000002 {zeros}00000003 00000004 00000005 00000007 0 0");
        let row_of = |line: &str| row(9, line).expect("a row");
        let read = row_of(&new);
        assert_eq!((read.cpu, read.processed, read.dropped, read.time_squeeze), (7, 10, 1, 2));
        assert_eq!((read.received_rps, read.flow_limit, read.backlog_packets), (3, 4, Some(5)));
        let old = row_of(&format!("ffffffff 0 0 {zeros}1"));
        assert_eq!((old.cpu, old.processed, old.backlog_packets), (9, u32::MAX, None));
        assert_eq!(row(0, "x y z"), None);
        assert_eq!(row(0, ""), None);
    }

    #[test]
    fn pairs_of_sockstat_are_read() {
        let (group, pairs) = words("TCP: inuse 5 orphan 0 tw x alloc 6 mem").expect("a group");
        assert_eq!(group, "TCP");
        assert_eq!(
            pairs.into_iter().collect::<Vec<_>>(),
            [("alloc", 6), ("inuse", 5), ("orphan", 0)]
        );
        assert_eq!(words("nothing"), None);
    }
}
