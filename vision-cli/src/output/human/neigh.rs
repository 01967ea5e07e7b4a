use std::io;

use vision_core::Untrusted;
use vision_core::inventory::{NeighState, Neighbour};

use crate::output::json::Object;
use crate::output::text::Put;
use crate::output::{Row, Style};

/// A neighbour with the name of its interface, and what its state means if it is a bad one.
#[derive(Debug)]
pub struct NeighRow<'n> {
    entry: &'n Neighbour,
    dev: Option<&'n Untrusted>,
    meaning: Option<&'static str>,
}

impl<'n> NeighRow<'n> {
    /// Adds name and meaning.
    pub fn new(entry: &'n Neighbour, dev: Option<&'n Untrusted>) -> Self {
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

impl Row for NeighRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let entry = self.entry;
        out.ip(entry.dst);
        super::dev(out, self.dev, Some(entry.ifindex), style)?;
        if let Some(lladdr) = entry.lladdr {
            out.put(" lladdr ");
            out.mac(lladdr);
        }
        for flag in entry.flags.names() {
            out.put(" ");
            out.put(flag);
        }
        let paint = match entry.state {
            NeighState::Failed | NeighState::Incomplete => style.bad,
            NeighState::Reachable | NeighState::Permanent => style.good,
            _ => style.dim,
        };
        out.put(" ");
        Style::paint(out, paint, |out| super::word(out, entry.state.name(), entry.state.raw()))?;
        out.put("\n");
        if let Some(meaning) = self.meaning {
            out.put("    ");
            out.put(meaning);
            out.put("\n");
        }
        Ok(())
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.members(self.entry)?;
        object.member("dev", &self.dev)?;
        match self.meaning {
            Some(meaning) => object.member("meaning", &meaning),
            None => Ok(()),
        }
    }
}
