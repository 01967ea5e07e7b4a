use std::io::{self, Write};

use serde::Serialize;
use vision_core::netns::FileOrigin;
use vision_core::probe::{Libc, Resolution, ResolveOutcome, ResolvedBy, Tried};

use super::dns::{Answered, esc_text, gaps, outcome};
use super::millis;
use crate::output::{Human, Style, esc};

impl Human for Answered<'_, Resolution> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let found = self.report;
        if self.short {
            return found.addresses.iter().try_for_each(|addr| writeln!(out, "{addr}"));
        }
        let Style { bold, bad, .. } = style;
        write!(out, "{bold}{}{bold:#}", esc(&found.name))?;
        match found.outcome {
            ResolveOutcome::Found => writeln!(out, " is {}", resolved(found))?,
            ended => writeln!(out, ": {bad}{}{bad:#}", failure(ended))?,
        }
        if let Some(canonical) = &found.canonical {
            writeln!(out, "  canonical name {}", esc_text(&canonical.to_string()))?;
        }
        for tried in &found.tried {
            write_tried(tried, out)?;
        }
        gaps(&found.gaps, out)
    }
}

/// The same name looked up as different C libraries would.
#[derive(Serialize)]
pub struct Walks<'a> {
    /// One walk for each library.
    pub walks: &'a [Resolution],
    /// Whether only the addresses are wanted.
    #[serde(skip)]
    pub short: bool,
}

impl Human for Walks<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, bad, .. } = style;
        for walk in self.walks {
            writeln!(out, "{bold}as {}{bold:#}: ", library(walk.libc))?;
            Answered { report: walk, short: self.short }.human(out, style)?;
        }
        let ends: Vec<_> = self.walks.iter().map(|walk| (walk.outcome, sorted(walk))).collect();
        match ends.windows(2).all(|pair| pair.first() == pair.last()) {
            true => writeln!(out, "both libraries come to the same"),
            false => writeln!(out, "{bad}the libraries do not come to the same{bad:#}"),
        }
    }
}

fn sorted(walk: &Resolution) -> Vec<std::net::IpAddr> {
    let mut addresses = walk.addresses.clone();
    addresses.sort();
    addresses
}

fn library(libc: Libc) -> &'static str {
    match libc {
        Libc::Glibc => "glibc",
        Libc::Musl => "musl",
    }
}

/// Says which addresses, and who says so.
pub fn resolved(found: &Resolution) -> String {
    let addresses: Vec<_> = found.addresses.iter().map(ToString::to_string).collect();
    let by = match &found.source {
        Some(ResolvedBy::Literal) => String::new(),
        Some(ResolvedBy::Hosts { origin }) => {
            format!(", by {}", file("/etc/hosts", origin.as_ref()))
        }
        Some(ResolvedBy::Dns { server }) => format!(", by {server}"),
        _ => String::new(),
    };
    format!("{}{by}", addresses.join(" "))
}

fn file(path: &str, origin: Option<&FileOrigin>) -> String {
    match origin {
        Some(FileOrigin::Process { pid }) => format!("{path} of process {pid}"),
        Some(FileOrigin::NamedNetns { name }) => format!("{path} in /etc/netns/{}", esc(name)),
        _ => path.to_owned(),
    }
}

fn failure(outcome: ResolveOutcome) -> &'static str {
    match outcome {
        ResolveOutcome::NoSuchName => "no such name",
        ResolveOutcome::NoAddress => "no address of the family asked for",
        ResolveOutcome::TryAgain => "no server gave a usable answer",
        ResolveOutcome::Failed => "a server refused",
        _ => "not finished",
    }
}

fn write_tried(tried: &Tried, out: &mut dyn Write) -> io::Result<()> {
    let name = esc_text(&tried.name.to_string());
    let said = match (&tried.rcode, tried.failure()) {
        (Some(rcode), _) => format!("{rcode}, {} addresses", tried.addresses.len()),
        (None, Some(failure)) => outcome(failure),
        (None, None) => "no answer".to_owned(),
    };
    let server = tried.server.map(|server| format!(" by {server}")).unwrap_or_default();
    writeln!(
        out,
        "  asked for {name} {}: {said}{server}, {} ms",
        tried.rtype,
        millis(tried.elapsed)
    )
}
