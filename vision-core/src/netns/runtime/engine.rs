//! What Docker and Podman answer about their containers; asked only where files say too little.

use std::collections::{BTreeMap, HashSet};
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
const DEFAULTS: &[&str] = &["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"];

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
    for (path, opened) in sockets(lookup, scan) {
        let own = budget.child(PATIENCE);
        let asked = match opened {
            Ok(file) if !is_new(&file, &mut seen) => continue,
            Ok(file) => one(&file, book, &own),
            Err(e) => Err(Error::sys(Op::AskEngine, e)),
        };
        // The caller's own time is up, or only the engine's.
        budget.remaining()?;
        match asked {
            Ok(()) => {}
            Err(Error::Elapsed) => gaps.push(Gap::new(path, "does not answer within a second")),
            Err(e) => gaps.push(Gap::because(path, &e)),
        }
    }
    Ok(())
}

type Opened = (String, std::io::Result<OwnedFd>);

fn sockets(lookup: &Lookup, scan: &Scan) -> Vec<Opened> {
    let mut found = Vec::new();
    let mut add = |root: &Root, path: &str, must: bool| match root.socket(path) {
        Err(e) if is_absent(&e) && !must => {}
        opened => found.push((path.to_owned(), opened)),
    };
    if let Sockets::Only(path) = &lookup.sockets {
        if let Ok(root) = Root::at("/") {
            add(&root, &path.to_string_lossy(), true);
        }
        return found;
    }
    for root in survey::roots(lookup) {
        for path in DEFAULTS {
            add(&root, path, false);
        }
        // Another user's folder may be a file system that never answers.
        let user = geteuid();
        add(&root, &format!("/run/user/{user}/docker.sock"), false);
        add(&root, &format!("/run/user/{user}/podman/podman.sock"), false);
    }
    let watchers = scan.watchers.iter().filter(|one| one.trusted && lookup.root.is_none());
    for watcher in watchers {
        match &watcher.says {
            Says::Docker { sockets, .. } => {
                sockets.iter().for_each(|path| add(&watcher.root, path, false));
            }
            Says::Podman { socket } => add(&watcher.root, socket, false),
            _ => {}
        }
    }
    found
}

fn is_new(file: &OwnedFd, seen: &mut HashSet<(u64, u64)>) -> bool {
    fstat(file).is_ok_and(|stat| seen.insert((stat.st_dev, stat.st_ino)))
}

fn one(file: &OwnedFd, book: &mut Book, budget: &Budget) -> Result<()> {
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
