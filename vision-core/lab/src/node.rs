//! One anonymous network namespace.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, Ipv6Addr},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    panic::resume_unwind,
    path::PathBuf,
    process::{self, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

use crate::{
    check,
    error::{Error, Result, ShError},
    process::Proc,
};

/// A network namespace held by a file descriptor of this process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    ns: File,
    inode: u64,
    addrs: Mutex<Addrs>,
}

/// What the topology gave this node.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Addrs {
    pub(crate) v4: Option<Ipv4Addr>,
    pub(crate) v6: Option<Ipv6Addr>,
    pub(crate) gateway_v4: Option<Ipv4Addr>,
    pub(crate) gateway_v6: Option<Ipv6Addr>,
}

impl Node {
    /// Unshares on a thread of its own: the thread ends, the descriptor keeps the namespace.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        })
        .join()
        .unwrap_or_else(|panic| resume_unwind(panic));
        let ns = made.map_err(Error::io(format!("no network namespace for node {name}")))?;
        let inode = ns.metadata().map_err(Error::io("stat of a namespace"))?.ino();
        let addrs = Mutex::default();
        Ok(Self(Arc::new(Inner { name: name.into(), ns, inode, addrs })))
    }

    /// Brings `lo` up and makes the namespace independent of the machine's own settings.
    pub(crate) fn settle(&self) -> Result<()> {
        self.sysctls(&[
            // First, because it resets other per-interface values.
            ("net/ipv4/ip_forward", "0"),
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
            ("net/ipv6/conf/all/accept_dad", "0"),
            ("net/ipv6/conf/default/accept_dad", "0"),
            ("net/ipv6/conf/default/dad_transmits", "0"),
        ])?;
        self.try_sh("ip link set lo up")?;
        Ok(())
    }

    /// The name given at creation; the kernel does not know it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The namespace's descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.ns.as_fd()
    }

    /// A descriptor of the namespace for the caller to keep. It keeps the namespace alive.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn netns_fd(&self) -> io::Result<OwnedFd> {
        self.0.ns.as_fd().try_clone_to_owned()
    }

    /// A path to the namespace that other processes can open while this node lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.0.ns.as_raw_fd()).into()
    }

    /// The namespace's inode number, as in `net:[…]`.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.0.inode
    }

    /// The primary IPv4 address the topology gave this node.
    ///
    /// # Panics
    /// When it gave none.
    #[must_use]
    pub fn v4(&self) -> Ipv4Addr {
        self.addrs().v4.unwrap_or_else(|| self.lacks("IPv4 address"))
    }

    /// The primary IPv6 address the topology gave this node.
    ///
    /// # Panics
    /// When it gave none.
    #[must_use]
    pub fn v6(&self) -> Ipv6Addr {
        self.addrs().v6.unwrap_or_else(|| self.lacks("IPv6 address"))
    }

    /// The gateway of this node's IPv4 default route.
    ///
    /// # Panics
    /// When the topology gave it none.
    #[must_use]
    pub fn gateway_v4(&self) -> Ipv4Addr {
        self.addrs().gateway_v4.unwrap_or_else(|| self.lacks("IPv4 gateway"))
    }

    /// The gateway of this node's IPv6 default route.
    ///
    /// # Panics
    /// When the topology gave it none.
    #[must_use]
    pub fn gateway_v6(&self) -> Ipv6Addr {
        self.addrs().gateway_v6.unwrap_or_else(|| self.lacks("IPv6 gateway"))
    }

    /// Runs a shell command in the namespace and returns its stdout. `/sys` and all files stay the machine's.
    ///
    /// # Panics
    /// When the command fails, with its status and stderr.
    pub fn sh(&self, command: &str) -> String {
        self.try_sh(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Node::sh`], without the panic.
    ///
    /// # Errors
    /// The command's status and what it wrote.
    pub fn try_sh(&self, command: &str) -> Result<String, ShError> {
        self.run(command, &["sh", "-ec", command])
    }

    /// Starts one simple command in the namespace, its output discarded (redirect it in the command to keep it).
    ///
    /// Returns once the command itself runs, so that [`Proc::pid`] is at once a valid target. The process dies
    /// with the [`Proc`], and with this process.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(&self, command: &str) -> Proc {
        Proc::start(self, command, Stdio::null())
    }

    /// As [`Node::spawn`], with stdout as a pipe: see [`Proc::stdout`].
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn_piped(&self, command: &str) -> Proc {
        Proc::start(self, command, Stdio::piped())
    }

    /// A process that does nothing in the namespace: a stand-in for a container's first process.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn sleeper(&self) -> Proc {
        self.spawn("sleep infinity")
    }

    /// Runs `f` on a fresh thread inside the namespace and waits for it. Sockets opened there stay there.
    ///
    /// # Panics
    /// When the namespace cannot be entered, or when `f` panics.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        self.try_enter(f)
            .unwrap_or_else(|error| panic!("cannot enter node {}: {error}", self.name()))
    }

    /// Sets `/proc/sys/KEY` in the namespace; `key` is spelled with slashes (`net/ipv4/ip_forward`).
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        self.sysctls(&[(key, value)])
    }

    pub(crate) fn sysctls(&self, values: &[(&str, &str)]) -> Result<()> {
        // /proc/sys/net shows the namespace of the thread that looks.
        let written = self.try_enter(|| {
            values.iter().find_map(|&(key, value)| {
                let error = fs::write(format!("/proc/sys/{key}"), value).err()?;
                Some((key, error))
            })
        });
        match written.map_err(Error::io(format!("cannot enter node {}", self.name())))? {
            None => Ok(()),
            Some((_, error)) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                self.sysctls_remounted(values)
            }
            Some((key, source)) => {
                Err(Error::Io { what: format!("sysctl {key} in node {}", self.name()), source })
            }
        }
    }

    fn sysctls_remounted(&self, values: &[(&str, &str)]) -> Result<()> {
        let writes: Vec<String> =
            values.iter().map(|(key, value)| format!("echo '{value}' >/proc/sys/{key}")).collect();
        self.try_sh_writable(&writes.join("; "))?;
        Ok(())
    }

    /// As [`Node::try_sh`], for commands that write to `/proc/sys`: engines mount it read-only in containers,
    /// and a private mount namespace may have it writable.
    pub(crate) fn try_sh_writable(&self, command: &str) -> Result<String, ShError> {
        match self.try_sh(command) {
            Err(error) if error.stderr.contains("Read-only file system") => {
                let script = format!(
                    "mount -o remount,rw,bind /proc/sys || mount -t proc proc /proc; {command}"
                );
                self.run(command, &["unshare", "-m", "sh", "-ec", &script])
            }
            other => other,
        }
    }

    fn run(&self, command: &str, args: &[&str]) -> Result<String, ShError> {
        let fail = |status, stdout, stderr| ShError {
            node: self.name().into(),
            command: command.into(),
            status,
            stdout,
            stderr,
        };
        let output = self
            .command(args)
            .output()
            .map_err(|error| fail(None, String::new(), error.to_string()))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(stdout);
        }
        Err(fail(Some(output.status), stdout, String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    pub(crate) fn try_enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(self.fd(), CloneFlags::CLONE_NEWNET)?;
                Ok(f())
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// `nsenter` into the namespace with `args` as the command; it execs, so the pid stays.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").args(args);
        command.env("PATH", check::path()).env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    pub(crate) fn addrs(&self) -> MutexGuard<'_, Addrs> {
        self.0.addrs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lacks(&self, what: &str) -> ! {
        panic!("the topology gave node {} no {what}", self.name())
    }
}
