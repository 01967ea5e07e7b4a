//! The largest packet that passes.

mod machine;
mod report;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::machine::{Findings, MtuMachine, Plan};
pub use self::report::{BlackHole, CachedMtu, HopAt, MtuEnd, MtuReport, MtuStep};
use super::driver::Session;
use super::path::{Ask, Codec, PathChannel};
use super::{Probe, ProbeFlags, Probing, ProbingMethod};
use crate::base::{Budget, Capability, Error, Family, Gap, Op, Pacer, Result};
use crate::inventory::{Inventory, RouteQuery};
use crate::netns::Target;
use crate::socket::Options;

/// Packets that may not be fragmented, to find the largest that passes (RFC 1191, RFC 8201), and
/// where larger ones are refused or vanish (RFC 8899 asks the same way).
///
/// A path MTU the kernel has cached is not obeyed. With `CAP_NET_RAW` it is not taught one either, but
/// for ICMP over IPv6, whose errors it heeds whoever sent the packet; the report says what it has
/// cached before and after.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{MtuProbe, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let mtu = MtuProbe::new("192.0.2.1".parse().expect("address"));
/// let report = mtu.run(&target, &Budget::within(Duration::from_secs(30)))?;
/// for sentence in report.sentences() {
///     println!("{sentence}");
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MtuProbe {
    to: IpAddr,
    scope: u32,
    probing: Probing,
    ceiling: Option<u16>,
    max_ttl: u8,
    wait: Duration,
    tries: u8,
    pacer: Option<Pacer>,
    options: Options,
}

/// How long silence is given at least.
const PATIENCE: Duration = Duration::from_millis(200);
/// Hosts limit "port unreachable" to one a second (icmp(7), `icmp_ratelimit`): two of one size could
/// otherwise stay unanswered for that alone.
const UDP_PATIENCE: Duration = Duration::from_millis(1100);
const BREADTH: u16 = 8;

impl MtuProbe {
    /// Asks by ICMP, up to the MTU of the first link.
    pub fn new(to: IpAddr) -> Self {
        Self {
            to,
            scope: 0,
            probing: Probing::Icmp,
            ceiling: None,
            max_ttl: 30,
            wait: Duration::from_secs(2),
            tries: 3,
            pacer: None,
            options: Options::default(),
        }
    }

    /// Says what to send. UDP takes much longer, for hosts answer a closed port once a second.
    pub fn probing(self, probing: Probing) -> Self {
        Self { probing, ..self }
    }

    /// Tries no larger packets than this, in bytes.
    pub fn ceiling_bytes(self, ceiling: u16) -> Self {
        Self { ceiling: Some(ceiling), ..self }
    }

    /// Looks for the place of a limit no further than this hop.
    pub fn max_ttl(self, max_ttl: u8) -> Self {
        Self { max_ttl, ..self }
    }

    /// Waits this long for an answer while none has come.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Shares a limit on how fast probes are sent: 200 a second with bursts of 64 unless said
    /// otherwise.
    pub fn pacer(self, pacer: &Pacer) -> Self {
        Self { pacer: Some(pacer.clone()), ..self }
    }

    /// Marks the probes with a differentiated services code point, 0 to 63 (RFC 2474).
    pub fn dscp(mut self, dscp: u8) -> Self {
        self.options.dscp = Some(dscp);
        self
    }

    /// Sets the packet mark that policy routing sees; needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
    pub fn mark(mut self, mark: u32) -> Self {
        self.options.mark = Some(mark);
        self
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

    /// Sends from this address.
    pub fn source(mut self, source: IpAddr) -> Self {
        self.options.source = Some(SocketAddr::new(source, 0));
        self
    }

    fn ask(&self) -> Ask {
        Ask {
            to: self.to,
            scope: self.scope,
            probing: self.probing,
            flows: 1,
            flags: ProbeFlags::Syn,
            source_port: None,
            options: self.options.clone(),
        }
    }

    fn plan(&self, probing: Probing, link_mtu: Option<u32>) -> Result<Plan> {
        let least = Codec::least_bytes(Family::of(self.to), probing);
        let link = u16::try_from(link_mtu.unwrap_or(1500)).unwrap_or(u16::MAX);
        let ceiling = self.ceiling.unwrap_or(link);
        if ceiling < least {
            let why = format!("{ceiling} bytes; {probing} needs {least}");
            return Err(Error::invalid("packet size", why));
        }
        let udp = matches!(probing, Probing::Udp { .. });
        let (breadth, patience) = if udp { (1, UDP_PATIENCE) } else { (BREADTH, PATIENCE) };
        let pacer = self.pacer.clone().unwrap_or_else(|| Pacer::per_second(200, 64));
        Ok(Plan {
            to: self.to,
            least,
            ceiling,
            max_ttl: self.max_ttl.max(1),
            breadth,
            tries: self.tries,
            patience,
            wait: self.wait.max(patience),
            pacer,
        })
    }
}

impl Probe for MtuProbe {
    type Report = MtuReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<MtuReport> {
        let netns = target.open()?;
        let mut inventory = Inventory::open(target)?;
        let query = RouteQuery { mark: self.options.mark, ..RouteQuery::to(self.to) };
        let before = look(&mut inventory, &query, budget);
        let opened = PathChannel::open(&netns, &self.ask())?;
        let channel = opened.channel;
        if channel.method() == ProbingMethod::Connect {
            // connect(2) sends segments of its own size only.
            return Err(Error::Permission { op: Op::OpenRaw, needs: Capability::NetRaw });
        }
        let (from, probing, method) = (channel.from(), channel.probing(), channel.method());
        let plan = self.plan(probing, before.link_mtu)?;
        let ceiling_bytes = plan.ceiling.into();
        let session = Session::new(MtuMachine::new(plan), channel, target)?;
        let findings = session.run(budget)?;
        let after = look(&mut inventory, &query, budget);
        let mut gaps = opened.gaps;
        let Findings { mtu, end, steps, black_hole, hops, sent, mss, finished } = findings;
        if !finished {
            gaps.push(Gap::new("the rest of the search", "the run ended before"));
        }
        Ok(MtuReport {
            netns: netns.id(),
            from,
            to: self.to,
            probing,
            method,
            ceiling_bytes,
            mtu_bytes: mtu,
            end,
            steps,
            black_hole,
            hops,
            mss_bytes: mss,
            cached_before: before.cached,
            cached_after: after.cached,
            sent,
            gaps,
        })
    }
}

/// What the kernel knows about the way; all of it may be missing.
#[derive(Debug, Default)]
struct Known {
    link_mtu: Option<u32>,
    cached: Option<CachedMtu>,
}

fn look(inventory: &mut Inventory, query: &RouteQuery, budget: &Budget) -> Known {
    let answer = inventory.route_to(query, budget).ok();
    let Some(route) = answer.as_ref().and_then(|answer| answer.route()) else {
        return Known::default();
    };
    let mtu = route.metrics.as_ref().and_then(|metrics| metrics.mtu_bytes);
    // Only what was learnt expires.
    let cached = mtu
        .zip(route.expires_ms)
        .map(|(mtu_bytes, ms)| CachedMtu { mtu_bytes, expires: Duration::from_millis(ms) });
    let links = inventory.links(budget).ok();
    let link = links.and_then(|links| {
        links.items.into_iter().find(|link| Some(link.ifindex) == route.oif_ifindex)
    });
    Known { link_mtu: link.and_then(|link| link.mtu_bytes), cached }
}
