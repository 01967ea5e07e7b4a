use std::fs;

use nix::libc;

use super::{CtCount, CtEntry, CtFilter, read};
use crate::base::{Budget, Capability, Error, Op, Result};
use crate::inventory::dump::Plan;
use crate::inventory::row::Row;
use crate::inventory::{Consistency, Dump, Inventory};
use crate::netlink::header::Message;
use crate::netlink::{Protocol, conntrack};

impl Inventory {
    /// Returns the tracked connections, each once; the kernel cannot tell whether they changed
    /// meanwhile.
    ///
    /// Half a million entries take some 250 MB: prefer [`Inventory::conntrack_each`] there.
    /// Needs `CAP_NET_ADMIN` over the namespace.
    ///
    /// # Errors
    /// [`Error::Permission`], [`Error::Unsupported`] when the kernel tracks no connections or
    /// lacks the module that lists them, else as [`Inventory::links`].
    pub fn conntrack(&mut self, filter: &CtFilter, budget: &Budget) -> Result<Dump<CtEntry>> {
        let dump = self.reader.list_by(&plan(filter), budget, CtEntry::identity);
        let mut dump = dump.map_err(explained)?;
        dump.items.retain(|entry| filter.admits(entry));
        Ok(dump)
    }

    /// Hands over every tracked connection, in constant memory; one that moves meanwhile may come
    /// twice.
    ///
    /// # Errors
    /// As [`Inventory::conntrack`]; what was handed over by then is incomplete.
    #[doc(alias = "IPCTNL_MSG_CT_GET")]
    pub fn conntrack_each(
        &mut self,
        filter: &CtFilter,
        budget: &Budget,
        mut each: impl FnMut(CtEntry),
    ) -> Result<Consistency> {
        let admit = |entry: CtEntry| {
            if filter.admits(&entry) {
                each(entry);
            }
        };
        self.reader.stream(&plan(filter), budget, admit).map_err(explained)
    }

    /// Returns how many connections are tracked and how many may be, in constant time.
    ///
    /// Needs `CAP_NET_ADMIN` over the namespace.
    ///
    /// # Errors
    /// As [`Inventory::conntrack`].
    #[doc(alias = "IPCTNL_MSG_CT_GET_STATS")]
    pub fn conntrack_count(&mut self, budget: &Budget) -> Result<CtCount> {
        let channel = self.reader.channel(Protocol::Netfilter).map_err(explained)?;
        let mut stats = None;
        let asked = channel.ask(conntrack::stats(), budget, |message| {
            stats = conntrack::decode_stats(message);
        });
        asked.map_err(explained)?;
        let stats = stats.unwrap_or_default();
        let count = stats.entries.ok_or(Error::Unsupported("a count of connections"))?;
        // Kernels before 4.18 do not say it here.
        let max = match stats.max {
            Some(max) => Some(max),
            None => self
                .netns()
                .run(|| fs::read_to_string(MAX).ok().and_then(|text| text.trim().parse().ok()))?,
        };
        Ok(CtCount { count, max })
    }
}

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

fn plan(filter: &CtFilter) -> Plan<(), impl Fn(&Message<'_>, ()) -> Row<CtEntry> + use<>> {
    let plan = Plan::over(Protocol::Netfilter, read);
    filter.queries().iter().fold(plan, |plan, query| plan.ask(conntrack::dump(query), ()))
}

/// Turns the kernel's refusals into what is missing.
pub(super) fn explained(error: Error) -> Error {
    match error.errno() {
        Some(libc::EPERM | libc::EACCES) => {
            Error::Permission { op: Op::OpenNetlink, needs: Capability::NetAdmin }
        }
        // The request is well-formed: whoever refuses it has nobody to pass it on to.
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::ENOSYS) => {
            Error::Unsupported("a list of tracked connections (nf_conntrack_netlink)")
        }
        _ => error,
    }
}
