//! Whether packets as large as the first link takes arrive: a connect alone does not show it.

use std::net::IpAddr;
use std::time::Duration;

use super::probes::Prober;
use crate::base::Result;
use crate::doctor::case::{FullSizeRecord, ProbeRecord, Probing, Vantage};
use crate::probe::{Df, EchoOutcome, Ping, PingReport, Probe};

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_millis(250);
/// Bytes that make a packet too large for one frame.
const BEYOND: usize = 400;
/// No larger packets are tried: jumbo frames have their own limits on the way.
const LARGEST: u32 = 9000;

/// Tells whether any large packets have vanished.
pub(super) fn is_swallowed(target: &Vantage) -> bool {
    target.probes().any(|probe| match probe {
        ProbeRecord::FullSize(record) => record.is_swallowed(),
        _ => false,
    })
}

impl Prober<'_> {
    /// Sends two echo requests of the first link's MTU to a destination that answers; if both
    /// vanish, two small ones.
    pub(super) fn full_size(&mut self, addr: IpAddr) -> Result<()> {
        let Some((_, link)) = self.next_hop(addr) else { return Ok(()) };
        let Some(size) = link.mtu_bytes.filter(|mtu| (1280..=LARGEST).contains(mtu)) else {
            return Ok(());
        };
        if self.probing == Probing::Passive || !self.answered(addr) {
            return Ok(());
        }
        let headers = if addr.is_ipv6() { 48 } else { 28 };
        let payload = usize::try_from(size).unwrap_or(0).saturating_sub(headers);
        let large = self.echoes(&Ping::new(addr).size_bytes(payload).df(Df::Set));
        let large = match large {
            Ok(report) => report,
            Err(e) => return self.survive("full-size echo request", e),
        };
        let passed = large.summary().received > 0;
        let small = match passed {
            true => None,
            false => self.echoes(&Ping::new(addr)).ok(),
        };
        let past = match is_remembered(&large) {
            true => {
                let past = Ping::new(addr).size_bytes(payload).df(Df::Probe);
                self.echoes(&past).ok().map(Box::new)
            }
            false => None,
        };
        // Datagrams may be larger than a packet; segments never are.
        let fragments = passed && matches!(self.service, Some((17, _)));
        let beyond = Ping::new(addr).size_bytes(payload + BEYOND).df(Df::Clear);
        let fragmented = if fragments { self.echoes(&beyond).ok().map(Box::new) } else { None };
        let record = FullSizeRecord { size_bytes: size, to: addr, large, small, past, fragmented };
        self.records.push(ProbeRecord::FullSize(record));
        Ok(())
    }

    fn echoes(&mut self, ping: &Ping) -> Result<PingReport> {
        let ping = ping.clone().count(2).interval(WAIT / 10).wait(WAIT).scope(self.scope);
        let report = ping.run(&self.site.target, self.budget)?;
        self.sent += report.echoes.len();
        Ok(report)
    }
}

/// Tells whether the own kernel refused them for an MTU it remembers of the path.
fn is_remembered(large: &PingReport) -> bool {
    large.echoes.iter().any(|echo| {
        matches!(echo.outcome, EchoOutcome::LocalError { reason, mtu_bytes: Some(_), .. }
            if reason.errno == nix::libc::EMSGSIZE)
    })
}
