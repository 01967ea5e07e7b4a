//! Answers validated from a trust anchor down.

mod anchor;
mod chain;
mod denial;
mod plan;
mod report;
#[cfg(test)]
mod tests;

pub use self::anchor::TrustAnchor;
use self::plan::Validation;
pub use self::report::{ChainKey, ChainLink, SetVerdict, Validity, ValidityReport};
use super::{Checking, DnsQuery, DnssecOk, Letters};
use crate::base::{Budget, Result};
use crate::netns::Target;
use crate::probe::{Anchor, Probe};

/// Validates an answer by itself, whatever its server says of it (RFC 4035 §5).
///
/// The servers of the query only fetch: they are asked with the CD bit for the answer, and for
/// the keys and delegation signers of every zone from the trust anchor down. The report names
/// the zones on the way, and for a bogus answer the first thing that is wrong. Needs no
/// capability; times are compared with the own clock.
///
/// ```no_run
/// use vision_core::{Budget, Selector, Target};
/// use vision_core::probe::{DnsQuery, Probe, Validate};
/// use vision_core::wire::dns::RecordType;
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let query = DnsQuery::new("www.example.com".parse()?, RecordType::A)
///     .server("10.96.0.10:53".parse().expect("an address"));
/// let report = Validate::new(query).run(&target, &Budget::unbounded())?;
/// println!("{:?} {:?}", report.validity, report.reason);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Validate {
    query: DnsQuery,
    anchors: Vec<TrustAnchor>,
}

impl Validate {
    /// Trusts the keys of the root zone.
    pub fn new(query: DnsQuery) -> Self {
        Self { query, anchors: Vec::new() }
    }

    /// Trusts this key instead; several may be given, for one zone or for several.
    pub fn anchor(mut self, anchor: TrustAnchor) -> Self {
        self.anchors.push(anchor);
        self
    }
}

impl Probe for Validate {
    type Report = ValidityReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<ValidityReport> {
        self.query.check()?;
        let query = self.query.clone();
        // Random letters would end up in names that signatures cover as they are.
        let query = query.checking(Checking::Disabled).letters(Letters::AsGiven).keep_wire();
        let query = if query.edns.is_none() { query.edns(Some(1232)) } else { query };
        let query = query.dnssec_ok(DnssecOk::Set);
        let anchors = match self.anchors.as_slice() {
            [] => anchor::root(),
            given => given.to_vec(),
        };
        let now = Anchor::now().wall(crate::probe::driver::now()).as_unix_nanos();
        let now_s = u32::try_from((now / 1_000_000_000) & 0xffff_ffff).unwrap_or_default();
        let plan = Validation::new(query.clone(), anchors, now_s);
        query.carry_out(plan, target, budget)
    }
}
