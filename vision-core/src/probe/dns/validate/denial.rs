//! Proofs that something does not exist (RFC 4035 §5.4, RFC 5155 §8).

use std::cmp::Ordering;

use crate::wire::dns::verify::nsec3_hash;
use crate::wire::dns::{Message, Name, Nsec3, RData, RecordType, TypeBitmap, base32hex};

/// Rounds of hashing that are worth it (RFC 9276 §3.2); more make a zone count as unsigned.
const MAX_ITERATIONS: u16 = 150;

/// What validated records of denial say about a name and type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// The name exists, with these marks, and the type does not.
    NoData { delegation: bool },
    /// The name does not exist.
    NoName,
    /// An unsigned delegation may be here (RFC 5155 §6).
    OptOut,
    /// Too costly to check.
    TooCostly,
    /// Nothing of use.
    Unproven,
}

/// Records of denial whose signatures hold.
pub(super) struct Proof<'m> {
    zone: &'m Name,
    nsecs: Vec<(&'m Name, &'m Name, &'m TypeBitmap)>,
    nsec3s: Vec<(&'m Name, &'m Nsec3)>,
}

impl<'m> Proof<'m> {
    /// Takes those records of the authority section that `holds` finds signed by the zone.
    pub(super) fn of(
        message: &'m Message,
        zone: &'m Name,
        holds: impl Fn(&Name, RecordType) -> bool,
    ) -> Self {
        let mut proof = Self { zone, nsecs: Vec::new(), nsec3s: Vec::new() };
        for record in &message.authorities {
            match &record.data {
                RData::Nsec { next, types } if holds(&record.name, RecordType::Nsec) => {
                    proof.nsecs.push((&record.name, next, types));
                }
                RData::Nsec3(nsec3) if holds(&record.name, RecordType::Nsec3) => {
                    proof.nsec3s.push((&record.name, nsec3));
                }
                _ => {}
            }
        }
        proof
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nsecs.is_empty() && self.nsec3s.is_empty()
    }

    /// Says what the records prove about a name and type.
    pub(super) fn about(&self, name: &Name, rtype: RecordType) -> Denial {
        if !self.nsecs.is_empty() {
            return self.by_nsec(name, rtype);
        }
        match self.nsec3s.first() {
            Some((_, nsec3)) if nsec3.iterations > MAX_ITERATIONS => Denial::TooCostly,
            Some(_) => self.by_nsec3(name, rtype),
            None => Denial::Unproven,
        }
    }

    /// Tells whether a name is proven not to be there itself, as behind every wildcard answer.
    pub(super) fn denies(&self, name: &Name) -> bool {
        let covered = self.nsecs.iter().any(|(owner, next, _)| covers(owner, next, name));
        covered || self.hash(name).is_some_and(|hash| self.covering(&hash).is_some())
    }

    fn by_nsec(&self, name: &Name, rtype: RecordType) -> Denial {
        if let Some((.., types)) = self.nsecs.iter().find(|(owner, ..)| *owner == name) {
            return judge(types, rtype);
        }
        let covering = self.nsecs.iter().find(|(owner, next, _)| covers(owner, next, name));
        let Some((owner, next, _)) = covering else {
            return Denial::Unproven;
        };
        // A name below exists, so that this one does, empty (RFC 8020 §2).
        if next.is_within(name) {
            return Denial::NoData { delegation: false };
        }
        let encloser = common(owner, name).max_by_labels(common(next, name));
        let wildcard = "*".parse::<Name>().ok().and_then(|star| star.join(&encloser));
        let Some(wildcard) = wildcard.filter(|_| encloser.is_within(self.zone)) else {
            return Denial::Unproven;
        };
        if let Some((.., types)) = self.nsecs.iter().find(|(owner, ..)| **owner == wildcard) {
            return judge(types, rtype);
        }
        match self.nsecs.iter().any(|(owner, next, _)| covers(owner, next, &wildcard)) {
            true => Denial::NoName,
            false => Denial::Unproven,
        }
    }

    fn by_nsec3(&self, name: &Name, rtype: RecordType) -> Denial {
        if let Some(types) = self.matching(name) {
            return judge(types, rtype);
        }
        // The closest name that exists, and the one below it that does not.
        let mut next_closer = name.clone();
        let mut encloser = name.parent();
        while let Some(candidate) = encloser.filter(|name| name.is_within(self.zone)) {
            if self.matching(&candidate).is_some() {
                let Some(covering) = self.hash(&next_closer).and_then(|h| self.covering(&h)) else {
                    return Denial::Unproven;
                };
                if covering.flags & 1 != 0 {
                    return Denial::OptOut;
                }
                let wildcard = "*".parse::<Name>().ok().and_then(|star| star.join(&candidate));
                return match wildcard {
                    Some(wildcard) => match self.matching(&wildcard) {
                        Some(types) => judge(types, rtype),
                        None if self.denies(&wildcard) => Denial::NoName,
                        None => Denial::Unproven,
                    },
                    None => Denial::Unproven,
                };
            }
            encloser = candidate.parent();
            next_closer = candidate;
        }
        Denial::Unproven
    }

    fn hash(&self, name: &Name) -> Option<Vec<u8>> {
        let (_, nsec3) = self.nsec3s.first()?;
        let usable = nsec3.algorithm == 1 && nsec3.iterations <= MAX_ITERATIONS;
        usable.then(|| nsec3_hash(name, nsec3.salt.as_bytes(), nsec3.iterations)).flatten()
    }

    fn matching(&self, name: &Name) -> Option<&'m TypeBitmap> {
        let label = base32hex(&self.hash(name)?);
        let is_owner = |owner: &Name| {
            owner.labels().next().is_some_and(|l| l.eq_ignore_ascii_case(label.as_bytes()))
                && owner.parent().as_ref() == Some(self.zone)
        };
        self.nsec3s.iter().find(|(owner, _)| is_owner(owner)).map(|(_, nsec3)| &nsec3.types)
    }

    fn covering(&self, hash: &[u8]) -> Option<&'m Nsec3> {
        let label = base32hex(hash);
        let found = self.nsec3s.iter().find(|(owner, nsec3)| {
            let own = owner.labels().next().unwrap_or_default().to_ascii_uppercase();
            let next = base32hex(nsec3.next_hashed.as_bytes());
            let (own, next, hash) = (own.as_slice(), next.as_bytes(), label.as_bytes());
            match own < next {
                true => own < hash && hash < next,
                // The last one reaches round to the first.
                false => own < hash || hash < next,
            }
        });
        found.map(|(_, nsec3)| *nsec3)
    }
}

fn judge(types: &TypeBitmap, rtype: RecordType) -> Denial {
    let has = |rtype| types.0.contains(&rtype);
    match has(rtype) || has(RecordType::Cname) {
        true => Denial::Unproven,
        false => Denial::NoData { delegation: has(RecordType::Ns) && !has(RecordType::Soa) },
    }
}

/// Tells whether `name` lies strictly between an owner and its next name.
fn covers(owner: &Name, next: &Name, name: &Name) -> bool {
    let after_owner = canonical(owner, name) == Ordering::Less;
    let before_next = canonical(name, next) == Ordering::Less;
    // The last name's next is the zone itself.
    match canonical(owner, next) {
        Ordering::Less => after_owner && before_next,
        _ => after_owner || before_next,
    }
}

/// Orders names by their labels from the right, in lower case (RFC 4034 §6.1).
fn canonical(one: &Name, other: &Name) -> Ordering {
    let labels = |name: &Name| {
        let mut labels: Vec<_> = name.labels().map(<[u8]>::to_ascii_lowercase).collect();
        labels.reverse();
        labels
    };
    labels(one).cmp(&labels(other))
}

/// The longest name that both lie within.
fn common(one: &Name, other: &Name) -> Name {
    let mut candidate = Some(one.clone());
    while let Some(name) = candidate {
        if other.is_within(&name) {
            return name;
        }
        candidate = name.parent();
    }
    Name::root()
}

trait MaxByLabels {
    fn max_by_labels(self, other: Name) -> Name;
}

impl MaxByLabels for Name {
    fn max_by_labels(self, other: Name) -> Name {
        if other.labels().count() > self.labels().count() { other } else { self }
    }
}
