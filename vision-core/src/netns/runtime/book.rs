//! What is known about each container, put together from several places.

use std::collections::HashMap;

use super::model::{Container, Engine, Pod, Role, Source, is_number};
use super::root::Root;

/// What one place says about one container.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) container: Container,
    /// Tells containers of the same name apart that different engines or namespaces hold.
    pub(super) realm: String,
    /// When its first process started, where the place says so.
    pub(super) start: Option<u64>,
    /// A file that stands for its network namespace, and where that file is.
    pub(super) netns: Option<(Root, String)>,
    /// The container that holds its namespaces.
    pub(super) sandbox: Option<String>,
}

impl Fact {
    pub(super) fn new(engine: Engine, id: impl Into<String>, source: Source) -> Self {
        Self {
            container: Container::new(engine, id, source),
            realm: String::new(),
            start: None,
            netns: None,
            sandbox: None,
        }
    }

    fn key(&self) -> String {
        match is_number(&self.container.id) {
            true => self.container.id.clone(),
            false => format!("{}/{}", self.realm, self.container.id),
        }
    }
}

/// All facts, one per container.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) facts: Vec<Fact>,
    places: HashMap<String, usize>,
}

impl Book {
    /// Adds what is new; what is known already stays.
    pub(super) fn add(&mut self, new: Fact) {
        let place = *self.places.entry(new.key()).or_insert(self.facts.len());
        match self.facts.get_mut(place) {
            Some(old) => merge(old, new),
            None => self.facts.push(new),
        }
    }

    /// Gives containers the pod of their sandbox, or of others with the same unique number.
    pub(super) fn complete_pods(&mut self) {
        let mut pods: HashMap<String, Pod> = HashMap::new();
        for fact in &self.facts {
            let Some(pod) = fact.container.pod.as_ref().filter(|pod| pod.name.is_some()) else {
                continue;
            };
            if fact.container.role == Role::Sandbox {
                pods.insert(fact.container.id.clone(), pod.clone());
            }
            if let Some(uid) = &pod.uid {
                pods.insert(uid.clone(), pod.clone());
            }
        }
        for fact in &mut self.facts {
            let named = fact.container.pod.as_ref().is_some_and(|pod| pod.name.is_some());
            let uid = fact.container.pod.as_ref().and_then(|pod| pod.uid.as_ref());
            let known = [fact.sandbox.as_ref(), uid].into_iter().flatten();
            let pod = known.filter_map(|key| pods.get(key)).next().filter(|_| !named).cloned();
            if pod.is_some() {
                fact.container.pod = pod;
            }
        }
    }
}

fn merge(old: &mut Fact, new: Fact) {
    let (a, b) = (&mut old.container, new.container);
    if rank(b.engine) > rank(a.engine) {
        a.engine = b.engine;
    }
    // A socket may lie, and what a process is called by its watcher is not what people call it:
    // files count more than either.
    let better = a.name.is_none() || (a.source == Source::Cgroup && b.source == Source::Files);
    if b.name.is_some() && better {
        (a.name, a.source) = (b.name, b.source);
    } else if a.name.is_none() && a.source == Source::Cgroup {
        a.source = b.source;
    }
    a.image = a.image.take().or(b.image);
    a.hostname = a.hostname.take().or(b.hostname);
    if b.role == Role::Sandbox {
        a.role = b.role;
    }
    a.pod = match (a.pod.take(), b.pod) {
        (Some(a), Some(b)) => Some(Pod {
            namespace: a.namespace.or(b.namespace),
            name: a.name.or(b.name),
            uid: a.uid.or(b.uid),
        }),
        (a, b) => a.or(b),
    };
    // A number that comes with a start can be checked, one without may not be.
    if a.pid.is_none() || (old.start.is_none() && new.start.is_some()) {
        (a.pid, old.start) = (b.pid, new.start);
    }
    old.netns = old.netns.take().or(new.netns);
    old.sandbox = old.sandbox.take().or(new.sandbox);
}

/// Docker runs its containers through containerd and that through runc: the outermost counts.
fn rank(engine: Engine) -> u8 {
    match engine {
        Engine::Unknown => 0,
        Engine::Oci => 1,
        Engine::Containerd => 2,
        _ => 3,
    }
}
