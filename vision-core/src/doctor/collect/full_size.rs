//! Whether packets as large as the first link takes arrive: a connect alone does not show it.

use std::net::IpAddr;
use std::time::Duration;

use super::probes::Prober;
use crate::base::Result;
use crate::doctor::case::{FullSizeRecord, ProbeRecord, Probing, Vantage};
use crate::probe::{Df, Ping, PingReport, Probe};

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_millis(250);
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
        let Some(large) = self.echoes(Ping::new(addr).size_bytes(payload).df(Df::Set))? else {
            return Ok(());
        };
        let small = match large.summary().received {
            0 => self.echoes(Ping::new(addr))?,
            _ => None,
        };
        self.records.push(ProbeRecord::FullSize(FullSizeRecord { size_bytes: size, large, small }));
        Ok(())
    }

    fn echoes(&mut self, ping: Ping) -> Result<Option<PingReport>> {
        let ping = ping.count(2).interval(WAIT / 10).wait(WAIT).scope(self.scope);
        match ping.run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += report.echoes.len();
                Ok(Some(report))
            }
            Err(e) => self.survive("full-size echo request", e).map(|()| None),
        }
    }
}
