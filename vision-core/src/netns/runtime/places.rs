//! Where engines keep their state, and how it is read.

use std::collections::HashSet;
use std::io;

use serde::de::DeserializeOwned;

use super::book::{Book, Fact};
use super::model::{Engine, Source};
use super::root::{Root, is_absent};
use super::scan::Scan;
use super::watcher::{Says, Watcher};
use super::{docker, oci, storage};
use crate::base::{Budget, Error, Gap, Op, Result};
use crate::netns::proc;

/// The layout of a folder.
#[derive(Debug, Clone, Copy)]
enum Layout {
    Docker,
    Tasks,
    Runtime(&'static str),
    /// With its counterpart below `/run`.
    Storage(&'static str),
}

/// The folders that engines use unless told otherwise.
const DEFAULTS: &[(&str, Layout)] = &[
    ("/var/lib/docker/containers", Layout::Docker),
    ("/var/snap/docker/common/var-lib-docker/containers", Layout::Docker),
    ("/run/containerd/io.containerd.runtime.v2.task", Layout::Tasks),
    ("/run/k3s/containerd/io.containerd.runtime.v2.task", Layout::Tasks),
    ("/run/docker/containerd/daemon/io.containerd.runtime.v2.task", Layout::Tasks),
    ("/var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task", Layout::Tasks),
    (
        "/var/lib/containers/storage/overlay-containers",
        Layout::Storage("/run/containers/storage/overlay-containers"),
    ),
    (
        "/var/lib/containers/storage/vfs-containers",
        Layout::Storage("/run/containers/storage/vfs-containers"),
    ),
    ("/run/runc", Layout::Runtime("state.json")),
    ("/run/youki", Layout::Runtime("state.json")),
    ("/run/crun", Layout::Runtime("status")),
];

/// No file that describes a container is larger; one that lists them all may be.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Reads state below one root and writes it into the book.
pub(super) struct Reader<'a> {
    pub(super) root: Root,
    pub(super) book: &'a mut Book,
    pub(super) gaps: &'a mut Vec<Gap>,
    pub(super) seen: &'a mut HashSet<(u64, u64)>,
    pub(super) budget: &'a Budget,
}

impl Reader<'_> {
    /// Reads every folder that is there by default.
    pub(super) fn defaults(&mut self) -> Result<()> {
        for (path, layout) in DEFAULTS {
            self.budget.remaining()?;
            self.folder(path, *layout)?;
        }
        Ok(())
    }

    /// Reads what one watcher leads to.
    pub(super) fn watched(&mut self, watcher: &Watcher, scan: &Scan) -> Result<()> {
        self.budget.remaining()?;
        match &watcher.says {
            Says::Shim { .. } | Says::Docker { .. } if !watcher.trusted => Ok(()),
            Says::Shim { pid, .. } => match bundle_of(*pid) {
                Some(path) => self.folder(&path, Layout::Tasks),
                None => Ok(()),
            },
            Says::Docker { data, .. } => self.folder(&format!("{data}/containers"), Layout::Docker),
            Says::Conmon { id, name, bundle, pid_file } => {
                let mut fact = Fact::new(conmons_engine(name.as_deref()), id, Source::Cgroup);
                fact.container.name = name.clone();
                fact.container.pid = scan.first_child(watcher.pid);
                fact.start = fact.container.pid.and_then(|pid| scan.start(pid));
                let run = pid_file.as_deref().and_then(|file| storage_of(file, id));
                if let Some(storage) = storage_of(bundle, id).filter(|_| watcher.trusted) {
                    self.storage(storage, run)?;
                }
                self.book.add(fact);
                Ok(())
            }
            Says::Nspawn { machine } => {
                let mut fact = Fact::new(Engine::Nspawn, machine, Source::Files);
                fact.realm = Engine::Nspawn.to_string();
                fact.container.name = Some(machine.clone());
                fact.container.pid = scan.first_child(watcher.pid);
                fact.start = fact.container.pid.and_then(|pid| scan.start(pid));
                self.book.add(fact);
                Ok(())
            }
            Says::Podman { .. } | Says::Cri { .. } => Ok(()),
        }
    }

    fn folder(&mut self, path: &str, layout: Layout) -> Result<()> {
        if let Layout::Storage(run) = layout {
            return self.storage(path, Some(run));
        }
        let Some(dir) = self.open(path) else { return Ok(()) };
        match layout {
            Layout::Docker => docker::read(&dir, self),
            Layout::Tasks => oci::tasks(&dir, self),
            Layout::Runtime(file) => oci::runtime(&dir, file, self),
            Layout::Storage(_) => Ok(()),
        }
    }

    fn storage(&mut self, path: &str, run: Option<&str>) -> Result<()> {
        let Some(dir) = self.open(path) else { return Ok(()) };
        let run = run.and_then(|run| self.root.below(run).ok());
        storage::read(&dir, run.as_ref(), self)
    }

    /// Opens a folder unless it is absent or was read already.
    fn open(&mut self, path: &str) -> Option<Root> {
        let dir = match self.root.below(path) {
            Ok(dir) => dir,
            Err(e) if is_absent(&e) => return None,
            Err(e) => {
                self.gap(path, e);
                return None;
            }
        };
        let id = dir.id().ok()?;
        self.seen.insert(id).then_some(dir)
    }

    pub(super) fn names(&mut self, dir: &Root) -> Vec<String> {
        dir.names().unwrap_or_else(|e| {
            self.gap(&dir.path_of("").display().to_string(), e);
            Vec::new()
        })
    }

    /// Parses a file; one that vanished is as if it had never been there, one that makes no sense
    /// is a gap.
    pub(super) fn json<T: DeserializeOwned>(
        &mut self,
        dir: &Root,
        path: &str,
    ) -> Result<Option<T>> {
        self.budget.remaining()?;
        let bytes = match dir.read(path, FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(e) if is_absent(&e) => return Ok(None),
            Err(e) if proc::is_exhausted(&e) => return Err(Error::sys(Op::ReadEngine, e)),
            Err(e) => {
                self.gap(path, e);
                return Ok(None);
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(e) => {
                self.gaps.push(Gap::new(path, format!("is not what was expected: {e}")));
                Ok(None)
            }
        }
    }

    /// Reads a file that holds one number.
    pub(super) fn number(&mut self, dir: &Root, path: &str) -> Result<Option<u32>> {
        self.budget.remaining()?;
        let text = dir.read(path, 64).ok();
        let number =
            text.as_deref().and_then(|text| str::from_utf8(text).ok()?.trim().parse().ok());
        Ok(number.filter(|pid| *pid > 0))
    }

    fn gap(&mut self, what: &str, error: io::Error) {
        self.gaps.push(Gap::because(what, &Error::sys(Op::ReadEngine, error)));
    }
}

/// CRI-O names all its containers as the kubelet once did with Docker.
fn conmons_engine(name: Option<&str>) -> Engine {
    match name.is_some_and(|name| name.starts_with("k8s_")) {
        true => Engine::CriO,
        false => Engine::Podman,
    }
}

/// `…/io.containerd.runtime.v2.task` of a shim, whose working directory is its bundle below it.
fn bundle_of(pid: u32) -> Option<String> {
    let bundle = std::fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let tasks = bundle.parent()?.parent()?.to_str()?;
    tasks.ends_with("io.containerd.runtime.v2.task").then(|| tasks.to_owned())
}

/// The folder that holds `ID/userdata…`.
fn storage_of<'a>(path: &'a str, id: &str) -> Option<&'a str> {
    let (storage, rest) = path.split_once(&format!("/{id}/"))?;
    rest.starts_with("userdata").then_some(storage)
}
