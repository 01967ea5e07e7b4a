//! What engines answer about their containers; asked only where files say too little.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::stat::fstat;
use nix::unistd::geteuid;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::book::{Book, Fact};
use super::model::{Engine, Pod, Role, Source};
use super::oci::labelled;
use super::root::{Root, is_absent};
use super::scan::Scan;
use super::survey::{Lookup, Sockets};
use super::watcher::Says;
use super::{http, survey};
use crate::base::{Budget, Error, Gap, Op, Result};

/// How long one engine may think.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where sockets are by default.
const DEFAULTS: &[(&str, Speaks)] = &[
    ("/run/docker.sock", Speaks::Http),
    ("/var/run/docker.sock", Speaks::Http),
    ("/run/podman/podman.sock", Speaks::Http),
    ("/run/containerd/containerd.sock", Speaks::Cri),
    ("/run/crio/crio.sock", Speaks::Cri),
    ("/var/run/crio/crio.sock", Speaks::Cri),
    ("/run/k3s/containerd/containerd.sock", Speaks::Cri),
    ("/var/snap/microk8s/common/run/containerd.sock", Speaks::Cri),
];

/// What the engine at a socket understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// Docker's and Podman's.
    Http,
    /// containerd's and CRI-O's.
    Cri,
    /// It has to be tried.
    Unknown,
}

/// One container in the answer to `GET /containers/json` (Docker Engine API 1.24 and later).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// One container in the answer to `GET /libpod/containers/json` (Podman 4 and later).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Podded {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    pod_name: Option<String>,
    #[serde(default)]
    is_infra: bool,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Asks every engine that may be asked; one that fails is a gap.
pub(super) fn ask(
    lookup: &Lookup,
    scan: &Scan,
    book: &mut Book,
    gaps: &mut Vec<Gap>,
    budget: &Budget,
) -> Result<()> {
    let mut seen = HashSet::new();
    for (socket, opened) in sockets(lookup, scan) {
        let own = budget.child(PATIENCE);
        let asked = match opened {
            Ok(file) if !is_new(&file, &mut seen) => continue,
            Ok(file) => one(&file, &socket, scan, book, &own),
            Err(e) => Err(Error::sys(Op::AskEngine, e)),
        };
        // The caller's own time is up, or only the engine's.
        budget.remaining()?;
        match asked {
            Ok(()) => {}
            Err(Error::Elapsed) => {
                gaps.push(Gap::new(socket.path, "does not answer within a second"));
            }
            Err(e) => gaps.push(Gap::because(socket.path, &e)),
        }
    }
    Ok(())
}

/// A socket that may be asked, and where the paths hold that its engine names.
struct Socket {
    path: String,
    #[cfg_attr(not(feature = "cri"), expect(dead_code))]
    root: Root,
    speaks: Speaks,
}

type Opened = (Socket, io::Result<OwnedFd>);

fn sockets(lookup: &Lookup, scan: &Scan) -> Vec<Opened> {
    let mut found = Vec::new();
    let mut add = |root: &Root, path: &str, speaks: Speaks| match root.socket(path) {
        Err(e) if is_absent(&e) && speaks != Speaks::Unknown => {}
        _ if speaks == Speaks::Cri && !cfg!(feature = "cri") => {}
        opened => {
            let (path, root) = (path.to_owned(), root.clone());
            found.push((Socket { path, root, speaks }, opened));
        }
    };
    if let Sockets::Only(path) = &lookup.sockets {
        if let Ok(root) = Root::at("/") {
            add(&root, &path.to_string_lossy(), Speaks::Unknown);
        }
        return found;
    }
    for root in survey::roots(lookup) {
        for (path, speaks) in DEFAULTS {
            add(&root, path, *speaks);
        }
        // Another user's folder may be a file system that never answers.
        let user = geteuid();
        add(&root, &format!("/run/user/{user}/docker.sock"), Speaks::Http);
        add(&root, &format!("/run/user/{user}/podman/podman.sock"), Speaks::Http);
    }
    let watchers = scan.watchers.iter().filter(|one| one.trusted && lookup.root.is_none());
    for watcher in watchers {
        match &watcher.says {
            Says::Docker { sockets, .. } => {
                sockets.iter().for_each(|path| add(&watcher.root, path, Speaks::Http));
            }
            Says::Podman { socket } => add(&watcher.root, socket, Speaks::Http),
            Says::Shim { socket: Some(socket), .. } | Says::Cri { socket } => {
                add(&watcher.root, socket, Speaks::Cri);
            }
            _ => {}
        }
    }
    found
}

fn is_new(file: &OwnedFd, seen: &mut HashSet<(u64, u64)>) -> bool {
    fstat(file).is_ok_and(|stat| seen.insert((stat.st_dev, stat.st_ino)))
}

fn one(
    file: &OwnedFd,
    socket: &Socket,
    scan: &Scan,
    book: &mut Book,
    budget: &Budget,
) -> Result<()> {
    match socket.speaks {
        Speaks::Http => http(file, book, budget),
        Speaks::Cri => cri(file, socket, scan, book, budget),
        // A gRPC server says at once that a plain question is none.
        Speaks::Unknown => match http(file, book, budget) {
            Err(Error::Invalid { what, why }) if why == http::NO_HTTP => {
                match cri(file, socket, scan, book, budget) {
                    Err(Error::Unsupported(_)) => Err(Error::Invalid { what, why }),
                    asked => asked,
                }
            }
            asked => asked,
        },
    }
}

#[cfg(feature = "cri")]
fn cri(
    file: &OwnedFd,
    socket: &Socket,
    scan: &Scan,
    book: &mut Book,
    budget: &Budget,
) -> Result<()> {
    super::cri::list(file, &socket.root, scan, book, budget)
}

#[cfg(not(feature = "cri"))]
fn cri(_: &OwnedFd, _: &Socket, _: &Scan, _: &mut Book, _: &Budget) -> Result<()> {
    Err(Error::Unsupported("the feature cri"))
}

fn http(file: &OwnedFd, book: &mut Book, budget: &Budget) -> Result<()> {
    let answer = http::get(file, "/containers/json?all=1", budget)?;
    if answer.from_podman {
        let answer = http::get(file, "/v4.0.0/libpod/containers/json?all=true", budget)?;
        parse::<Podded>(&answer.body)?.into_iter().for_each(|one| book.add(podded(one)));
        return Ok(());
    }
    parse::<Listed>(&answer.body)?.into_iter().for_each(|one| book.add(listed(one)));
    Ok(())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>> {
    let none =
        |e| Error::invalid("answer of the container engine", format!("no container list: {e}"));
    serde_json::from_slice(body).map_err(none)
}

fn listed(one: Listed) -> Fact {
    let mut fact = Fact::new(Engine::Docker, one.id, Source::Engine);
    fact.realm = "engine".to_owned();
    let name = one.names.and_then(|names| names.into_iter().next());
    fact.container.name = name.map(|name| name.trim_start_matches('/').to_owned());
    fact.container.image = one.image;
    labelled(&mut fact, |key| one.labels.as_ref()?.get(key).cloned());
    fact
}

fn podded(one: Podded) -> Fact {
    let mut fact = Fact::new(Engine::Podman, one.id, Source::Engine);
    fact.realm = "engine".to_owned();
    fact.container.name = one.names.and_then(|names| names.into_iter().next());
    fact.container.image = one.image;
    fact.container.pid = one.pid.filter(|pid| *pid > 0);
    labelled(&mut fact, |key| one.labels.as_ref()?.get(key).cloned());
    if let Some(name) = one.pod_name.filter(|name| !name.is_empty()) {
        fact.container.pod = Some(Pod { namespace: None, name: Some(name), uid: None });
    }
    if one.is_infra {
        fact.container.role = Role::Sandbox;
    }
    fact
}
