use std::fmt;

use super::Probing;
use super::codec::Codec;
use crate::wire::quote::Quoted;

/// A field of a probe that was different when a router quoted it: somebody before it rewrites packets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Change {
    /// Which field.
    pub field: ProbeField,
    /// What was sent.
    pub sent: String,
    /// What the router saw.
    pub seen: String,
}

/// A field of a probe that address translators and markers rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProbeField {
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// Source port.
    SourcePort,
    /// Destination port.
    DestinationPort,
    /// Type of service or traffic class.
    Tos,
    /// Transport checksum, while addresses and ports are what they were.
    Checksum,
}

impl ProbeField {
    /// Tells whether address translation changes this field.
    pub fn is_translation(self) -> bool {
        !matches!(self, Self::Tos)
    }
}

impl fmt::Display for ProbeField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::SourcePort => "source port",
            Self::DestinationPort => "destination port",
            Self::Tos => "type of service",
            Self::Checksum => "checksum",
        })
    }
}

/// Compares a quoted probe with what was sent.
pub(super) fn changes(codec: &Codec, quoted: &Quoted<'_>, wire: u16) -> Vec<Change> {
    let mut found = Vec::new();
    let mut compare = |field, sent: &dyn fmt::Display, seen: &dyn fmt::Display| {
        let (sent, seen) = (sent.to_string(), seen.to_string());
        if sent != seen {
            found.push(Change { field, sent, seen });
        }
    };
    compare(ProbeField::Source, &codec.from, &quoted.source);
    compare(ProbeField::Destination, &codec.to, &quoted.destination);
    compare(ProbeField::Tos, &codec.tos, &quoted.tos);
    let port = match codec.probing {
        Probing::Icmp => None,
        Probing::Udp { port } | Probing::Tcp { port } => Some(port),
    };
    let head = quoted.transport.first_chunk::<8>();
    if let (Some(port), Some([a, b, c, d, _, _, sum @ ..])) = (port, head) {
        compare(ProbeField::DestinationPort, &port, &u16::from_be_bytes([*c, *d]));
        let source = u16::from_be_bytes([*a, *b]);
        if let [lane] = codec.lanes[..] {
            compare(ProbeField::SourcePort, &lane, &source);
        }
        if matches!(codec.probing, Probing::Udp { .. }) {
            compare(ProbeField::Checksum, &wire, &u16::from_be_bytes(*sum));
        }
    }
    // A checksum follows from what it covers; alone it tells of a change that was taken back.
    let covered = found.iter().any(|c| !matches!(c.field, ProbeField::Tos | ProbeField::Checksum));
    if covered {
        found.retain(|change| change.field != ProbeField::Checksum);
    }
    found
}
