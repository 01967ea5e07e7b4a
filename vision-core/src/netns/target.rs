use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::file::Wanted;
use super::handle::OWN;
use super::proc::{ProcDir, Stat};
use super::{Container, FileOrigin, Lookup, Netns, NetnsId, Selector, TargetFile, file, resolve};
use crate::base::{Budget, Error, Op, Result};
use crate::sys::pidfd;

/// Environment variables that were looked for.
#[cfg(feature = "dns")]
pub(crate) struct Variables {
    /// The process that has them, if it is another than this one.
    pub(crate) pid: Option<u32>,
    /// Those there are, by name.
    pub(crate) found: Vec<(String, String)>,
}

/// More than any environment is.
#[cfg(feature = "dns")]
const ENVIRONMENT_BYTES: u64 = 1024 * 1024;

/// A namespace to look at, by what names it; holds no namespace open.
///
/// A process is held by a pidfd, which neither keeps it alive nor follows its number to another
/// process. [`Target::open`] checks that the namespace is still the one that was resolved.
///
/// ```
/// use vision_core::{Budget, Selector, Target};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let netns = target.open()?;
/// assert_eq!(netns.id(), target.id());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Target {
    selector: Selector,
    id: NetnsId,
    way: Way,
    /// What was found under the name of a container or pod.
    container: Option<Arc<Container>>,
    /// The process whose files are the target's, where that is not the one that holds the network.
    files: Option<Process>,
}

/// How the namespace is found again.
#[derive(Clone, Debug)]
enum Way {
    /// The thread's own.
    Own,
    /// Through a process.
    Process(Process),
    /// Through a file, by its path.
    File(PathBuf),
    /// The caller's own handle, which pins.
    Held(Netns),
}

/// A process and the handle that tells whether it is still the same.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    pidfd: Arc<OwnedFd>,
    dir: Arc<ProcDir>,
}

impl Process {
    /// Takes hold of a process: the handle first, then its directory, then a check that it lives,
    /// so that both belong to the same process.
    pub(super) fn open(pid: u32) -> Result<Self> {
        let gone = |_| Error::NotFound(format!("process {pid}"));
        let pidfd = match pidfd::open(pid) {
            Ok(fd) => Arc::new(fd),
            Err(e) if e.raw_os_error() == Some(nix::libc::ESRCH) => return Err(gone(e)),
            Err(e) => return Err(Error::sys(Op::OpenPidfd, e)),
        };
        let dir = match ProcDir::open(pid) {
            Ok(dir) => Arc::new(dir),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(hidden(&pidfd, pid)),
            Err(e) => return Err(Error::sys(Op::ReadProc, e)),
        };
        let process = Self { pid, pidfd, dir };
        process.check_alive()?;
        Ok(process)
    }

    pub(super) fn stat(&self) -> Result<Stat> {
        self.dir.stat().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => hidden(&self.pidfd, self.pid),
            _ => self.lost(Op::ReadProc, e),
        })
    }

    pub(super) fn netns(&self) -> Result<NetnsId> {
        self.dir.netns().map_err(|e| self.lost(Op::OpenNamespace, e))
    }

    fn open_netns(&self) -> Result<Netns> {
        let opened = self.dir.open_at("ns/net", nix::fcntl::OFlag::O_RDONLY);
        // Asked after the opening: a process alive now was alive then, so its number was its own.
        self.check_alive()?;
        Netns::from_fd(opened.map_err(|e| self.lost(Op::OpenNamespace, e))?)
    }

    /// What it means that the process's files cannot be read.
    fn lost(&self, op: Op, error: std::io::Error) -> Error {
        // A process on its way out has given up its namespaces before its handle says that it
        // ended (`do_exit` of kernel/exit.c).
        match error.raw_os_error() {
            Some(nix::libc::ENOENT | nix::libc::ESRCH) => exited(self.pid),
            _ => self.check_alive().err().unwrap_or_else(|| Error::sys(op, error)),
        }
    }

    pub(super) fn dir(&self) -> &ProcDir {
        &self.dir
    }

    pub(super) fn check_alive(&self) -> Result<()> {
        check_alive(&self.pidfd, self.pid)
    }
}

fn exited(pid: u32) -> Error {
    Error::TargetExited(format!("process {pid}"))
}

fn check_alive(pidfd: &OwnedFd, pid: u32) -> Result<()> {
    // A pidfd becomes readable when the process ends, before it is reaped.
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::ZERO) {
            Ok(0) => return Ok(()),
            Ok(_) => return Err(exited(pid)),
            // Also of a poll that does not wait, when a signal is pending (fs/select.c).
            Err(Errno::EINTR) => {}
            Err(e) => return Err(Error::sys(Op::Poll, e)),
        }
    }
}

/// A process that there is a handle on, but that `/proc` does not show.
fn hidden(pidfd: &OwnedFd, pid: u32) -> Error {
    let why = "it runs, but /proc does not show it: not mounted, mounted with `hidepid`, or for \
               another pid namespace";
    match check_alive(pidfd, pid) {
        Ok(()) => Error::NotFound(format!("process {pid} ({why})")),
        Err(ended) => ended,
    }
}

impl Target {
    /// Finds what a selector names and remembers its identity.
    ///
    /// Containers and pods are found by the control groups of processes and by what engines keep on
    /// disk; an engine is asked only where that is not enough (see [`Lookup`]).
    /// Another user's process needs `CAP_SYS_PTRACE`. The namespace is not entered.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`] with the candidates, [`Error::TargetExited`] for
    /// a zombie or a container that does not run, [`Error::Invalid`] for a kernel thread or a file that is no network namespace,
    /// [`Error::Permission`].
    pub fn resolve(selector: &Selector, budget: &Budget) -> Result<Self> {
        Self::look_up(selector, &Lookup::default(), budget)
    }

    /// As [`Target::resolve`], with a say in where containers are looked for.
    ///
    /// # Errors
    /// As [`Target::resolve`].
    pub fn look_up(selector: &Selector, lookup: &Lookup, budget: &Budget) -> Result<Self> {
        budget.remaining()?;
        resolve::resolve(selector, lookup, budget)
    }

    /// Takes the caller's own handle; this target pins the namespace as the handle does.
    pub fn of(netns: Netns) -> Self {
        let path = PathBuf::from(format!("net:[{}]", netns.id().ino));
        Self::new(Selector::Path(path), netns.id(), Way::Held(netns))
    }

    fn new(selector: Selector, id: NetnsId, way: Way) -> Self {
        Self { selector, id, way, container: None, files: None }
    }

    /// Remembers the container that the name stood for.
    pub(super) fn of_container(self, container: Arc<Container>) -> Self {
        Self { container: Some(container), ..self }
    }

    /// Reads files through another process than the one that holds the network.
    pub(super) fn with_files(self, files: Option<Process>) -> Self {
        Self { files, ..self }
    }

    pub(super) fn own(selector: Selector) -> Result<Self> {
        let id = NetnsId::of_path(OWN).map_err(|e| Error::sys(Op::OpenNamespace, e))?;
        Ok(Self::new(selector, id, Way::Own))
    }

    pub(super) fn process(selector: Selector, process: Process, id: NetnsId) -> Self {
        Self::new(selector, id, Way::Process(process))
    }

    pub(super) fn file(selector: Selector, path: PathBuf) -> Result<Self> {
        let id = Netns::from_path(&path)?.id();
        Ok(Self::new(selector, id, Way::File(path)))
    }

    /// Returns the identity found when the target was resolved.
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// Returns what the target was called.
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Returns the container that was found under the name, of a pod the one that holds its
    /// network.
    pub fn container(&self) -> Option<&Container> {
        self.container.as_deref()
    }

    /// Returns the process the target was found through.
    pub fn pid(&self) -> Option<u32> {
        match &self.way {
            Way::Process(process) => Some(process.pid),
            _ => None,
        }
    }

    /// Returns a descriptor that becomes readable when the target process ends.
    pub(crate) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        match &self.way {
            Way::Process(process) => Some(process.pidfd.as_fd()),
            _ => None,
        }
    }

    /// Says that the target process has ended, if it has.
    ///
    /// # Errors
    /// [`Error::TargetExited`].
    pub fn check_alive(&self) -> Result<()> {
        match &self.way {
            Way::Process(process) => process.check_alive(),
            _ => Ok(()),
        }
    }

    /// Opens the namespace after making sure that it is still the one resolved.
    ///
    /// # Errors
    /// [`Error::TargetExited`] when the process has ended, [`Error::NotFound`] when the name now
    /// leads to another namespace, [`Error::Permission`].
    pub fn open(&self) -> Result<Netns> {
        let netns = match &self.way {
            Way::Held(netns) => return Ok(netns.clone()),
            Way::Own => Netns::current()?,
            Way::File(path) => Netns::from_path(path)?,
            Way::Process(process) => process.open_netns()?,
        };
        match netns.id() == self.id {
            true => Ok(netns),
            false => Err(Error::NotFound(format!(
                "{} {}, which now is {},",
                self.selector,
                self.id,
                netns.id()
            ))),
        }
    }

    /// Reads a file as the target's processes see it; `path` is absolute and inside their root.
    ///
    /// Nothing outside the target's root is ever read: links are resolved inside it, and only
    /// regular files of at most 64 KiB are accepted. For a namespace known by name,
    /// `/etc/netns/NAME/` is looked at first, as `ip netns exec` does.
    /// Another user's process needs `CAP_SYS_PTRACE`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Invalid`] for special or oversize files,
    /// [`Error::Permission`], [`Error::TargetExited`].
    pub fn read_file(&self, path: &str, budget: &Budget) -> Result<TargetFile> {
        self.read(Wanted::settings(path), budget)
    }

    /// The same for a file that may be larger: the authorities of certificates.
    #[cfg(all(feature = "dns", feature = "tls"))]
    pub(crate) fn read_large_file(&self, path: &str, budget: &Budget) -> Result<TargetFile> {
        self.read(Wanted { path, limit_bytes: 4 * 1024 * 1024 }, budget)
    }

    /// Lists a folder of the target, sorted: at most 1024 names.
    ///
    /// # Errors
    /// As [`Target::read_file`].
    #[cfg(all(feature = "dns", feature = "tls"))]
    pub(crate) fn list_folder(&self, path: &str, budget: &Budget) -> Result<Vec<String>> {
        budget.remaining()?;
        self.check_alive()?;
        match &self.way {
            Way::Process(process) => {
                let alive = self.files.as_ref().filter(|process| process.check_alive().is_ok());
                file::list_in_process(alive.unwrap_or(process), path)
            }
            Way::Own | Way::File(_) | Way::Held(_) => file::list_own(path),
        }
    }

    /// Returns those of these environment variables that the target's process was started with; none for a
    /// namespace that is not known by a process.
    ///
    /// # Errors
    /// [`Error::Permission`]; [`Error::Invalid`] for more than 1 MiB.
    #[cfg(feature = "dns")]
    pub(crate) fn variables(&self, names: &[&str]) -> Result<Variables> {
        use std::os::unix::ffi::OsStrExt;

        let (pid, lines) = match &self.way {
            Way::Own => {
                let pair = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
                    [name.as_bytes(), b"=", value.as_bytes()].concat()
                };
                (None, std::env::vars_os().map(pair).collect())
            }
            Way::Process(process) => {
                let alive = self.files.as_ref().filter(|process| process.check_alive().is_ok());
                let process = alive.unwrap_or(process);
                let bytes = process.dir().read_within("environ", ENVIRONMENT_BYTES);
                let bytes = bytes.map_err(|e| match e.kind() {
                    std::io::ErrorKind::FileTooLarge => {
                        Error::invalid("environment", "it exceeds 1 MiB")
                    }
                    _ => Error::sys(Op::ReadProc, e),
                })?;
                let lines = bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec);
                (Some(process.pid), lines.collect::<Vec<_>>())
            }
            Way::File(_) | Way::Held(_) => (None, Vec::new()),
        };
        let pair = |line: &Vec<u8>| {
            let (name, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
            names.contains(&name).then(|| (name.to_owned(), value.to_owned()))
        };
        Ok(Variables { pid, found: lines.iter().filter_map(pair).collect() })
    }

    fn read(&self, path: Wanted<'_>, budget: &Budget) -> Result<TargetFile> {
        budget.remaining()?;
        self.check_alive()?;
        match (&self.way, &self.selector) {
            (Way::Process(process), _) => {
                let alive = self.files.as_ref().filter(|process| process.check_alive().is_ok());
                file::read_in_process(alive.unwrap_or(process), self.id, path)
            }
            (Way::Own, _) => file::read_own(path, FileOrigin::Own),
            (Way::File(_), Selector::Name(name)) => file::read_for_name(name, self.id, path),
            (Way::File(_) | Way::Held(_), _) => file::read_for_namespace(self.id, path),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selector.fmt(f)
    }
}
