//! Connections that are left alone: who on this machine would forget them, and what becomes of one.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::probes::Prober;
use crate::base::{Budget, Result};
use crate::doctor::Forgetful;
use crate::doctor::case::{CaseFile, ProbeRecord};
use crate::doctor::forgetful::{SOON, pause};
use crate::inventory::established_timeout;
use crate::netns::{NamespaceInfo, Target, list};
use crate::probe::{IdleProbe, Probe};

/// Packets of one connection that is left alone: the SYN, and two questions.
const PACKETS: usize = 3;

/// Looks for namespaces that soon forget connections: one file of each that can be entered. Who cannot be
/// entered has the way of the packets as its witness, if that is ever followed.
pub(super) fn all(budget: &Budget) -> Vec<Forgetful> {
    let Ok(listing) = list(budget) else { return Vec::new() };
    listing.namespaces.iter().filter_map(|info| forgetful(info, budget)).collect()
}

fn forgetful(info: &NamespaceInfo, budget: &Budget) -> Option<Forgetful> {
    let selector = info.selector()?;
    let netns = Target::resolve(&selector, budget).ok()?.open().ok()?;
    let timeout = Duration::from_secs(netns.run(established_timeout).ok()??.into());
    let place = info.called().unwrap_or_else(|| selector.to_string());
    (timeout <= SOON).then_some(Forgetful { netns: info.id, place, timeout })
}

/// Tells whether a connect of this round came about.
pub(super) fn has_connected(case: &CaseFile) -> bool {
    let round = case.target().and_then(|target| target.rounds.last());
    round.into_iter().flat_map(|round| &round.probes).any(|probe| match probe {
        ProbeRecord::Tcp(report) => report.attempts.iter().any(|it| it.outcome.is_open()),
        _ => false,
    })
}

impl Prober<'_> {
    /// Leaves a connection alone for longer than somebody on the way remembers it, if that does not take long.
    pub(super) fn idle(&mut self, case: &CaseFile, addr: IpAddr, port: u16) -> Result<()> {
        let Some(pause) = pause(case) else { return Ok(()) };
        let probe = IdleProbe::new(SocketAddr::new(addr, port), pause).scope(self.scope);
        match probe.run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += PACKETS;
                self.records.push(ProbeRecord::Idle(report));
                Ok(())
            }
            Err(e) => self.survive("idle connection", e),
        }
    }
}
