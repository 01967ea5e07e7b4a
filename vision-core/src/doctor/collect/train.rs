//! How many packets are lost on a way that works: one packet, or ten, do not show it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::probes::Prober;
use crate::base::Result;
use crate::doctor::Service;
use crate::doctor::case::{ProbeRecord, Probing, Vantage};
use crate::doctor::train::{FEW, RETRIED, Tally, TrainRecord, was_retried};
use crate::probe::{
    EchoOutcome, PathProbe, Ping, PingReport, Probe, TcpOutcome, TcpProbe, TcpReport,
};

/// Echo requests at first: of a network that loses one packet in twenty, seven times of eight one of these.
const FIRST: u16 = 40;
/// More of them where one was lost.
const MORE: u16 = 100;
/// To each router on the way.
const ROUTER: u16 = 60;
/// To each of them, where nothing was lost and answers only took long.
const FAR_ROUTER: u16 = 8;
/// Routers that are asked.
const ROUTERS: usize = 8;
/// Between two packets.
const PACE: Duration = Duration::from_millis(5);
/// How long an answer is waited for at least.
const WAIT: Duration = Duration::from_millis(250);
/// Connects of one go, and goes.
const CONNECTS: u16 = 6;
const GOES: usize = 6;
/// No further go begins after as long.
const LONG: Duration = Duration::from_millis(1200);
/// Between two connects.
const CONNECT_PACE: Duration = Duration::from_millis(20);
/// A port that answers, if only by a reset, where none was asked about.
const SOME_PORT: u16 = 443;

/// Tells whether packets of a train were lost.
pub(super) fn is_lossy(target: &Vantage) -> bool {
    target.probes().any(|probe| match probe {
        ProbeRecord::Train(record) => record.is_lossy(),
        _ => false,
    })
}

impl Prober<'_> {
    /// Sends echo requests at a steady pace to a destination that answers; where some are lost, connects as well,
    /// and echo requests to the routers before it.
    pub(super) fn train(&mut self, addr: IpAddr, service: Service) -> Result<()> {
        let away = self.next_hop(addr).is_some();
        if self.probing == Probing::Passive || !away || !self.answered(addr) {
            return Ok(());
        }
        match self.run_train(addr, service) {
            Ok(record) => {
                self.records.push(ProbeRecord::Train(record));
                Ok(())
            }
            Err(e) => self.survive("paced connects", e),
        }
    }

    fn run_train(&mut self, addr: IpAddr, service: Service) -> Result<TrainRecord> {
        let wait = self.patience(addr);
        let port = match service {
            Service::Udp(_) => None,
            service => Some(service.tcp_port().unwrap_or(SOME_PORT)),
        };
        let mut echoes = match self.paced(addr, FIRST, wait) {
            Ok(report) => Some(report),
            Err(e) => self.survive("paced echo requests", e).map(|()| None)?,
        };
        let mut tally = Tally::default();
        if let Some(report) = &mut echoes {
            tally = Tally::of_echoes(report);
            if tally.answered > 0 && tally.lost > 0 {
                report.echoes.extend(self.paced(addr, MORE, wait)?.echoes);
                tally = Tally::of_echoes(report);
            }
        }
        let suspect = match tally.answered {
            0 => self.has_retried(addr),
            _ => tally.lost >= FEW,
        };
        let (connects, routers) = (Vec::new(), Vec::new());
        let mut record = TrainRecord { to: addr, echoes, connects, routers };
        if let Some(port) = port.filter(|_| suspect) {
            record.connects = self.connects((addr, port), wait)?;
        }
        // On a way that is in sight to its end, its counters tell.
        let unseen = self.again && !self.owned.contains(&addr);
        if record.echoes.is_some() && record.is_lossy() && unseen {
            record.routers = self.routers(addr, wait, ROUTER)?;
        } else if !self.again && record.far().is_some() {
            record.routers = self.routers(addr, wait, FAR_ROUTER)?;
        }
        Ok(record)
    }

    /// Twice as long as the answers so far took, and a little.
    pub(super) fn patience(&self, addr: IpAddr) -> Duration {
        let mut times = answer_times(&self.records);
        times.extend(&self.times);
        let own = times.iter().filter(|(from, _)| *from == addr).map(|(_, time)| *time);
        // One that was sent again says nothing of the way.
        own.filter(|time| *time < RETRIED).max().map_or(WAIT, |time| time * 2 + WAIT)
    }

    /// Tells whether a connect of this round had to send its SYN again, or failed beside others that did not.
    pub(super) fn has_retried(&self, addr: IpAddr) -> bool {
        let reports = self.records.iter().filter_map(|record| match record {
            ProbeRecord::Tcp(report) if report.to == addr => Some(report),
            _ => None,
        });
        reports
            .flat_map(|report| &report.attempts)
            .any(|attempt| attempt.outcome == TcpOutcome::TimedOut || was_retried(&attempt.outcome))
    }

    fn paced(&mut self, addr: IpAddr, count: u16, wait: Duration) -> Result<PingReport> {
        let ping = Ping::new(addr).count(count).interval(PACE).wait(wait).scope(self.scope);
        let report = ping.run(&self.site.target, self.budget)?;
        self.sent += report.echoes.len();
        Ok(report)
    }

    /// Connects until one is lost; none if nobody answers there.
    fn connects(&mut self, (addr, port): (IpAddr, u16), wait: Duration) -> Result<Vec<TcpReport>> {
        let mut reports = Vec::new();
        let end = Instant::now() + LONG;
        // A second round is for the counters on the way.
        for _ in 0..if self.again { 1 } else { GOES } {
            let probe = TcpProbe::new(addr, [port]).count(CONNECTS).interval(CONNECT_PACE);
            let probe = probe.wait(wait).scope(self.scope);
            let report = probe.run(&self.site.target, self.budget)?;
            self.sent += report.attempts.len();
            reports.push(report);
            let tally = Tally::of_connects(&reports);
            if tally.lost > 1 || tally.answered == 0 || Instant::now() >= end {
                break;
            }
        }
        Ok(reports)
    }

    /// Asks the routers on the way themselves: what they say of packets that end there is limited, their answers
    /// to echo requests are not (net/ipv4/icmp.c, `icmp_ratemask`).
    fn routers(&mut self, addr: IpAddr, wait: Duration, count: u16) -> Result<Vec<PingReport>> {
        let path = PathProbe::new(addr).rounds(2).wait(wait).scope(self.scope);
        let hops = path.run(&self.site.target, self.budget).map(|report| report.hops);
        // The first one is known, whether it speaks up or not.
        let first = self.next_hop(addr).map(|(gateway, _)| gateway);
        let hops = hops.unwrap_or_default();
        let others = hops.iter().flat_map(|hop| &hop.responders).map(|it| it.addr);
        let mut routers: Vec<IpAddr> = Vec::new();
        for router in first.into_iter().chain(others) {
            if router != addr && !routers.contains(&router) {
                routers.push(router);
            }
        }
        let mut reports = Vec::new();
        for router in routers.into_iter().take(ROUTERS) {
            // One that does not answer for itself says nothing of the way.
            let report = self.paced(router, count, wait)?;
            if report.summary().received > 0 {
                reports.push(report);
            }
        }
        Ok(reports)
    }
}

/// How long who took to answer echo requests and connects.
pub(super) fn answer_times<'r>(
    records: impl IntoIterator<Item = &'r ProbeRecord>,
) -> Vec<(IpAddr, Duration)> {
    let of = |record: &ProbeRecord| -> Vec<(IpAddr, Duration)> {
        let (to, times): (_, Vec<_>) = match record {
            ProbeRecord::Ping(r) => {
                (r.to, r.echoes.iter().filter_map(|echo| echo_time(&echo.outcome)).collect())
            }
            ProbeRecord::Tcp(r) => {
                (r.to, r.attempts.iter().filter_map(|it| connect_time(&it.outcome)).collect())
            }
            _ => return Vec::new(),
        };
        times.into_iter().map(|time| (to, time)).collect()
    };
    records.into_iter().flat_map(of).collect()
}

fn echo_time(outcome: &EchoOutcome) -> Option<Duration> {
    match outcome {
        EchoOutcome::Reply { rtt, .. } => Some(*rtt),
        _ => None,
    }
}

fn connect_time(outcome: &TcpOutcome) -> Option<Duration> {
    match outcome {
        TcpOutcome::Open { rtt, .. } | TcpOutcome::Refused { rtt, .. } => Some(*rtt),
        _ => None,
    }
}
