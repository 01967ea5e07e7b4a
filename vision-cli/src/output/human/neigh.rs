use std::io::{self, Write};

use serde::Serialize;
use vision_core::Untrusted;
use vision_core::inventory::{NeighState, Neighbour};

use crate::output::Style;

/// A neighbour with the name of its interface, and what its state means if it is a bad one.
#[derive(Debug, Serialize)]
pub struct NeighRow {
    #[serde(flatten)]
    entry: Neighbour,
    dev: Option<Untrusted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
}

impl NeighRow {
    /// Adds name and meaning.
    pub fn new(entry: Neighbour, dev: Option<Untrusted>) -> Self {
        Self { meaning: meaning(entry.state), entry, dev }
    }
}

fn meaning(state: NeighState) -> Option<&'static str> {
    match state {
        NeighState::Failed => Some(
            "nobody on the link answered for this address: the host is down, on another link, \
             or a filter drops ARP or neighbour discovery",
        ),
        NeighState::Incomplete => {
            Some("asked on the link, no answer yet: packets to this address wait or are dropped")
        }
        _ => None,
    }
}

/// Writes a row.
pub fn line(row: &NeighRow, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { good, bad, name, dim, .. } = style;
    let NeighRow { entry, dev, meaning } = row;
    write!(out, "{}", entry.dst)?;
    match dev {
        Some(dev) => write!(out, " dev {name}{}{name:#}", dev.escaped())?,
        None => write!(out, " dev if{}", entry.ifindex)?,
    }
    if let Some(lladdr) = entry.lladdr {
        write!(out, " lladdr {lladdr}")?;
    }
    for flag in entry.flags.names() {
        write!(out, " {flag}")?;
    }
    let paint = match entry.state {
        NeighState::Failed | NeighState::Incomplete => bad,
        NeighState::Reachable | NeighState::Permanent => good,
        _ => dim,
    };
    writeln!(out, " {paint}{}{paint:#}", entry.state)?;
    match meaning {
        Some(meaning) => writeln!(out, "    {meaning}"),
        None => Ok(()),
    }
}
