use std::collections::{HashMap, HashSet};

use super::super::DnsQuery;
use super::super::plan::{Asked, Plan};
use super::super::report::DnsReport;
use super::super::schedule::Verdict;
use super::anchor::TrustAnchor;
use super::chain::{Fetched, Flaw, Need, Reached, Store, below, unproven, usable};
use super::denial::{Denial, Proof};
use super::report::{SetVerdict, Validity, ValidityReport};
use crate::base::Gap;
use crate::netns::NetnsId;
use crate::wire::dns::{Message, Name, Question, RData, Rcode, RecordType};

/// Questions asked at most.
const MAX_QUESTIONS: usize = 200;
/// Names followed from alias to alias at most.
const MAX_ALIASES: usize = 16;
/// Zones whose keys are asked for before it is known that they exist.
const EAGER_KEYS: usize = 5;
/// Delegations asked for at once.
const EAGER_DELEGATIONS: usize = 40;

/// Fetches what a verdict needs, round by round.
pub(super) struct Validation {
    query: DnsQuery,
    store: Store,
    asked: HashSet<Need>,
    pending: Vec<Need>,
}

impl Validation {
    pub(super) fn new(query: DnsQuery, anchors: Vec<TrustAnchor>, now_s: u32) -> Self {
        let store = Store { anchors, now_s, fetched: HashMap::new() };
        Self { query, store, asked: HashSet::new(), pending: Vec::new() }
    }

    /// Wants an answer, and with it what will be wanted next.
    fn want(&mut self, (name, rtype): Need) {
        let question = &self.query.question;
        let is_main = name == question.name && rtype == question.rtype;
        let start = self.store.anchors.iter().map(|anchor| anchor.zone().clone());
        let start = start.filter(|zone| name.is_within(zone)).max_by_key(|z| z.labels().count());
        let mut wanted = vec![(name.clone(), rtype)];
        if let Some(start) = start.filter(|_| is_main || rtype == RecordType::Ds) {
            let path = below(&start, &name);
            wanted.push((start, RecordType::Dnskey));
            wanted.extend(path.iter().take(EAGER_KEYS).map(|n| (n.clone(), RecordType::Dnskey)));
            let delegations = path.into_iter().take(EAGER_DELEGATIONS);
            wanted.extend(delegations.map(|name| (name, RecordType::Ds)));
        }
        for need in wanted {
            if self.asked.len() < MAX_QUESTIONS && self.asked.insert(need.clone()) {
                self.pending.push(need);
            }
        }
    }

    fn asked_of(&self, (name, rtype): &Need) -> Asked {
        let mut ask = self.query.ask();
        ask.question =
            Question { class: ask.question.class, ..Question::new(name.clone(), *rtype) };
        Asked { ask, policy: self.query.policy_for(&self.query.servers, Verdict::Stub) }
    }

    /// Judges every set of the answer, or names what is missing for it.
    fn judge(&self) -> Result<(Vec<SetVerdict>, Vec<Reached>), Need> {
        let Question { name, rtype, .. } = &self.query.question;
        let fetched = self.store.get(name, *rtype)?;
        let message = match fetched.message() {
            Ok(message) => message,
            Err(flaw) => return Ok((vec![flawed(name, *rtype, false, flaw)], Vec::new())),
        };
        let (mut sets, mut walks) = (Vec::new(), Vec::new());
        let mut seen: Vec<(Name, RecordType)> = Vec::new();
        for record in &message.answers {
            let key = (record.name.clone(), record.rtype);
            if record.rtype != RecordType::Rrsig && !seen.contains(&key) {
                seen.push(key);
            }
        }
        for (owner, covered) in seen {
            let reached = self.store.walk(&owner, covered)?;
            sets.push(self.judge_set(fetched, &reached, (&owner, covered)));
            walks.push(reached);
        }
        let last = end_of_aliases(message, name, *rtype);
        let there = |r: &&crate::wire::dns::Record| r.name == last && is_wanted(r.rtype, *rtype);
        if !message.answers.iter().any(|record| there(&record)) {
            let reached = self.store.walk(&last, *rtype)?;
            sets.push(self.judge_denial(fetched, &reached, (&last, *rtype)));
            walks.push(reached);
        }
        Ok((sets, walks))
    }

    fn judge_set(
        &self,
        fetched: &Fetched,
        reached: &Reached,
        (owner, rtype): (&Name, RecordType),
    ) -> SetVerdict {
        if let Some(flaw) = &reached.flaw {
            return flawed(owner, rtype, false, flaw.clone());
        }
        let trust = (&reached.zone, reached.keys.as_slice());
        let checked = fetched.check((owner, rtype), trust, self.store.now_s);
        let (tag, sig) = match checked {
            Ok(found) => found,
            Err(flaw) if !usable(&reached.keys) => {
                let why = format!("{}: no key that can be used here", flaw.reason);
                return flawed(owner, rtype, false, Flaw::new(Validity::Indeterminate, why));
            }
            Err(flaw) => return flawed(owner, rtype, false, flaw),
        };
        let mut reason = format!("signed by key {tag} of {}", reached.zone);
        let star = owner.labels().next() == Some(b"*".as_slice());
        if usize::from(sig.labels) + usize::from(star) < owner.labels().count() {
            // Made from a wildcard, which must be the closest there is (RFC 4035 §5.3.4).
            let holds = |n: &Name, t| fetched.check((n, t), trust, self.store.now_s).is_ok();
            let proof = fetched.message().map(|m| Proof::of(m, &reached.zone, holds));
            let next_closer = nth_from_root(owner, usize::from(sig.labels) + 1);
            if !proof.is_ok_and(|proof| proof.denies(&next_closer)) {
                let why = format!("made from a wildcard, without proof that {next_closer} is not");
                return flawed(owner, rtype, false, Flaw::new(Validity::Bogus, why));
            }
            reason.push_str(", made from a wildcard");
        }
        let (name, validity) = (owner.clone(), Validity::Secure);
        SetVerdict { name, rtype, denial: false, validity, reason }
    }

    fn judge_denial(
        &self,
        fetched: &Fetched,
        reached: &Reached,
        (name, rtype): (&Name, RecordType),
    ) -> SetVerdict {
        if let Some(flaw) = &reached.flaw {
            return flawed(name, rtype, true, flaw.clone());
        }
        let trust = (&reached.zone, reached.keys.as_slice());
        let message = match fetched.message() {
            Ok(message) => message,
            Err(flaw) => return flawed(name, rtype, true, flaw),
        };
        let holds = |n: &Name, t| fetched.check((n, t), trust, self.store.now_s).is_ok();
        let proof = Proof::of(message, &reached.zone, holds);
        let no_name = message.header.rcode == Rcode::NxDomain;
        let secure = |reason: String| SetVerdict {
            name: name.clone(),
            rtype,
            denial: true,
            validity: Validity::Secure,
            reason,
        };
        match proof.about(name, rtype) {
            Denial::NoName if no_name => secure(format!("{} proves: no such name", reached.zone)),
            Denial::NoData { .. } if !no_name => {
                secure(format!("{} proves: no such records", reached.zone))
            }
            Denial::OptOut => {
                let why = format!("{} opts out: nothing is proven", reached.zone);
                flawed(name, rtype, true, Flaw::new(Validity::Insecure, why))
            }
            Denial::TooCostly => {
                let why = format!("{} hashes names too often", reached.zone);
                flawed(name, rtype, true, Flaw::new(Validity::Insecure, why))
            }
            _ => {
                let why = unproven(fetched, trust, self.store.now_s).map(|flaw| flaw.reason);
                let why = why.unwrap_or_else(|| match proof.is_empty() {
                    true => format!("{} gives no proof", reached.zone),
                    false => "the proof is about something else".to_owned(),
                });
                let why = format!("no proof that there is no {name} {rtype}: {why}");
                flawed(name, rtype, true, Flaw::new(Validity::Bogus, why))
            }
        }
    }
}

fn flawed(name: &Name, rtype: RecordType, denial: bool, flaw: Flaw) -> SetVerdict {
    let Flaw { validity, reason } = flaw;
    SetVerdict { name: name.clone(), rtype, denial, validity, reason }
}

fn is_wanted(rtype: RecordType, asked: RecordType) -> bool {
    rtype == asked || asked == RecordType::Any && rtype != RecordType::Rrsig
}

fn end_of_aliases(message: &Message, name: &Name, rtype: RecordType) -> Name {
    let mut name = name.clone();
    for _ in 0..MAX_ALIASES {
        let alias = message.answers.iter().find_map(|record| match &record.data {
            RData::Cname(target) if record.name == name && rtype != RecordType::Cname => {
                Some(target.clone())
            }
            _ => None,
        });
        match alias {
            Some(target) => name = target,
            None => break,
        }
    }
    name
}

/// The last `count` labels of a name.
fn nth_from_root(name: &Name, count: usize) -> Name {
    let mut name = name.clone();
    while name.labels().count() > count {
        match name.parent() {
            Some(parent) => name = parent,
            None => break,
        }
    }
    name
}

impl Plan for Validation {
    type Report = ValidityReport;

    fn next(&mut self, answered: Vec<DnsReport>) -> Vec<Asked> {
        for (need, report) in std::mem::take(&mut self.pending).into_iter().zip(answered) {
            self.store.fetched.insert(need, Fetched::new(report));
        }
        if let Err(need) = self.judge() {
            self.want(need);
        }
        self.pending.iter().map(|need| self.asked_of(need)).collect()
    }

    fn finish(mut self, netns: NetnsId, gaps: Vec<Gap>) -> ValidityReport {
        let Question { name, rtype, .. } = self.query.question.clone();
        let (sets, walks) = self.judge().unwrap_or_else(|(missing, of_type)| {
            let why = format!("{missing} {of_type} was not asked for: the run ended, or too much");
            let flaw = Flaw::new(Validity::Indeterminate, why);
            (vec![flawed(&name, rtype, false, flaw)], Vec::new())
        });
        let mut chain = Vec::new();
        for link in walks.into_iter().flat_map(|walk| walk.links) {
            if !chain.contains(&link) {
                chain.push(link);
            }
        }
        let worst = sets.iter().max_by_key(|set| set.validity);
        let validity = worst.map_or(Validity::Indeterminate, |set| set.validity);
        let insecure = worst.filter(|set| set.validity != Validity::Secure);
        let reason = insecure.map(|set| set.reason.clone());
        let answer = self.store.fetched.remove(&(name, rtype)).map(|fetched| fetched.report);
        ValidityReport {
            netns,
            question: self.query.question,
            validity,
            reason,
            chain,
            sets,
            answer,
            questions: self.asked.len(),
            gaps,
        }
    }
}
