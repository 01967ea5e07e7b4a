//! What Podman and CRI-O keep on disk: `DRIVER-containers/containers.json` and, for each container,
//! `userdata/config.json` and a file with the number of its first process.

use serde::Deserialize;

use super::book::Fact;
use super::model::{Engine, Pod, Role, Source};
use super::oci::{self, Spec};
use super::places::Reader;
use super::root::Root;
use crate::base::Result;

#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    #[serde(default)]
    metadata: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Metadata {
    image_name: Option<String>,
}

/// Reads all containers of one storage folder; `run` is its counterpart below `/run`.
pub(super) fn read(dir: &Root, run: Option<&Root>, reader: &mut Reader<'_>) -> Result<()> {
    let stored: Vec<Stored> = reader.json(dir, "containers.json")?.unwrap_or_default();
    for one in stored {
        reader.budget.remaining()?;
        if one.id.contains('/') {
            continue;
        }
        let config = format!("{}/userdata/config.json", one.id);
        let mut spec = reader.json::<Spec>(dir, &config)?;
        if let (None, Some(run)) = (&spec, run) {
            spec = reader.json::<Spec>(run, &config)?;
        }
        let pid = match run {
            Some(run) => reader.number(run, &format!("{}/userdata/pidfile", one.id))?,
            None => None,
        };
        reader.book.add(fact(one, spec.unwrap_or_default(), pid, reader));
    }
    Ok(())
}

fn fact(one: Stored, spec: Spec, pid: Option<u32>, reader: &Reader<'_>) -> Fact {
    let engine = match spec.annotation("io.container.manager").as_deref() {
        Some("cri-o") => Engine::CriO,
        _ => Engine::Podman,
    };
    let mut fact = Fact::new(engine, one.id, Source::Files);
    fact.container.name = one.names.and_then(|names| names.into_iter().next());
    let metadata = one.metadata.and_then(|text| serde_json::from_str::<Metadata>(&text).ok());
    fact.container.image = metadata.and_then(|m| m.image_name).filter(|name| !name.is_empty());
    fact.container.pid = pid;
    fact.netns = spec.netns().map(|path| (reader.root.clone(), path));
    oci::described(&mut fact, &spec);
    // Podman writes the pod's name nowhere but into the host name of the container that holds it.
    let infra = fact.container.name.as_ref().is_some_and(|name| name.ends_with("-infra"));
    if engine == Engine::Podman && infra {
        fact.container.role = Role::Sandbox;
        fact.container.pod = Some(Pod { namespace: None, name: spec.hostname, uid: None });
    }
    fact
}
