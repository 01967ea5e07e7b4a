use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::proc::{self, ProcDir};
use super::{Container, Lookup, Netns, NetnsHolder, NetnsId, Role, Selector, Target, hidden};
use crate::base::{Budget, Error, Gap, Op, Result, Untrusted};

/// Where `ip netns` keeps its names.
pub(super) const RUN_NETNS: &str = "/run/netns";

/// One network namespace and who lives in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NamespaceInfo {
    /// Its identity.
    pub id: NetnsId,
    /// Its cookie, which is never reused (kernel 6.18).
    pub cookie: Option<u64>,
    /// Names under `/run/netns`.
    pub names: Vec<String>,
    /// Number of processes inside.
    pub processes: usize,
    /// The lowest process number inside.
    pub lowest_pid: Option<u32>,
    /// What that process calls itself.
    pub command: Option<Untrusted>,
    /// Whether it is the caller's own.
    pub own: bool,
    /// The containers that use it, those that hold a pod's network first.
    #[cfg_attr(feature = "serde", serde(default))]
    pub containers: Vec<Container>,
    /// What keeps it alive when neither a process nor a name does; at most eight.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub holders: Vec<NetnsHolder>,
}

impl NamespaceInfo {
    /// Opens the namespace, by whichever way leads there.
    ///
    /// # Errors
    /// [`Error::Permission`], [`Error::NotFound`] when it has gone meanwhile.
    pub fn open(&self) -> Result<Netns> {
        let by_name = self.names.first().map(|name| Path::new(RUN_NETNS).join(name));
        let by_pid = self.lowest_pid.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/net")));
        let own = self.own.then(|| PathBuf::from(super::handle::OWN));
        let mut failed = Error::NotFound(self.id.to_string());
        let paths = [own, by_pid, by_name].into_iter().flatten().map(Netns::from_path);
        for opened in paths.chain(self.holders.iter().map(NetnsHolder::open)) {
            match opened {
                Ok(netns) if netns.id() == self.id => return Ok(netns),
                Ok(_) => {}
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }

    /// Returns a selector that leads to the namespace.
    pub fn selector(&self) -> Option<Selector> {
        let named = self.names.first().map(|name| Selector::Name(name.clone()));
        let held = || self.holders.iter().find_map(NetnsHolder::path).map(Selector::Path);
        named.or_else(|| self.lowest_pid.map(Selector::Pid)).or_else(held)
    }

    /// Returns what a person would call it: `pod:shop/cart-7d9`, `ctr:web`, or as
    /// [`NamespaceInfo::selector`] does.
    ///
    /// The machine's own network is not called by one of the containers that share it. The text
    /// has names in it that others chose.
    pub fn called(&self) -> Option<String> {
        let mut inside = self.containers.iter().filter(|container| !container.host_network);
        let first = inside.clone().next();
        let pod = inside.find_map(|container| container.pod.as_ref()?.label());
        let container = || first.map(|first| format!("ctr:{}", first.label()));
        let named = pod.map(|pod| format!("pod:{pod}")).or_else(container);
        named.or_else(|| self.selector().map(|selector| selector.to_string()))
    }
}

/// The namespaces that could be found, and how many processes could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Listing {
    /// Ordered by lowest process number, then those without a process.
    pub namespaces: Vec<NamespaceInfo>,
    /// Processes whose namespace this user may not see (they need `CAP_SYS_PTRACE`).
    pub unreadable_processes: usize,
    /// What could not be looked at when containers were looked for.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub gaps: Vec<Gap>,
}

/// Lists every network namespace that has a process this user may see or a name.
///
/// Zombies and kernel threads are passed over. Sees what `/proc` shows: with `hidepid`, or inside
/// a pid namespace, that is less than the machine holds. Containers are found as
/// [`Lookup::containers`] does.
///
/// # Errors
/// [`Error::Sys`] when `/proc` cannot be listed.
pub fn list(budget: &Budget) -> Result<Listing> {
    Lookup::default().namespaces(budget)
}

impl Lookup {
    /// As [`Lookup::namespaces`], and also finds those that no process lives in and that have no
    /// name: mounted elsewhere, as by container engines, or held by a descriptor or a socket.
    ///
    /// Looks at every descriptor of every process, which needs `CAP_SYS_PTRACE` for those of
    /// others; a socket's namespace needs `CAP_NET_ADMIN` over it.
    ///
    /// # Errors
    /// As [`list()`].
    pub fn all_namespaces(&self, budget: &Budget) -> Result<Listing> {
        let mut listing = self.namespaces(budget)?;
        let known = listing.namespaces.iter().map(|info| info.id).collect();
        for (id, holders) in hidden::find(&known, budget)? {
            let found = NamespaceInfo { holders, ..empty(id) };
            let cookie = found.open().ok().and_then(|netns| netns.cookie());
            listing.namespaces.push(NamespaceInfo { cookie, ..found });
        }
        Ok(listing)
    }

    /// As [`list()`], with a say in where containers are looked for.
    ///
    /// # Errors
    /// As [`list()`].
    pub fn namespaces(&self, budget: &Budget) -> Result<Listing> {
        let mut listing = processes_and_names(budget)?;
        let found = self.containers(budget)?;
        listing.gaps = found.gaps;
        for container in found.containers {
            let Some(id) = container.netns else { continue };
            match listing.namespaces.iter_mut().find(|info| info.id == id) {
                Some(info) => info.containers.push(container),
                None => {
                    let containers = vec![container];
                    listing.namespaces.push(NamespaceInfo { containers, ..empty(id) });
                }
            }
        }
        for info in &mut listing.namespaces {
            info.containers.sort_by_key(|container| container.role != Role::Sandbox);
        }
        Ok(listing)
    }
}

fn processes_and_names(budget: &Budget) -> Result<Listing> {
    let mut found = Found::default();
    for pid in proc::pids().map_err(|e| Error::sys(Op::ReadProc, e))? {
        budget.remaining()?;
        found.add_process(pid).map_err(|e| Error::sys(Op::ReadProc, e))?;
    }
    found.add_names()?;
    Ok(found.finish())
}

#[derive(Default)]
struct Found {
    namespaces: BTreeMap<NetnsId, NamespaceInfo>,
    unreadable: usize,
}

impl Found {
    fn entry(&mut self, id: NetnsId) -> &mut NamespaceInfo {
        self.namespaces.entry(id).or_insert_with(|| empty(id))
    }

    fn add_process(&mut self, pid: u32) -> io::Result<()> {
        match home(pid) {
            Ok(Some((dir, id))) => {
                let info = self.entry(id);
                info.processes += 1;
                if info.lowest_pid.is_none() {
                    info.lowest_pid = Some(pid);
                    info.command = dir.comm().ok();
                    info.cookie = cookie_of(&format!("/proc/{pid}/ns/net"), id);
                }
            }
            Ok(None) => {}
            Err(e) if proc::is_exhausted(&e) => return Err(e),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => self.unreadable += 1,
            // A process that ends while it is looked at is simply not there.
            Err(_) => {}
        }
        Ok(())
    }

    fn add_names(&mut self) -> Result<()> {
        let entries = match std::fs::read_dir(RUN_NETNS) {
            Err(e) if proc::is_exhausted(&e) => return Err(Error::sys(Op::OpenNamespace, e)),
            entries => entries.into_iter().flatten().flatten(),
        };
        for entry in entries {
            let path: PathBuf = Path::new(RUN_NETNS).join(entry.file_name());
            let name = entry.file_name().to_string_lossy().into_owned();
            match Netns::from_path(&path) {
                Ok(netns) => {
                    let info = self.entry(netns.id());
                    info.names.push(name);
                    info.names.sort_unstable();
                    info.cookie = info.cookie.or_else(|| netns.cookie());
                }
                Err(Error::Sys { op, source }) if proc::is_exhausted(&source) => {
                    return Err(Error::Sys { op, source });
                }
                // A plain file left behind by a dead namespace is no namespace.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Listing {
        if let Ok(own) = Target::own(Selector::Current) {
            self.entry(own.id()).own = true;
        }
        let mut namespaces: Vec<_> = self.namespaces.into_values().collect();
        namespaces.sort_by_key(|info| (info.lowest_pid.is_none(), info.lowest_pid, info.id));
        Listing { namespaces, unreadable_processes: self.unreadable, gaps: Vec::new() }
    }
}

fn empty(id: NetnsId) -> NamespaceInfo {
    NamespaceInfo {
        id,
        cookie: None,
        names: Vec::new(),
        processes: 0,
        lowest_pid: None,
        command: None,
        own: false,
        containers: Vec::new(),
        holders: Vec::new(),
    }
}

/// Where a process lives; `None` for what has no network of its own.
fn home(pid: u32) -> io::Result<Option<(ProcDir, NetnsId)>> {
    let dir = ProcDir::open(pid)?;
    let stat = dir.stat()?;
    if stat.is_kernel_thread() || stat.is_zombie() {
        return Ok(None);
    }
    let id = dir.netns()?;
    Ok(Some((dir, id)))
}

fn cookie_of(path: &str, id: NetnsId) -> Option<u64> {
    Netns::from_path(path).ok().filter(|netns| netns.id() == id)?.cookie()
}
