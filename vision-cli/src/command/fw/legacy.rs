//! `vision fw --legacy`

use vision_core::firewall::FwFamily;
use vision_core::firewall::legacy::{Legacy, LegacyTable};
use vision_core::inventory::Consistency;
use vision_core::{Budget, Target};

use super::super::Ended;
use super::super::stream::{self, Stop, Tail};
use crate::context::Context;
use crate::output::diagnose;
use crate::output::human::legacy::LegacyRow;

/// Lists the legacy tables as iptables-save does.
pub fn run(context: &mut Context) -> Ended {
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let tables = Legacy::open(&target)?.tables(&budget)?;
    stream::list(context, "tables", |write| {
        for table in &tables {
            stop.unless(write(&LegacyRow(table)));
        }
        // Each table is one state; several are several.
        let one = tables.len() < 2;
        let consistent = if one { Consistency::Yes } else { Consistency::Unknown };
        Ok(Tail { consistent, interfaces: None })
    })
}

/// The legacy tables that packets meet besides nf_tables.
pub fn beside(target: &Target, budget: &Budget) -> Vec<LegacyTable> {
    let read = Legacy::open(target).and_then(|legacy| legacy.tables(budget));
    match read {
        Ok(tables) => tables.into_iter().filter(LegacyTable::is_in_use).collect(),
        Err(error) => {
            diagnose(&format!("whether legacy iptables has rules is not known: {error}"), None);
            Vec::new()
        }
    }
}

/// How many rules a table has.
pub fn rules(table: &LegacyTable) -> usize {
    table.chains.iter().map(|chain| chain.rules.len()).sum()
}

/// Says that nf_tables is not all there is.
pub fn tell(tables: &[LegacyTable]) {
    if tables.is_empty() {
        return;
    }
    let name = |table: &LegacyTable| {
        let six = if table.family == FwFamily::Ip6 { "ip6tables" } else { "iptables" };
        format!("{six} {} ({} rules)", table.name.escaped(), rules(table))
    };
    let names: Vec<_> = tables.iter().map(name).collect();
    let text = format!("packets meet legacy tables as well: {}", names.join(", "));
    diagnose(&text, Some("see `vision fw --legacy`"));
}
