//! Namespaces that no process lives in: mounted somewhere, or held by a descriptor or a socket.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::fcntl::OFlag;

use super::handle::{Netns, NetnsId, OWN};
use super::proc::{self, ProcDir};
use super::sockets::each_link;
use crate::base::{Budget, Error, Op, Result, Untrusted};
use crate::sys::{pidfd, sockns};

/// What keeps a namespace alive although no process lives in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case", tag = "held_by"))]
#[non_exhaustive]
pub enum NetnsHolder {
    /// A bind mount, as container engines and `ip netns` make them.
    Mount {
        /// Where, as the process below sees it.
        path: Untrusted,
        /// A process that has it in its tree of mounts.
        pid: u32,
    },
    /// An open descriptor.
    Descriptor {
        /// The process.
        pid: u32,
        /// The descriptor's number.
        fd: u32,
        /// What the process calls itself.
        command: Untrusted,
    },
    /// A socket that was made inside.
    Socket {
        /// The process.
        pid: u32,
        /// The descriptor's number.
        fd: u32,
        /// What the process calls itself.
        command: Untrusted,
    },
}

impl NetnsHolder {
    /// Returns a path that leads to the namespace; a socket has none.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Mount { path, pid } => {
                let path = std::ffi::OsStr::from_bytes(path.as_bytes());
                let inside = std::path::Path::new(path).strip_prefix("/").ok()?;
                Some(PathBuf::from(format!("/proc/{pid}/root")).join(inside))
            }
            Self::Descriptor { pid, fd, .. } => Some(format!("/proc/{pid}/fd/{fd}").into()),
            Self::Socket { .. } => None,
        }
    }

    /// Opens the namespace.
    pub(super) fn open(&self) -> Result<Netns> {
        if let Some(path) = self.path() {
            return Netns::from_path(path);
        }
        match self {
            Self::Socket { pid, fd, .. } => {
                let opened = pidfd::open(*pid)
                    .and_then(|pidfd| sockns::borrow(pidfd, *fd))
                    .and_then(sockns::namespace);
                Netns::from_fd(opened.map_err(|e| Error::sys(Op::OpenNamespace, e))?)
            }
            _ => Err(Error::NotFound("a way into the namespace".to_owned())),
        }
    }
}

/// Finds what holds namespaces that are not in `known`.
///
/// Looks at the mounts of every tree of mounts and at the descriptors of every process; with
/// sockets, each of which is borrowed for a moment to ask for its namespace.
pub(super) fn find(
    known: &BTreeSet<NetnsId>,
    budget: &Budget,
) -> Result<BTreeMap<NetnsId, Vec<NetnsHolder>>> {
    let dev = NetnsId::of_path(OWN).map_err(|e| Error::sys(Op::OpenNamespace, e))?.dev;
    let mut search = Search { dev, known, trees: BTreeSet::new(), found: BTreeMap::new() };
    for pid in proc::pids().map_err(|e| Error::sys(Op::ReadProc, e))? {
        budget.remaining()?;
        let Ok(dir) = ProcDir::open(pid) else { continue };
        // What may not be read is counted by the listing already.
        let _ = search.mounts(pid, &dir);
        let _ = search.descriptors(pid, &dir);
    }
    Ok(search.found)
}

struct Search<'k> {
    dev: u64,
    known: &'k BTreeSet<NetnsId>,
    /// Trees of mounts that were looked at, by their inode.
    trees: BTreeSet<u64>,
    found: BTreeMap<NetnsId, Vec<NetnsHolder>>,
}

impl Search<'_> {
    fn add(&mut self, ino: u64, holder: NetnsHolder) {
        let id = NetnsId { dev: self.dev, ino };
        if self.known.contains(&id) {
            return;
        }
        let holders = self.found.entry(id).or_default();
        if holders.len() < HOLDERS {
            holders.push(holder);
        }
    }

    fn mounts(&mut self, pid: u32, dir: &ProcDir) -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let tree = std::fs::metadata(format!("/proc/{pid}/ns/mnt"))?.ino();
        if !self.trees.insert(tree) {
            return Ok(());
        }
        let mut text = Vec::new();
        let file = dir.open_at("mountinfo", OFlag::O_RDONLY)?;
        io::Read::read_to_end(&mut std::fs::File::from(file), &mut text)?;
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((ino, path)) = mount(line) {
                self.add(ino, NetnsHolder::Mount { path: path.into(), pid });
            }
        }
        Ok(())
    }

    fn descriptors(&mut self, pid: u32, dir: &ProcDir) -> io::Result<()> {
        let fds = dir.open_at("fd", OFlag::O_RDONLY | OFlag::O_DIRECTORY)?;
        let (mut held, mut sockets) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; ENTRIES];
        each_link(fds.as_fd(), &mut buffer, |fd, target| {
            match (namespace(target), target.starts_with(b"socket:[")) {
                (Some(ino), _) => held.push((fd, ino)),
                (None, true) => sockets.push(fd),
                _ => {}
            }
        })?;
        if held.is_empty() && sockets.is_empty() {
            return Ok(());
        }
        let command = dir.comm().unwrap_or_default();
        for (fd, ino) in held {
            self.add(ino, NetnsHolder::Descriptor { pid, fd, command: command.clone() });
        }
        let pidfd = pidfd::open(pid)?;
        for fd in sockets {
            let opened = sockns::borrow(&pidfd, fd).and_then(sockns::namespace);
            if let Some(id) = opened.ok().and_then(|opened| NetnsId::of_fd(opened).ok()) {
                self.add(id.ino, NetnsHolder::Socket { pid, fd, command: command.clone() });
            }
        }
        Ok(())
    }
}

/// The number in `net:[4026532000]`.
fn namespace(target: &[u8]) -> Option<u64> {
    let digits = target.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A line of `mountinfo` about a namespace: its number and where it is mounted
/// (proc_pid_mountinfo(5)).
fn mount(line: &[u8]) -> Option<(u64, Vec<u8>)> {
    let mut words = line.split(|byte| *byte == b' ');
    let root = words.nth(3)?;
    let path = words.next()?;
    Some((namespace(root)?, unescaped(path)))
}

/// Blanks and the like are written as `\040`.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, behind)) = rest.split_first() {
        let octal =
            behind.get(..3).filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match octal {
            Some(digits) if *first == b'\\' => {
                let value = digits.iter().fold(0_u32, |value, d| value * 8 + u32::from(d - b'0'));
                out.push(u8::try_from(value).unwrap_or(b'?'));
                rest = behind.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

const ENTRIES: usize = 32 * 1024;
/// Holders that are kept for one namespace.
const HOLDERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_namespaces_are_told_from_others() {
        let docker =
            b"512 31 0:4 net:[4026532731] /run/docker/netns/1-a\\040b rw shared:9 - nsfs nsfs rw";
        assert_eq!(mount(docker), Some((4_026_532_731, b"/run/docker/netns/1-a b".to_vec())));
        for other in [
            &b"512 31 0:4 mnt:[4026532731] /run/x rw - nsfs nsfs rw"[..],
            b"24 1 8:1 / / rw - ext4 /dev/sda1 rw",
            b"24 1",
            b"",
        ] {
            assert_eq!(mount(other), None);
        }
        assert_eq!(unescaped(b"a\\134\\04"), b"a\\\\04");
    }
}
