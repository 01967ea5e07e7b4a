use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::machine::TlsMachine;
use super::{Authorities, TlsReport};
use crate::base::{Budget, Error, Host, Result};
use crate::netns::Target;
use crate::probe::driver::Session;
use crate::probe::tcp::{TcpChannel, Then, check_segment};
use crate::probe::{Anchor, Probe};
use crate::socket::Options;

/// Connects, does a TLS handshake (1.3 or 1.2) and says how far it came and all that is wrong with the
/// certificate.
///
/// No certificate ends the handshake: it is looked at and its faults are in the report. Nothing is sent after the
/// handshake. Needs no capability.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{Probe, TlsProbe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let probe = TlsProbe::new("192.0.2.7:443".parse().expect("an address")).name("db.example".parse()?);
/// let report = probe.run(&target, &Budget::within(Duration::from_secs(5)))?;
/// if let Some(certificate) = &report.certificate {
///     println!("{:?}: {:?}", report.outcome, certificate.faults);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TlsProbe {
    pub(super) to: SocketAddr,
    pub(super) scope: u32,
    pub(super) wait: Duration,
    pub(super) authorities: Authorities,
    name: Option<Host>,
    options: Options,
}

impl TlsProbe {
    /// Waits two seconds for the connection and as long for the handshake, and takes the word of
    /// [`Authorities::built_in`].
    pub fn new(to: SocketAddr) -> Self {
        let (wait, authorities) = (Duration::from_secs(2), Authorities::built_in());
        Self { to, scope: 0, wait, authorities, name: None, options: Options::default() }
    }

    /// Asks for this name, and expects it in the certificate, instead of the address.
    pub fn name(self, name: Host) -> Self {
        Self { name: Some(name), ..self }
    }

    /// Takes the word of these authorities.
    pub fn authorities(self, authorities: Authorities) -> Self {
        Self { authorities, ..self }
    }

    /// Waits this long for the connection, and as long for the handshake.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }

    /// Asks the peer for segments of at most this many bytes, as [`TcpProbe::segment_bytes`] does.
    ///
    /// [`TcpProbe::segment_bytes`]: crate::probe::TcpProbe::segment_bytes
    pub fn segment_bytes(mut self, bytes: u16) -> Self {
        self.options.segment_bytes = Some(bytes);
        self
    }

    pub(super) fn asked(&self) -> Host {
        let address: IpAddr = self.to.ip();
        self.name.clone().unwrap_or(Host::Addr(address, None))
    }
}

impl Probe for TlsProbe {
    type Report = TlsReport;

    /// # Errors
    /// [`Error::Invalid`] for a name that no certificate can have, or a size of segments that TCP does not take.
    fn run(&self, target: &Target, budget: &Budget) -> Result<TlsReport> {
        if let Host::Name(name) = self.asked()
            && !super::hello::is_name(&name)
        {
            return Err(Error::invalid("TLS name", format!("`{}`", name.escape_debug())));
        }
        check_segment(&self.options)?;
        let netns = target.open()?;
        let channel = TcpChannel::open(netns.clone(), self.options.clone(), Then::Talk, None)?;
        let now = crate::probe::driver::now();
        let machine = TlsMachine::new(self, netns.id(), Anchor::now(), now);
        Session::new(machine, channel, target)?.run(budget)
    }
}
