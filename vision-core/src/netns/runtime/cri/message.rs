//! The messages of the CRI (`runtime.v1` of k8s.io/cri-api, `api.proto`) as far as they tell a
//! container's name, pod and process. Unknown fields are passed over.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::proto::{Fields, Held, put_bytes, put_number};
use crate::base::Result;
use crate::netns::runtime::oci::Spec;

/// More than any machine holds; an answer with more is cut there.
pub(super) const MOST: usize = 8192;

/// `PodSandbox`: the list's view of a pod.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sandbox {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) namespace: String,
    /// `SANDBOX_READY`.
    pub(super) ready: bool,
    pub(super) labels: BTreeMap<String, String>,
}

/// `Container`: the list's view of a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) sandbox: String,
    pub(super) name: String,
    pub(super) image: String,
    /// `CONTAINER_RUNNING`.
    pub(super) running: bool,
    pub(super) labels: BTreeMap<String, String>,
}

/// `info["info"]` of a verbose status: what containerd and CRI-O say beyond the CRI, as JSON.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Info {
    pub(super) pid: u32,
    pub(super) runtime_spec: Spec,
}

/// `VersionResponse.runtime_name`.
pub(super) fn runtime_name(message: &[u8]) -> Result<String> {
    let mut name = String::new();
    each(message, |field, value| {
        if field == 2 {
            name = value.text();
        }
    })?;
    Ok(name)
}

/// `ListPodSandboxResponse`.
pub(super) fn sandboxes(message: &[u8]) -> Result<Vec<Sandbox>> {
    list(message, |bytes| {
        // An enumeration's first value is not sent: SANDBOX_READY is 0.
        let mut one = Sandbox { ready: true, ..Sandbox::default() };
        let mut metadata: &[u8] = &[];
        each(bytes, |field, value| match field {
            1 => one.id = value.text(),
            2 => metadata = value.bytes(),
            3 => one.ready = value.number() == 0,
            5 => label(&mut one.labels, value),
            _ => {}
        })?;
        each(metadata, |field, value| match field {
            1 => one.name = value.text(),
            2 => one.uid = value.text(),
            3 => one.namespace = value.text(),
            _ => {}
        })?;
        Ok(one)
    })
}

/// `ListContainersResponse`.
pub(super) fn containers(message: &[u8]) -> Result<Vec<Listed>> {
    list(message, |bytes| {
        let mut one = Listed::default();
        let (mut metadata, mut image): (&[u8], &[u8]) = (&[], &[]);
        each(bytes, |field, value| match field {
            1 => one.id = value.text(),
            2 => one.sandbox = value.text(),
            3 => metadata = value.bytes(),
            4 => image = value.bytes(),
            6 => one.running = value.number() == 1,
            8 => label(&mut one.labels, value),
            _ => {}
        })?;
        each(metadata, |field, value| {
            if field == 1 {
                one.name = value.text();
            }
        })?;
        // What the manifest says counts more than the digest it was found to be.
        let mut wanted = String::new();
        each(image, |field, value| match field {
            1 => one.image = value.text(),
            18 => wanted = value.text(),
            _ => {}
        })?;
        if !wanted.is_empty() {
            one.image = wanted;
        }
        Ok(one)
    })
}

/// `PodSandboxStatusResponse` (the map is its second field) and `ContainerStatusResponse` alike.
pub(super) fn info(message: &[u8]) -> Result<Option<Info>> {
    let mut found = None;
    each(message, |field, value| {
        let entry = (field == 2).then(|| pair(value).ok()).flatten();
        if let Some((_, text)) = entry.filter(|(key, _)| key == "info") {
            found = serde_json::from_str(&text).ok();
        }
    })?;
    Ok(found)
}

/// `PodSandboxStatusRequest` and `ContainerStatusRequest`: the number, and `verbose`.
pub(super) fn status_request(id: &str) -> Vec<u8> {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, id.as_bytes());
    put_number(&mut message, 2, 1);
    message
}

fn list<T>(message: &[u8], one: impl Fn(&[u8]) -> Result<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for field in Fields::of(message) {
        match field? {
            (1, value) if all.len() < MOST => all.push(one(value.bytes())?),
            _ => {}
        }
    }
    Ok(all)
}

fn each<'a>(message: &'a [u8], mut take: impl FnMut(u64, Held<'a>)) -> Result<()> {
    for field in Fields::of(message) {
        let (number, value) = field?;
        take(number, value);
    }
    Ok(())
}

/// An entry of a `map<string, string>`.
fn pair(value: Held<'_>) -> Result<(String, String)> {
    let (mut key, mut text) = (String::new(), String::new());
    each(value.bytes(), |field, value| match field {
        1 => key = value.text(),
        2 => text = value.text(),
        _ => {}
    })?;
    Ok((key, text))
}

fn label(labels: &mut BTreeMap<String, String>, value: Held<'_>) {
    // A label that is damaged is none; its message is still whole.
    if let Ok((key, text)) = pair(value) {
        labels.insert(key, text);
    }
}
