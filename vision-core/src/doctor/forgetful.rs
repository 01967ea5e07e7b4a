//! How long connection tracking remembers a connection over which nothing is said: plain data. Pure.

use std::net::IpAddr;
use std::time::Duration;

use super::case::{CaseFile, ProbeRecord, Vantage};
use crate::netns::NetnsId;
use crate::probe::IdleReport;

/// A namespace whose connection tracking soon forgets an established connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Forgetful {
    /// The namespace.
    pub netns: NetnsId,
    /// What people call it.
    pub place: String,
    /// For how long it is remembered (`nf_conntrack_tcp_timeout_established`).
    #[cfg_attr(feature = "serde", serde(rename = "timeout_ns", with = "crate::base::nanos"))]
    pub timeout: Duration,
}

/// What is remembered for as long is long enough to be let be: programs that keep connections ask for a sign of
/// life after minutes at best (tcp(7): two hours by default). The kernel's own choice is five days.
pub(super) const SOON: Duration = Duration::from_secs(300);
/// As long a pause may be tried out.
pub(super) const TRIED: Duration = Duration::from_secs(8);

/// For how long a namespace remembers a TCP connection, if that is short.
pub(super) fn short(vantage: &Vantage) -> Option<Duration> {
    let seconds = vantage.state()?.sysctls.as_ref()?.nf_conntrack_tcp_timeout_established?;
    Some(Duration::from_secs(seconds.into())).filter(|timeout| *timeout <= SOON)
}

/// The pause that the most forgetful namespace of the way does not survive, if it may be tried out.
pub(super) fn pause(case: &CaseFile) -> Option<Duration> {
    let shortest = case.vantages.iter().filter_map(short).min()?;
    (shortest <= TRIED).then(|| shortest + Duration::from_secs(1))
}

/// What became of a connection that was left alone.
pub(super) fn left_alone(target: &Vantage, dst: IpAddr) -> Option<&IdleReport> {
    target.probes().rev().find_map(|probe| match probe {
        ProbeRecord::Idle(report) if report.to.ip() == dst => Some(report),
        _ => None,
    })
}
