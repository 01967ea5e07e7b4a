use std::io::{self, Write};

use serde::Serialize;
use vision_core::probe::{UdpOutcome, UdpReport};

use super::millis;
use super::tcp::said;
use crate::output::{Human, Style, esc};

/// What each port said.
#[derive(Debug, Default, Serialize)]
pub struct Asked {
    ports: Vec<Port>,
    /// Ports that the run ended before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_asked: Vec<u16>,
}

#[derive(Debug, Serialize)]
struct Port {
    payload: String,
    #[serde(flatten)]
    report: UdpReport,
}

impl Asked {
    /// Adds a port.
    pub fn add(&mut self, payload: String, report: UdpReport) {
        self.ports.push(Port { payload, report });
    }

    /// Lists the reports.
    pub fn reports(&self) -> impl Iterator<Item = &UdpReport> {
        self.ports.iter().map(|port| &port.report)
    }
}

impl Human for Asked {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        self.ports.iter().try_for_each(|port| port.human(out, style))?;
        if !self.not_asked.is_empty() {
            writeln!(out, "not done: {} ports: the run ended before", self.not_asked.len())?;
        }
        Ok(())
    }
}

impl Port {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { good, bad, warn, .. } = style;
        let UdpReport { to, sent, outcome, gaps, .. } = &self.report;
        write!(out, "{to}/udp  ")?;
        match outcome {
            UdpOutcome::Reply { rtt, length_bytes, bytes, .. } => {
                writeln!(out, "{good}replied{good:#}  {} ms  {length_bytes} bytes", millis(*rtt))?;
                if style.verbose > 0 {
                    writeln!(out, "    {}", bytes.escaped())?;
                }
            }
            UdpOutcome::Closed { icmp, rtt } => {
                writeln!(out, "{bad}closed{bad:#}  {} ms  {}", millis(*rtt), said(icmp))?;
            }
            UdpOutcome::Unreachable { icmp, rtt } => {
                writeln!(out, "{bad}unreachable{bad:#}  {} ms  {}", millis(*rtt), said(icmp))?;
            }
            UdpOutcome::Silent => {
                let (count, payload) = (sent.len(), esc(&self.payload));
                writeln!(
                    out,
                    "{warn}silent{warn:#}  nothing came back for {count} datagrams ({payload}): \
                     open and not answering this, filtered, or lost"
                )?;
            }
            UdpOutcome::LocalError { reason } => {
                writeln!(out, "{bad}not sent{bad:#}  {reason}")?;
            }
            _ => writeln!(out, "not decided")?,
        }
        for gap in gaps {
            writeln!(out, "    not done: {}", esc(&gap.to_string()))?;
        }
        Ok(())
    }
}
