use std::fs;
use std::io;

use super::Inventory;
use crate::base::{Budget, Error, Op, Result};

/// A program that reads packets which rules hand to it (`NFQUEUE`, `queue`).
///
/// From `/proc/net/netfilter/nfnetlink_queue`. Packets for a number that no program reads are dropped, unless
/// the rule says `bypass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PacketQueue {
    /// The number that rules give.
    pub number: u16,
    /// The program's netlink port, often its process number.
    pub port_id: u32,
    /// Packets that wait for its verdict.
    pub waiting: u32,
    /// Packets dropped because as many waited as may.
    pub dropped: u32,
    /// Packets dropped because the program's socket was full.
    pub user_dropped: u32,
}

impl Inventory {
    /// Returns the queues of packets that programs read in the namespace; none where the kernel knows no such queues.
    ///
    /// Needs to be root of the namespace.
    ///
    /// # Errors
    /// [`Error::Permission`] and those of [`Netns::run`](crate::netns::Netns::run).
    pub fn packet_queues(&mut self, budget: &Budget) -> Result<Vec<PacketQueue>> {
        budget.remaining()?;
        self.netns().run(|| {
            match fs::read_to_string("/proc/thread-self/net/netfilter/nfnetlink_queue") {
                Ok(text) => Ok(text.lines().filter_map(row).collect()),
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(e) => Err(Error::sys(Op::ReadCounters, e)),
            }
        })?
    }
}

/// Number, port, waiting, copy mode and range, dropped, dropped at the socket, last id, 1
/// (net/netfilter/nfnetlink_queue.c `seq_show`).
fn row(line: &str) -> Option<PacketQueue> {
    let mut words = line.split_whitespace();
    let mut next = || words.next()?.parse::<u32>().ok();
    let (number, port_id, waiting) = (next()?.try_into().ok()?, next()?, next()?);
    let (_mode, _range) = (next()?, next()?);
    Some(PacketQueue { number, port_id, waiting, dropped: next()?, user_dropped: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_read_as_the_kernel_writes_them() {
        let queue = row("    3   4242     1 2 65531     5     6       17  1").expect("a queue");
        assert_eq!((queue.number, queue.port_id, queue.waiting), (3, 4242, 1));
        assert_eq!((queue.dropped, queue.user_dropped), (5, 6));
        assert!(row("3 4242").is_none() && row("").is_none());
    }
}
