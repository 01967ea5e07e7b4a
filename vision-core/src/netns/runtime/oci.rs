//! Bundles: what containerd hands to an OCI runtime, and what the runtimes themselves write.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::book::Fact;
use super::model::{Engine, Pod, Role, Source, is_number};
use super::places::Reader;
use super::root::Root;
use crate::base::Result;

/// `config.json` of a bundle (OCI runtime specification, config.md).
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Spec {
    pub(super) hostname: Option<String>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    linux: Linux,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Linux {
    namespaces: Vec<Namespace>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Namespace {
    #[serde(rename = "type")]
    kind: String,
    path: Option<String>,
}

impl Spec {
    pub(super) fn annotation(&self, key: &str) -> Option<String> {
        self.annotations.as_ref()?.get(key).filter(|value| !value.is_empty()).cloned()
    }

    /// The file of the network namespace that the container was told to join.
    pub(super) fn netns(&self) -> Option<String> {
        let mut network = self.linux.namespaces.iter().filter(|n| n.kind == "network");
        // A path in /proc names a process of the engine's own pid namespace, and it may be gone.
        network.next()?.path.clone().filter(|path| !path.starts_with("/proc/"))
    }
}

/// Reads `io.containerd.runtime.v2.task/NAMESPACE/ID`.
pub(super) fn tasks(dir: &Root, reader: &mut Reader<'_>) -> Result<()> {
    for namespace in reader.names(dir) {
        let Ok(below) = dir.below(&namespace) else { continue };
        for id in reader.names(&below) {
            let pid = reader.number(&below, &format!("{id}/init.pid"))?;
            // Docker's own files have names, its bundles do not.
            let spec = match namespace == "moby" {
                true => Some(Spec::default()),
                false => reader.json(&below, &format!("{id}/config.json"))?,
            };
            let Some(spec) = spec else { continue };
            let engine = if namespace == "moby" { Engine::Docker } else { Engine::Containerd };
            let mut fact = Fact::new(engine, id, Source::Files);
            fact.realm = format!("containerd {namespace}");
            fact.container.pid = pid;
            fact.netns = spec.netns().map(|path| (reader.root.clone(), path));
            described(&mut fact, &spec);
            reader.book.add(fact);
        }
    }
    Ok(())
}

/// Takes names from the annotations of CRI plugins, CRI-O, Podman and nerdctl.
pub(super) fn described(fact: &mut Fact, spec: &Spec) {
    labelled(fact, |key| spec.annotation(key));
}

/// Takes names from labels or annotations, which engines spell alike.
pub(super) fn labelled(fact: &mut Fact, get: impl Fn(&str) -> Option<String>) {
    let first = |keys: &[&str]| keys.iter().find_map(|key| get(key));
    let container = &mut fact.container;
    let kind = first(&[
        "io.kubernetes.cri.container-type",
        "io.kubernetes.cri-o.ContainerType",
        "io.kubernetes.docker.type",
    ]);
    let is_sandbox = kind.as_deref().is_some_and(|kind| matches!(kind, "sandbox" | "podsandbox"));
    if is_sandbox || get("io.cri-containerd.kind").as_deref() == Some("sandbox") {
        container.role = Role::Sandbox;
    }
    let pod = Pod {
        namespace: first(&["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"]),
        name: first(&["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"]),
        uid: first(&["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"]),
    };
    if pod != Pod::default() {
        container.pod = Some(pod);
    }
    // Where a pod's container has an engine's name as well, people know the manifest's.
    let name = first(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name"]);
    let name = name.filter(|_| container.role == Role::Container);
    container.name = name.or(container.name.take()).or_else(|| first(&["nerdctl/name"]));
    let image = first(&["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"]);
    container.image = container.image.take().or(image);
    fact.sandbox = first(&["io.kubernetes.cri.sandbox-id", "io.kubernetes.cri-o.SandboxID"]);
}

/// `state.json` of runc and youki, `status` of crun.
#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    #[serde(alias = "pid")]
    init_process_pid: u32,
    #[serde(alias = "process-start-time")]
    init_process_start: u64,
    namespace_paths: BTreeMap<String, String>,
    config: RuncConfig,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RuncConfig {
    hostname: Option<String>,
    /// Annotations and the bundle, as `key=value`.
    labels: Option<Vec<String>>,
}

/// Reads the state of a runtime that somebody called by hand: `/run/runc/ID/state.json`.
pub(super) fn runtime(dir: &Root, file: &str, reader: &mut Reader<'_>) -> Result<()> {
    for id in reader.names(dir) {
        let Some(state) = reader.json::<State>(dir, &format!("{id}/{file}"))? else { continue };
        let mut fact = Fact::new(Engine::Oci, id, Source::Files);
        fact.realm = "oci".to_owned();
        // Engines that call the runtime give numbers; a person gives a name.
        fact.container.name = Some(fact.container.id.clone()).filter(|id| !is_number(id));
        fact.container.hostname = state.config.hostname.filter(|name| !name.is_empty());
        fact.container.pid = Some(state.init_process_pid).filter(|pid| *pid > 0);
        fact.start = Some(state.init_process_start).filter(|start| *start > 0);
        let path = state.namespace_paths.get("NEWNET").filter(|path| !path.starts_with("/proc/"));
        fact.netns = path.map(|path| (reader.root.clone(), path.clone()));
        let labels = state.config.labels.unwrap_or_default();
        labelled(&mut fact, |key| {
            let pairs = labels.iter().filter_map(|label| label.split_once('='));
            pairs.filter(|(k, _)| *k == key).map(|(_, value)| value.to_owned()).next()
        });
        reader.book.add(fact);
    }
    Ok(())
}
