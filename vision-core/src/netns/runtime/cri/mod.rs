//! What containerd and CRI-O answer about their pods and containers (Kubernetes' Container Runtime
//! Interface); asked only where files say too little.

mod link;
mod message;
mod proto;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;

use self::link::{Link, UNIMPLEMENTED};
use self::message::{Info, Listed, Sandbox};
use super::book::{Book, Fact};
use super::http::dial;
use super::model::{Engine, Pod, Role, Source};
use super::oci::labelled;
use super::root::Root;
use super::scan::Scan;
use crate::base::{Budget, Error, Op, Result};

/// The service's names, the newest first (before containerd 1.6 and CRI-O 1.20 only the last).
const SERVICES: [&str; 2] = ["runtime.v1.RuntimeService", "runtime.v1alpha2.RuntimeService"];

/// How many are asked about one by one; only those whose control group does not name them are.
const MOST_ASKED: usize = 256;

/// Why there is no answer.
enum Refusal {
    /// The engine says no.
    Status {
        code: u16,
        method: String,
        message: String,
    },
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failed(error) => error,
            Refusal::Status { code, method, message } => {
                bad(&format!("refuses {method}: {} ({message})", status(code)))
            }
        }
    }
}

/// An engine that is being asked.
struct Talk {
    link: Link,
    service: &'static str,
    engine: Engine,
}

/// Asks for all pods and containers; `file` is the socket's, opened with `O_PATH`, and `root` is
/// where the engine's paths hold.
pub(super) fn list(
    file: &OwnedFd,
    root: &Root,
    scan: &Scan,
    book: &mut Book,
    budget: &Budget,
) -> Result<()> {
    let mut talk = Talk::begin(file, budget)?;
    let sandboxes = message::sandboxes(&talk.call("ListPodSandbox", &[])?)?;
    let containers = message::containers(&talk.call("ListContainers", &[])?)?;
    let mut left = MOST_ASKED;
    let mut is_asked = |id: &str, runs: bool| {
        let asked = runs && left > 0 && !scan.members.contains_key(id);
        left -= usize::from(asked);
        asked
    };
    let mut facts = Vec::new();
    for one in sandboxes {
        let ask = is_asked(&one.id, one.ready);
        let info = if ask { talk.info("PodSandboxStatus", &one.id)? } else { None };
        facts.push(sandbox(talk.engine, one, info, root));
    }
    for one in containers {
        let ask = is_asked(&one.id, one.running);
        let info = if ask { talk.info("ContainerStatus", &one.id)? } else { None };
        facts.push(container(talk.engine, one, info));
    }
    // All or nothing: half an answer would make the other half look as if it were not there.
    facts.into_iter().for_each(|fact| book.add(fact));
    Ok(())
}

impl Talk {
    fn begin(file: &OwnedFd, budget: &Budget) -> Result<Self> {
        let stream = dial(file).map_err(|e| Error::sys(Op::AskEngine, e))?;
        let mut link = Link::open(stream, budget)?;
        let [service, older] = SERVICES;
        let (service, answer) = match link.call(service, "Version", &[]) {
            Err(Refusal::Status { code: UNIMPLEMENTED, .. }) => {
                // If neither is there, the name that should be is the one to be told.
                let newer = |refusal| match refusal {
                    Refusal::Status { code: UNIMPLEMENTED, method, .. } => Refusal::Status {
                        code: UNIMPLEMENTED,
                        method,
                        message: format!("it has no {service}; is its CRI plugin disabled?"),
                    },
                    refusal => refusal,
                };
                (older, link.call(older, "Version", &[]).map_err(newer)?)
            }
            answer => (service, answer?),
        };
        let engine = match &*message::runtime_name(&answer)? {
            "containerd" => Engine::Containerd,
            "cri-o" => Engine::CriO,
            "docker" => Engine::Docker,
            _ => Engine::Unknown,
        };
        Ok(Self { link, service, engine })
    }

    fn call(&mut self, method: &str, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.link.call(self.service, method, message)?)
    }

    /// What the engine says beyond the CRI; nothing of one that ended meanwhile.
    fn info(&mut self, method: &str, id: &str) -> Result<Option<Info>> {
        match self.link.call(self.service, method, &message::status_request(id)) {
            Ok(answer) => message::info(&answer),
            Err(Refusal::Status { .. }) => Ok(None),
            Err(refusal) => Err(refusal.into()),
        }
    }
}

fn sandbox(engine: Engine, one: Sandbox, info: Option<Info>, root: &Root) -> Fact {
    let mut fact = Fact::new(engine, one.id, Source::Engine);
    fact.realm = "engine".to_owned();
    labelled(&mut fact, |key| one.labels.get(key).cloned());
    fact.container.role = Role::Sandbox;
    fact.container.name = None;
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    let labels = fact.container.pod.take().unwrap_or_default();
    fact.container.pod = Some(Pod {
        namespace: known(one.namespace).or(labels.namespace),
        name: known(one.name).or(labels.name),
        uid: known(one.uid).or(labels.uid),
    });
    if let Some(info) = info {
        fact.container.pid = Some(info.pid).filter(|pid| *pid > 0);
        fact.netns = info.runtime_spec.netns().map(|path| (root.clone(), path));
    }
    fact
}

fn container(engine: Engine, one: Listed, info: Option<Info>) -> Fact {
    let mut fact = Fact::new(engine, one.id, Source::Engine);
    fact.realm = "engine".to_owned();
    fact.container.name = Some(one.name).filter(|name| !name.is_empty());
    fact.container.image = Some(one.image).filter(|image| !image.is_empty());
    labelled(&mut fact, |key| one.labels.get(key).cloned());
    fact.container.pid = info.map(|info| info.pid).filter(|pid| *pid > 0);
    fact.sandbox = Some(one.sandbox).filter(|sandbox| !sandbox.is_empty());
    fact
}

/// The names of the statuses (grpc, `statuscodes.md`).
fn status(code: u16) -> String {
    const NAMES: [&str; 17] = [
        "ok",
        "cancelled",
        "unknown error",
        "invalid argument",
        "deadline exceeded",
        "not found",
        "already exists",
        "permission denied",
        "resource exhausted",
        "failed precondition",
        "aborted",
        "out of range",
        "unimplemented",
        "internal error",
        "unavailable",
        "data loss",
        "unauthenticated",
    ];
    let name = NAMES.get(usize::from(code)).copied();
    name.map_or_else(|| format!("status {code}"), str::to_owned)
}

fn bad(why: &str) -> Error {
    Error::invalid("answer of the container engine", format!("it {why}"))
}
