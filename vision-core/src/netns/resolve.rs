use std::path::{Path, PathBuf};

use super::list::RUN_NETNS;
use super::target::Process;
use super::{Selector, Target};
use crate::base::{Error, Op, Result};

/// `PROC_PID_INIT_INO` of linux/proc_ns.h: the pid namespace the machine booted with.
const INITIAL_PID_NAMESPACE: u64 = 0xeffffffc;

pub(super) fn resolve(selector: &Selector) -> Result<Target> {
    match selector {
        Selector::Current => Target::own(selector.clone()),
        Selector::Host => host(),
        Selector::Pid(pid) => process(selector, *pid),
        Selector::Name(name) => named(selector, name),
        Selector::Path(path) => Target::file(selector.clone(), path.clone()),
        Selector::Bare(word) => bare(word),
        Selector::Container(_) | Selector::Pod { .. } => {
            Err(Error::NotFound(format!("target `{selector}`")))
        }
    }
}

fn host() -> Result<Target> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self/ns/pid").map_err(|e| Error::sys(Op::ReadProc, e))?;
    if own.ino() != INITIAL_PID_NAMESPACE {
        let why = "`host` cannot be told from inside a nested pid namespace: process 1 is not the \
                   machine's; run with hostPID, or name a process with pid:N";
        return Err(Error::invalid("target", why));
    }
    process(&Selector::Host, 1)
}

fn process(selector: &Selector, pid: u32) -> Result<Target> {
    let process = Process::open(pid)?;
    let stat = process.dir().stat().map_err(|e| Error::sys(Op::ReadProc, e))?;
    if stat.is_kernel_thread() {
        let why = format!("process {pid} is a kernel thread and has no network of its own");
        return Err(Error::invalid("target", why));
    }
    if stat.is_zombie() {
        return Err(Error::TargetExited(format!("process {pid} (a zombie)")));
    }
    let id = process.dir().netns().map_err(|e| Error::sys(Op::OpenNamespace, e))?;
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

fn bare(word: &str) -> Result<Target> {
    let mut found = Vec::new();
    if netns_path(word).exists() {
        found.push(Selector::Name(word.to_owned()));
    }
    if let Some(pid) = word.parse().ok().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
        found.push(Selector::Pid(pid));
    }
    match found.as_slice() {
        [only] => resolve(only),
        [] => {
            let known = known_names();
            let known = known.iter().map(|name| format!("netns:{name}")).collect::<Vec<_>>();
            let hint = match known.is_empty() {
                true => "no namespace or process has that name".to_owned(),
                false => format!("known: {}", known.join(", ")),
            };
            Err(Error::NotFound(format!("target `{word}` ({hint})")))
        }
        several => {
            let names = several.iter().map(ToString::to_string).collect();
            Err(Error::Ambiguous(format!("target `{word}`"), names))
        }
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
