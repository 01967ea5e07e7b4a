//! What a pod can say about its own network: its tables and one diagnosis, as one JSON object.
//!
//! ```sh
//! cargo run -p vision-examples --example own_pod -- [DEST]
//! ```
//!
//! Needs no capability. DEST is what cannot be reached, as for `vision doctor`: `db:5432`,
//! `10.0.0.5`, `https://example.com`; without it the own settings are judged.

use std::time::Duration;

use serde::Serialize;
use vision_core::doctor::{CaseFile, Diagnosis, Question, Vantages, Verdict, diagnose};
use vision_core::inventory::{Inventory, Sections, Snapshot};
use vision_core::{Budget, Result, Selector, Target};

/// All that is printed.
#[derive(Serialize)]
struct Report {
    tables: Snapshot,
    diagnosis: Diagnosis,
}

fn main() -> Result<()> {
    let question = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => Question::Health,
    };
    let report = look(question, &Budget::within(Duration::from_secs(15)))?;
    let json = serde_json::to_string_pretty(&report).expect("reports can be written as JSON");
    println!("{json}");
    // The exit codes of `vision doctor`.
    std::process::exit(match report.diagnosis.verdict {
        Verdict::Healthy => 0,
        Verdict::Faulty => 1,
        Verdict::Inconclusive => 3,
    });
}

fn look(question: Question, budget: &Budget) -> Result<Report> {
    let target = Target::resolve(&Selector::Current, budget)?;
    let wanted = Sections::LINKS
        .union(Sections::ADDRS)
        .union(Sections::ROUTES)
        .union(Sections::NEIGHBOURS)
        .union(Sections::RESOLVER);
    // What cannot be read is in `tables.gaps`, and the rest is still there.
    let tables = Inventory::open(&target)?.snapshot(wanted, budget)?;
    let case = CaseFile::new(question);
    let (_, diagnosis) = diagnose(case, &Vantages::of(&target).named("this pod"), budget)?;
    Ok(Report { tables, diagnosis })
}
