use crate::wire::packet::part::{Part, be16, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A GRE header, version 1 (PPTP) too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gre {
    /// What it carries, an Ethernet type.
    pub protocol: u16,
    /// 0, or 1 for PPTP (RFC 2637 §4.1).
    pub version: u8,
    /// The checksum as it stands, where there is one.
    pub checksum: Option<u16>,
    /// The key (RFC 2890 §2.1); with PPTP length and call.
    pub key: Option<u32>,
    /// The number of the packet.
    pub seq: Option<u32>,
    /// The number last received; PPTP alone has it.
    pub ack: Option<u32>,
}

/// Takes the optional words of a header one after the other.
struct Words<'a> {
    part: Part<'a>,
    len: usize,
}

impl Words<'_> {
    fn next(&mut self, present: bool) -> Result<Option<u32>, crate::wire::packet::Fault> {
        if !present {
            return Ok(None);
        }
        let at = self.len;
        self.len += 4;
        Ok(Some(be32(self.part.bytes(self.len, Kind::Gre)?, at)))
    }
}

pub(in super::super) fn gre(part: Part<'_>) -> Step<'_> {
    let head = part.head::<4>(Kind::Gre)?;
    let (flags, protocol) = (be16(head, 0), be16(head, 2));
    let has = |bit: u16| flags & bit != 0;
    let version = (flags & 7) as u8;
    let mut words = Words { part, len: 4 };
    // Checksum and routing share a word (RFC 1701); whoever has one has the place of both.
    let checksum = words.next(version == 0 && (has(0x8000) || has(0x4000)))?;
    let key = words.next(has(0x2000))?;
    let seq = words.next(has(0x1000))?;
    let ack = words.next(version == 1 && has(0x0080))?;
    let gre = Gre {
        protocol,
        version,
        checksum: checksum.filter(|_| has(0x8000)).map(|word| (word >> 16) as u16),
        key,
        seq,
        ack,
    };
    let mut len = words.len;
    if version == 0 && has(0x4000) {
        len += routes(part.after(len))?;
    }
    let next = match (version, protocol) {
        // Without a number there is no ERSPAN header, the mirrored frame follows (type I).
        (0, 0x88be) if seq.is_none() => Next::Ethernet,
        // Cisco's web cache protocol has a word of its own before IPv4 in version 2.
        (0, 0x883e) if part.after(len).data.first().is_some_and(|byte| byte >> 4 != 4) => {
            len += 4;
            Next::EtherType(0x0800)
        }
        (0, 0x883e) => Next::EtherType(0x0800),
        (0 | 1, _) => Next::EtherType(protocol),
        _ => Next::Nothing,
    };
    end(Proto::Gre(gre), len.min(part.data.len()), next, part)
}

/// Measures the source routes (RFC 1701), which end with an empty one.
fn routes(mut part: Part<'_>) -> Result<usize, crate::wire::packet::Fault> {
    let mut len = 0;
    loop {
        let entry = part.head::<4>(Kind::Gre)?;
        let here = 4 + usize::from(entry[3]);
        len += here;
        if be16(entry, 0) == 0 && entry[3] == 0 {
            return Ok(len);
        }
        part = part.after(here);
    }
}
