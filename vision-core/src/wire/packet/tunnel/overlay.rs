use crate::wire::packet::part::{Part, be16, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A VXLAN header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vxlan {
    /// The flags; 0x08 says that the network's number counts.
    pub flags: u8,
    /// The group policy, or zero.
    pub group: u16,
    /// The number of the network, 24 bits.
    pub vni: u32,
}

/// A Geneve header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Geneve<'a> {
    /// It is for the tunnel's end, not for a guest.
    pub is_control: bool,
    /// Some option must be understood.
    pub is_critical: bool,
    /// What it carries, an Ethernet type.
    pub protocol: u16,
    /// The number of the network, 24 bits.
    pub vni: u32,
    /// The options as they stand.
    pub raw_options: &'a [u8],
}

pub(in super::super) fn vxlan(part: Part<'_>) -> Step<'_> {
    let (vxlan, _) = header(part)?;
    end(Proto::Vxlan(vxlan), 8, Next::Ethernet, part)
}

/// The generic form on its own port says what follows (draft-ietf-nvo3-vxlan-gpe).
pub(in super::super) fn vxlan_gpe(part: Part<'_>) -> Step<'_> {
    let (vxlan, protocol) = header(part)?;
    let next = match (vxlan.flags & 4 != 0, protocol) {
        (true, 1 | 2) => Next::Ip,
        (true, 5) => Next::Mpls,
        (false, _) | (true, 3) => Next::Ethernet,
        _ => Next::Nothing,
    };
    end(Proto::Vxlan(vxlan), 8, next, part)
}

fn header(part: Part<'_>) -> Result<(Vxlan, u8), crate::wire::packet::Fault> {
    let head = part.head::<8>(Kind::Vxlan)?;
    let vxlan = Vxlan { flags: head[0], group: be16(head, 2), vni: be32(head, 4) >> 8 };
    Ok((vxlan, head[3]))
}

pub(in super::super) fn geneve(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Geneve)?;
    if head[0] >> 6 != 0 {
        return Err(part.malformed(Kind::Geneve));
    }
    let len = 8 + usize::from(head[0] & 0x3f) * 4;
    let geneve = Geneve {
        is_control: head[1] & 0x80 != 0,
        is_critical: head[1] & 0x40 != 0,
        protocol: be16(head, 2),
        vni: be32(head, 4) >> 8,
        raw_options: part.bytes(len, Kind::Geneve)?.get(8..).unwrap_or_default(),
    };
    end(Proto::Geneve(geneve), len, Next::EtherType(geneve.protocol), part)
}
