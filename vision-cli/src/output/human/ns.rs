use std::io::{self, Write};

use serde::Serialize;
use vision_core::NetnsId;
use vision_core::base::Untrusted;
use vision_core::netns::{Listing, NamespaceInfo};

use super::table::table;
use crate::output::{Human, Style, esc};

impl Human for Listing {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        let head = ["NS", "OWN", "PROCS", "PID", "COMMAND", "NAMES"];
        writeln!(out, "{}", table(&head, self.namespaces.iter().map(row)))?;
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
    vec![
        info.id.ino.to_string(),
        if info.own { "*" } else { "" }.to_owned(),
        info.processes.to_string(),
        info.lowest_pid.map(|pid| pid.to_string()).unwrap_or_default(),
        info.command.as_ref().map(escaped).unwrap_or_default(),
        names(info),
    ]
}

fn escaped(text: &Untrusted) -> String {
    text.escaped().to_string()
}

fn names(info: &NamespaceInfo) -> String {
    info.names.iter().map(|name| esc(name).to_string()).collect::<Vec<_>>().join(" ")
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
        let Some(known) = &self.known else {
            return writeln!(out, "  no process to be seen, no name");
        };
        if !known.names.is_empty() {
            writeln!(out, "  names      {}", names(known))?;
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
