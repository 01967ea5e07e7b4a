use super::Inventory;
use crate::base::{Budget, Capability, Gap, Result, Untrusted};
use crate::netns::sockets::{self, Held, Holders};

/// Which processes hold which sockets of a namespace, as `ss -p` shows it.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::inventory::{Inventory, SocketFilter};
/// use vision_core::{Budget, Selector, Target};
///
/// let budget = Budget::within(Duration::from_secs(2));
/// let target = Target::resolve(&Selector::Pid(4711), &budget)?;
/// let mut inventory = Inventory::open(&target)?;
/// let owners = inventory.socket_owners(&budget)?;
/// for socket in inventory.sockets(&SocketFilter::default().listening(), &budget)?.items {
///     for owner in owners.of(socket.inode) {
///         println!("{} {} {}", socket.local_port, owner.pid, owner.comm.escaped());
///     }
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct SocketOwners {
    holders: Holders,
}

/// A process that holds a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SocketOwner<'a> {
    /// Process number, as the caller's `/proc` has it.
    pub pid: u32,
    /// What the process calls itself.
    pub comm: &'a Untrusted,
    /// Number of the descriptor in that process.
    pub fd: u32,
}

impl SocketOwners {
    /// Returns the processes that hold a socket; none for inode 0, which nobody holds.
    pub fn of(&self, inode: u32) -> impl Iterator<Item = SocketOwner<'_>> {
        let sockets = &self.holders.sockets;
        let first = sockets.partition_point(|held| held.inode < inode);
        let same = sockets.iter().skip(first).take_while(move |held| held.inode == inode);
        same.filter_map(|held| self.owner(held))
    }

    fn owner(&self, held: &Held) -> Option<SocketOwner<'_>> {
        let (pid, comm) = self.holders.processes.get(held.process as usize)?;
        Some(SocketOwner { pid: *pid, comm, fd: held.fd })
    }

    /// Returns how many processes could not be looked at, whatever namespace they live in.
    pub fn unreadable_processes(&self) -> usize {
        self.holders.unreadable + self.holders.locked
    }

    /// Says that owners are missing, and which capability would show them.
    pub fn gap(&self) -> Option<Gap> {
        let count = Some(self.unreadable_processes()).filter(|count| *count > 0)?;
        let plural = if count == 1 { "" } else { "es" };
        let why = format!("{count} process{plural} may not be looked at");
        // Only who has the one gets far enough to lack the other.
        let needs = match self.holders.locked {
            0 => Capability::SysPtrace,
            _ => Capability::DacReadSearch,
        };
        Some(Gap { needs: Some(needs), ..Gap::new("owners of sockets", why) })
    }
}

impl Inventory {
    /// Finds out which processes of this namespace hold which sockets, by a look at all of
    /// `/proc`.
    ///
    /// Sees what the caller's `/proc` shows: processes of other pid namespaces if it is the
    /// host's, less with `hidepid`. A process that lives in another network namespace is passed
    /// over even if it holds a socket of this one. Processes of other users need
    /// `CAP_SYS_PTRACE` and `CAP_DAC_READ_SEARCH`; how many are missing is part of the answer.
    ///
    /// # Errors
    /// [`crate::Error::Sys`] when `/proc` cannot be listed, [`crate::Error::Elapsed`] or
    /// [`crate::Error::Cancelled`].
    pub fn socket_owners(&self, budget: &Budget) -> Result<SocketOwners> {
        let mut holders = sockets::holders(self.netns_id(), budget)?;
        holders.sockets.sort_unstable_by_key(|held| (held.inode, held.process, held.fd));
        Ok(SocketOwners { holders })
    }
}
