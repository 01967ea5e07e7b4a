//! UDP datagrams to one port.

mod channel;
mod machine;
mod payload;
mod report;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::channel::UdpChannel;
use self::machine::UdpMachine;
pub use self::payload::UdpPayload;
pub use self::report::{UdpOutcome, UdpReport};
use super::driver::Session;
use super::{Anchor, Probe};
use crate::base::{Budget, Result, Untrusted};
use crate::netns::Target;
use crate::socket::Options;

/// Sends a datagram to a port and says whether it was answered, refused or met with silence.
///
/// Silence is not openness: a service that does not know the payload, a packet filter and a lost
/// packet look the same. Needs no capability.
#[derive(Debug, Clone)]
pub struct UdpProbe {
    to: SocketAddr,
    payload: Vec<u8>,
    tries: u16,
    wait: Duration,
    options: Options,
}

impl UdpProbe {
    /// Sends an empty datagram twice, waiting half a second each time.
    pub fn new(to: IpAddr, port: u16) -> Self {
        Self {
            to: SocketAddr::new(to, port),
            payload: Vec::new(),
            tries: 2,
            wait: Duration::from_millis(500),
            options: Options::default(),
        }
    }

    /// Carries these bytes.
    pub fn payload(self, payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// Sends it up to this many times.
    pub fn tries(self, tries: u16) -> Self {
        Self { tries, ..self }
    }

    /// Waits this long for each answer.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Sends from this address and port.
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.options.source = Some(source);
        self
    }

    /// Sends through this interface only.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.options.interface = Some(name.into());
        self
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(mut self, ifindex: u32) -> Self {
        if let SocketAddr::V6(to) = &mut self.to {
            to.set_scope_id(ifindex);
        }
        self
    }
}

impl Probe for UdpProbe {
    type Report = UdpReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<UdpReport> {
        let netns = target.open()?;
        let channel = netns.run(|| UdpChannel::open(self.to, &self.options))??;
        let machine = UdpMachine::new(self, netns.id(), Anchor::now());
        Session::new(machine, channel, target)?.run(budget)
    }
}

impl UdpReport {
    /// Returns the first bytes of the answer, if one came.
    pub fn answer(&self) -> Option<&Untrusted> {
        match &self.outcome {
            UdpOutcome::Reply { bytes, .. } => Some(bytes),
            _ => None,
        }
    }
}
