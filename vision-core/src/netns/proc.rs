//! All access to `/proc/PID`: one process seen through one directory handle.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::libc;
use nix::sys::stat::{Mode, fstatat};

use super::handle::NetnsId;
use crate::base::Untrusted;

/// `PF_KTHREAD` of linux/sched.h: the task has no user space and no network of its own.
const PF_KTHREAD: u64 = 0x0020_0000;

/// A directory `/proc/PID`, opened once: later reads cannot slip to a process that reused the number.
#[derive(Debug)]
pub(crate) struct ProcDir {
    dir: OwnedFd,
}

impl ProcDir {
    pub(crate) fn open(pid: u32) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = nix::fcntl::open(format!("/proc/{pid}").as_str(), flags, Mode::empty())?;
        Ok(Self { dir })
    }

    pub(crate) fn open_at(&self, name: &str, flags: OFlag) -> io::Result<OwnedFd> {
        Ok(openat(self.dir.as_fd(), name, flags | OFlag::O_CLOEXEC, Mode::empty())?)
    }

    /// Reads a small file; at most 64 KiB.
    pub(crate) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::from(self.open_at(name, OFlag::O_RDONLY)?);
        file.take(64 * 1024).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a file that may be larger, and refuses one that is larger than that.
    #[cfg(feature = "dns")]
    pub(crate) fn read_within(&self, name: &str, limit_bytes: u64) -> io::Result<Vec<u8>> {
        let file = File::from(self.open_at(name, OFlag::O_RDONLY)?);
        super::file::read_bounded(file, limit_bytes)
    }

    /// Identifies the process's network namespace; fails for a zombie.
    pub(crate) fn netns(&self) -> io::Result<NetnsId> {
        let stat = fstatat(self.dir.as_fd(), "ns/net", AtFlags::empty())?;
        Ok(NetnsId { dev: stat.st_dev, ino: stat.st_ino })
    }

    /// Returns the process's own name for itself.
    pub(crate) fn comm(&self) -> io::Result<Untrusted> {
        let mut comm = self.read("comm")?;
        if comm.last() == Some(&b'\n') {
            comm.pop();
        }
        Ok(comm.into())
    }

    pub(crate) fn stat(&self) -> io::Result<Stat> {
        let bytes = self.read("stat")?;
        Stat::parse(&bytes).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }
}

/// The few fields of `/proc/PID/stat` that tell what kind of process it is (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: u8,
    pub(crate) parent: u32,
    pub(crate) flags: u64,
    /// When it started, in clock ticks since the machine did; with the number, who it is.
    pub(crate) start: u64,
}

impl Stat {
    /// The name in parentheses, as the process calls itself.
    pub(crate) fn comm(bytes: &[u8]) -> Option<&[u8]> {
        let start = bytes.iter().position(|b| *b == b'(')?;
        let end = bytes.iter().rposition(|b| *b == b')')?;
        bytes.get(start + 1..end)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        // The name may hold anything, blanks and parentheses too: the last one ends it.
        let end = bytes.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(bytes.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let parent = fields.next()?.parse().ok()?;
        // Fields 5 to 8: pgrp, session, tty_nr, tpgid; 9 is flags, 22 is the start.
        let flags = fields.nth(4)?.parse().ok()?;
        let start = fields.nth(12)?.parse().ok()?;
        Some(Self { state, parent, flags, start })
    }

    pub(crate) fn is_kernel_thread(self) -> bool {
        self.flags & PF_KTHREAD != 0
    }

    pub(crate) fn is_zombie(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Lists process numbers in ascending order; those that vanish meanwhile are simply missing later.
pub(crate) fn pids() -> io::Result<Vec<u32>> {
    let mut pids: Vec<u32> = std::fs::read_dir("/proc")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Whether this process has run out of something, so that nothing follows about the one looked at.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_state() {
        let line = b"42 (a) R (b c) Z 7 42 42 0 -1 4194560 0 0 0 0 1 2 3 4 20 0 1 0 9876 0 0";
        let stat = Stat::parse(line).expect("parses");
        assert!(stat.is_zombie());
        assert_eq!(stat.flags, 4_194_560);
        assert_eq!(Stat::comm(line), Some(&b"a) R (b c"[..]));
        assert_eq!((stat.parent, stat.start), (7, 9876));
        assert!(!stat.is_kernel_thread());
    }

    #[test]
    fn a_cut_line_is_refused() {
        assert_eq!(Stat::parse(b"42 (a) S 1 2"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn this_process_has_a_name_and_a_namespace() {
        let own = ProcDir::open(std::process::id()).expect("own directory");
        assert!(own.netns().is_ok());
        assert!(!own.comm().expect("comm").as_bytes().is_empty());
        assert!(!own.stat().expect("stat").is_kernel_thread());
    }
}
