//! The file system in which engines keep their state: the caller's, the machine's behind process
//! 1, or that of an engine's own process.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::base::{Error, Op, Result};
use crate::netns::file::{self, READ};
use crate::netns::{Netns, NetnsId};

/// No folder of an engine has more containers.
const MOST_ENTRIES: usize = 8192;

/// A directory that nothing read below it can leave.
#[derive(Debug, Clone)]
pub(super) struct Root {
    fd: Arc<OwnedFd>,
    path: PathBuf,
}

impl Root {
    pub(super) fn at(path: impl AsRef<Path>) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(path.as_ref(), flags, Mode::empty())?;
        Ok(Self { fd: Arc::new(fd), path: path.as_ref().to_owned() })
    }

    /// Where the caller finds what this root has under a path.
    pub(super) fn path_of(&self, path: &str) -> PathBuf {
        self.path.join(path.trim_start_matches('/'))
    }

    /// Opens a folder below, as a root of its own.
    pub(super) fn below(&self, path: &str) -> io::Result<Self> {
        let fd = file::open_as(&self.fd, path, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        Ok(Self { fd: Arc::new(fd), path: self.path_of(path) })
    }

    /// What tells this directory from others.
    pub(super) fn id(&self) -> io::Result<(u64, u64)> {
        let stat = fstat(&self.fd)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Reads a regular file of at most `limit` bytes.
    pub(super) fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let fd = file::open_as(&self.fd, path, READ)?;
        if kind(&fd)? != SFlag::S_IFREG {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no regular file"));
        }
        file::read_bounded(File::from(fd), limit)
    }

    /// Lists the names in this folder, in order; those that are not UTF-8 belong to no engine.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.take(MOST_ENTRIES).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Identifies a file as a network namespace.
    pub(super) fn netns(&self, path: &str) -> Result<NetnsId> {
        let fd =
            file::open_as(&self.fd, path, READ).map_err(|e| Error::sys(Op::OpenNamespace, e))?;
        Netns::from_fd(fd).map(|netns| netns.id())
    }

    /// Takes hold of a socket's file, to be connected to through `/proc/self/fd`.
    pub(super) fn socket(&self, path: &str) -> io::Result<OwnedFd> {
        let fd = file::open_as(&self.fd, path, OFlag::O_PATH)?;
        match kind(&fd)? == SFlag::S_IFSOCK {
            true => Ok(fd),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "no socket")),
        }
    }
}

fn kind(fd: &OwnedFd) -> io::Result<SFlag> {
    Ok(SFlag::from_bits_truncate(fstat(fd)?.st_mode) & SFlag::S_IFMT)
}

/// Whether nothing of that name is there, which says that the engine is not.
pub(super) fn is_absent(error: &io::Error) -> bool {
    let absent = [Errno::ENOENT, Errno::ENOTDIR].map(|e| e as i32);
    error.raw_os_error().is_some_and(|e| absent.contains(&e))
}
