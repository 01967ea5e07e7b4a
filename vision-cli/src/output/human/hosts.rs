use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use vision_core::probe::{FoundHost, HostReason, HostState, HostsReport};
use vision_core::{Gap, NetnsId};

use super::tcp::said;
use super::{millis, table};
use crate::exit::Outcome;
use crate::output::{Human, Style, esc};

/// Those that are up, and how many are not.
#[derive(Debug, Serialize)]
pub struct Hosts<'a> {
    netns: NetnsId,
    up: usize,
    down: usize,
    undecided: usize,
    hosts: Vec<&'a FoundHost>,
    sent: u64,
    gaps: &'a [Gap],
}

impl<'a> Hosts<'a> {
    /// Lists those that are up, or all.
    pub fn new(report: &'a HostsReport, list_all: bool) -> Self {
        let count = |state| report.hosts.iter().filter(|host| host.state == state).count();
        let listed = |host: &&FoundHost| list_all || host.state == HostState::Up;
        Self {
            netns: report.netns,
            up: count(HostState::Up),
            down: count(HostState::Down),
            undecided: count(HostState::Undecided),
            hosts: report.hosts.iter().filter(listed).collect(),
            sent: report.sent,
            gaps: &report.gaps,
        }
    }

    /// Whether anybody is there.
    pub fn answer(&self) -> Outcome {
        match (self.up, self.undecided) {
            (1.., _) => Outcome::Yes,
            (0, 0) => Outcome::No,
            _ => Outcome::Unknown,
        }
    }
}

fn row(host: &FoundHost) -> Vec<String> {
    let dash = || "-".to_owned();
    let state = match host.state {
        HostState::Up => "up",
        HostState::Down => "down",
        _ => "undecided",
    };
    let reason = match host.reason {
        HostReason::Own => "this namespace's own".to_owned(),
        HostReason::Neighbour => "answers on the link".to_owned(),
        HostReason::EchoReply => "echo-reply".to_owned(),
        HostReason::Tcp => "answers TCP".to_owned(),
        HostReason::Icmp(icmp) => said(&icmp),
        HostReason::Local(reason) => reason.to_string(),
        HostReason::NoResponse => "no-response".to_owned(),
        _ => "not asked".to_owned(),
    };
    let time = |ns| format!("{} ms", millis(Duration::from_nanos(ns)));
    vec![
        host.addr.to_string(),
        state.to_owned(),
        host.lladdr.map_or_else(dash, |lladdr| lladdr.to_string()),
        host.rtt_ns.map_or_else(dash, time),
        reason,
    ]
}

impl Human for Hosts<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        if !self.hosts.is_empty() {
            let head = ["ADDRESS", "STATE", "LLADDR", "TIME", "REASON"];
            let rows = self.hosts.iter().map(|host| row(host));
            writeln!(out, "{}", table::table(&head, rows))?;
        }
        write!(out, "{bold}{} up{bold:#}, {} down", self.up, self.down)?;
        if self.undecided > 0 {
            write!(out, ", {} undecided", self.undecided)?;
        }
        writeln!(out, "; {} packets sent", self.sent)?;
        for gap in self.gaps {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        Ok(())
    }
}
