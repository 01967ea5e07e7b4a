use std::io;

use serde::Serialize;
use vision_core::Untrusted;
use vision_core::firewall::{
    Chain, Counter, Flowtable, FwFamily, Met, Object, Rule, SetContent, Table,
};

use crate::output::json::Object as Json;
use crate::output::text::Put;
use crate::output::{Row, Style};

/// Text that is written as it is: it was escaped when it was put into words.
#[derive(Debug)]
pub struct Words<'w>(pub &'w str);

impl Row for Words<'_> {
    fn line(&self, out: &mut Vec<u8>, _: &Style) -> io::Result<()> {
        out.put(self.0);
        Ok(())
    }

    fn members(&self, object: &mut Json<'_>) -> io::Result<()> {
        object.member("text", &self.0)
    }
}

/// An object of the firewall, for JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Item<'i> {
    /// A table.
    Table(&'i Table),
    /// A table of legacy iptables that packets meet besides those of nf_tables.
    LegacyTable {
        /// IPv4 or IPv6.
        family: FwFamily,
        /// Its name.
        name: &'i Untrusted,
        /// How many rules it has.
        rules: usize,
    },
    /// A chain.
    Chain(&'i Chain),
    /// A set or a map.
    Set(&'i SetContent),
    /// A named counter, quota, limit or the like.
    Object(&'i Object),
    /// A flowtable.
    Flowtable(&'i Flowtable),
    /// A rule.
    Rule(&'i Rule),
}

/// An object and its words.
#[derive(Debug)]
pub struct FwRow<'i> {
    /// The object.
    pub item: Item<'i>,
    /// What it says in nft's language, where that is more than its members.
    pub text: Option<&'i str>,
}

impl Row for FwRow<'_> {
    fn line(&self, out: &mut Vec<u8>, _: &Style) -> io::Result<()> {
        out.put(self.text.unwrap_or_default());
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Json<'_>) -> io::Result<()> {
        object.members(&self.item)?;
        match self.text {
            Some(text) => object.member("text", &text),
            None => Ok(()),
        }
    }
}

/// Something that counts.
#[derive(Debug, Serialize)]
pub struct CounterRow<'c> {
    /// Its family.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its chain; a named counter has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The number of the rule or the object.
    pub handle: u64,
    /// What was counted.
    #[serde(flatten)]
    pub counter: Counter,
    /// The rule, or what is counted otherwise.
    pub text: &'c str,
}

impl Row for CounterRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let start = out.len();
        out.uint(self.counter.packets);
        out.put(" packets");
        out.left(start, 20);
        let start = out.len();
        out.uint(self.counter.bytes);
        out.put(" bytes");
        out.left(start, 20);
        Style::paint(out, style.name, |out| {
            out.put(&format!("{} {}", self.family, self.table));
            if let Some(chain) = &self.chain {
                out.put(" ");
                out.put(chain);
            }
            Ok(())
        })?;
        out.put(" ");
        out.put(self.text);
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Json<'_>) -> io::Result<()> {
        object.members(self)
    }
}

/// A rule that a packet would meet.
#[derive(Debug)]
pub struct MetRow<'m> {
    /// The rule.
    pub met: &'m Met,
    /// Whether it is the first one of its hook.
    pub new: bool,
}

impl Row for MetRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let met = self.met;
        if self.new {
            out.put(&format!("{} (static walk, nothing was sent)\n", met.hook));
        }
        let start = out.len();
        let colour = match (met.outcome.as_str(), met.certain) {
            (_, false) => style.warn,
            ("drop" | "reject", true) => style.bad,
            (_, true) => style.good,
        };
        let may = if met.certain { "" } else { "may " };
        Style::paint(out, colour, |out| {
            out.put(&format!("  {may}{}", met.outcome));
            Ok(())
        })?;
        out.left(start, 24);
        out.put(&format!(" {} {} {}", met.family, met.table, met.chain));
        out.put(&format!(" priority {}", met.priority));
        if let Some(handle) = met.handle {
            out.put(&format!(" handle {handle}"));
        }
        out.put(&format!(": {}", met.text));
        if !met.depends_on.is_empty() {
            out.put(&format!(" (depends on {})", met.depends_on.join(", ")));
        }
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Json<'_>) -> io::Result<()> {
        object.members(self.met)?;
        object.member("static", &true)
    }
}
