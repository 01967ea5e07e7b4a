pub mod diff;
pub mod show;

use std::io::{self, Write};

use serde::Serialize;
use vision_core::NetnsId;
use vision_core::base::Untrusted;
use vision_core::netns::{Container, Listing, NamespaceInfo, Role};

use super::table::table;
use crate::output::{Human, Style, esc};

impl Human for Listing {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        let head = ["NS", "OWN", "PROCS", "PID", "COMMAND", "NAMES", "ENGINE", "IMAGE"];
        writeln!(out, "{}", table(&head, self.namespaces.iter().map(row)))?;
        for info in &self.namespaces {
            if let Some(holder) = info.holders.first() {
                writeln!(out, "nobody lives in {}: {}", info.id, super::map::held(holder))?;
            }
        }
        for gap in &self.gaps {
            writeln!(out, "not looked at: {}", esc(&gap.to_string()))?;
        }
        match self.unreadable_processes {
            0 => Ok(()),
            n => writeln!(
                out,
                "not looked at: processes of others ({n}), which needs CAP_SYS_PTRACE"
            ),
        }
    }
}

fn row(info: &NamespaceInfo) -> Vec<String> {
    // Of a network that many containers share no image is the network's.
    let guests = || info.containers.iter().filter(|container| !container.host_network);
    let worker = guests().find(|container| container.role == Role::Container);
    let engine = guests().next().map(|container| container.engine.to_string());
    let image = worker.and_then(|container| container.image.as_deref());
    vec![
        info.id.ino.to_string(),
        if info.own { "*" } else { "" }.to_owned(),
        info.processes.to_string(),
        info.lowest_pid.map(|pid| pid.to_string()).unwrap_or_default(),
        info.command.as_ref().map(escaped).unwrap_or_default(),
        names(info),
        engine.unwrap_or_default(),
        image.map(|image| esc(image).to_string()).unwrap_or_default(),
    ]
}

fn escaped(text: &Untrusted) -> String {
    text.escaped().to_string()
}

/// Pods and containers first, as they are typed; then the names of `ip netns`.
fn names(info: &NamespaceInfo) -> String {
    let mut all: Vec<String> = Vec::new();
    for container in &info.containers {
        let pod = container.pod.as_ref().and_then(|pod| pod.label());
        let name = match pod {
            Some(pod) => format!("pod:{}", esc(&pod)),
            None => format!("ctr:{}", esc(&container.label())),
        };
        if !all.contains(&name) {
            all.push(name);
        }
    }
    let hidden = all.len().saturating_sub(SHOWN);
    all.truncate(SHOWN);
    all.extend((hidden > 0).then(|| format!("and {hidden} more")));
    all.extend(info.names.iter().map(|name| esc(name).to_string()));
    all.join(" ")
}

/// Containers named in one line; the machine's own network may have a hundred.
const SHOWN: usize = 4;

/// One line about a container: what it is called, by whom it is run, what it is made from.
fn about(container: &Container) -> String {
    let label = container.label();
    let mut line = format!("{} {}", container.engine, esc(&label));
    if label != container.short_id() {
        line += &format!(" {}", esc(container.short_id()));
    }
    if let Some(image) = &container.image {
        line += &format!(" image {}", esc(image));
    }
    if let Some(pid) = container.pid {
        line += &format!(" pid {pid}");
    }
    if container.host_network {
        line += " (the machine's own network)";
    }
    line
}

/// Which namespace a target is in.
#[derive(Debug, Serialize)]
pub struct NsOf {
    /// What the target was called.
    pub selector: String,
    /// The process it was found through.
    pub pid: Option<u32>,
    /// The namespace.
    pub id: NetnsId,
    /// Its number that is never used again (kernel 6.18).
    pub cookie: Option<u64>,
    /// The container found under that name.
    pub container: Option<Container>,
    /// Who else is in it; absent if no process this user may see is, and it has no name.
    pub known: Option<NamespaceInfo>,
}

impl Human for NsOf {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        writeln!(out, "{}  {bold}{}{bold:#}", esc(&self.selector), self.id)?;
        if let Some(cookie) = self.cookie {
            writeln!(out, "  cookie     {cookie}")?;
        }
        if let Some(container) = &self.container {
            writeln!(out, "  container  {}", about(container))?;
        }
        let Some(known) = &self.known else {
            return writeln!(out, "  no process to be seen, no name");
        };
        let others = known.containers.iter().filter(|one| Some(*one) != self.container.as_ref());
        for other in others {
            writeln!(out, "  shared by  {}", about(other))?;
        }
        if !known.names.is_empty() {
            writeln!(
                out,
                "  names      {}",
                known.names.iter().map(|name| esc(name).to_string()).collect::<Vec<_>>().join(" ")
            )?;
        }
        if let Some(pid) = known.lowest_pid {
            let command = known.command.as_ref().map(escaped).unwrap_or_default();
            writeln!(out, "  processes  {}, lowest {pid} {command}", known.processes)?;
        }
        if known.own {
            writeln!(out, "  this is the caller's own")?;
        }
        Ok(())
    }
}
