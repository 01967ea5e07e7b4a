//! From what a person writes to the one container or pod meant.

use std::sync::Arc;

use super::book::Fact;
use super::model::{Container, Pod, Role, is_number};
use super::survey::{Lookup, Survey};
use crate::base::{Budget, Capability, Error, Gap, Op, Result, Untrusted};
use crate::netns::target::Process;
use crate::netns::{NetnsId, Selector, Target};

/// How many names an error lists.
pub(in crate::netns) const LISTED: usize = 8;

/// One thing that a name may mean.
#[derive(Debug)]
pub(in crate::netns) struct Candidate {
    /// What a person would write for it.
    pub(in crate::netns) called: Selector,
    /// What leads to it, and to nothing else.
    pub(in crate::netns) selector: String,
    /// What tells it from others, escaped.
    pub(in crate::netns) about: String,
    pub(in crate::netns) netns: Option<NetnsId>,
    /// Its process, or the file of its network.
    main: Fact,
    /// The process whose files are those of the target, where that is another.
    files: Option<Fact>,
}

/// What was found under a name, and everything else there is.
#[derive(Debug)]
pub(in crate::netns) struct Matches {
    pub(in crate::netns) running: Vec<Candidate>,
    stopped: Vec<Candidate>,
    survey: Survey,
}

/// Finds the containers called `name`, or whose number begins so.
pub(in crate::netns) fn containers(
    lookup: &Lookup,
    name: &str,
    budget: &Budget,
) -> Result<Matches> {
    let enough = |facts: &[Fact]| !of_name(facts, name).is_empty();
    let survey = Survey::take(lookup, &enough, budget)?;
    let found = of_name(&survey.facts, name);
    Ok(Matches::of(found, survey))
}

/// Finds the pods of that name, or with that unique number.
pub(in crate::netns) fn pods(
    lookup: &Lookup,
    namespace: Option<&str>,
    name: &str,
    budget: &Budget,
) -> Result<Matches> {
    let enough = |facts: &[Fact]| !of_pod(facts, namespace, name).is_empty();
    let survey = Survey::take(lookup, &enough, budget)?;
    let found = of_pod(&survey.facts, namespace, name);
    Ok(Matches::of(found, survey))
}

/// Finds whatever container or pod has that name, from one look around.
pub(in crate::netns) fn any(lookup: &Lookup, name: &str, budget: &Budget) -> Result<Matches> {
    let both = |facts: &[Fact]| {
        let mut found = of_name(facts, name);
        found.extend(of_pod(facts, None, name));
        found
    };
    let survey = Survey::take(lookup, &|facts| !both(facts).is_empty(), budget)?;
    let found = both(&survey.facts);
    Ok(Matches::of(found, survey))
}

fn of_name(facts: &[Fact], name: &str) -> Vec<Candidate> {
    let called = |fact: &&Fact| {
        let container = &fact.container;
        container.name.as_deref() == Some(name) || container.id == name
    };
    let mut found: Vec<&Fact> = facts.iter().filter(called).collect();
    if found.is_empty() {
        let begins =
            |fact: &&Fact| is_number(&fact.container.id) && fact.container.id.starts_with(name);
        found = facts.iter().filter(begins).collect();
    }
    found.into_iter().map(|fact| Candidate::container(fact, name, facts)).collect()
}

/// By name or number; if that gives none, by what the processes call themselves, which in a pod is
/// its name but not its namespace.
fn of_pod(facts: &[Fact], namespace: Option<&str>, name: &str) -> Vec<Candidate> {
    let sure = pods_where(facts, |_, pod| {
        let there = namespace.is_none() || namespace == pod.namespace.as_deref();
        let numbered = namespace.is_none() && pod.uid.as_deref() == Some(name);
        pod.name.as_deref() == Some(name) && there || numbered
    });
    if !sure.is_empty() || namespace.is_some() {
        return sure;
    }
    pods_where(facts, |container, pod| {
        pod.name.is_none() && container.hostname.as_deref() == Some(name)
    })
}

fn pods_where(facts: &[Fact], called: impl Fn(&Container, &Pod) -> bool) -> Vec<Candidate> {
    let mut groups: Vec<(&Pod, Vec<&Fact>)> = Vec::new();
    for fact in facts {
        let Some(pod) = &fact.container.pod else { continue };
        if !called(&fact.container, pod) {
            continue;
        }
        match groups.iter_mut().find(|(other, _)| *other == pod) {
            Some((_, members)) => members.push(fact),
            None => groups.push((pod, vec![fact])),
        }
    }
    let twice = |pod: &Pod| groups.iter().filter(|(p, _)| p.label() == pod.label()).count() > 1;
    groups.iter().filter_map(|(pod, members)| Candidate::pod(pod, members, twice(pod))).collect()
}

impl Candidate {
    fn container(fact: &Fact, name: &str, facts: &[Fact]) -> Self {
        let container = &fact.container;
        let id = container.short_id();
        let same = |other: &&Fact| other.container.short_id() == id;
        let selector = match (facts.iter().filter(same).count(), container.pid) {
            (2.., Some(pid)) => format!("pid:{pid}"),
            _ => format!("ctr:{id}"),
        };
        Self {
            called: Selector::Container(name.to_owned()),
            selector,
            about: about(container),
            netns: container.netns,
            main: fact.clone(),
            files: None,
        }
    }

    /// The network is the sandbox's, the files are those of the first container that does work.
    fn pod(pod: &Pod, members: &[&Fact], label_is_shared: bool) -> Option<Self> {
        let running = |fact: &&&Fact| fact.container.is_running();
        let of = |role: Role| {
            let those = members.iter().filter(move |fact| fact.container.role == role);
            those.filter(running).min_by_key(|fact| (fact.container.pid.is_none(), fact.start))
        };
        let (sandbox, worker) = (of(Role::Sandbox), of(Role::Container));
        let main = sandbox.or(worker).or(members.first())?;
        let same = |fact: &&&Fact| fact.container.netns == main.container.netns;
        let files = worker.filter(|fact| fact.container.pid.is_some()).filter(same);
        let name = match (label_is_shared, &pod.uid) {
            (true, Some(uid)) => uid.clone(),
            _ => pod.label().or(pod.uid.clone())?,
        };
        let mut main = (*main).clone();
        // With all its processes gone, the pod may still have a network.
        main.netns = main.netns.or_else(|| members.iter().find_map(|fact| fact.netns.clone()));
        let selector = format!("pod:{name}");
        Some(Self {
            called: selector.parse().ok()?,
            selector,
            about: about(&main.container),
            netns: main.container.netns,
            files: files.map(|fact| (*fact).clone()),
            main,
        })
    }

    pub(in crate::netns) fn is_running(&self) -> bool {
        self.main.container.is_running()
    }

    /// Takes hold of it, after making sure that its process is still the one that was seen.
    pub(in crate::netns) fn target(self, selector: &Selector) -> Result<Target> {
        let container = Arc::new(self.main.container.clone());
        let gone = || Error::TargetExited(format!("{selector} ({})", self.about));
        let Some(pid) = self.main.container.pid else {
            let (root, path) = self.main.netns.as_ref().ok_or_else(gone)?;
            return Ok(Target::file(selector.clone(), root.path_of(path))?.of_container(container));
        };
        let process = same_process(pid, self.main.start).map_err(|e| match e {
            Error::NotFound(_) | Error::TargetExited(_) => gone(),
            e => e,
        })?;
        let id = process.netns().map_err(|e| match e {
            Error::TargetExited(_) => gone(),
            e => e,
        })?;
        process.check_alive().map_err(|_| gone())?;
        // One that ended meanwhile is no loss: the sandbox has files of its own.
        let files = self.files.filter(|_| id == self.netns.unwrap_or(id));
        let files = files.and_then(|fact| same_process(fact.container.pid?, fact.start).ok());
        Ok(Target::process(selector.clone(), process, id).of_container(container).with_files(files))
    }
}

/// Opens a process that started at the moment known; one that reuses the number did not.
fn same_process(pid: u32, start: Option<u64>) -> Result<Process> {
    let process = Process::open(pid)?;
    let stat = process.stat()?;
    if start.is_some_and(|start| start != stat.start) || stat.is_zombie() {
        return Err(Error::TargetExited(format!("process {pid}")));
    }
    Ok(process)
}

impl Matches {
    fn of(found: Vec<Candidate>, survey: Survey) -> Self {
        let mut found = found;
        found.sort_by(|a, b| a.selector.cmp(&b.selector));
        let (running, stopped) = found.into_iter().partition(Candidate::is_running);
        Self { running, stopped, survey }
    }

    /// Returns the one that is meant.
    pub(in crate::netns) fn only(mut self, what: &str) -> Result<Candidate> {
        match self.running.len() {
            0 => Err(self.none(what)),
            1 => self.running.pop().ok_or_else(|| Error::NotFound(what.to_owned())),
            _ => Err(Error::Ambiguous(what.to_owned(), described(&self.running))),
        }
    }

    /// Says why there is none, as well as can be told.
    pub(in crate::netns) fn none(&self, what: &str) -> Error {
        if let Some(one) = self.stopped.first() {
            return Error::TargetExited(format!("{what} ({}, not running)", one.about));
        }
        match self.survey.gaps.iter().find_map(|gap| gap.needs) {
            Some(needs @ Capability::SysPtrace) => {
                return Error::Permission { op: Op::ReadProc, needs };
            }
            Some(needs) => return Error::Permission { op: Op::ReadEngine, needs },
            None => {}
        }
        self.not_found(what, "no container of that name is running".to_owned())
    }

    pub(in crate::netns) fn is_stopped(&self) -> bool {
        !self.stopped.is_empty()
    }

    /// Says that there is none, which others there are, and what was not looked at.
    pub(in crate::netns) fn not_found(&self, what: &str, why: String) -> Error {
        let mut why = vec![why];
        why.extend(self.known());
        why.extend(self.unseen());
        Error::NotFound(format!("{what} ({})", why.join("; ")))
    }

    /// What was not looked at, one clause for each reason.
    fn unseen(&self) -> Vec<String> {
        let gaps = &self.survey.gaps;
        let first = |at: usize, gap: &Gap| gaps.iter().position(|g| g.why == gap.why) == Some(at);
        let reasons = gaps.iter().enumerate().filter(|(at, gap)| first(*at, gap)).take(LISTED);
        let clause = |(_, gap): (usize, &Gap)| {
            let others = gaps.iter().filter(|other| other.why == gap.why).count().saturating_sub(1);
            let what = match others {
                0 => gap.what.clone(),
                n => format!("{} and {n} more", gap.what),
            };
            format!("not looked at: {}: {}", escaped(&what), escaped(&gap.why))
        };
        reasons.map(clause).collect()
    }

    fn known(&self) -> Option<String> {
        let running = self.survey.facts.iter().filter(|fact| fact.container.is_running());
        let named = |fact: &Fact| (fact.container.name.is_none(), escaped(&fact.container.label()));
        let mut names: Vec<_> = running.map(named).collect();
        names.sort_unstable();
        let mut names: Vec<_> = names.into_iter().map(|(_, name)| name).collect();
        names.dedup();
        let more = names.len().saturating_sub(LISTED);
        names.truncate(LISTED);
        if more > 0 {
            names.push(format!("{more} more"));
        }
        (!names.is_empty()).then(|| format!("running: {}", names.join(", ")))
    }
}

/// Candidates as an error lists them: the selector first.
pub(in crate::netns) fn described(candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(|one| format!("{} ({})", one.selector, one.about)).collect()
}

fn about(container: &Container) -> String {
    let mut parts = vec![container.engine.to_string(), escaped(&container.label())];
    parts.extend(container.image.as_ref().map(|image| format!("image {}", escaped(image))));
    let pod = container.pod.as_ref().filter(|pod| pod.name.is_none());
    parts.extend(pod.and_then(|pod| Some(format!("pod {}", escaped(pod.uid.as_deref()?)))));
    parts.extend(container.pid.map(|pid| format!("pid {pid}")));
    parts.join(" ")
}

fn escaped(text: &str) -> String {
    Untrusted::from(text).escaped().to_string()
}
