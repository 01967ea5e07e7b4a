//! Tables of legacy iptables as plain data.

use std::fmt;
use std::net::IpAddr;

use crate::base::Untrusted;
use crate::firewall::{Counter, FwFamily};

/// A table of legacy iptables or ip6tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LegacyTable {
    /// [`FwFamily::Ip`] or [`FwFamily::Ip6`].
    pub family: FwFamily,
    /// `filter`, `nat`, `mangle`, `raw` or `security`.
    pub name: Untrusted,
    /// Its chains, those with a hook first.
    pub chains: Vec<LegacyChain>,
    /// Bytes at the end that could not be read.
    pub unreadable: u64,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LegacyChain {
    /// Its name.
    pub name: Untrusted,
    /// What becomes of packets no rule decided on; chains without a hook return.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub policy: Option<LegacyVerdict>,
    /// What the policy was applied to.
    pub counter: Counter,
    /// Its rules.
    pub rules: Vec<LegacyRule>,
}

/// A rule. Everything it asks for must be met.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LegacyRule {
    /// What it was applied to.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub counter: Counter,
    /// The source.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub source: Option<Asked<Masked>>,
    /// The destination.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub destination: Option<Asked<Masked>>,
    /// The interface the packet came in by; a `+` at the end stands for anything.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub iif: Option<Asked<String>>,
    /// The interface the packet goes out by; a `+` at the end stands for anything.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub oif: Option<Asked<String>>,
    /// Number of the IP protocol.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub protocol: Option<Asked<u16>>,
    /// Second and further fragments.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub fragment: Option<Asked<bool>>,
    /// Extensions, in the rule's order.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub matches: Vec<Extension>,
    /// What becomes of the packet; none for a rule that only counts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub target: Option<LegacyTarget>,
}

/// Something asked for, or asked not to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Asked<T> {
    /// What is asked for.
    pub value: T,
    /// Whether it must not be so.
    pub inverted: bool,
}

/// An address and which bits of it count, not always the first ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Masked {
    /// The address.
    pub address: IpAddr,
    /// The bits that count.
    pub mask: IpAddr,
}

impl Masked {
    /// Returns the prefix length when the bits that count are the first ones.
    pub fn prefix(&self) -> Option<u32> {
        let (ones, all) = match self.mask {
            IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
            IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        };
        (ones == all).then_some(ones)
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            Some(prefix) => write!(f, "{}/{prefix}", self.address),
            None => write!(f, "{}/{}", self.address, self.mask),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Masked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A match or a target of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Its name: `tcp`, `conntrack`, `DNAT`.
    pub name: Untrusted,
    /// Its revision.
    pub revision: u8,
    /// Its options as iptables-save writes them; `None` for those not known here.
    pub options: Option<String>,
    /// What the kernel keeps of it, in the byte order of this machine.
    pub info: Vec<u8>,
}

/// What becomes of the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LegacyTarget {
    /// It is decided.
    Verdict(LegacyVerdict),
    /// It goes on in that chain and comes back.
    Jump(Untrusted),
    /// It goes on in that chain.
    Goto(Untrusted),
    /// A module does something with it.
    Extension(Extension),
}

/// What is decided of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LegacyVerdict {
    /// It passes.
    Accept,
    /// It is lost.
    Drop,
    /// A program decides.
    Queue,
    /// It goes back to where it came from, or meets the policy.
    Return,
    /// Another number of the kernel.
    Other(i32),
}

impl fmt::Display for LegacyVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("ACCEPT"),
            Self::Drop => f.write_str("DROP"),
            Self::Queue => f.write_str("QUEUE"),
            Self::Return => f.write_str("RETURN"),
            Self::Other(number) => write!(f, "verdict {number}"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Extension {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("revision", &self.revision)?;
        match &self.options {
            Some(options) => map.serialize_entry("options", options)?,
            None => map.serialize_entry("info_hex", &crate::firewall::value::hex(&self.info))?,
        }
        map.end()
    }
}
