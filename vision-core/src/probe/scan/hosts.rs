//! Which addresses of a network have a host.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Budget, Error, EventSource, Family, Gap, LinkAddr, Pacer, Reason, Result};
use crate::inventory::{Addr, Inventory, Link};
use crate::netns::{NetnsId, Target};
use crate::probe::neigh::{NeighProbe, Station, find_station};
use crate::probe::sweep::{By, Sweep, SweepProgress, SweepVerdict, SweptHost};
use crate::probe::{IcmpError, Probe, Rate};

/// Asks which of many addresses have a host: on the own links by ARP and neighbour discovery,
/// which no host can leave unanswered, elsewhere by echo requests and then by a SYN to ports 443
/// and 80.
///
/// Needs `CAP_NET_RAW`; what it lacks without is a gap of the report. Sends at most 200 packets a
/// second unless told otherwise.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{AddrRange, HostScan, HostState, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let net: AddrRange = "10.0.0.0/24".parse()?;
/// let report = HostScan::new(net.iter()).run(&target, &Budget::within(Duration::from_secs(9)))?;
/// for host in report.hosts.iter().filter(|host| host.state == HostState::Up) {
///     println!("{} is up", host.addr);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HostScan {
    targets: Vec<IpAddr>,
    tries: u16,
    wait: Duration,
    pacer: Option<Pacer>,
    source: Option<IpAddr>,
    interface: Option<String>,
}

/// What a host scan found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HostsReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// One entry per address, in the order given.
    pub hosts: Vec<FoundHost>,
    /// Packets handed to the kernel.
    pub sent: u64,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FoundHost {
    /// The address.
    pub addr: IpAddr,
    /// Whether somebody has it.
    pub state: HostState,
    /// What tells so.
    pub reason: HostReason,
    /// Its link-layer address, where it is on a link of this namespace.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub lladdr: Option<LinkAddr>,
    /// Time between the question and its answer, in nanoseconds.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub rtt_ns: Option<u64>,
}

/// Whether an address has a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HostState {
    /// It has.
    Up,
    /// Nothing says so.
    Down,
    /// The run ended before it was decided.
    Undecided,
}

/// What tells whether an address has a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HostReason {
    /// It is this namespace's own.
    Own,
    /// It answered on the link: ARP or neighbour discovery.
    Neighbour,
    /// It answered an echo request.
    EchoReply,
    /// It answered a SYN, with a connection or a reset.
    Tcp,
    /// It sent an ICMP error itself, or a host on the way did.
    Icmp(IcmpError),
    /// The own kernel would not send.
    Local(Reason),
    /// Nothing came back.
    NoResponse,
    /// It was not asked to the end.
    Unfinished,
}

/// How far a host scan has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostsProgress {
    /// What is asked: `neighbours`, `echo` or `tcp`.
    pub stage: &'static str,
    /// How far that has come.
    pub sweep: SweepProgress,
}

/// What a process may send without being told to.
const POLITE: Rate = Rate::PerSecond(200);
/// How often progress is told.
const TELL: Duration = Duration::from_millis(100);

impl HostScan {
    /// Asks each address twice, in each way that makes sense for it, each once even if named again.
    pub fn new(targets: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut seen = HashSet::new();
        Self {
            targets: targets.into_iter().filter(|addr| seen.insert(*addr)).collect(),
            tries: 2,
            wait: Duration::from_secs(1),
            pacer: POLITE.pacer(),
            source: None,
            interface: None,
        }
    }

    /// Waits this long for each answer.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Sends this many packets a second at most; 200 unless said otherwise.
    pub fn rate(self, rate: Rate) -> Self {
        Self { pacer: rate.pacer(), ..self }
    }

    /// Takes its tokens from a bucket that others use as well.
    pub fn pacer(self, pacer: &Pacer) -> Self {
        Self { pacer: Some(pacer.clone()), ..self }
    }

    /// Sends through this interface only.
    pub fn interface(self, name: impl Into<String>) -> Self {
        Self { interface: Some(name.into()), ..self }
    }

    /// Sends from this address, which must be one of the namespace's own.
    pub fn source(self, source: IpAddr) -> Self {
        Self { source: Some(source), ..self }
    }

    /// As [`Probe::run`], and tells now and then how far it has come.
    ///
    /// # Errors
    /// [`Error::Invalid`] without an address, and what keeps a namespace from being looked at.
    pub fn run_telling(
        &self,
        target: &Target,
        budget: &Budget,
        tell: &mut dyn FnMut(HostsProgress),
    ) -> Result<HostsReport> {
        if self.targets.is_empty() {
            return Err(Error::invalid("targets", "there is no address to ask".to_owned()));
        }
        let (found, on_link, gaps) = (HashMap::new(), HashSet::new(), Vec::new());
        let mut run = Run { scan: self, target, budget, tell, found, on_link, sent: 0, gaps };
        for (station, near) in run.own_and_near()? {
            run.neighbours(&station, near)?;
        }
        run.stage("echo", By::Echo)?;
        run.stage("tcp", By::Syn)?;
        Ok(run.report())
    }
}

impl Probe for HostScan {
    type Report = HostsReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<HostsReport> {
        self.run_telling(target, budget, &mut |_| {})
    }
}

/// One run.
struct Run<'a> {
    scan: &'a HostScan,
    target: &'a Target,
    budget: &'a Budget,
    tell: &'a mut dyn FnMut(HostsProgress),
    /// What is settled.
    found: HashMap<IpAddr, FoundHost>,
    /// Who was asked on a link, where silence is an answer.
    on_link: HashSet<IpAddr>,
    sent: u64,
    gaps: Vec<Gap>,
}

impl Run<'_> {
    /// Settles the namespace's own addresses, and sorts those that are on a link by the link.
    fn own_and_near(&mut self) -> Result<Vec<(Station, Vec<IpAddr>)>> {
        let mut inventory = Inventory::open(self.target)?;
        let links = inventory.links(self.budget)?.items;
        let addrs = inventory.addrs(self.budget)?.items;
        let wanted: HashSet<IpAddr> = self.scan.targets.iter().copied().collect();
        for addr in addrs.iter().filter(|addr| wanted.contains(&addr.local)) {
            let own = (HostState::Up, HostReason::Own);
            self.settle(addr.local, own, None, None);
        }
        let mut stations = Vec::new();
        for link in links.iter().filter(|link| !link.is_noarp() && !link.is_loopback()) {
            let own: Vec<_> = addrs.iter().filter(|addr| addr.ifindex == link.ifindex).collect();
            stations.extend(self.stations(link, &own));
        }
        Ok(stations)
    }

    /// Who asks on a link, and whom.
    fn stations(&mut self, link: &Link, own: &[&Addr]) -> Vec<(Station, Vec<IpAddr>)> {
        let mut stations = Vec::new();
        let Ok(name) = std::str::from_utf8(link.name.as_bytes()) else { return stations };
        if self.scan.interface.as_deref().is_some_and(|only| only != name) {
            return stations;
        }
        for family in [Family::V4, Family::V6] {
            let is_near = |to: &IpAddr| {
                Family::of(*to) == family
                    && !self.found.contains_key(to)
                    && !self.on_link.contains(to)
                    && own.iter().any(|addr| addr.is_usable() && addr.prefix().contains(*to))
            };
            let near: Vec<_> = self.scan.targets.iter().copied().filter(is_near).collect();
            let Some(first) = near.first() else { continue };
            let mut probe = NeighProbe::new(*first, name);
            if let Some(source) = self.scan.source.filter(|source| Family::of(*source) == family) {
                probe = probe.source(source);
            }
            match find_station(self.target, &probe) {
                Ok(station) => {
                    self.on_link.extend(&near);
                    stations.push((station, near));
                }
                Err(error) => {
                    self.gaps.push(Gap::because(format!("neighbours on {name}"), &error));
                }
            }
        }
        stations
    }

    fn report(self) -> HostsReport {
        let host = |addr: &IpAddr| {
            self.found.get(addr).copied().unwrap_or(FoundHost {
                addr: *addr,
                state: HostState::Undecided,
                reason: HostReason::Unfinished,
                lladdr: None,
                rtt_ns: None,
            })
        };
        let hosts: Vec<_> = self.scan.targets.iter().map(host).collect();
        let mut gaps = self.gaps;
        let open = hosts.iter().filter(|host| host.state == HostState::Undecided).count();
        if open > 0 {
            let why = format!("the run ended with {open} of {} undecided", hosts.len());
            gaps.push(Gap::new("hosts", why));
        }
        HostsReport { netns: self.target.id(), hosts, sent: self.sent, gaps }
    }

    fn settle(
        &mut self,
        addr: IpAddr,
        (state, reason): (HostState, HostReason),
        lladdr: Option<LinkAddr>,
        rtt_ns: Option<u64>,
    ) {
        self.found.insert(addr, FoundHost { addr, state, reason, lladdr, rtt_ns });
    }

    fn sweep(&self, by: By, targets: Vec<IpAddr>) -> Sweep {
        let (tries, wait) = (self.scan.tries, self.scan.wait);
        let is_link = matches!(by, By::Link(_));
        let mut sweep = Sweep::new(targets).by(by).until_answered(tries).wait(wait);
        sweep = match &self.scan.pacer {
            Some(pacer) => sweep.pacer(pacer),
            None => sweep.rate(Rate::Max),
        };
        if let Some(name) = self.scan.interface.as_ref().filter(|_| !is_link) {
            sweep = sweep.interface(name);
        }
        match self.scan.source.filter(|_| !is_link) {
            Some(source) => sweep.source(source),
            None => sweep,
        }
    }

    /// Moves one sweep to its end or that of the budget.
    fn ask(&mut self, stage: &'static str, sweep: &Sweep) -> Result<Vec<SweptHost>> {
        let mut session = sweep.start(self.target)?;
        loop {
            match session.recv(&self.budget.child(TELL)) {
                Ok(Some(_)) => continue,
                Ok(None) => break,
                Err(Error::Elapsed | Error::Cancelled) if self.budget.remaining().is_err() => break,
                Err(Error::Elapsed | Error::Cancelled) => {}
                Err(error) => return Err(error),
            }
            (self.tell)(HostsProgress { stage, sweep: session.progress() });
        }
        let report = session.finish();
        self.sent += report.summary().sent;
        Ok(report.hosts)
    }

    fn neighbours(&mut self, station: &Station, near: Vec<IpAddr>) -> Result<()> {
        let sweep = self.sweep(By::Link(station.clone()), near);
        let hosts = match self.ask("neighbours", &sweep) {
            Ok(hosts) => hosts,
            // Without the right to ask on the link, the network above it is asked.
            Err(error @ Error::Permission { .. }) => {
                self.on_link.clear();
                self.gaps.push(Gap::because("neighbours", &error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for host in hosts {
            let verdict = match host.verdict {
                SweepVerdict::Alive => (HostState::Up, HostReason::Neighbour),
                SweepVerdict::Undecided => continue,
                _ => (HostState::Down, HostReason::NoResponse),
            };
            let rtt = host.answered_ns().next();
            self.settle(host.to, verdict, host.lladdr, rtt);
        }
        Ok(())
    }

    /// Asks those about whom nothing is known, or, the last time, those who were silent.
    fn stage(&mut self, stage: &'static str, by: By) -> Result<()> {
        let is_last = matches!(by, By::Syn);
        for family in [Family::V4, Family::V6] {
            if self.scan.source.is_some_and(|source| Family::of(source) != family) {
                continue;
            }
            let is_open = |addr: &IpAddr| match self.found.get(addr) {
                None => true,
                Some(found) => {
                    is_last && found.state == HostState::Down && !self.on_link.contains(addr)
                }
            };
            let of_family = |addr: &IpAddr| Family::of(*addr) == family;
            let all = self.scan.targets.iter().copied();
            let targets: Vec<_> = all.filter(of_family).filter(is_open).collect();
            if targets.is_empty() || self.budget.remaining().is_err() {
                continue;
            }
            let sweep = self.sweep(by.clone(), targets);
            match self.ask(stage, &sweep) {
                Ok(hosts) => hosts.iter().for_each(|host| self.heard(host, &by)),
                Err(e @ Error::Permission { .. }) => self.gaps.push(Gap::because(stage, &e)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn heard(&mut self, host: &SweptHost, by: &By) {
        let alive = match by {
            By::Syn => HostReason::Tcp,
            _ => HostReason::EchoReply,
        };
        let verdict = match host.verdict {
            SweepVerdict::Alive => (HostState::Up, alive),
            // Who complains by itself is there.
            SweepVerdict::Unreachable(icmp) if icmp.from == Some(host.to) => {
                (HostState::Up, HostReason::Icmp(icmp))
            }
            SweepVerdict::Unreachable(icmp) => (HostState::Down, HostReason::Icmp(icmp)),
            SweepVerdict::LocalError(reason) => (HostState::Down, HostReason::Local(reason)),
            SweepVerdict::Undecided => return,
            SweepVerdict::Silent if self.found.contains_key(&host.to) => return,
            SweepVerdict::Silent => (HostState::Down, HostReason::NoResponse),
        };
        self.settle(host.to, verdict, None, host.answered_ns().next());
    }
}
