use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::libc;
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::fstat;

use crate::base::{Error, Op, Result};
use crate::sys::nsfs;

/// The namespace of the calling thread; `/proc/self` would show the main thread's.
pub(super) const OWN: &str = "/proc/thread-self/ns/net";

/// What tells two network namespaces apart as long as both exist: device and inode of the nsfs file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NetnsId {
    /// Device number of nsfs.
    pub dev: u64,
    /// Inode number, as `lsns` and `/proc/PID/ns/net` show it.
    pub ino: u64,
}

impl NetnsId {
    pub(super) fn of_fd(fd: impl AsFd) -> Result<Self> {
        let stat = fstat(fd).map_err(|e| Error::sys(Op::OpenNamespace, e))?;
        Ok(Self { dev: stat.st_dev, ino: stat.st_ino })
    }

    /// Identifies the namespace a path leads to without opening it.
    pub(crate) fn of_path(path: impl AsRef<Path>) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(path)?;
        Ok(Self { dev: meta.dev(), ino: meta.ino() })
    }
}

impl fmt::Display for NetnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "net:[{}]", self.ino)
    }
}

/// An open handle on a network namespace; equal when the namespace is the same.
///
/// **It pins the namespace**: as long as a handle, or a socket opened inside, exists, the network
/// of a dead container stays alive, its veth pair included. Keep a [`crate::Target`] instead and
/// open it for each piece of work.
///
/// ```no_run
/// use vision_core::Netns;
///
/// let blue = Netns::from_path("/run/netns/blue")?;
/// let socket = blue.run(|| std::net::UdpSocket::bind("0.0.0.0:0"))?;
/// // The socket belongs to `blue`, whatever thread uses it from here on.
/// # drop(socket);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Netns {
    fd: Arc<OwnedFd>,
    id: NetnsId,
}

impl Netns {
    /// Opens the namespace of the calling thread.
    ///
    /// # Errors
    /// [`Error::Sys`] when `/proc` is not mounted or the process has no descriptor left.
    pub fn current() -> Result<Self> {
        Self::from_path(OWN)
    }

    /// Opens a namespace file: `/proc/PID/ns/net`, `/run/netns/NAME`, a bind mount.
    ///
    /// Another user's `/proc/PID/ns/net` needs `CAP_SYS_PTRACE`.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for the empty file on which a namespace was mounted, or is where
    /// the caller's mount namespace does not see it; [`Error::Permission`]; [`Error::Invalid`]
    /// when the file is no network namespace.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::NotFound(path.display().to_string()),
            _ => Error::sys(Op::OpenNamespace, e),
        })?;
        // What a namespace is mounted on is an empty file, which is seen for a moment while it goes.
        let empty = file.metadata().is_ok_and(|file| file.is_file() && file.len() == 0);
        if empty && nsfs::namespace_type(&file).is_err() {
            let why = "the file is empty: unmounted, or mounted out of sight";
            return Err(Error::NotFound(format!("a namespace on {} ({why})", path.display())));
        }
        Self::checked(file.into(), || path.display().to_string())
    }

    /// Takes a descriptor that somebody else opened.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless the kernel says that it is a network namespace (kernel 4.11).
    pub fn from_fd(fd: OwnedFd) -> Result<Self> {
        Self::checked(fd, || "the descriptor".to_owned())
    }

    fn checked(fd: OwnedFd, what: impl FnOnce() -> String) -> Result<Self> {
        match nsfs::namespace_type(&fd) {
            Ok(libc::CLONE_NEWNET) => {
                let id = NetnsId::of_fd(&fd)?;
                Ok(Self { fd: Arc::new(fd), id })
            }
            Ok(_) => Err(Error::invalid("namespace", format!("{} is of another kind", what()))),
            Err(_) => Err(Error::invalid("namespace", format!("{} is no namespace", what()))),
        }
    }

    /// Returns what identifies the namespace.
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// Returns the namespace's cookie, which is never reused; `None` before kernel 6.18.
    pub fn cookie(&self) -> Option<u64> {
        nsfs::namespace_cookie(&self.fd).ok()
    }

    /// Runs a closure inside the namespace and returns what it returned.
    ///
    /// The closure runs on a thread made for it, which enters the namespace and ends there: there
    /// is no way back that could fail, and no other thread ever changes its namespace. When the
    /// caller is in the namespace already, the closure runs where it is. Sockets opened inside
    /// keep the namespace and may be used anywhere. A panic inside reaches the caller.
    ///
    /// Needs `CAP_SYS_ADMIN` over the namespace (setns(2)) unless it is the caller's own.
    /// Costs about 50 µs.
    ///
    /// # Errors
    /// [`Error::Permission`] when the kernel refuses to enter, [`Error::Sys`] when no thread could
    /// be started.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        if NetnsId::of_path(OWN).is_ok_and(|own| own == self.id) {
            return Ok(f());
        }
        thread::scope(|scope| {
            let inside = || {
                setns(&self.fd, CloneFlags::CLONE_NEWNET)
                    .map_err(|e| Error::sys(Op::EnterNamespace, e))?;
                Ok(f())
            };
            let name = "vision-netns".to_owned();
            let thread = thread::Builder::new().name(name).spawn_scoped(scope, inside);
            let thread = thread.map_err(|e| Error::Sys { op: Op::SpawnThread, source: e })?;
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl PartialEq for Netns {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Netns {}

impl Hash for Netns {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netns({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_needs_no_thread() {
        let own = Netns::current().expect("/proc is mounted");
        let here = thread::current().id();
        assert_eq!(own.run(|| thread::current().id()).ok(), Some(here));
    }

    #[test]
    fn other_files_are_refused() {
        let refused = |path: &str| Netns::from_path(path).expect_err(path).to_string();
        assert!(refused("/proc/self/ns/uts").contains("/proc/self/ns/uts is of another kind"));
        assert!(refused("/dev/null").contains("/dev/null is no namespace"));
        assert!(refused("/run/netns/no-such-name").contains("not found"));
        let bare = std::env::temp_dir().join(format!("vision-bare-{}", std::process::id()));
        std::fs::write(&bare, "").expect("written");
        let error = Netns::from_path(&bare).expect_err("an empty file");
        std::fs::write(&bare, "text").expect("written");
        let other = Netns::from_path(&bare).expect_err("a file with text");
        std::fs::remove_file(&bare).expect("removed");
        assert!(matches!(error, Error::NotFound(_)) && error.to_string().contains("unmounted"));
        assert!(matches!(other, Error::Invalid { .. }), "{other}");
    }
}
