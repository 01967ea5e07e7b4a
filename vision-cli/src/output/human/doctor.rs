use std::io::{self, Write};

use vision_core::doctor::{
    Area, AreaState, Confidence, Diagnosis, Evidence, Finding, Fix, Risk, Severity, Subject,
    SubjectKind, Verdict,
};

use crate::output::{Human, Style, esc};

impl Human for Diagnosis {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for finding in &self.findings {
            write_finding(finding, out, style)?;
            for consequence in self.consequences.iter().filter(|c| c.of == finding.cause) {
                writeln!(out, "  follows from it: {}", esc(&consequence.summary))?;
            }
            writeln!(out)?;
        }
        for area in &self.areas {
            write_area(area, out, style)?;
        }
        self.write_the_rest(out, style)?;
        if self.verdict == Verdict::Inconclusive {
            writeln!(out, "  next: {}", next(self))?;
        }
        self.closing_line(out, style)
    }
}

/// What to try where no cause could be named.
fn next(diagnosis: &Diagnosis) -> String {
    match diagnosis.unchecked.iter().find_map(|unchecked| unchecked.needs) {
        Some(capability) => format!("ask again with {capability}, as root on the host has it"),
        None => "see how far the packets get with `vision path`, and whether they leave with \
                 `vision capture`; `-v` says why each cause was ruled out"
            .to_owned(),
    }
}

fn write_finding(finding: &Finding, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bad, warn, good, bold, dim, .. } = style;
    let (word, paint) = match finding.severity {
        Severity::Error => ("error", bad),
        Severity::Warning => ("warning", warn),
        _ => ("note", dim),
    };
    let summary = esc(&finding.summary);
    writeln!(out, "{paint}{word}[{}]{paint:#}: {bold}{summary}{bold:#}", finding.cause)?;
    writeln!(out, "  --> {}", subject(&finding.subject))?;
    writeln!(out, "   |")?;
    let width = finding.evidence.iter().map(|e| e.asked.chars().count()).max().unwrap_or(0).min(44);
    for evidence in &finding.evidence {
        write_evidence(evidence, &finding.subject, width, out)?;
    }
    writeln!(out, "   |")?;
    if finding.confidence == Confidence::Likely {
        writeln!(out, "   = likely, not proved: a part of the chain could not be seen")?;
    }
    match &finding.fix {
        Some(fix) => write_fix(fix, out, good),
        None => Ok(()),
    }
}

fn write_evidence(
    evidence: &Evidence,
    subject: &Subject,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let asked = esc(&evidence.asked).to_string();
    write!(out, "   |  {asked:<width$}  {}", esc(&evidence.seen))?;
    match evidence.place == subject.place {
        true => writeln!(out),
        false => writeln!(out, "  (in {})", esc(&evidence.place)),
    }
}

fn write_fix(fix: &Fix, out: &mut dyn Write, paint: &anstyle::Style) -> io::Result<()> {
    let risk = match fix.risk {
        Risk::Safe => "safe",
        Risk::Disruptive => "disruptive",
        Risk::Manual => "manual",
    };
    let place = esc(&fix.place);
    match (&fix.command, &fix.prose) {
        (Some(command), prose) => {
            let command = esc(command);
            writeln!(out, "  {paint}help{paint:#} ({risk}): {command}     # in {place}")?;
            match prose {
                Some(prose) => writeln!(out, "    {}", esc(prose)),
                None => Ok(()),
            }
        }
        (None, Some(prose)) => writeln!(out, "  {paint}help{paint:#} ({risk}): {}", esc(prose)),
        (None, None) => Ok(()),
    }
}

/// The object a finding is about, from the outside in.
fn subject(subject: &Subject) -> String {
    let object = match &subject.kind {
        SubjectKind::Namespace => None,
        SubjectKind::Link { name, .. } => Some(format!("link {}", name.escaped())),
        SubjectKind::Address { link, family, address } => {
            let address = address.map_or_else(|| format!("{family}"), |a| a.to_string());
            let link = link.as_ref().map(|l| format!("link {} -> ", l.escaped()));
            Some(format!("{}address {address}", link.unwrap_or_default()))
        }
        SubjectKind::Route { destination, route } => {
            let route = route.as_deref().map(|r| format!(": {}", esc(r))).unwrap_or_default();
            Some(format!("route to {destination}{route}"))
        }
        SubjectKind::Rule { priority, rule } => Some(format!("rule {priority}: {}", esc(rule))),
        SubjectKind::Neighbour { address, link, .. } => {
            Some(format!("link {} -> neighbour {address}", link.escaped()))
        }
        SubjectKind::Process { pid, comm } => Some(format!("{} (pid {pid})", comm.escaped())),
        SubjectKind::Nameserver { server } => Some(format!("nameserver {server}")),
        SubjectKind::Name { name } => Some(format!("name {}", esc(name))),
        SubjectKind::Socket { protocol, address, port } => {
            let at = std::net::SocketAddr::new(*address, *port);
            Some(format!("{} {at}", esc(protocol)))
        }
        SubjectKind::Variable { name, pid } => {
            let process = pid.map(|pid| format!("process {pid} -> ")).unwrap_or_default();
            Some(format!("{process}variable {}", esc(name)))
        }
        SubjectKind::Filter { family, table, chain, hook, .. } => {
            let (table, chain) = (esc(table), esc(chain));
            Some(format!("hook {} -> table {} {table} -> chain {chain}", esc(hook), esc(family)))
        }
        _ => None,
    };
    let place = esc(&subject.place);
    match object {
        Some(object) => format!("{place} -> {object}"),
        None => place.to_string(),
    }
}

fn write_area(area: &Area, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { good, bad, dim, .. } = style;
    let (mark, paint) = match area.state {
        AreaState::Ok => ("ok", good),
        AreaState::Bad => ("!!", bad),
        AreaState::Unchecked => ("--", dim),
    };
    writeln!(out, "  {paint}{mark}{paint:#} {:<8}  {}", area.class.name(), esc(&area.text))
}

/// What a person asks next, so that silence is never an answer.
trait Rest {
    /// Causes ruled out and not checked; with reasons if more is wanted.
    fn write_the_rest(&self, out: &mut dyn Write, style: &Style) -> io::Result<()>;
    /// Counts, time and packets.
    fn closing_line(&self, out: &mut dyn Write, style: &Style) -> io::Result<()>;
}

impl Rest for Diagnosis {
    fn write_the_rest(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        // An area that says so itself need not be named twice.
        let said = |what: &str| {
            let mut areas = self.areas.iter().filter(|area| area.state == AreaState::Unchecked);
            areas.any(|area| area.class.name() == what)
        };
        for unchecked in self.unchecked.iter().filter(|u| u.needs.is_some() || !said(&u.what)) {
            let needs = unchecked.needs.map(|cap| format!(" (needs {cap})")).unwrap_or_default();
            let (what, why) = (esc(&unchecked.what), esc(&unchecked.why));
            writeln!(out, "  -- not checked: {what}: {why}{needs}")?;
        }
        if style.verbose > 0 {
            for ruled_out in &self.ruled_out {
                writeln!(out, "  no {}: {}", ruled_out.cause, esc(&ruled_out.why))?;
            }
        } else if !self.ruled_out.is_empty() {
            list(out, "  ruled out: ", self.ruled_out.iter().map(|r| r.cause.slug()))?;
        }
        Ok(())
    }

    fn closing_line(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { good, bad, warn, .. } = style;
        let (word, paint) = match self.verdict {
            Verdict::Healthy => ("healthy", good),
            Verdict::Faulty => ("faulty", bad),
            Verdict::Inconclusive => ("could not tell", warn),
        };
        let of = |wanted: Severity| self.findings.iter().filter(|f| f.severity == wanted).count();
        writeln!(
            out,
            "\n{paint}{word}{paint:#}: errors {}, warnings {}, notes {}, ruled out {}, not checked \
             {}; {:.1} s, {} packets sent",
            of(Severity::Error),
            of(Severity::Warning),
            of(Severity::Note),
            self.ruled_out.len(),
            self.unchecked.len(),
            self.elapsed.as_secs_f64(),
            self.probes_sent
        )
    }
}

/// Words in lines that fit on a terminal, the later ones indented as far as the first begins.
fn list<'a>(
    out: &mut dyn Write,
    head: &str,
    words: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    const COLUMNS: usize = 100;
    let (mut line, mut is_first) = (head.to_owned(), true);
    for word in words {
        if !is_first {
            line.push(',');
            if line.len() + 1 + word.len() >= COLUMNS {
                writeln!(out, "{line}")?;
                line = " ".repeat(head.len());
            } else {
                line.push(' ');
            }
        }
        line.push_str(word);
        is_first = false;
    }
    writeln!(out, "{line}")
}
