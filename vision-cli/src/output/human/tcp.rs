use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use vision_core::probe::{IcmpError, TcpAttempt, TcpOutcome, TcpReport};

use super::millis;
use crate::output::{Human, Style, esc};

impl Human for TcpReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for attempt in &self.attempts {
            line(self.to, attempt, out, style)?;
        }
        for gap in &self.gaps {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        if style.verbose > 0 {
            writeln!(out, "method: {}, in {}", self.method, self.netns)?;
        }
        Ok(())
    }
}

fn line(to: IpAddr, attempt: &TcpAttempt, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { good, bad, warn, .. } = style;
    write!(out, "{}  ", SocketAddr::new(to, attempt.port))?;
    match &attempt.outcome {
        TcpOutcome::Open { rtt, local } => {
            write!(out, "{good}open{good:#}  {} ms", millis(*rtt))?;
            match local {
                Some(local) => writeln!(out, "  from {local}"),
                None => writeln!(out),
            }
        }
        TcpOutcome::Refused { rtt, icmp, .. } => {
            let by = icmp.as_ref().map_or_else(|| "by a reset".to_owned(), said);
            writeln!(out, "{bad}refused{bad:#}  {} ms  {by}", millis(*rtt))
        }
        TcpOutcome::Unreachable { rtt, icmp } => {
            writeln!(out, "{bad}unreachable{bad:#}  {} ms  {}", millis(*rtt), said(icmp))
        }
        TcpOutcome::TimedOut => writeln!(out, "{warn}timed out{warn:#}  nothing came back"),
        TcpOutcome::LocalError { reason, after } => {
            writeln!(out, "{bad}local error{bad:#}  {} ms  {reason}", millis(*after))
        }
        _ => writeln!(out, "not decided"),
    }
}

fn said(icmp: &IcmpError) -> String {
    let from = icmp.from.map_or_else(|| "an unknown host".to_owned(), |ip| ip.to_string());
    let IcmpError { kind, code, .. } = icmp;
    let mtu = icmp.mtu_bytes.map(|mtu| format!(", mtu = {mtu}")).unwrap_or_default();
    format!("{} (ICMP {kind}/{code}) from {from}{mtu}", icmp.text())
}
