use std::fmt;

use crate::netns::NetnsId;

/// A container of any engine, as far as it could be told from outside.
///
/// Names, images and labels were chosen by others: escape them before a terminal sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Container {
    /// Who runs it.
    pub engine: Engine,
    /// Its number, 64 hexadecimal digits with most engines, else the name it was given.
    pub id: String,
    /// Its name; of a container in a pod, the one in the pod's manifest.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// The pod it belongs to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pod: Option<Pod>,
    /// What it was made from.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub image: Option<String>,
    /// What it is there for.
    pub role: Role,
    /// Its first process as the caller's `/proc` numbers it; `None` when it is not running.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pid: Option<u32>,
    /// The network it uses, where this user may see it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub netns: Option<NetnsId>,
    /// Whether that is the machine's own network.
    pub host_network: bool,
    /// What it calls itself (`HOSTNAME` of its first process); looked for only where no engine
    /// gave a name.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub hostname: Option<String>,
    /// Where the name comes from.
    pub source: Source,
}

/// The pod a container belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Pod {
    /// Kubernetes namespace; `None` with engines that have none.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub namespace: Option<String>,
    /// The pod's name; `None` when only its unique number is known.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
    /// The pod's unique number.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub uid: Option<String>,
}

/// A program that runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Engine {
    /// Docker, moby.
    Docker,
    /// containerd: Kubernetes, `ctr`, nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// A bare OCI runtime: runc, crun, youki.
    Oci,
    /// systemd-nspawn.
    Nspawn,
    /// LXC, Incus.
    Lxc,
    /// Something that keeps its containers in control groups as the others do.
    Unknown,
}

/// What a container is there for.
// Closed: a container either holds the network of a pod or does work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Role {
    /// It does work.
    Container,
    /// It only holds the namespaces of a pod ("pause", "infra").
    Sandbox,
}

/// Where the name of a container comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Source {
    /// Its processes alone: control group, command line of their watcher.
    Cgroup,
    /// What its engine keeps on disk.
    Files,
    /// Its engine, over a socket.
    Engine,
}

/// Digits that are enough to tell containers apart, as the engines print them.
const SHORT: usize = 12;

impl Container {
    pub(super) fn new(engine: Engine, id: impl Into<String>, source: Source) -> Self {
        Self {
            engine,
            id: id.into(),
            name: None,
            pod: None,
            image: None,
            role: Role::Container,
            pid: None,
            netns: None,
            host_network: false,
            hostname: None,
            source,
        }
    }

    /// Returns the number cut to the twelve digits that engines print; a name is not cut.
    pub fn short_id(&self) -> &str {
        match is_number(&self.id) {
            true => self.id.get(..SHORT).unwrap_or(&self.id),
            false => &self.id,
        }
    }

    /// Returns what a person would call it: `shop/cart-7d9 (app)`, `web`, or its number.
    pub fn label(&self) -> String {
        let own = match (self.role, &self.name) {
            (Role::Sandbox, _) => None,
            (Role::Container, Some(name)) => Some(name.as_str()),
            (Role::Container, None) => Some(self.short_id()),
        };
        match (self.pod.as_ref().and_then(Pod::label), own) {
            (Some(pod), Some(own)) => format!("{pod} ({own})"),
            (Some(pod), None) => format!("{pod} (sandbox)"),
            (None, _) => self.name.as_deref().unwrap_or(self.short_id()).to_owned(),
        }
    }

    /// Tells whether it runs: it has a process or a network.
    pub fn is_running(&self) -> bool {
        self.pid.is_some() || self.netns.is_some()
    }
}

impl Pod {
    /// Returns `NAMESPACE/NAME`, or the name alone; `None` when only the unique number is known.
    pub fn label(&self) -> Option<String> {
        let name = self.name.as_ref()?;
        Some(match &self.namespace {
            Some(namespace) => format!("{namespace}/{name}"),
            None => name.clone(),
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Oci => "oci runtime",
            Self::Nspawn => "nspawn",
            Self::Lxc => "lxc",
            Self::Unknown => "unknown engine",
        })
    }
}

/// Whether a text is the kind of number that engines give: 64 hexadecimal digits.
pub(super) fn is_number(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_a_pod_is_called_by_both() {
        let id = "4fd2a1b03c9e".repeat(5) + "abcd";
        let mut one = Container::new(Engine::Containerd, id, Source::Files);
        assert_eq!(one.label(), "4fd2a1b03c9e");
        one.name = Some("app".into());
        assert_eq!(one.label(), "app");
        let namespace = Some("shop".to_owned());
        one.pod = Some(Pod { namespace, name: Some("cart-7d9".into()), uid: None });
        assert_eq!(one.label(), "shop/cart-7d9 (app)");
        one.role = Role::Sandbox;
        assert_eq!(one.label(), "shop/cart-7d9 (sandbox)");
    }
}
