//! The zones from an anchor down to a name, and the keys that are trusted in each.

use std::collections::HashMap;

use super::super::report::{DnsOutcome, DnsReport};
use super::anchor::TrustAnchor;
use super::denial::{Denial, Proof};
use super::report::{ChainKey, ChainLink, Validity};
use crate::wire::dns::verify::{SignedMessage, Signer, ZoneKey, algorithm_name, is_supported};
use crate::wire::dns::{Message, Moment, Name, RData, Rcode, RecordType, Rrsig};

/// What was fetched for one name and type.
pub(super) struct Fetched {
    pub(super) report: DnsReport,
    signed: Result<SignedMessage, String>,
}

/// All that was fetched so far.
pub(super) struct Store {
    pub(super) anchors: Vec<TrustAnchor>,
    /// Seconds since 1970, modulo 2³², as signatures have them.
    pub(super) now_s: u32,
    pub(super) fetched: HashMap<(Name, RecordType), Fetched>,
}

/// A question whose answer is still missing.
pub(super) type Need = (Name, RecordType);

/// Something that is not as it should be, or simply unsigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) validity: Validity,
    pub(super) reason: String,
}

/// Where a walk down from the anchor ended.
pub(super) struct Reached {
    pub(super) zone: Name,
    pub(super) keys: Vec<ZoneKey>,
    pub(super) links: Vec<ChainLink>,
    /// Why the walk ended before the name's own zone.
    pub(super) flaw: Option<Flaw>,
}

impl Flaw {
    pub(super) fn new(validity: Validity, reason: impl Into<String>) -> Self {
        Self { validity, reason: reason.into() }
    }

    fn bogus(reason: impl Into<String>) -> Self {
        Self::new(Validity::Bogus, reason)
    }
}

impl Fetched {
    pub(super) fn new(report: DnsReport) -> Self {
        let wire = report.decisive().and_then(|attempt| attempt.wire.as_ref());
        let signed = match wire {
            Some(wire) => SignedMessage::read(wire.answer.as_bytes()),
            None => Err("no answer".to_owned()),
        };
        Self { report, signed }
    }

    /// The answer, or why there is none that counts.
    pub(super) fn message(&self) -> Result<&Message, Flaw> {
        let flaw = |why: String| {
            let question = &self.report.question;
            let reason = format!("{} {}: {why}", question.name, question.rtype);
            Flaw::new(Validity::Indeterminate, reason)
        };
        let Some(message) = self.report.answer() else {
            let last = self.report.attempts.last().map(|attempt| &attempt.outcome);
            let silent = matches!(last, Some(DnsOutcome::TimedOut { .. }));
            return Err(flaw(if silent { "no answer" } else { "could not be asked" }.to_owned()));
        };
        match message.header.rcode {
            Rcode::NoError | Rcode::NxDomain => Ok(message),
            rcode => Err(flaw(format!("the server answers {rcode}"))),
        }
    }

    /// Checks the signatures over one set; the tag of the key that holds.
    pub(super) fn check(
        &self,
        (owner, rtype): (&Name, RecordType),
        (zone, keys): (&Name, &[ZoneKey]),
        now_s: u32,
    ) -> Result<(u16, Rrsig), Flaw> {
        let message = self.message()?;
        let what = format!("{owner} {rtype}");
        let records = message.answers.iter().chain(&message.authorities);
        let sigs =
            records.filter(|record| record.name == *owner).filter_map(|record| {
                match &record.data {
                    RData::Rrsig(sig) if sig.covers == rtype => Some(sig),
                    _ => None,
                }
            });
        let mut flaw = Flaw::bogus(format!("{what} is not signed, though {zone} is"));
        for sig in sigs {
            match self.try_one(sig, owner, (zone, keys), now_s) {
                Ok(tag) => return Ok((tag, sig.clone())),
                Err(why) => flaw = Flaw::bogus(format!("{what}: {why}")),
            }
        }
        Err(flaw)
    }

    fn try_one(
        &self,
        sig: &Rrsig,
        owner: &Name,
        (zone, keys): (&Name, &[ZoneKey]),
        now_s: u32,
    ) -> Result<u16, String> {
        let tag = sig.key_tag;
        if sig.signer != *zone {
            return Err(format!("signed by {}, not by {zone}", sig.signer));
        }
        if usize::from(sig.labels) > owner.labels().count() {
            return Err("the signature counts more labels than the name has".to_owned());
        }
        // Serial number arithmetic (RFC 4034 §3.1.5).
        if (sig.expires_unix_s.wrapping_sub(now_s) as i32) < 0 {
            return Err(format!("the signature expired at {}", Moment(sig.expires_unix_s)));
        }
        if (now_s.wrapping_sub(sig.inception_unix_s) as i32) < 0 {
            return Err(format!("the signature begins only at {}", Moment(sig.inception_unix_s)));
        }
        let mut fitting = keys
            .iter()
            .filter(|key| key.tag() == tag && key.algorithm == sig.algorithm && key.may_sign())
            .peekable();
        if fitting.peek().is_none() {
            return Err(format!("key {tag} of {zone}, which signed it, is not among its keys"));
        }
        let signed = self.signed.as_ref().map_err(Clone::clone)?;
        // Different keys may have the same tag; a few are tried, not a flood of them.
        let mut why = String::new();
        for key in fitting.take(4) {
            match signed.verify(owner, sig, key) {
                Ok(()) => return Ok(tag),
                Err(error) => why = error,
            }
        }
        Err(format!("the signature by key {tag} of {zone} does not hold ({why})"))
    }
}

impl Store {
    pub(super) fn get(&self, name: &Name, rtype: RecordType) -> Result<&Fetched, Need> {
        let key = (name.clone(), rtype);
        self.fetched.get(&key).ok_or(key)
    }

    /// Goes down from the anchor to the zone that `name` is in; delegation signers of the name
    /// itself are its parent's.
    pub(super) fn walk(&self, name: &Name, rtype: RecordType) -> Result<Reached, Need> {
        let anchored = self.anchors.iter().map(TrustAnchor::zone);
        let start = anchored.filter(|zone| name.is_within(zone)).max_by_key(|z| z.labels().count());
        let Some(start) = start else {
            let reason = format!("no trust anchor is above {name}");
            let flaw = Some(Flaw::new(Validity::Indeterminate, reason));
            let (zone, keys, links) = (Name::root(), Vec::new(), Vec::new());
            return Ok(Reached { zone, keys, links, flaw });
        };
        let mut reached =
            Reached { zone: start.clone(), keys: Vec::new(), links: Vec::new(), flaw: None };
        self.enter(&mut reached, start, None)?;
        for child in below(start, name) {
            if reached.flaw.is_some() || rtype == RecordType::Ds && child == *name {
                break;
            }
            match self.delegation(&reached, &child)? {
                Ok(Step::Signed(signers)) => self.enter(&mut reached, &child, Some(&signers))?,
                Ok(Step::SameZone) => {}
                Ok(Step::Stop) => break,
                Err(flaw) => {
                    let insecure = flaw.validity == Validity::Insecure;
                    if insecure || flaw.validity == Validity::Bogus {
                        reached.links.push(ChainLink {
                            zone: child,
                            validity: flaw.validity,
                            reason: flaw.reason.clone(),
                            signers: Vec::new(),
                            keys: Vec::new(),
                        });
                    }
                    reached.flaw = Some(flaw);
                }
            }
        }
        Ok(reached)
    }

    /// Takes the keys of a zone, if a delegation signer or an anchor stands for one that signs
    /// them.
    fn enter(
        &self,
        reached: &mut Reached,
        zone: &Name,
        signers: Option<&[Signer]>,
    ) -> Result<(), Need> {
        let fetched = self.get(zone, RecordType::Dnskey)?;
        let trusts = |key: &ZoneKey| match signers {
            Some(signers) => signers.iter().any(|signer| signer.stands_for(zone, key)),
            None => {
                let mut own = self.anchors.iter().filter(|anchor| anchor.zone() == zone);
                own.any(|anchor| anchor.trusts(key))
            }
        };
        let tags: Vec<_> = match signers {
            Some(signers) => signers.iter().map(|signer| signer.key_tag).collect(),
            None => {
                let own = self.anchors.iter().filter(|anchor| anchor.zone() == zone);
                own.map(TrustAnchor::tag).collect()
            }
        };
        let (keys, judged) = match fetched.message() {
            Err(flaw) => (Vec::new(), Err(flaw)),
            Ok(message) => {
                let own = message.answers.iter().filter(|record| record.name == *zone);
                let keys: Vec<_> = own.filter_map(|record| ZoneKey::of(&record.data)).collect();
                let entries: Vec<_> = keys.iter().filter(|key| trusts(key)).cloned().collect();
                let judged = self.judge_keys(fetched, zone, &keys, (&entries, signers.is_none()));
                (keys, judged)
            }
        };
        let entry = |key: &ZoneKey| judged.is_ok() && trusts(key);
        let shown = keys.iter().map(|key| ChainKey {
            tag: key.tag(),
            flags: key.flags,
            algorithm: key.algorithm,
            algorithm_name: algorithm_name(key.algorithm).map(str::to_owned),
            entry: entry(key),
        });
        let (validity, reason) = match &judged {
            Ok(reason) => (Validity::Secure, reason.clone()),
            Err(flaw) => (flaw.validity, flaw.reason.clone()),
        };
        let keys_shown = shown.collect();
        reached.links.push(ChainLink {
            zone: zone.clone(),
            validity,
            reason,
            signers: tags,
            keys: keys_shown,
        });
        match judged {
            Ok(_) => (reached.zone, reached.keys) = (zone.clone(), keys),
            Err(flaw) => reached.flaw = Some(flaw),
        }
        Ok(())
    }

    fn judge_keys(
        &self,
        fetched: &Fetched,
        zone: &Name,
        keys: &[ZoneKey],
        (entries, by_anchor): (&[ZoneKey], bool),
    ) -> Result<String, Flaw> {
        let by = if by_anchor { "the trust anchor" } else { "its delegation signer" };
        if keys.is_empty() {
            return Err(Flaw::bogus(format!("{zone} has no keys, though {by} says it is signed")));
        }
        if entries.is_empty() {
            return Err(Flaw::bogus(format!("none of the keys of {zone} is the one {by} names")));
        }
        let owner = (zone, RecordType::Dnskey);
        let (tag, _) = fetched.check(owner, (zone, entries), self.now_s)?;
        Ok(format!("keys signed by key {tag}, which {by} names"))
    }

    /// Finds out whether a zone begins at `child`.
    fn delegation(&self, at: &Reached, child: &Name) -> Result<Result<Step, Flaw>, Need> {
        let fetched = self.get(child, RecordType::Ds)?;
        Ok(self.judge_delegation(fetched, at, child))
    }

    fn judge_delegation(
        &self,
        fetched: &Fetched,
        at: &Reached,
        child: &Name,
    ) -> Result<Step, Flaw> {
        let message = fetched.message()?;
        let trust = (&at.zone, at.keys.as_slice());
        let own = message.answers.iter().filter(|record| record.name == *child);
        let signers: Vec<_> = own.clone().filter_map(|record| Signer::of(&record.data)).collect();
        if !signers.is_empty() {
            fetched.check((child, RecordType::Ds), trust, self.now_s)?;
            let supported: Vec<_> = signers.into_iter().filter(Signer::is_supported).collect();
            return match supported.is_empty() {
                false => Ok(Step::Signed(supported)),
                true => Err(Flaw::new(
                    Validity::Insecure,
                    format!("{child} is signed with nothing that can be checked here"),
                )),
            };
        }
        if own.clone().any(|record| record.rtype == RecordType::Cname) {
            fetched.check((child, RecordType::Cname), trust, self.now_s)?;
            return Ok(Step::SameZone);
        }
        let holds = |name: &Name, rtype| fetched.check((name, rtype), trust, self.now_s).is_ok();
        let proof = Proof::of(message, &at.zone, holds);
        let insecure = |why: String| Err(Flaw::new(Validity::Insecure, why));
        match proof.about(child, RecordType::Ds) {
            Denial::NoData { delegation: true } => {
                insecure(format!("{child} is delegated without a delegation signer: unsigned"))
            }
            Denial::NoData { delegation: false } => Ok(Step::SameZone),
            Denial::NoName => Ok(Step::Stop),
            Denial::OptOut => insecure(format!("{child} may be unsigned: {} opts out", at.zone)),
            Denial::TooCostly => insecure(format!("{} hashes names too often", at.zone)),
            Denial::Unproven => {
                let flaw = unproven(fetched, trust, self.now_s);
                let why = flaw.map(|flaw| format!(" ({})", flaw.reason)).unwrap_or_default();
                Err(Flaw::bogus(format!("no proof that {child} has no delegation signer{why}")))
            }
        }
    }
}

/// The first record of denial whose signature does not hold.
pub(super) fn unproven(fetched: &Fetched, trust: (&Name, &[ZoneKey]), now_s: u32) -> Option<Flaw> {
    let message = fetched.message().ok()?;
    let denials = message
        .authorities
        .iter()
        .filter(|record| matches!(record.rtype, RecordType::Nsec | RecordType::Nsec3));
    let mut checked = denials.map(|r| fetched.check((&r.name, r.rtype), trust, now_s));
    checked.find_map(Result::err)
}

/// What lies below a zone.
enum Step {
    /// A zone that is signed by one of these.
    Signed(Vec<Signer>),
    /// No zone begins here.
    SameZone,
    /// Nothing at all lies below.
    Stop,
}

/// The names from below `zone` down to `name`.
pub(super) fn below(zone: &Name, name: &Name) -> Vec<Name> {
    let mut names = Vec::new();
    let mut next = Some(name.clone());
    while let Some(name) = next.filter(|name| name != zone) {
        next = name.parent();
        names.push(name);
    }
    names.reverse();
    names
}

/// Tells whether any of the keys can be used at all.
pub(super) fn usable(keys: &[ZoneKey]) -> bool {
    keys.iter().any(|key| is_supported(key.algorithm))
}
