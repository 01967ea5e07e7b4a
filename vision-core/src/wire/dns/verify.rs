//! Signatures and digests of DNSSEC, checked by `hickory-proto`.

use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, Nsec3HashAlgorithm, PublicKeyBuf, Verifier};
use hickory_proto::op::Message as Theirs;
use hickory_proto::rr::{self, RData as TheirData};

use super::{Name, RData, Rrsig};
use crate::base::Escaped;

/// A message as signatures cover it.
pub(crate) struct SignedMessage(Theirs);

/// A zone key (RFC 4034 §2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ZoneKey {
    pub(crate) flags: u16,
    pub(crate) protocol: u8,
    pub(crate) algorithm: u8,
    pub(crate) key: Vec<u8>,
}

/// A delegation signer (RFC 4034 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signer {
    pub(crate) key_tag: u16,
    pub(crate) algorithm: u8,
    pub(crate) digest_type: u8,
    pub(crate) digest: Vec<u8>,
}

impl SignedMessage {
    /// Reads a message whole; one bad record spoils it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        Theirs::from_vec(bytes).map(Self).map_err(|error| text(&error))
    }

    /// Checks one signature of this message over the records it covers; its times are not looked
    /// at.
    pub(crate) fn verify(&self, owner: &Name, sig: &Rrsig, key: &ZoneKey) -> Result<(), String> {
        let owner = foreign(owner)?;
        let records = || self.0.answers.iter().chain(&self.0.authorities);
        let theirs = records().find_map(|record| match &record.data {
            TheirData::DNSSEC(DNSSECRData::RRSIG(it))
                if record.name == owner && it.sig() == sig.signature.as_bytes() =>
            {
                Some(it)
            }
            _ => None,
        });
        let theirs = theirs.ok_or_else(|| "the signature could not be read".to_owned())?;
        let covered = u16::from(theirs.input().type_covered);
        if covered != sig.covers.raw() {
            return Err("the signature covers another type".to_owned());
        }
        // Records of one set may come twice; signatures cover each once (RFC 4034 §6.3).
        let mut set: Vec<&rr::Record> = Vec::new();
        for record in records() {
            let belongs = record.name == owner && u16::from(record.record_type()) == covered;
            if belongs && !set.iter().any(|known| known.data == record.data) {
                set.push(record);
            }
        }
        let key = key.foreign();
        key.verify_rrsig(&owner, rr::DNSClass::IN, theirs, set.into_iter())
            .map_err(|error| text(&error))
    }
}

impl ZoneKey {
    /// Takes the data of a DNSKEY record.
    pub(crate) fn of(data: &RData) -> Option<Self> {
        match data {
            RData::Dnskey { flags, protocol, algorithm, key } => Some(Self {
                flags: *flags,
                protocol: *protocol,
                algorithm: *algorithm,
                key: key.as_bytes().to_vec(),
            }),
            _ => None,
        }
    }

    fn foreign(&self) -> DNSKEY {
        let key = PublicKeyBuf::new(self.key.clone(), Algorithm::from_u8(self.algorithm));
        DNSKEY::with_flags(self.flags, key)
    }

    /// Returns the number that signatures and delegation signers call a key by (RFC 4034,
    /// appendix B).
    pub(crate) fn tag(&self) -> u16 {
        let [high, low] = self.flags.to_be_bytes();
        let head = [high, low, self.protocol, self.algorithm];
        let bytes = head.iter().chain(&self.key).zip(0_u32..);
        let sum = bytes.fold(0_u32, |sum, (byte, n)| {
            let byte = u32::from(*byte);
            sum.wrapping_add(if n % 2 == 0 { byte << 8 } else { byte })
        });
        (sum.wrapping_add(sum >> 16) & 0xffff) as u16
    }

    /// Tells whether it signs zone data: the zone flag set, not revoked, protocol 3.
    pub(crate) fn may_sign(&self) -> bool {
        self.flags & 0x0180 == 0x0100 && self.protocol == 3
    }
}

impl Signer {
    /// Takes the data of a DS record.
    pub(crate) fn of(data: &RData) -> Option<Self> {
        match data {
            RData::Ds { key_tag, algorithm, digest_type, digest } => Some(Self {
                key_tag: *key_tag,
                algorithm: *algorithm,
                digest_type: *digest_type,
                digest: digest.as_bytes().to_vec(),
            }),
            _ => None,
        }
    }

    /// Tells whether both its digest and its key's algorithm can be checked here.
    pub(crate) fn is_supported(&self) -> bool {
        DigestType::from(self.digest_type).is_supported() && is_supported(self.algorithm)
    }

    /// Tells whether it stands for this key of this zone.
    pub(crate) fn stands_for(&self, zone: &Name, key: &ZoneKey) -> bool {
        if self.key_tag != key.tag() || self.algorithm != key.algorithm {
            return false;
        }
        let algorithm = Algorithm::from_u8(self.algorithm);
        let digest_type = DigestType::from(self.digest_type);
        let ds = DS::new(self.key_tag, algorithm, digest_type, self.digest.clone());
        foreign(zone).is_ok_and(|zone| ds.covers(&zone, &key.foreign()).unwrap_or(false))
    }
}

/// Tells whether signatures of an algorithm can be checked here.
pub(crate) fn is_supported(algorithm: u8) -> bool {
    Algorithm::from_u8(algorithm).is_supported()
}

/// Returns what zone files and tools call an algorithm (IANA, DNS Security Algorithm Numbers).
pub(crate) fn algorithm_name(algorithm: u8) -> Option<&'static str> {
    Some(match algorithm {
        5 => "RSASHA1",
        7 => "RSASHA1-NSEC3-SHA1",
        8 => "RSASHA256",
        10 => "RSASHA512",
        13 => "ECDSAP256SHA256",
        14 => "ECDSAP384SHA384",
        15 => "ED25519",
        16 => "ED448",
        _ => return None,
    })
}

/// Hashes a name as NSEC3 records do (RFC 5155 §5).
pub(crate) fn nsec3_hash(name: &Name, salt: &[u8], iterations: u16) -> Option<Vec<u8>> {
    let name = foreign(name).ok()?;
    let digest = Nsec3HashAlgorithm::SHA1.hash(salt, &name, iterations).ok()?;
    Some(digest.as_ref().to_vec())
}

fn foreign(name: &Name) -> Result<rr::Name, String> {
    rr::Name::from_labels(name.labels())
        .map(|mut name| {
            name.set_fqdn(true);
            name
        })
        .map_err(|error| text(&error))
}

/// The library may quote what it read.
fn text(error: &impl std::fmt::Display) -> String {
    Escaped::new(error.to_string().as_bytes()).to_string()
}
