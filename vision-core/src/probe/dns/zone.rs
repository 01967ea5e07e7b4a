//! Whether the servers of a zone hold the same version of it.

use std::net::{IpAddr, SocketAddr};

use super::plan::{Asked, Plan};
use super::report::DnsReport;
use super::schedule::Verdict;
use super::{DnsQuery, Recursion};
use crate::base::{Budget, Gap, Result};
use crate::netns::{NetnsId, Target};
use crate::probe::Probe;
use crate::wire::dns::{Message, Name, RData, Rcode, RecordType};

/// Asks every server of a zone for its start of authority, as `host -C` does.
///
/// The servers of the zone and their addresses are found through the resolvers given; then each
/// address is asked without recursion. Needs no capability.
///
/// ```no_run
/// use vision_core::{Budget, Selector, Target};
/// use vision_core::probe::{Probe, ZoneCheck};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let check = ZoneCheck::new("example.com".parse()?).resolver("10.96.0.10:53".parse().expect("an address"));
/// let report = check.run(&target, &Budget::unbounded())?;
/// println!("serials: {:?}", report.serials());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZoneCheck {
    query: DnsQuery,
    port: u16,
}

/// What the servers of a zone say about its version.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ZoneReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// The zone.
    pub zone: Name,
    /// Who was asked for the zone's servers, and what came of it.
    pub delegation: Option<DnsReport>,
    /// Each address of each server, in the order of the delegation.
    pub servers: Vec<ZoneServer>,
    /// Servers for which no address was found.
    pub without_address: Vec<Name>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One address of a zone's server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ZoneServer {
    /// Its name.
    pub name: Name,
    /// Its address.
    pub addr: IpAddr,
    /// The version it holds; `None` when it gave none.
    pub serial: Option<u32>,
    /// Whether it claims authority.
    pub authoritative: bool,
    /// What was asked and said.
    pub report: DnsReport,
}

impl ZoneCheck {
    /// Checks a zone; at least one resolver is needed.
    pub fn new(zone: Name) -> Self {
        Self { query: DnsQuery::new(zone, RecordType::Ns), port: 53 }
    }

    /// Takes waits, transport and interface from a query whose name is the zone and whose servers
    /// are the resolvers.
    pub fn from_query(query: DnsQuery) -> Self {
        Self { query: query.asking(RecordType::Ns), port: 53 }
    }

    /// Adds a server that finds other servers.
    pub fn resolver(mut self, server: SocketAddr) -> Self {
        self.query = self.query.server(server);
        self
    }

    /// Asks the zone's servers at this port instead of 53.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }
}

impl ZoneReport {
    /// Lists the different versions, in the order they were met.
    pub fn serials(&self) -> Vec<u32> {
        let mut serials = Vec::new();
        for serial in self.servers.iter().filter_map(|server| server.serial) {
            if !serials.contains(&serial) {
                serials.push(serial);
            }
        }
        serials
    }

    /// Tells whether every server has an address, authority, and the same version.
    pub fn agrees(&self) -> bool {
        let sound = |server: &ZoneServer| server.serial.is_some() && server.authoritative;
        let complete = self.without_address.is_empty() && self.servers.iter().all(sound);
        complete && self.serials().len() == 1
    }
}

impl Probe for ZoneCheck {
    type Report = ZoneReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<ZoneReport> {
        self.query.check()?;
        let plan = Check {
            query: self.query.clone(),
            port: self.port,
            stage: Stage::Start,
            delegation: None,
            names: Vec::new(),
            addresses: Vec::new(),
            servers: Vec::new(),
        };
        self.query.carry_out(plan, target, budget)
    }
}

/// Servers of one zone asked at most; the root has thirteen.
const MAX_SERVERS: usize = 64;

struct Check {
    query: DnsQuery,
    port: u16,
    stage: Stage,
    delegation: Option<DnsReport>,
    names: Vec<Name>,
    addresses: Vec<(Name, IpAddr)>,
    servers: Vec<ZoneServer>,
}

enum Stage {
    Start,
    Delegation,
    Addresses,
    Serials,
}

impl Check {
    fn take_delegation(&mut self, report: Option<DnsReport>) -> Vec<Asked> {
        for record in report.iter().filter_map(DnsReport::answer).flat_map(|m| &m.answers) {
            let RData::Ns(name) = &record.data else { continue };
            let is_own = record.name == self.query.question.name;
            if is_own && !self.names.contains(name) && self.names.len() < MAX_SERVERS {
                self.names.push(name.clone());
            }
        }
        self.delegation = report;
        self.stage = Stage::Addresses;
        let types = [RecordType::A, RecordType::Aaaa];
        let questions = self.names.iter().flat_map(|name| types.map(|rtype| (name, rtype)));
        questions.map(|(name, rtype)| self.query.asked_of(name, rtype)).collect()
    }

    fn take_addresses(&mut self, reports: &[DnsReport]) -> Vec<Asked> {
        for report in reports {
            let records = report.answer().map(|m| m.answers.as_slice()).unwrap_or_default();
            for addr in records.iter().filter_map(|record| record.data.addr()) {
                let found = (report.question.name.clone(), addr);
                if !self.addresses.contains(&found) {
                    self.addresses.push(found);
                }
            }
        }
        self.addresses.truncate(MAX_SERVERS);
        self.stage = Stage::Serials;
        let query = self.query.clone().asking(RecordType::Soa).recursion(Recursion::Unwanted);
        let asked = |(_, addr): &(Name, IpAddr)| Asked {
            ask: query.ask(),
            policy: query.policy_for(&[SocketAddr::new(*addr, self.port)], Verdict::Any),
        };
        self.addresses.iter().map(asked).collect()
    }

    fn take_serials(&mut self, reports: Vec<DnsReport>) {
        let zone = &self.query.question.name;
        for ((name, addr), report) in self.addresses.iter().zip(reports) {
            let answer = report.answer();
            self.servers.push(ZoneServer {
                name: name.clone(),
                addr: *addr,
                serial: answer.and_then(|message| serial(message, zone)),
                authoritative: answer.is_some_and(|message| message.header.flags.aa),
                report,
            });
        }
    }
}

fn serial(message: &Message, zone: &Name) -> Option<u32> {
    let records = message.answers.iter().filter(|record| record.name == *zone);
    let mut soas = records.filter_map(|record| match &record.data {
        RData::Soa(soa) => Some(soa.serial),
        _ => None,
    });
    soas.next().filter(|_| message.header.rcode == Rcode::NoError)
}

impl Plan for Check {
    type Report = ZoneReport;

    fn next(&mut self, answered: Vec<DnsReport>) -> Vec<Asked> {
        match self.stage {
            Stage::Start => {
                self.stage = Stage::Delegation;
                vec![self.query.asked_of(&self.query.question.name, RecordType::Ns)]
            }
            Stage::Delegation => self.take_delegation(answered.into_iter().next()),
            Stage::Addresses => self.take_addresses(&answered),
            Stage::Serials => {
                self.take_serials(answered);
                Vec::new()
            }
        }
    }

    fn finish(self, netns: NetnsId, gaps: Vec<Gap>) -> ZoneReport {
        let has_address = |name: &&Name| self.addresses.iter().any(|(known, _)| known == *name);
        let without_address =
            self.names.iter().filter(|name| !has_address(name)).cloned().collect();
        ZoneReport {
            netns,
            zone: self.query.question.name,
            delegation: self.delegation,
            servers: self.servers,
            without_address,
            gaps,
        }
    }
}
