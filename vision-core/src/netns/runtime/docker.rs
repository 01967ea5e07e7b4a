//! What Docker keeps on disk: `containers/ID/config.v2.json`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::book::Fact;
use super::model::{Engine, Source, is_number};
use super::oci::labelled;
use super::places::Reader;
use super::root::Root;
use crate::base::Result;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Config {
    name: Option<String>,
    state: State,
    config: Made,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    running: bool,
    pid: u32,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Made {
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// Reads all containers below `/var/lib/docker/containers`, stopped ones as well.
pub(super) fn read(dir: &Root, reader: &mut Reader<'_>) -> Result<()> {
    for id in reader.names(dir).into_iter().filter(|name| is_number(name)) {
        if let Some(config) = reader.json::<Config>(dir, &format!("{id}/config.v2.json"))? {
            reader.book.add(fact(id, config));
        }
    }
    Ok(())
}

fn fact(id: String, config: Config) -> Fact {
    let mut fact = Fact::new(Engine::Docker, id, Source::Files);
    let pid = Some(config.state.pid).filter(|pid| config.state.running && *pid > 0);
    let name = config.name.map(|name| name.trim_start_matches('/').to_owned());
    fact.container.name = name;
    fact.container.image = config.config.image;
    fact.container.pid = pid;
    labelled(&mut fact, |key| config.config.labels.as_ref()?.get(key).cloned());
    fact
}
