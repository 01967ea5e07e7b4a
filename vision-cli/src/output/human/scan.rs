use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::{Serialize, Serializer};
use vision_core::base::Escaped;
use vision_core::probe::{
    Greeted, PortState, ScanReason, ScanReport, ScannedPort, SpeaksTls, Technique, service_name,
};
use vision_core::{Gap, NetnsId};

use super::{millis, table, tcp::said};
use crate::exit::Outcome;
use crate::output::{Human, Style, esc};

/// Ports that are alike are listed up to this many.
const LISTED: usize = 25;
/// Of what a port says so many bytes are shown.
const MOST_SHOWN: usize = 80;

/// A report with the ports that matter apart from those that are all the same.
#[derive(Debug, Serialize)]
pub struct Summed<'a> {
    netns: NetnsId,
    to: std::net::IpAddr,
    technique: Technique,
    counts: BTreeMap<PortState, usize>,
    ports: Vec<Listed<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rest: Vec<Alike>,
    sent: u64,
    repeated: u64,
    ignored: u64,
    gaps: &'a [Gap],
}

/// One port, with the name of what usually listens there.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    port: &'a ScannedPort,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    greeted: Option<&'a Greeted>,
}

/// Many ports of one state for one reason.
#[derive(Debug, Serialize)]
struct Alike {
    state: PortState,
    reason: &'static str,
    count: usize,
    #[serde(serialize_with = "as_text")]
    ports: Vec<u16>,
}

fn as_text<S: Serializer>(ports: &[u16], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ranges(ports))
}

/// Writes ports in order, runs of them as `3-7`.
fn ranges(ports: &[u16]) -> String {
    let mut sorted = ports.to_vec();
    sorted.sort_unstable();
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for port in sorted {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(port) => *last = port,
            _ => runs.push((port, port)),
        }
    }
    let text = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}

impl<'a> Summed<'a> {
    /// Sorts the ports into those to list and those to sum up.
    pub fn new(report: &'a ScanReport, greeted: &'a [Greeted], list_all: bool) -> Self {
        let mut counts = BTreeMap::new();
        let mut groups: BTreeMap<(PortState, &'static str), Vec<u16>> = BTreeMap::new();
        for port in &report.ports {
            *counts.entry(port.state).or_default() += 1;
            groups.entry((port.state, port.reason.name())).or_default().push(port.port);
        }
        groups.retain(|(state, _), ports| {
            *state != PortState::Open && ports.len() > LISTED && !list_all
        });
        let is_listed = |p: &&ScannedPort| !groups.contains_key(&(p.state, p.reason.name()));
        let ports = report.ports.iter().filter(is_listed);
        let service = |port: &ScannedPort| service_name(port.port, report.technique);
        let heard = |port: &ScannedPort| greeted.iter().find(|said| said.port == port.port);
        let listed = |port| Listed { port, service: service(port), greeted: heard(port) };
        let ports = ports.map(listed).collect();
        let rest = groups.into_iter().map(|((state, reason), ports)| Alike {
            state,
            reason,
            count: ports.len(),
            ports,
        });
        Self {
            netns: report.netns,
            to: report.to,
            technique: report.technique,
            counts,
            ports,
            rest: rest.collect(),
            sent: report.sent,
            repeated: report.repeated,
            ignored: report.ignored,
            gaps: &report.gaps,
        }
    }

    /// Whether anything is open.
    pub fn answer(&self) -> Outcome {
        let count = |state| self.counts.get(&state).copied().unwrap_or(0);
        let all = self.counts.values().sum::<usize>();
        match (count(PortState::Open), count(PortState::Undecided)) {
            (1.., _) => Outcome::Yes,
            (0, undecided) if undecided == all => Outcome::Unknown,
            _ => Outcome::No,
        }
    }

    fn row(&self, listed: &Listed<'_>, cells: usize) -> Vec<String> {
        let ScannedPort { port, state, reason, rtt_ns, .. } = listed.port;
        let protocol = if self.technique == Technique::Udp { "udp" } else { "tcp" };
        let time = |ns: &u64| format!("{} ms", millis(Duration::from_nanos(*ns)));
        let row = [
            format!("{port}/{protocol}"),
            state.name().to_owned(),
            listed.service.unwrap_or("-").to_owned(),
            rtt_ns.as_ref().map_or_else(|| "-".to_owned(), time),
            match reason {
                ScanReason::Icmp(icmp) => said(icmp),
                ScanReason::Local(reason) => reason.to_string(),
                other => other.name().to_owned(),
            },
            listed.greeted.map(says).unwrap_or_default(),
        ];
        row.into_iter().take(cells).collect()
    }
}

/// The first line of what a port said, or that it speaks TLS.
fn says(greeted: &Greeted) -> String {
    if greeted.tls == SpeaksTls::Yes {
        return "TLS".to_owned();
    }
    let bytes = greeted.says.as_bytes();
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let shown = line.get(..MOST_SHOWN).unwrap_or(line);
    let dots = if shown.len() < line.len() { "…" } else { "" };
    format!("{}{dots}", Escaped::new(shown))
}

impl Human for Summed<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        if !self.ports.is_empty() {
            let mut head = vec!["PORT", "STATE", "SERVICE", "TIME", "REASON"];
            if self.ports.iter().any(|listed| listed.greeted.is_some()) {
                head.push("SAYS");
            }
            let rows = self.ports.iter().map(|listed| self.row(listed, head.len()));
            writeln!(out, "{}", table::table(&head, rows))?;
        }
        for Alike { state, reason, count, ports } in &self.rest {
            let text = ranges(ports);
            // The list of a scattered few thousand helps nobody; the JSON has it.
            let shown = if text.len() <= 100 || style.verbose > 0 { text } else { String::new() };
            let colon = if shown.is_empty() { "" } else { ": " };
            writeln!(out, "{count} {} ({reason}){colon}{shown}", state.name())?;
        }
        let counts: Vec<_> =
            self.counts.iter().map(|(state, count)| format!("{count} {}", state.name())).collect();
        writeln!(out, "{bold}{}{bold:#}: {}", self.to, counts.join(", "))?;
        writeln!(out, "{} probes sent, {} of them again", self.sent, self.repeated)?;
        if self.ignored > 0 {
            writeln!(out, "{} packets that only looked like answers were ignored", self.ignored)?;
        }
        for gap in self.gaps {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_ports_are_written_short() {
        assert_eq!(ranges(&[5, 1, 2, 3, 65_535, 65_534]), "1-3,5,65534-65535");
        assert_eq!(ranges(&[]), "");
    }
}
