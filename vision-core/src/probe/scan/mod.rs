//! Which ports of a host are open.

mod channel;
mod connect;
mod greet;
mod hosts;
mod machine;
mod report;
mod services;
mod syn;
#[cfg(test)]
mod tests;
mod timing;
mod udp;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::ScanChannel;
use self::connect::ConnectChannel;
pub use self::greet::{Greet, GreetReport, Greeted, SpeaksTls};
pub use self::hosts::{FoundHost, HostReason, HostScan, HostState, HostsProgress, HostsReport};
use self::machine::ScanMachine;
pub use self::machine::ScanProgress;
pub use self::report::{PortState, ScanReason, ScanReport, ScannedPort, Technique};
pub use self::services::service_name;
use self::syn::SynChannel;
use self::udp::UdpScanChannel;
use super::driver::Session;
use super::{Probe, Rate, is_group};
use crate::base::{Budget, Error, EventSource, Pacer, Result};
use crate::netns::Target;
use crate::socket::Options;

/// Asks many ports of one host and says of each what it is, and what tells so.
///
/// Waits adapt to the way, and a port is asked again, up to ten times, for as long as losses show;
/// so that nothing open is missed at any speed. Sends at most 1000 probes a second unless told
/// otherwise; connections that are being opened at the same time are 64 at most, 1024 without a
/// limit of the rate. The kernel chooses the source address: there are no forged ones.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{PortState, Probe, Scan}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let scan = Scan::new("127.0.0.1".parse().expect("address"), 1..=1024);
/// let report = scan.run(&target, &Budget::within(Duration::from_secs(10)))?;
/// for port in report.in_state(PortState::Open) {
///     println!("{} is open", port.port);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scan {
    to: IpAddr,
    scope: u32,
    ports: Vec<u16>,
    technique: Technique,
    wait: Duration,
    pacer: Option<Pacer>,
    options: Options,
}

/// What a process may send without being told to.
const POLITE: Rate = Rate::PerSecond(1000);
/// Connections that may be half open at the same time, politely and otherwise.
const CONNECTIONS: [usize; 2] = [64, 1024];
/// Probes whose answers fit into the socket's buffer with ease.
const PROBES: usize = 2048;
/// UDP ports asked at the same time.
const DATAGRAMS: usize = 64;

impl Scan {
    /// Tries to connect to each port, each once even if named again.
    pub fn new(to: IpAddr, ports: impl IntoIterator<Item = u16>) -> Self {
        let mut seen = HashSet::new();
        Self {
            to,
            scope: 0,
            ports: ports.into_iter().filter(|port| seen.insert(*port)).collect(),
            technique: Technique::Connect,
            wait: Duration::from_secs(1),
            pacer: POLITE.pacer(),
            options: Options::default(),
        }
    }

    /// Uses another technique.
    pub fn technique(self, technique: Technique) -> Self {
        Self { technique, ..self }
    }

    /// Waits at most this long for the answer to a first attempt, a second unless said otherwise;
    /// later attempts wait up to four times as long.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Sends this many probes a second at most; 1000 unless said otherwise.
    pub fn rate(self, rate: Rate) -> Self {
        Self { pacer: rate.pacer(), ..self }
    }

    /// Takes its tokens from a bucket that others use as well.
    pub fn pacer(self, pacer: &Pacer) -> Self {
        Self { pacer: Some(pacer.clone()), ..self }
    }

    /// Sends through this interface only.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.options.interface = Some(name.into());
        self
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }

    /// Sends from this address, which must be one of the namespace's own.
    pub fn source(mut self, source: IpAddr) -> Self {
        self.options.source = Some(SocketAddr::new(source, 0));
        self
    }

    /// Starts asking and hands over a stream of ports as they are decided; those that stay silent
    /// come last.
    ///
    /// # Errors
    /// [`Error::Permission`] naming `CAP_NET_RAW` for a half-open scan, [`Error::NotFound`] for a
    /// missing interface or source address, [`Error::Invalid`] without a port or for a group.
    pub fn start(&self, target: &Target) -> Result<ScanSession> {
        self.check()?;
        let netns = target.open()?;
        let (to, scope, options) = (self.to, self.scope, &self.options);
        let polite = self.pacer.is_some();
        let (channel, most) = match self.technique {
            Technique::Connect => {
                let channel = ConnectChannel::open(netns.clone(), to, scope, options)?;
                (ScanChannel::Connect(channel), CONNECTIONS[usize::from(!polite)])
            }
            Technique::HalfOpen => {
                let channel = netns.run(|| SynChannel::open(to, scope, options))??;
                (ScanChannel::HalfOpen(channel), PROBES)
            }
            Technique::Udp => {
                let channel = netns.run(|| UdpScanChannel::open(to, scope, options))??;
                (ScanChannel::Udp(channel), DATAGRAMS)
            }
        };
        let machine = ScanMachine::new(self, most, netns.id());
        Ok(ScanSession { session: Session::new(machine, channel, target)? })
    }

    fn check(&self) -> Result<()> {
        if self.ports.is_empty() {
            return Err(Error::invalid("ports", "there is none to ask".to_owned()));
        }
        if self.ports.contains(&0) {
            return Err(Error::invalid("port", "0 is no port".to_owned()));
        }
        if is_group(self.to) || self.to.is_unspecified() {
            let why = format!("`{}` is not one host; scan hosts one by one", self.to);
            return Err(Error::invalid("target", why));
        }
        if self.wait < SHORTEST_WAIT {
            let why = format!("{:?} is shorter than {SHORTEST_WAIT:?}", self.wait);
            return Err(Error::invalid("wait", why));
        }
        Ok(())
    }
}

const SHORTEST_WAIT: Duration = Duration::from_millis(1);

impl Probe for Scan {
    type Report = ScanReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<ScanReport> {
        self.start(target)?.session.run(budget)
    }
}

/// A scan in progress; yields every port once it is decided.
pub struct ScanSession {
    session: Session<ScanMachine, ScanChannel>,
}

impl ScanSession {
    /// Says how far it has come.
    pub fn progress(&self) -> ScanProgress {
        self.session.machine().progress()
    }

    /// Stops asking and sums up.
    pub fn finish(self) -> ScanReport {
        self.session.finish()
    }
}

impl EventSource for ScanSession {
    type Event = ScannedPort;

    fn try_recv(&mut self) -> Result<Option<ScannedPort>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for ScanSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
