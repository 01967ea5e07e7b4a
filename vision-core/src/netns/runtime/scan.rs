//! One pass over `/proc`: which processes belong to a container, and which watch over one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;

use nix::unistd::geteuid;

use super::cgroup::{self, Membership};
use super::root::Root;
use super::watcher::{self, Watcher};
use crate::base::{Budget, Error, Op, Result};
use crate::netns::proc::{self, Stat};

/// What a look at all processes gives.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The first process of each container that a control group names.
    pub(super) members: HashMap<String, Member>,
    pub(super) watchers: Vec<Watcher>,
    /// Parent and start of every process.
    processes: HashMap<u32, (u32, u64)>,
}

/// The process of a container that started first.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) of: Membership,
    pub(super) pid: u32,
    pub(super) start: u64,
}

impl Scan {
    /// Looks at every process this user may see.
    pub(super) fn all(budget: &Budget) -> Result<Self> {
        let mut scan = Self::default();
        let mut buffer = vec![0; LONGEST];
        for pid in proc::pids().map_err(|e| Error::sys(Op::ReadProc, e))? {
            budget.remaining()?;
            match scan.add(pid, &mut buffer) {
                Err(e) if proc::is_exhausted(&e) => return Err(Error::sys(Op::ReadProc, e)),
                // One that ended meanwhile is simply not there.
                _ => {}
            }
        }
        Ok(scan)
    }

    /// Returns when a process started.
    pub(super) fn start(&self, pid: u32) -> Option<u64> {
        self.processes.get(&pid).map(|(_, start)| *start)
    }

    /// Returns the first process that a process has started.
    pub(super) fn first_child(&self, of: u32) -> Option<u32> {
        let children = self.processes.iter().filter(|(_, (parent, _))| *parent == of);
        children.min_by_key(|(pid, (_, start))| (*start, **pid)).map(|(pid, _)| *pid)
    }

    /// Returns the number of the container that a process belongs to.
    pub(super) fn container_of(pid: u32) -> Option<Membership> {
        let mut buffer = vec![0; LONGEST];
        cgroup::parse(read(pid, "cgroup", &mut buffer).ok()?)
    }

    fn add(&mut self, pid: u32, buffer: &mut [u8]) -> io::Result<()> {
        let text = read(pid, "stat", buffer)?;
        let Some(stat) = Stat::parse(text) else { return Ok(()) };
        if stat.is_kernel_thread() || stat.is_zombie() {
            return Ok(());
        }
        let kind = watcher::kind(Stat::comm(text).unwrap_or_default());
        self.processes.insert(pid, (stat.parent, stat.start));
        if let Some(of) = cgroup::parse(read(pid, "cgroup", buffer)?) {
            self.join(Member { of, pid, start: stat.start });
        }
        if let Some(kind) = kind {
            let line = read(pid, "cmdline", buffer)?;
            let root = || Root::at(format!("/proc/{pid}/root"));
            let owner = std::fs::metadata(format!("/proc/{pid}"))?.uid();
            let trusted = owner == 0 || owner == geteuid().as_raw();
            self.watchers.extend(watcher::read(kind, pid, line, trusted, root));
        }
        Ok(())
    }

    fn join(&mut self, new: Member) {
        match self.members.get_mut(&new.of.id) {
            Some(old) if (old.start, old.pid) > (new.start, new.pid) => *old = new,
            Some(_) => {}
            None => {
                self.members.insert(new.of.id.clone(), new);
            }
        }
    }
}

/// Reads a file of a process into a buffer, as far as it goes.
fn read<'a>(pid: u32, name: &str, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut file = File::open(format!("/proc/{pid}/{name}"))?;
    let mut used = 0;
    while let Some(room) = buffer.get_mut(used..).filter(|room| !room.is_empty()) {
        match file.read(room)? {
            0 => break,
            read => used += read,
        }
    }
    Ok(buffer.get(..used).unwrap_or_default())
}

/// Longer than the control groups and command lines of any engine.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen_with_its_start_and_its_parent() {
        let scan = Scan::all(&Budget::unbounded()).expect("/proc is mounted");
        let own = proc::ProcDir::open(std::process::id()).and_then(|dir| dir.stat());
        let own = own.expect("own state");
        assert_eq!(scan.start(std::process::id()), Some(own.start));
        let child = std::process::Command::new("sleep").arg("5").spawn();
        let mut child = child.expect("sleep");
        let scan = Scan::all(&Budget::unbounded()).expect("/proc is mounted");
        let seen = scan.processes.get(&child.id()).map(|(parent, _)| *parent);
        let _ = child.kill();
        let _ = child.wait();
        assert_eq!(seen, Some(std::process::id()));
    }
}
