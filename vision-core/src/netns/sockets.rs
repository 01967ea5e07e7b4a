//! Which processes of a namespace hold which sockets.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::fcntl::OFlag;

use super::handle::NetnsId;
use super::proc::{self, ProcDir};
use crate::base::{Budget, Error, Op, Result, Untrusted};
use crate::sys;

/// A socket in a process's table of descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) inode: u32,
    pub(crate) fd: u32,
    /// Place of its process in [`Holders::processes`].
    pub(crate) process: u32,
}

/// Sockets and the processes that hold them.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// Number and name of each process that holds a socket.
    pub(crate) processes: Vec<(u32, Untrusted)>,
    pub(crate) sockets: Vec<Held>,
    /// Processes whose namespace could not be told.
    pub(crate) unreadable: usize,
    /// Processes of the namespace whose descriptors could not be listed.
    pub(crate) locked: usize,
}

/// Looks through the descriptors of every process that lives in a namespace.
///
/// A process that ends meanwhile is simply not there.
pub(crate) fn holders(id: NetnsId, budget: &Budget) -> Result<Holders> {
    let mut found = Holders::default();
    let mut buffer = vec![0; ENTRIES];
    for pid in proc::pids().map_err(|e| Error::sys(Op::ReadProc, e))? {
        budget.remaining()?;
        match ProcDir::open(pid).and_then(|dir| found.add(pid, &dir, id, &mut buffer)) {
            Err(e) if proc::is_exhausted(&e) => return Err(Error::sys(Op::ReadProc, e)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => found.unreadable += 1,
            _ => {}
        }
    }
    Ok(found)
}

impl Holders {
    fn add(&mut self, pid: u32, dir: &ProcDir, id: NetnsId, buffer: &mut [u8]) -> io::Result<()> {
        if dir.netns()? != id {
            return Ok(());
        }
        let fds = match dir.open_at("fd", OFlag::O_RDONLY | OFlag::O_DIRECTORY) {
            // A look at the namespace was granted: what is missing is the right to list.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                self.locked += 1;
                return Ok(());
            }
            fds => fds?,
        };
        let process = u32::try_from(self.processes.len()).unwrap_or(u32::MAX);
        let before = self.sockets.len();
        each_socket(fds.as_fd(), buffer, |fd, inode| {
            self.sockets.push(Held { inode, fd, process });
        })?;
        if self.sockets.len() > before {
            self.processes.push((pid, dir.comm().unwrap_or_default()));
        }
        Ok(())
    }
}

/// Hands over number and inode of each socket below `/proc/PID/fd`.
fn each_socket(
    dir: BorrowedFd<'_>,
    buffer: &mut [u8],
    mut each: impl FnMut(u32, u32),
) -> io::Result<()> {
    each_link(dir, buffer, |fd, target| {
        if let Some(inode) = socket(target) {
            each(fd, inode);
        }
    })
}

/// Hands over the number of each descriptor below `/proc/PID/fd` and what it leads to, cut after
/// 32 bytes.
///
/// One system call for a batch of descriptors and one for each; nothing is allocated.
pub(super) fn each_link(
    dir: BorrowedFd<'_>,
    buffer: &mut [u8],
    mut each: impl FnMut(u32, &[u8]),
) -> io::Result<()> {
    loop {
        let used = match sys::dir::entries(dir, buffer)? {
            0 => return Ok(()),
            used => used,
        };
        let mut rest = buffer.get(..used).unwrap_or_default();
        while let Some((name, behind)) = first_name(rest) {
            rest = behind;
            let Some(fd) = number(name.to_bytes()) else { continue };
            let mut target = [0; LINK];
            // One that was closed meanwhile leads nowhere any more.
            if let Ok(len) = sys::dir::link(dir, name, &mut target) {
                each(fd, target.get(..len).unwrap_or_default());
            }
        }
    }
}

/// Splits off the first `struct linux_dirent64`: two numbers of 64 bits, the length of the whole
/// at byte 16, the type, the name.
fn first_name(entries: &[u8]) -> Option<(&CStr, &[u8])> {
    let len = u16::from_ne_bytes(*entries.get(16..)?.first_chunk()?);
    let (entry, behind) = entries.split_at_checked(len.into())?;
    Some((CStr::from_bytes_until_nul(entry.get(19..)?).ok()?, behind))
}

fn socket(target: &[u8]) -> Option<u32> {
    number(target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|d| *d <= 9)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Room for the entries of one system call, and for one link: `socket:[4294967295]` and a bit.
const ENTRIES: usize = 32 * 1024;
const LINK: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::netns::Netns;

    #[test]
    fn only_sockets_have_an_inode_in_brackets() {
        assert_eq!(socket(b"socket:[4026531]"), Some(4_026_531));
        for other in
            ["pipe:[1]", "socket:[]", "socket:[1", "/tmp/socket:[1]", "socket:[99999999999]"]
        {
            assert_eq!(socket(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_socket_of_this_process_is_found_under_its_number() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let own = Netns::current().expect("/proc is mounted").id();
        let found = holders(own, &Budget::unbounded()).expect("listed");
        let fd = u32::try_from(socket.as_raw_fd()).expect("a descriptor");
        let here = |held: &&Held| {
            let process = found.processes.get(held.process as usize);
            held.fd == fd && process.is_some_and(|(pid, _)| *pid == std::process::id())
        };
        assert_eq!(found.sockets.iter().filter(here).count(), 1);
    }

    #[test]
    fn another_namespace_holds_none_of_them() {
        let nowhere = NetnsId { dev: 0, ino: 0 };
        let found = holders(nowhere, &Budget::unbounded()).expect("listed");
        assert!(found.sockets.is_empty() && found.processes.is_empty());
    }
}
