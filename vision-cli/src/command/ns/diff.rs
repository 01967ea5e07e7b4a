//! `vision ns diff` and `vision ns snapshot`

use std::fs;
use std::path::Path;

use vision_core::base::Op;
use vision_core::inventory::{Inventory, Sections, Snapshot};
use vision_core::{Error, Target};

use crate::command::Ended;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ns::diff::NsDiff;

/// Writes what a namespace holds.
pub fn snapshot(target: &Target, context: &mut Context) -> Ended {
    let snapshot = take(target, context)?;
    context.out.data(&snapshot)?;
    Ok(Outcome::Yes)
}

/// Compares two namespaces, or what they were.
pub fn run(first: &str, second: &str, context: &mut Context) -> Ended {
    let (one, two) = (side(first, context)?, side(second, context)?);
    let comparison = one.compare(&two);
    let report = NsDiff {
        first: first.to_owned(),
        first_netns: one.netns,
        first_at: one.at,
        second: second.to_owned(),
        second_netns: two.netns,
        second_at: two.at,
        comparison,
    };
    context.out.report(&report)?;
    match report.comparison.unequal.is_empty() {
        true => Ok(Outcome::Yes),
        false => Ok(Outcome::No),
    }
}

fn side(text: &str, context: &mut Context) -> Result<Snapshot, Error> {
    let path = Path::new(text.strip_prefix("file:").unwrap_or(text));
    let is_file = path.is_file() && (text.contains('/') || text.ends_with(".json"));
    if is_file || text.starts_with("file:") || text.ends_with(".json") {
        return read(path);
    }
    let target = context.resolve(&text.parse()?)?;
    take(&target, context)
}

fn take(target: &Target, context: &Context) -> Result<Snapshot, Error> {
    Inventory::open(target)?.snapshot(WHAT, &context.budget()?)
}

/// Reads what `ns snapshot` wrote.
fn read(path: &Path) -> Result<Snapshot, Error> {
    let bad = |why: String| Error::Invalid {
        what: "snapshot",
        why: format!("{} {why}; write one with `vision ns snapshot SEL`", path.display()),
    };
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound(format!("file {}", path.display())),
        std::io::ErrorKind::InvalidData => bad("is no text".to_owned()),
        _ => Error::Sys { op: Op::ReadFile, source },
    })?;
    let mut value: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| bad(format!("is no JSON ({e})")))?;
    if value.get("schema").is_some_and(|schema| schema != "vision/ns-snapshot@1") {
        return Err(bad(format!("is {}, not a snapshot", value["schema"])));
    }
    let report = value.get_mut("report").map(serde_json::Value::take).unwrap_or(value);
    serde_json::from_value(report).map_err(|e| bad(format!("is no snapshot ({e})")))
}

/// What lasts; counters do not.
const WHAT: Sections = Sections::LINKS
    .union(Sections::ADDRS)
    .union(Sections::ROUTES)
    .union(Sections::RULES)
    .union(Sections::NEIGHBOURS)
    .union(Sections::SOCKETS)
    .union(Sections::SYSCTLS)
    .union(Sections::RESOLVER)
    .union(Sections::HOSTS);
