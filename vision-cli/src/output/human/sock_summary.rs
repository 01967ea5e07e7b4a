use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use vision_core::Family;
use vision_core::inventory::{Sock, SockProtocol, SockState};

use crate::output::{Human, Style};

/// How many sockets there are.
#[derive(Debug, Default, Serialize)]
pub struct SockSummary {
    /// TCP by state, `TIME-WAIT` included.
    tcp_states: BTreeMap<String, usize>,
    /// By protocol: over IPv4, over IPv6.
    protocols: BTreeMap<&'static str, [usize; 2]>,
    /// TCP that no process holds any more.
    pub orphaned: Option<u64>,
    /// Packets that wait for the rest of their fragments.
    pub fragments: Option<u64>,
    /// Unix sockets, where the kernel lists them.
    pub unix: Option<usize>,
    /// Packet sockets, where the kernel lists them.
    pub packet: Option<usize>,
}

impl SockSummary {
    /// Counts one.
    pub fn add(&mut self, sock: &Sock) {
        let name = sock.protocol.name().unwrap_or("other");
        if sock.protocol == SockProtocol::Tcp {
            *self.tcp_states.entry(sock.state.to_string()).or_default() += 1;
            if sock.state == SockState::TimeWait {
                return;
            }
        }
        let [v4, v6] = self.protocols.entry(name).or_default();
        *(if sock.family == Family::V4 { v4 } else { v6 }) += 1;
    }
}

impl Human for SockSummary {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        let states: Vec<_> = self.tcp_states.iter().map(|(s, n)| format!("{s} {n}")).collect();
        let total: usize = self.tcp_states.values().sum();
        write!(out, "TCP: {total}")?;
        if !states.is_empty() {
            write!(out, " ({})", states.join(", "))?;
        }
        match self.orphaned {
            Some(orphaned) => writeln!(out, ", orphaned {orphaned}")?,
            None => writeln!(out)?,
        }
        writeln!(
            out,
            "{bold}{:<10} {:>7} {:>7} {:>7}{bold:#}",
            "Transport", "Total", "IP", "IPv6"
        )?;
        for (name, [v4, v6]) in &self.protocols {
            writeln!(out, "{name:<10} {:>7} {v4:>7} {v6:>7}", v4 + v6)?;
        }
        for (name, count) in [("unix", self.unix), ("packet", self.packet)] {
            if let Some(count) = count {
                writeln!(out, "{name:<10} {count:>7} {:>7} {:>7}", "-", "-")?;
            }
        }
        match self.fragments {
            Some(count) => writeln!(out, "{:<10} {count:>7}", "frag"),
            None => Ok(()),
        }
    }
}
