use super::super::report::DnsReport;
use crate::base::Gap;
use crate::netns::NetnsId;
use crate::wire::dns::{Name, Question, RecordType};

/// What validation came to (RFC 4033 §5), from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Validity {
    /// Signed all the way from the anchor.
    Secure,
    /// Proven to be unsigned.
    Insecure,
    /// Not to be told: an answer is missing, or no anchor is above the name.
    Indeterminate,
    /// It should be signed and is not, or wrongly.
    Bogus,
}

/// A validated answer, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ValidityReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// What was asked.
    pub question: Question,
    /// The worst of what the sets of the answer are.
    pub validity: Validity,
    /// Why it is not secure.
    pub reason: Option<String>,
    /// The zones from the anchor down, for each name of the answer.
    pub chain: Vec<ChainLink>,
    /// Each set of records of the answer, or the proof that there is none.
    pub sets: Vec<SetVerdict>,
    /// The answer.
    pub answer: Option<DnsReport>,
    /// How many questions it took.
    pub questions: usize,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One zone on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChainLink {
    /// The zone.
    pub zone: Name,
    /// What its keys are.
    pub validity: Validity,
    /// What makes them trusted, or why they are not.
    pub reason: String,
    /// Key tags of its delegation signers, or of the anchor.
    pub signers: Vec<u16>,
    /// Its keys.
    pub keys: Vec<ChainKey>,
}

/// A key of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChainKey {
    /// Its tag.
    pub tag: u16,
    /// Its flags: 256 signs records, 257 signs keys.
    pub flags: u16,
    /// The number of its algorithm.
    pub algorithm: u8,
    /// The name of its algorithm, where it has one.
    pub algorithm_name: Option<String>,
    /// Whether it signs the zone's keys and the delegation signer or the anchor stands for it.
    pub entry: bool,
}

/// One set of records of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SetVerdict {
    /// Whose records they are.
    pub name: Name,
    /// Their type; of a proof that there are none, the type asked for.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub rtype: RecordType,
    /// Whether this is about records that do not exist.
    pub denial: bool,
    /// What they are.
    pub validity: Validity,
    /// Which key signed them, or why they are not secure.
    pub reason: String,
}
