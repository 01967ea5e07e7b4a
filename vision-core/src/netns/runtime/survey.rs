//! All containers of the machine, checked against the processes that are really there.

use std::collections::HashSet;
use std::path::PathBuf;

use super::book::{Book, Fact};
use super::engine;
use super::model::{Container, Pod, Role, Source, is_number};
use super::places::Reader;
use super::root::Root;
use super::scan::{Member, Scan};
use crate::base::{Budget, Capability, Gap, Result};
use crate::netns::proc::ProcDir;
use crate::netns::{NetnsId, resolve};

/// Where to look for containers, and whom to ask about them.
///
/// ```
/// use std::time::Duration;
/// use vision_core::Budget;
/// use vision_core::netns::Lookup;
///
/// let found = Lookup::default().containers(&Budget::within(Duration::from_secs(2)))?;
/// for container in found.containers.iter().filter(|container| container.is_running()) {
///     println!("{} {}", container.engine, container.short_id());
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Lookup {
    pub(super) root: Option<PathBuf>,
    pub(super) sockets: Sockets,
}

/// Which sockets of engines may be asked.
#[derive(Debug, Clone, Default)]
pub(super) enum Sockets {
    #[default]
    WhereNeeded,
    Never,
    Only(PathBuf),
}

/// The containers that could be found, and what could not be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Containers {
    /// Running ones first, by the number of their first process.
    pub containers: Vec<Container>,
    /// State that may not be read or makes no sense, engines that do not answer.
    pub gaps: Vec<Gap>,
}

impl Containers {
    /// Returns the container that a process belongs to, such as the owner of a socket; `None` for
    /// a process of none, or one that has ended.
    ///
    /// Reads the process's control group, which takes no privilege. Where that does not name the
    /// container (Podman without root), only its first process is known.
    pub fn of_process(&self, pid: u32) -> Option<&Container> {
        let of = Scan::container_of(pid);
        let inside = |container: &&Container| match &of {
            Some(of) => container.id == of.id,
            None => container.pid == Some(pid),
        };
        self.containers.iter().find(inside)
    }
}

impl Lookup {
    /// Looks for engines' state below this folder only, such as a host's file system mounted into
    /// a container; processes are those of `/proc` all the same.
    pub fn below(self, root: impl Into<PathBuf>) -> Self {
        Self { root: Some(root.into()), ..self }
    }

    /// Asks no engine: only processes and files are looked at.
    pub fn without_engines(self) -> Self {
        Self { sockets: Sockets::Never, ..self }
    }

    /// Asks the engine at this unix socket, and no other: Docker's or Podman's, and with the feature
    /// `cri` also containerd's or CRI-O's.
    pub fn engine(self, socket: impl Into<PathBuf>) -> Self {
        Self { sockets: Sockets::Only(socket.into()), ..self }
    }

    /// Lists the containers of all engines, stopped ones as well where the engine says so.
    ///
    /// Names come from the engines' files, which take root or `CAP_DAC_READ_SEARCH`; an engine's
    /// socket is asked about running containers for which no file has a name. The network of
    /// another user's process takes `CAP_SYS_PTRACE`. Under `hidepid`, or in a pid namespace of
    /// its own, the caller sees fewer.
    ///
    /// # Errors
    /// [`crate::Error::Sys`] when `/proc` cannot be listed, [`crate::Error::Elapsed`] or
    /// [`crate::Error::Cancelled`].
    pub fn containers(&self, budget: &Budget) -> Result<Containers> {
        let survey = Survey::take(self, &all_named, budget)?;
        let mut containers: Vec<_> = survey.facts.into_iter().map(|fact| fact.container).collect();
        containers.sort_by(|a, b| {
            let order = |c: &Container| (c.pid.is_none(), c.pid, c.netns.is_none());
            order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
        });
        Ok(Containers { containers, gaps: survey.gaps })
    }
}

/// Every container with what it takes to reach it.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) facts: Vec<Fact>,
    pub(super) gaps: Vec<Gap>,
}

/// Whether what was found is enough.
pub(super) type Enough<'a> = &'a dyn Fn(&[Fact]) -> bool;

impl Survey {
    /// Looks at processes and files, and asks engines unless that is `enough`.
    pub(super) fn take(lookup: &Lookup, enough: Enough<'_>, budget: &Budget) -> Result<Self> {
        let mut scan = Scan::all(budget)?;
        let (mut book, mut gaps) = (Book::default(), hidden(&scan));
        read_state(lookup, &mut scan, &mut book, &mut gaps, budget)?;
        for member in scan.members.values() {
            book.add(of_member(member));
        }
        finish(&mut book, &scan, budget)?;
        let ask = match lookup.sockets {
            Sockets::WhereNeeded => !enough(&book.facts),
            Sockets::Never => false,
            Sockets::Only(_) => true,
        };
        if ask {
            engine::ask(lookup, &scan, &mut book, &mut gaps, budget)?;
            finish(&mut book, &scan, budget)?;
        }
        Ok(Self { facts: book.facts, gaps })
    }
}

/// Whether every running container has a name that people know.
fn all_named(facts: &[Fact]) -> bool {
    let running = facts.iter().map(|fact| &fact.container).filter(|c| c.is_running());
    running.into_iter().all(|c| c.name.is_some() || c.role == Role::Sandbox)
}

fn of_member(member: &Member) -> Fact {
    let of = &member.of;
    let mut fact = Fact::new(of.engine, &of.id, Source::Cgroup);
    fact.realm = of.engine.to_string();
    fact.container.pod = of.pod_uid.clone().map(|uid| Pod { uid: Some(uid), ..Pod::default() });
    if !is_number(&of.id) {
        fact.container.name = Some(of.id.clone());
    }
    fact
}

/// What `/proc` keeps from this user: everybody sees process 1 unless it does (`hidepid`), and
/// from inside a pid namespace nobody sees further.
fn hidden(scan: &Scan) -> Vec<Gap> {
    const WHAT: &str = "processes";
    let mut gaps = Vec::new();
    if scan.start(std::process::id()).is_none() {
        gaps.push(Gap::new(WHAT, "/proc is not mounted, or not for this pid namespace"));
    } else if scan.start(1).is_none() {
        let needs = Some(Capability::SysPtrace);
        gaps.push(Gap { needs, ..Gap::new(WHAT, "/proc hides those of other users (hidepid)") });
    }
    if !resolve::sees_all_processes() {
        let why = "only those of this pid namespace are in sight; run with hostPID";
        gaps.push(Gap::new(WHAT, why));
    }
    gaps
}

/// Checks facts against processes, and adds what only all facts together tell.
fn finish(book: &mut Book, scan: &Scan, budget: &Budget) -> Result<()> {
    for fact in &mut book.facts {
        check_process(fact, scan);
    }
    book.complete_pods();
    let host = NetnsId::of_path("/proc/1/ns/net").ok();
    for fact in &mut book.facts {
        budget.remaining()?;
        locate(fact, host);
    }
    Ok(())
}

fn read_state(
    lookup: &Lookup,
    scan: &mut Scan,
    book: &mut Book,
    gaps: &mut Vec<Gap>,
    budget: &Budget,
) -> Result<()> {
    let mut seen = HashSet::new();
    for root in roots(lookup) {
        Reader { root, book, gaps, seen: &mut seen, budget }.defaults()?;
    }
    if lookup.root.is_some() {
        return Ok(());
    }
    // What runs inside a container may say what it likes: the machine's own engines come first,
    // and what is known already stays.
    let inside = |pid: u32| Scan::container_of(pid).is_some();
    let mut watchers = std::mem::take(&mut scan.watchers);
    watchers.sort_by_cached_key(|watcher| (inside(watcher.pid), watcher.pid));
    for watcher in &watchers {
        let root = watcher.root.clone();
        Reader { root, book, gaps, seen: &mut seen, budget }.watched(watcher, scan)?;
    }
    scan.watchers = watchers;
    Ok(())
}

/// The caller's file system, and the machine's where it is another.
pub(super) fn roots(lookup: &Lookup) -> Vec<Root> {
    if let Some(path) = &lookup.root {
        return Root::at(path).into_iter().collect();
    }
    let own = Root::at("/").ok();
    let host = Root::at("/proc/1/root").ok();
    let id = |root: &Option<Root>| root.as_ref().and_then(|root| root.id().ok());
    let host = host.filter(|_| id(&own) != id(&Root::at("/proc/1/root").ok()));
    own.into_iter().chain(host).collect()
}

/// Keeps a process number only if the process is of this container: files outlive processes, and
/// numbers are used again.
fn check_process(fact: &mut Fact, scan: &Scan) {
    let container = &mut fact.container;
    let member = scan.members.get(&container.id);
    let confirmed = container.pid.filter(|pid| {
        let started = scan.start(*pid);
        let same_start = fact.start.is_some() && fact.start == started;
        let of = || Scan::container_of(*pid).is_some_and(|of| of.id == container.id);
        // Names that are no numbers stand in the path as they are, or not at all.
        let named = || !is_number(&container.id) && in_cgroup(*pid, &container.id);
        started.is_some() && (same_start || of() || named())
    });
    container.pid = confirmed.or(member.map(|member| member.pid));
    fact.start = container.pid.and_then(|pid| scan.start(pid));
}

fn in_cgroup(pid: u32, name: &str) -> bool {
    let text = ProcDir::open(pid).and_then(|dir| dir.read("cgroup")).unwrap_or_default();
    let mut parts = text.split(|b| matches!(b, b'/' | b'\n'));
    parts.any(|part| part == name.as_bytes())
}

/// Finds the network of a container, and what it calls itself if nobody else names it.
fn locate(fact: &mut Fact, host: Option<NetnsId>) {
    let container = &mut fact.container;
    let dir = container.pid.and_then(|pid| ProcDir::open(pid).ok());
    container.netns = dir.as_ref().and_then(|dir| dir.netns().ok()).or_else(|| {
        let (root, path) = fact.netns.as_ref()?;
        container.pid.is_none().then(|| root.netns(path).ok())?
    });
    container.host_network = container.netns.is_some() && container.netns == host;
    let pod_named = container.pod.as_ref().is_none_or(|pod| pod.name.is_some());
    if container.name.is_none() || !pod_named {
        let own = dir.and_then(|dir| dir.read("environ").ok());
        container.hostname = own.and_then(hostname).or(container.hostname.take());
    }
}

fn hostname(environ: Vec<u8>) -> Option<String> {
    let mut variables = environ.split(|byte| *byte == 0);
    let name = variables.find_map(|variable| variable.strip_prefix(b"HOSTNAME="))?;
    String::from_utf8(name.to_vec()).ok().filter(|name| !name.is_empty() && name.len() <= 253)
}
