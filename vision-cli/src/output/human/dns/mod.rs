pub mod bulk;
mod validity;
mod walks;

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use vision_core::probe::{
    DnsAttempt, DnsOutcome, DnsReport, DnsTransport, TransferEnd, TransferReport,
};
use vision_core::wire::dns::{Message, Name, Record};

use super::millis;
use crate::output::{Human, Style, esc};

/// A report, shown in full or as the bare data.
pub struct Answered<'a, R> {
    /// The report.
    pub report: &'a R,
    /// Whether only the data is wanted.
    pub short: bool,
}

impl<R: Serialize> Serialize for Answered<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.report.serialize(serializer)
    }
}

impl Human for Answered<'_, DnsReport> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        if self.short {
            let records = report.answer().into_iter().flat_map(|message| &message.answers);
            return records
                .into_iter()
                .try_for_each(|r| writeln!(out, "{}", esc_text(&r.data.to_string())));
        }
        let decisive = report.decisive();
        for attempt in &report.attempts {
            let decides = decisive.is_some_and(|d| std::ptr::eq(d, attempt));
            if !decides || style.verbose > 0 {
                write_attempt(attempt, out, style)?;
            }
        }
        if let Some((attempt, message)) = decisive.and_then(|a| a.answer().map(|m| (a, m))) {
            write_answer(report, (attempt, message), out, style)?;
        }
        gaps(&report.gaps, out)
    }
}

/// A message from a file.
pub struct Shown<'a>(pub &'a Message);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Human for Shown<'_> {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        let message = self.0;
        write_header("message", message, out)?;
        writeln!(out, ";; QUESTION SECTION:")?;
        for question in &message.questions {
            writeln!(out, ";{}", columns(&question.to_string()))?;
        }
        section("ANSWER", &message.answers, true, None, out)?;
        section("AUTHORITY", &message.authorities, true, None, out)?;
        section("ADDITIONAL", &message.additionals, true, None, out)?;
        if let Some(stopped) = &message.stopped {
            writeln!(out, ";; the rest could not be read: {}", esc(&stopped.to_string()))?;
        }
        writeln!(out, ";; MSG SIZE: {}", message.size_bytes)
    }
}

impl Human for Answered<'_, TransferReport> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        if self.short && report.end == TransferEnd::Complete {
            return Ok(());
        }
        let Style { bad, .. } = style;
        let serial = report.serial.map(|serial| format!("serial {serial}, ")).unwrap_or_default();
        let TransferReport { server, records, messages, received_bytes, elapsed, .. } = report;
        let took = millis(*elapsed);
        writeln!(
            out,
            ";; {serial}{records} records in {messages} messages, {received_bytes} bytes, {took} \
             ms, {server} over TCP"
        )?;
        match &report.end {
            TransferEnd::Complete => {}
            TransferEnd::Refused { rcode } => {
                writeln!(out, ";; {bad}the server refuses: {rcode}{bad:#}")?;
            }
            TransferEnd::Malformed { why } => {
                writeln!(out, ";; {bad}what came is no transfer: {}{bad:#}", esc(why))?;
            }
            TransferEnd::Failed { outcome: how } => {
                writeln!(out, ";; {bad}incomplete: {}{bad:#}", outcome(how))?;
            }
            _ => writeln!(out, ";; {bad}not finished{bad:#}")?,
        }
        gaps(&report.gaps, out)
    }
}

/// Writes a record as in a zone file.
///
/// # Errors
/// What writing says.
pub fn write_record(record: &Record, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", columns(&record.to_string()))
}

pub(super) fn gaps(gaps: &[vision_core::Gap], out: &mut dyn Write) -> io::Result<()> {
    gaps.iter().try_for_each(|gap| writeln!(out, ";; not done: {}", esc(&gap.to_string())))
}

fn write_attempt(attempt: &DnsAttempt, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bad, .. } = style;
    let transport = transport(attempt.transport);
    let text = outcome(&attempt.outcome);
    match attempt.answer() {
        Some(_) => writeln!(out, ";; {} over {transport}: {text}", attempt.server)?,
        None => writeln!(out, ";; {} over {transport}: {bad}{text}{bad:#}", attempt.server)?,
    }
    match attempt.ignored.total() {
        0 => Ok(()),
        n => writeln!(out, ";; {n} replies were not believed (source, id, question or case)"),
    }
}

fn transport(transport: DnsTransport) -> &'static str {
    match transport {
        DnsTransport::Udp => "UDP",
        DnsTransport::Tcp => "TCP",
        DnsTransport::Tls => "TLS",
        DnsTransport::Https => "HTTPS",
        _ => "another transport",
    }
}

pub(super) fn outcome(outcome: &DnsOutcome) -> String {
    match outcome {
        DnsOutcome::Answer { message, rtt, late } => {
            let late = if *late { ", late" } else { "" };
            format!("{} after {} ms{late}", message.header.rcode, millis(*rtt))
        }
        DnsOutcome::TimedOut { waited } => format!("no answer within {} ms", waited.as_millis()),
        DnsOutcome::PortClosed { rtt, .. } => {
            format!("nobody listens there (after {} ms)", millis(*rtt))
        }
        DnsOutcome::Unreachable { icmp, .. } => {
            let from = icmp.from.map_or_else(|| "an unknown host".to_owned(), |ip| ip.to_string());
            format!("{} (ICMP {}/{}) from {from}", icmp.text(), icmp.kind, icmp.code)
        }
        DnsOutcome::LocalError { reason } => format!("not sent: {reason}"),
        DnsOutcome::Cut { reason, received_bytes } => {
            let why = reason.map_or_else(|| "closed".to_owned(), |reason| reason.to_string());
            format!("the connection ended after {received_bytes} bytes: {why}")
        }
        DnsOutcome::NotSecured { why } => format!("not secured: {}", esc_text(why)),
        DnsOutcome::Abandoned => "given up".to_owned(),
        _ => "something else".to_owned(),
    }
}

fn write_answer(
    report: &DnsReport,
    (attempt, message): (&DnsAttempt, &Message),
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    if style.verbose > 1 {
        write_header("query", &attempt.query, out)?;
    }
    match style.verbose {
        0 | 1 => brief(attempt, message, out, style)?,
        _ => write_header("answer", message, out)?,
    }
    if style.verbose > 1 {
        writeln!(out, ";; QUESTION SECTION:")?;
        for question in &message.questions {
            writeln!(out, ";{}", columns(&question.to_string()))?;
        }
    }
    if style.verbose < 2 {
        let options = message.edns.iter().flat_map(|edns| &edns.options);
        options.into_iter().try_for_each(|o| writeln!(out, ";; {}", esc_text(&o.to_string())))?;
    }
    let all = style.verbose > 0;
    let asked = message.question().filter(|_| style.verbose < 2).map(|_| &report.question.name);
    section("ANSWER", &message.answers, all, asked, out)?;
    let no_answer = message.answers.is_empty();
    if all || no_answer {
        section("AUTHORITY", &message.authorities, all, asked, out)?;
    }
    if all {
        section("ADDITIONAL", &message.additionals, all, asked, out)?;
    }
    if let Some(stopped) = &message.stopped {
        writeln!(out, ";; the rest could not be read: {}", esc(&stopped.to_string()))?;
    }
    if style.verbose > 1 { trailer(attempt, message, out) } else { Ok(()) }
}

fn brief(
    attempt: &DnsAttempt,
    message: &Message,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { bold, .. } = style;
    let header = &message.header;
    let rtt = match &attempt.outcome {
        DnsOutcome::Answer { rtt, .. } => millis(*rtt),
        _ => "?".to_owned(),
    };
    let (transport, bytes) = (transport(attempt.transport), message.size_bytes);
    writeln!(
        out,
        ";; {bold}{}{bold:#}, flags: {}, answers: {}, {rtt} ms, {} over {transport}, {bytes} bytes",
        header.rcode,
        header.flags,
        message.answers.len(),
        attempt.server
    )
}

fn write_header(what: &str, message: &Message, out: &mut dyn Write) -> io::Result<()> {
    let header = &message.header;
    let [question, answer, authority, additional] = header.counts;
    writeln!(
        out,
        ";; {what} ->>HEADER<<- opcode: {}, rcode: {}, id: {}",
        header.opcode, header.rcode, header.id
    )?;
    writeln!(
        out,
        ";; flags: {}; QUERY: {question}, ANSWER: {answer}, AUTHORITY: {authority}, ADDITIONAL: \
         {additional}",
        header.flags
    )?;
    let Some(edns) = &message.edns else {
        return Ok(());
    };
    let flag = if edns.do_bit { " do" } else { "" };
    writeln!(
        out,
        ";; EDNS: version: {}, flags:{flag}; udp: {}",
        edns.version, edns.udp_payload_bytes
    )?;
    edns.options.iter().try_for_each(|option| writeln!(out, ";; {}", esc(&option.to_string())))
}

fn trailer(attempt: &DnsAttempt, message: &Message, out: &mut dyn Write) -> io::Result<()> {
    if let DnsOutcome::Answer { rtt, .. } = &attempt.outcome {
        writeln!(out, ";; Query time: {} ms", millis(*rtt))?;
    }
    writeln!(out, ";; SERVER: {} over {}", attempt.server, transport(attempt.transport))?;
    if let Some(took) = attempt.connect {
        writeln!(out, ";; CONNECT: {} ms", millis(took))?;
    }
    if let Some(secured) = &attempt.secured {
        let took = millis(secured.handshake);
        writeln!(out, ";; SECURED: {}, handshake {took} ms", esc_text(&secured.version))?;
    }
    let when = serde_json::to_string(&attempt.sent_at).unwrap_or_default();
    writeln!(out, ";; WHEN: {}", when.trim_matches('"'))?;
    writeln!(out, ";; MSG SIZE rcvd: {}", message.size_bytes)
}

/// Writes records; the name asked for in the letters it was asked for with, as questions go out
/// in random ones and servers repeat them.
fn section(
    name: &str,
    records: &[Record],
    titled: bool,
    asked: Option<&Name>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if titled && !records.is_empty() {
        writeln!(out, ";; {name} SECTION:")?;
    }
    records.iter().try_for_each(|record| {
        let owner = asked.filter(|asked| **asked == record.name).unwrap_or(&record.name);
        let Record { ttl_s, class, rtype, data, .. } = record;
        writeln!(out, "{}", columns(&format!("{owner}\t{ttl_s}\t{class}\t{rtype}\t{data}")))
    })
}

/// Zone-file lines have tabs between the columns, which are no surprise on a terminal; all else
/// is escaped.
fn columns(line: &str) -> String {
    line.split('\t').map(esc_text).collect::<Vec<_>>().join("\t")
}

/// The library escapes names and strings as zone files do, so that backslashes are its own.
pub(super) fn esc_text(text: &str) -> String {
    text.split('\\').map(|part| esc(part).to_string()).collect::<Vec<_>>().join("\\")
}
