use crate::wire::packet::part::{Part, array, be16, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A spanning tree message; notices of topology changes have no bridges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stp {
    /// 0 is the first form, 2 rapid, 3 multiple.
    pub version: u8,
    /// 0 is configuration, 2 rapid, 0x80 a notice that the topology changed.
    pub kind: u8,
    /// What the sender believes, unless it is a notice.
    pub config: Option<StpConfig>,
}

/// What a bridge believes of the tree (IEEE 802.1D §9.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StpConfig {
    /// Topology change 0x01, its acknowledgement 0x80, port roles and states between.
    pub flags: u8,
    /// Priority of the root.
    pub root_priority: u16,
    /// Address of the root.
    pub root: [u8; 6],
    /// Cost of the way there.
    pub cost: u32,
    /// Priority of the sender.
    pub bridge_priority: u16,
    /// Address of the sender.
    pub bridge: [u8; 6],
    /// The sender's port.
    pub port: u16,
}

pub(in super::super) fn stp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<4>(Kind::Stp)?;
    if be16(head, 0) != 0 {
        return Ok(None);
    }
    let [_, _, version, kind] = *head;
    let config = match kind {
        0x80 => None,
        _ => Some(config(part.head::<35>(Kind::Stp)?)),
    };
    end(Proto::Stp(Stp { version, kind, config }), part.data.len(), Next::Nothing, part)
}

fn config(bytes: &[u8; 35]) -> StpConfig {
    StpConfig {
        flags: bytes[4],
        root_priority: be16(bytes, 5),
        root: array(bytes, 7),
        cost: be32(bytes, 13),
        bridge_priority: be16(bytes, 17),
        bridge: array(bytes, 19),
        port: be16(bytes, 25),
    }
}
