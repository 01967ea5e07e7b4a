use std::path::{Path, PathBuf};

use super::list::RUN_NETNS;
use super::runtime::find::{self, LISTED, Matches};
use super::target::Process;
use super::{Lookup, Selector, Target};
use crate::base::{Budget, Error, Op, Result};

/// `PROC_PID_INIT_INO` of linux/proc_ns.h: the pid namespace the machine booted with.
const INITIAL_PID_NAMESPACE: u64 = 0xeffffffc;

pub(super) fn resolve(selector: &Selector, lookup: &Lookup, budget: &Budget) -> Result<Target> {
    match selector {
        Selector::Current => Target::own(selector.clone()),
        Selector::Host => host(),
        Selector::Pid(pid) => process(selector, *pid),
        Selector::Name(name) => named(selector, name),
        Selector::Path(path) => Target::file(selector.clone(), path.clone()),
        Selector::Bare(word) => bare(word, lookup, budget),
        Selector::Container(name) => {
            let found = find::containers(lookup, name, budget)?;
            found.only(&format!("container `{name}`"))?.target(selector)
        }
        Selector::Pod { namespace, name } => {
            let found = find::pods(lookup, namespace.as_deref(), name, budget)?;
            let what = selector.to_string();
            let what = what.strip_prefix("pod:").unwrap_or(name);
            found.only(&format!("pod `{what}`"))?.target(selector)
        }
    }
}

/// Whether this is the pid namespace the machine booted with.
fn is_initial() -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/self/ns/pid")?.ino() == INITIAL_PID_NAMESPACE)
}

/// Whether the processes of all containers have a number here; assumed where it cannot be told.
pub(super) fn sees_all_processes() -> bool {
    is_initial().unwrap_or(true)
}

fn host() -> Result<Target> {
    if !is_initial().map_err(|e| Error::sys(Op::ReadProc, e))? {
        let why = "`host` cannot be told from inside a nested pid namespace: process 1 is not the \
                   machine's; run with hostPID, or name a process with pid:N";
        return Err(Error::invalid("target", why));
    }
    process(&Selector::Host, 1)
}

fn process(selector: &Selector, pid: u32) -> Result<Target> {
    let process = Process::open(pid)?;
    let stat = process.stat()?;
    if stat.is_kernel_thread() {
        let why = format!("process {pid} is a kernel thread and has no network of its own");
        return Err(Error::invalid("target", why));
    }
    if stat.is_zombie() {
        return Err(Error::TargetExited(format!("process {pid} (a zombie)")));
    }
    let id = process.netns()?;
    Ok(Target::process(selector.clone(), process, id))
}

fn named(selector: &Selector, name: &str) -> Result<Target> {
    let path = netns_path(name);
    match path.exists() {
        true => Target::file(selector.clone(), path),
        false => {
            let known = known_names();
            let hint = match known.is_empty() {
                true => format!("none exists in {RUN_NETNS}"),
                false => format!("known: {}", known.join(", ")),
            };
            Err(Error::NotFound(format!("namespace `{name}` ({hint})")))
        }
    }
}

fn bare(word: &str, lookup: &Lookup, budget: &Budget) -> Result<Target> {
    let mut plain = Vec::new();
    if netns_path(word).exists() {
        plain.push(Selector::Name(word.to_owned()));
    }
    if let Some(pid) = word.parse().ok().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        plain.push(Selector::Pid(pid));
    }
    let mut found = find::any(lookup, word, budget)?;
    // One network under several names is one answer: the container `cart` in the pod `cart`.
    let same = |selector| resolve(selector, lookup, budget).ok().map(|target| target.id());
    let mut networks: Vec<_> = plain.iter().filter_map(same).collect();
    let mut others = Vec::new();
    for one in found.running.drain(..) {
        let known = one.netns.is_some_and(|id| networks.contains(&id));
        networks.extend(one.netns);
        if !known {
            others.push(one);
        }
    }
    match (plain.as_slice(), others.pop()) {
        ([only], None) => resolve(only, lookup, budget),
        ([], None) => Err(nothing(word, &found)),
        ([], Some(one)) if others.is_empty() => {
            let called = one.called.clone();
            one.target(&called)
        }
        (_, last) => {
            others.extend(last);
            let mut names: Vec<_> = plain.iter().map(ToString::to_string).collect();
            names.extend(find::described(&others));
            Err(Error::Ambiguous(format!("target `{word}`"), names))
        }
    }
}

fn nothing(word: &str, found: &Matches) -> Error {
    let what = format!("target `{word}`");
    let known = known_names();
    let shown = known.iter().take(LISTED).map(|name| format!("netns:{name}"));
    let more = known.len().checked_sub(LISTED).filter(|more| *more > 0);
    let all: Vec<_> = shown.chain(more.map(|more| format!("{more} more"))).collect();
    let named = all.join(", ");
    match (found.is_stopped(), known.is_empty()) {
        (true, _) => found.none(&what),
        (false, true) => {
            found.not_found(&what, "no namespace, process, container or pod has that name".into())
        }
        (false, false) => found.not_found(&what, format!("known: {named}")),
    }
}

fn netns_path(name: &str) -> PathBuf {
    Path::new(RUN_NETNS).join(name)
}

fn known_names() -> Vec<String> {
    let entries = std::fs::read_dir(RUN_NETNS).into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort_unstable();
    names
}
