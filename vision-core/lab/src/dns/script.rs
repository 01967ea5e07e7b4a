//! What a scripted server knows and how it behaves.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::{
    codec::{check, same_name},
    record::{Rdata, Record, Type},
};

/// How the server treats a query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Behaviour {
    /// The truth; NXDOMAIN with the SOA for names the script does not have.
    Answer,
    /// NXDOMAIN with the SOA.
    NxDomain,
    /// SERVFAIL.
    ServFail,
    /// REFUSED.
    Refused,
    /// NOERROR without an answer, with the SOA.
    NoData,
    /// Nothing.
    Silent,
    /// Nothing to the first n queries for that name and type, then the truth.
    SilentFirst(usize),
    /// SERVFAIL to the first n queries for that name and type, then the truth.
    ServFailFirst(usize),
    /// The truth, late.
    Slow(Duration),
    /// Over UDP a truncated reply without an answer, over TCP the truth.
    Truncate,
    /// Only a forged reply.
    Forged(Forgery),
    /// A forged reply, and 20 ms later the truth.
    ForgedFirst(Forgery),
    /// The right id and source, and then no DNS message.
    Garbage,
    /// FORMERR (without OPT) to queries with EDNS, the truth to those without.
    FormErrOnEdns,
}

/// What is wrong with a forged reply; all else is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forgery {
    /// The message id.
    Id,
    /// It comes from another local port (over UDP).
    Source,
    /// The question's letters have the other case.
    Case,
    /// The question is for another name.
    Name,
    /// The addresses: 192.0.2.66 and 2001:db8::66. Nothing gives it away.
    Address,
}

/// Zone records and behaviours. Names are absolute; their case and a final dot do not matter.
#[derive(Debug, Clone)]
pub struct DnsScript {
    records: Vec<Record>,
    rules: Vec<Rule>,
    otherwise: Behaviour,
}

#[derive(Debug, Clone)]
struct Rule {
    name: String,
    kind: Option<Type>,
    behaviour: Behaviour,
}

impl Default for DnsScript {
    fn default() -> Self {
        Self::new()
    }
}

impl DnsScript {
    /// An authoritative server that knows no name.
    #[must_use]
    pub fn new() -> Self {
        Self { records: Vec::new(), rules: Vec::new(), otherwise: Behaviour::Answer }
    }

    /// Adds an IPv4 address.
    #[must_use]
    pub fn a(self, name: &str, ip: Ipv4Addr) -> Self {
        self.record(name, Rdata::A(ip))
    }

    /// Adds an IPv6 address.
    #[must_use]
    pub fn aaaa(self, name: &str, ip: Ipv6Addr) -> Self {
        self.record(name, Rdata::Aaaa(ip))
    }

    /// Adds an alias.
    #[must_use]
    pub fn cname(self, name: &str, target: &str) -> Self {
        self.record(name, Rdata::Cname(target.into()))
    }

    /// Adds any record, with a TTL of 60 s.
    #[must_use]
    pub fn record(self, name: &str, data: Rdata) -> Self {
        self.record_with_ttl(name, 60, data)
    }

    /// Adds any record.
    ///
    /// # Panics
    /// When a label is over 63 bytes, or a TXT string over 255.
    #[must_use]
    pub fn record_with_ttl(mut self, name: &str, ttl_seconds: u32, data: Rdata) -> Self {
        let record = Record { name: name.trim_end_matches('.').into(), ttl_seconds, data };
        check(&record);
        self.records.push(record);
        self
    }

    /// Sets the behaviour for one name, whatever the type.
    #[must_use]
    pub fn behave(mut self, name: &str, behaviour: Behaviour) -> Self {
        self.rules.push(Rule { name: name.into(), kind: None, behaviour });
        self
    }

    /// Sets the behaviour for one name and type; goes before [`DnsScript::behave`].
    #[must_use]
    pub fn behave_for(mut self, name: &str, kind: Type, behaviour: Behaviour) -> Self {
        self.rules.push(Rule { name: name.into(), kind: Some(kind), behaviour });
        self
    }

    /// Sets the behaviour for all names without one of their own.
    #[must_use]
    pub fn otherwise(mut self, behaviour: Behaviour) -> Self {
        self.otherwise = behaviour;
        self
    }

    pub(crate) fn behaviour(&self, name: &str, kind: Type) -> &Behaviour {
        let of_type = |wanted| {
            self.rules
                .iter()
                .rev()
                .find(move |rule| rule.kind == wanted && same_name(&rule.name, name))
        };
        of_type(Some(kind))
            .or_else(|| of_type(None))
            .map_or(&self.otherwise, |rule| &rule.behaviour)
    }

    /// The answer section, aliases followed; `None` when the (aliased) name does not exist.
    pub(crate) fn look_up(&self, name: &str, kind: Type) -> Option<Vec<Record>> {
        let mut found = Vec::new();
        let mut name = name.to_owned();
        // As many aliases as resolvers follow at most.
        for _ in 0..16 {
            let here = || self.records.iter().filter(|record| same_name(&record.name, &name));
            let before = found.len();
            found.extend(
                here().filter(|record| kind == Type::Any || record.data.kind() == kind).cloned(),
            );
            let alias = here().find_map(|record| match &record.data {
                Rdata::Cname(target) => Some((record, target)),
                _ => None,
            });
            match alias {
                Some((record, target)) if found.len() == before => {
                    found.push(record.clone());
                    name.clone_from(target);
                }
                _ if found.is_empty() && !self.exists(&name) => return None,
                _ => break,
            }
        }
        Some(found)
    }

    /// The SOA of the closest enclosing zone, or the root's.
    pub(crate) fn soa(&self, name: &str) -> Record {
        let zones = self
            .records
            .iter()
            .filter(|record| record.data.kind() == Type::Soa && under(name, &record.name));
        zones.max_by_key(|record| record.name.len()).cloned().unwrap_or_else(|| Record {
            name: String::new(),
            ttl_seconds: 60,
            data: Rdata::Soa { mname: "ns.lab".into(), rname: "admin.lab".into(), serial: 1 },
        })
    }

    /// Names above existing ones exist too, without records (RFC 8020).
    fn exists(&self, name: &str) -> bool {
        self.records.iter().any(|record| under(&record.name, name))
    }
}

fn under(name: &str, zone: &str) -> bool {
    let (name, zone) = (
        name.trim_end_matches('.').to_ascii_lowercase(),
        zone.trim_end_matches('.').to_ascii_lowercase(),
    );
    zone.is_empty()
        || name.strip_suffix(&zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
