//! DNS queries, and names resolved as the target itself would.

mod bulk;
mod channel;
mod compare;
mod flight;
#[cfg(feature = "tls")]
mod http2;
mod letters;
mod machine;
mod nonce;
mod plan;
mod report;
mod resolve;
mod schedule;
#[cfg_attr(not(feature = "tls"), path = "secure_none.rs")]
mod secure;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
mod trace;
mod transfer;
#[cfg(feature = "dnssec")]
mod validate;
mod zone;

use std::net::SocketAddr;
use std::time::Duration;

pub use self::bulk::{DnsBulk, DnsBulkAnswer, DnsBulkReport, DnsBulkSession, DnsTimes};
use self::channel::DnsChannel;
pub use self::compare::{DnsCompare, DnsComparison, DnsGroup};
use self::machine::{Ask, DnsMachine, Extras};
use self::nonce::Nonces;
use self::plan::{Asked, Plan, PlanMachine};
pub use self::report::{
    DnsAttempt, DnsCause, DnsIgnored, DnsIgnoredReply, DnsMismatch, DnsOutcome, DnsReport,
    DnsSecured, DnsTransport, DnsWire,
};
pub use self::resolve::{
    HostsEntry, HostsTable, Libc, Resolution, Resolve, ResolveOutcome, ResolvedBy, ResolverConfig,
    Tried,
};
use self::schedule::{Policy, Verdict};
#[cfg(feature = "tls")]
pub use self::secure::DnsTls;
pub use self::trace::{Trace, TraceEnd, TraceReport, TraceResult, TraceStep};
pub use self::transfer::{TransferEnd, TransferReport, TransferSession, ZoneTransfer};
#[cfg(feature = "dnssec")]
pub use self::validate::{
    ChainKey, ChainLink, SetVerdict, TrustAnchor, Validate, Validity, ValidityReport,
};
pub use self::zone::{ZoneCheck, ZoneReport, ZoneServer};
use super::driver::Session;
use super::{Anchor, Probe};
use crate::base::{Budget, Error, Family, Result};
use crate::netns::{Netns, Target};
use crate::socket::Options;
use crate::wire::dns::{Class, EdnsOption, Flags, Name, QueryEdns, Question, RecordType};

/// Asks one or more servers one question and shows everything that came back.
///
/// Needs no capability. Each query has a socket with a port of the kernel's choice, a random
/// identifier and, over UDP, letters in random case; only a reply that agrees in all of these,
/// in the question and in its source is believed. Others are counted until the wait is over.
/// A truncated answer is asked for again over TCP; a server that does not understand EDNS is
/// asked again without; one that repeats names in another case is asked in the plain case.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target};
/// use vision_core::probe::{DnsQuery, Probe};
/// use vision_core::wire::dns::RecordType;
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let query = DnsQuery::new("example.com".parse()?, RecordType::Aaaa)
///     .server("10.96.0.10:53".parse().expect("an address"));
/// let report = query.run(&target, &Budget::within(Duration::from_secs(10)))?;
/// if let Some(answer) = report.answer() {
///     println!("{}", answer.header.rcode);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DnsQuery {
    question: Question,
    flags: Flags,
    edns: Option<QueryEdns>,
    servers: Vec<SocketAddr>,
    timeout: Duration,
    tries: u8,
    transport: Transport,
    letters: Letters,
    extras: Extras,
    options: Options,
    #[cfg(feature = "tls")]
    tls: DnsTls,
}

/// Over what a question is asked.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// UDP, then TCP if the answer was truncated.
    #[default]
    Auto,
    /// UDP only; a truncated answer is the answer.
    Udp,
    /// TCP only (RFC 7766).
    Tcp,
    /// TLS (RFC 7858); see `DnsQuery::tls`.
    Tls,
    /// HTTPS (RFC 8484); see `DnsQuery::tls`.
    Https,
}

/// Whether signatures are wanted in the answer.
// closed: the DO bit is set or clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DnssecOk {
    /// The bit is clear.
    #[default]
    Unset,
    /// The bit is set (RFC 3225); needs EDNS.
    Set,
}

/// Whether the server is to ask others.
// closed: the RD bit is set or clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Recursion {
    /// Yes, as stub resolvers ask.
    #[default]
    Desired,
    /// No, as resolvers ask authoritative servers.
    Unwanted,
}

/// Whether the server is to validate.
// closed: the CD bit is set or clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Checking {
    /// As it pleases.
    #[default]
    Enabled,
    /// No: unvalidated data is wanted too (RFC 4035 §3.2.2).
    Disabled,
}

/// How the letters of a question are written.
// closed: mixed, or as given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Letters {
    /// In random case over UDP, so that forgers have to guess it (draft-vixie-dnsext-dns0x20).
    #[default]
    Mixed,
    /// As given.
    AsGiven,
}

impl DnsQuery {
    /// Asks for records of the Internet class, three times, waiting two seconds each time.
    ///
    /// `dig` waits five seconds; a cluster's server that needs two is broken already, and its
    /// late answer is reported all the same if it comes during a later try.
    pub fn new(name: Name, rtype: RecordType) -> Self {
        Self {
            question: Question::new(name, rtype),
            flags: Flags { rd: true, ..Flags::default() },
            edns: Some(QueryEdns { udp_payload_bytes: 1232, do_bit: false, options: Vec::new() }),
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            tries: 3,
            transport: Transport::Auto,
            letters: Letters::Mixed,
            extras: Extras::default(),
            options: Options::default(),
            #[cfg(feature = "tls")]
            tls: DnsTls::default(),
        }
    }

    /// Asks in another class.
    pub fn class(mut self, class: Class) -> Self {
        self.question.class = class;
        self
    }

    /// Adds a server; several are asked in turn, round by round.
    pub fn server(mut self, server: SocketAddr) -> Self {
        self.servers.push(server);
        self
    }

    /// Chooses the transport.
    pub fn transport(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Asks over secured connections, DNS over TLS or over HTTPS.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: DnsTls) -> Self {
        self.transport = if tls.is_https() { Transport::Https } else { Transport::Tls };
        self.tls = tls;
        self
    }

    /// Waits this long for each answer.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Asks each server at most this often; zero counts as one.
    pub fn tries(self, tries: u8) -> Self {
        Self { tries: tries.max(1), ..self }
    }

    /// Announces how many bytes a datagram may have (RFC 6891 §6.2.3), 1232 unless told;
    /// `None` asks without EDNS. Comes before [`DnsQuery::dnssec_ok`] and options.
    pub fn edns(mut self, udp_payload_bytes: Option<u16>) -> Self {
        let former = self.edns.take().map_or((false, Vec::new()), |e| (e.do_bit, e.options));
        self.edns = udp_payload_bytes.map(|udp_payload_bytes| QueryEdns {
            udp_payload_bytes,
            do_bit: former.0,
            options: former.1,
        });
        self
    }

    /// Adds an option to the extension record, if there is one.
    pub fn option(mut self, option: EdnsOption) -> Self {
        if let Some(edns) = &mut self.edns {
            edns.options.push(option);
        }
        self
    }

    /// Sends cookies, if there is an extension record, and believes no reply with a wrong one
    /// (RFC 7873).
    pub fn cookies(mut self) -> Self {
        self.extras.cookies = true;
        self
    }

    /// Keeps the bytes of queries and answers in [`DnsAttempt::wire`].
    pub fn keep_wire(mut self) -> Self {
        self.extras.keep_wire = true;
        self
    }

    /// Asks for signatures, if there is an extension record.
    pub fn dnssec_ok(mut self, wanted: DnssecOk) -> Self {
        if let Some(edns) = &mut self.edns {
            edns.do_bit = wanted == DnssecOk::Set;
        }
        self
    }

    /// Asks for recursion or not.
    pub fn recursion(mut self, recursion: Recursion) -> Self {
        self.flags.rd = recursion == Recursion::Desired;
        self
    }

    /// Asks for validation or not.
    pub fn checking(mut self, checking: Checking) -> Self {
        self.flags.cd = checking == Checking::Disabled;
        self
    }

    /// Chooses how letters are written.
    pub fn letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    /// Sends from this address; port 0 leaves the choice to the kernel, as it should.
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.options.source = Some(source);
        self
    }

    /// Sends through this interface only.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.options.interface = Some(name.into());
        self
    }

    /// Sets the packet mark that policy routing sees; needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
    pub fn mark(mut self, mark: u32) -> Self {
        self.options.mark = Some(mark);
        self
    }

    /// Asks for another type of the same name.
    fn asking(mut self, rtype: RecordType) -> Self {
        self.question.rtype = rtype;
        self
    }

    fn ask(&self) -> Ask {
        let (question, flags, edns) = (self.question.clone(), self.flags, self.edns.clone());
        Ask { question, flags, edns, extras: self.extras }
    }

    fn policy_for(&self, servers: &[SocketAddr], verdict: Verdict) -> Policy {
        Policy {
            servers: servers.iter().map(|server| (*server, self.timeout)).collect(),
            tries: self.tries,
            transport: self.transport,
            edns: self.edns.is_some(),
            letters: self.letters,
            verdict,
        }
    }

    /// Puts another question to the query's own servers, as stub resolvers do.
    fn asked_of(&self, name: &Name, rtype: RecordType) -> Asked {
        let mut ask = self.ask();
        ask.question = Question::new(name.clone(), rtype);
        Asked { ask, policy: self.policy_for(&self.servers, Verdict::Stub) }
    }

    /// Opens what the question is asked through.
    fn channel(&self, netns: Netns) -> Result<DnsChannel> {
        let channel = DnsChannel::open(netns, self.options.clone())?;
        match self.transport {
            #[cfg(feature = "tls")]
            Transport::Tls | Transport::Https => Ok(channel.secured(self.tls.client()?)),
            #[cfg(not(feature = "tls"))]
            Transport::Tls | Transport::Https => {
                Err(Error::invalid("transport", "built without the feature tls"))
            }
            _ => Ok(channel),
        }
    }

    /// Asks what a plan says with the sockets of this query.
    fn carry_out<P: Plan>(&self, plan: P, target: &Target, budget: &Budget) -> Result<P::Report> {
        let netns = target.open()?;
        let place = (netns.id(), Anchor::now());
        let machine = PlanMachine::new(plan, Nonces::draw, place);
        let channel = self.channel(netns)?;
        Session::new(machine, channel, target)?.run(budget)
    }

    fn check(&self) -> Result<()> {
        if self.servers.is_empty() {
            return Err(Error::invalid("server", "none given"));
        }
        let Some(source) = self.options.source else {
            return Ok(());
        };
        let other = |server: &&SocketAddr| Family::of(server.ip()) != Family::of(source.ip());
        match self.servers.iter().find(other) {
            None => Ok(()),
            Some(server) => {
                let why = format!("{} cannot reach {}", source.ip(), server.ip());
                Err(Error::invalid("source address", why))
            }
        }
    }
}

impl Probe for DnsQuery {
    type Report = DnsReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<DnsReport> {
        self.check()?;
        let netns = target.open()?;
        let policy = self.policy_for(&self.servers, Verdict::Any);
        let nonces = Nonces::draw(policy.most_queries())?;
        let place = (netns.id(), Anchor::now());
        let machine = DnsMachine::new(self.ask(), policy, nonces, 0, place);
        let channel = self.channel(netns)?;
        Session::new(machine, channel, target)?.run(budget)
    }
}
