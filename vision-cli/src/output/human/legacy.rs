use std::io;

use vision_core::firewall::FwFamily;
use vision_core::firewall::legacy::LegacyTable;

use crate::output::json::Object as Json;
use crate::output::text::Put;
use crate::output::{Row, Style};

/// A table of legacy iptables.
#[derive(Debug)]
pub struct LegacyRow<'l>(pub &'l LegacyTable);

impl Row for LegacyRow<'_> {
    fn line(&self, out: &mut Vec<u8>, _: &Style) -> io::Result<()> {
        let six = self.0.family == FwFamily::Ip6;
        out.put(if six { "# ip6tables, legacy\n" } else { "# iptables, legacy\n" });
        out.put(&self.0.save());
        if self.0.unreadable > 0 {
            out.put(&format!("# {} bytes could not be read\n", self.0.unreadable));
        }
        Ok(())
    }

    fn members(&self, object: &mut Json<'_>) -> io::Result<()> {
        object.members(self.0)?;
        let rules = self
            .0
            .chains
            .iter()
            .flat_map(|chain| chain.rules.iter().map(move |rule| rule.line(chain)));
        object.member("lines", &rules.collect::<Vec<_>>())
    }
}
