//! Tables of legacy iptables and ip6tables, through their own socket options
//! (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h).
//!
//! They exist beside nf_tables, and packets meet both.

mod model;
mod read;
mod text;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

pub use model::{
    Asked, Extension, LegacyChain, LegacyRule, LegacyTable, LegacyTarget, LegacyVerdict, Masked,
};

use super::FwFamily;
use super::ipset::Ipsets;
use crate::base::{Budget, Capability, Error, Op, Result};
use crate::netlink::attr;
use crate::netns::{Netns, Target};
use crate::sys::sockopt;
use read::{ENTRIES_AT, INFO_LEN, Info, NAME_LEN};

/// Reads the legacy tables of one namespace; needs `CAP_NET_ADMIN` there.
///
/// The kernel makes a table when somebody asks for it by name, so only those it lists already are
/// asked for: reading leaves no trace.
pub struct Legacy {
    netns: Netns,
    target: Target,
}

impl Legacy {
    /// Opens the target's namespace.
    ///
    /// # Errors
    /// Those of [`Target::open`].
    pub fn open(target: &Target) -> Result<Self> {
        Ok(Self { netns: target.open()?, target: target.clone() })
    }

    /// Returns the tables that exist, each as one state of the kernel.
    ///
    /// A kernel without legacy iptables has none.
    ///
    /// # Errors
    /// [`Error::Permission`] without `CAP_NET_ADMIN`, [`Error::Sys`], [`Error::Elapsed`] or
    /// [`Error::Cancelled`].
    #[doc(alias = "iptables-legacy-save")]
    pub fn tables(&self, budget: &Budget) -> Result<Vec<LegacyTable>> {
        let mut sets =
            SetNames { target: &self.target, ipsets: None, budget, known: HashMap::new() };
        let mut tables = Vec::new();
        for protocol in [IP, IP6] {
            for name in self.names(&protocol)? {
                budget.remaining()?;
                if let Some((info, entries)) = self.entries(&protocol, &name)? {
                    let mut set = |number| sets.get(number);
                    tables.push(read::table(protocol.family, &name, &info, &entries, &mut set));
                }
            }
        }
        Ok(tables)
    }

    /// The names of the tables there are, in an order that does not depend on who made them when.
    fn names(&self, protocol: &Protocol) -> Result<Vec<Vec<u8>>> {
        let text = match self.netns.run(|| std::fs::read(protocol.names))? {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut names: Vec<_> = lines.map(<[u8]>::to_vec).collect();
        let order: [&[u8]; 5] = [b"raw", b"mangle", b"nat", b"filter", b"security"];
        names.sort_by_key(|name| order.iter().position(|it| it == name).unwrap_or(order.len()));
        names.dedup();
        Ok(names)
    }

    /// The kernel's block of entries; `None` when the table went away.
    fn entries(&self, protocol: &Protocol, name: &[u8]) -> Result<Option<(Info, Vec<u8>)>> {
        let mut named = [0; NAME_LEN];
        let Some(place) = named.get_mut(..name.len()).filter(|it| it.len() < NAME_LEN) else {
            return Ok(None);
        };
        place.copy_from_slice(name);
        let fd =
            self.netns.run(|| protocol.socket())?.map_err(|e| Error::sys(Op::OpenSocket, e))?;
        for _ in 0..ATTEMPTS {
            match look(&fd, protocol, &named) {
                Ok(found) => return Ok(found),
                // It grew or shrank since its size was told.
                Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(failed(e)),
            }
        }
        Err(failed(io::Error::from_raw_os_error(libc::EAGAIN)))
    }
}

impl LegacyTable {
    /// Reads a table from what the kernel answered to `IPT_SO_GET_INFO` and what stood behind the
    /// name and the size in its answer to `IPT_SO_GET_ENTRIES`, or to those of IPv6.
    ///
    /// The bytes must be of a machine with the same byte order. `None` when the first answer is too
    /// short; entries that make no sense end the table and are counted as unreadable.
    pub fn recorded(family: FwFamily, info: &[u8], entries: &[u8]) -> Option<Self> {
        let name = attr::text(info.get(..NAME_LEN)?);
        let info = Info::read(info)?;
        Some(read::table(family, name, &info, entries, &mut |_| None))
    }
}

fn look(
    fd: &OwnedFd,
    protocol: &Protocol,
    name: &[u8; NAME_LEN],
) -> io::Result<Option<(Info, Vec<u8>)>> {
    // Both numbers are those of IPv6 as well.
    const GET_INFO: i32 = 64;
    const GET_ENTRIES: i32 = 65;
    let mut head = [name.as_slice(), &[0; INFO_LEN - NAME_LEN]].concat();
    sockopt::get_bytes(fd, protocol.level, GET_INFO, &mut head)?;
    let Some(info) = Info::read(&head) else { return Ok(None) };
    let mut block = vec![0; ENTRIES_AT];
    for (place, byte) in block.iter_mut().zip(name.iter().chain(&info.size.to_ne_bytes())) {
        *place = *byte;
    }
    block.resize(ENTRIES_AT + info.size as usize, 0);
    sockopt::get_bytes(fd, protocol.level, GET_ENTRIES, &mut block)?;
    block.drain(..ENTRIES_AT);
    Ok(Some((info, block)))
}

struct Protocol {
    family: FwFamily,
    level: i32,
    address_family: AddressFamily,
    names: &'static str,
}

const IP: Protocol = Protocol {
    family: FwFamily::Ip,
    level: libc::IPPROTO_IP,
    address_family: AddressFamily::Inet,
    names: "/proc/thread-self/net/ip_tables_names",
};
const IP6: Protocol = Protocol {
    family: FwFamily::Ip6,
    level: libc::IPPROTO_IPV6,
    address_family: AddressFamily::Inet6,
    names: "/proc/thread-self/net/ip6_tables_names",
};

impl Protocol {
    fn socket(&self) -> io::Result<OwnedFd> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(socket(self.address_family, SockType::Datagram, flags, None)?)
    }
}

/// Names of sets, asked for once and only if a rule has one.
struct SetNames<'a> {
    target: &'a Target,
    ipsets: Option<Ipsets>,
    budget: &'a Budget,
    known: HashMap<u16, Option<Vec<u8>>>,
}

impl SetNames<'_> {
    fn get(&mut self, number: u16) -> Option<Vec<u8>> {
        if let Some(known) = self.known.get(&number) {
            return known.clone();
        }
        if self.ipsets.is_none() {
            self.ipsets = Ipsets::open(self.target).ok();
        }
        let name = self.ipsets.as_mut().and_then(|it| it.name(number, self.budget).ok());
        self.known.insert(number, name.clone());
        name
    }
}

fn failed(source: io::Error) -> Error {
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            Error::Permission { op: Op::ReadFirewall, needs: Capability::NetAdmin }
        }
        _ => Error::sys(Op::ReadFirewall, source),
    }
}

const ATTEMPTS: u32 = 5;

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests;
