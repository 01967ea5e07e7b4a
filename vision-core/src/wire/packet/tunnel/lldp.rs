use crate::wire::packet::part::{Part, be16};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A link layer discovery message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lldp<'a> {
    /// Its parts as they stand.
    pub raw_tlvs: &'a [u8],
}

/// One part of a discovery message (IEEE 802.1AB §8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LldpTlv<'a> {
    /// 1 chassis, 2 port, 3 time to live, 4 port description, 5 system name, 127 of organisations.
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// The parts of an [`Lldp`] message, without the one that ends it.
#[derive(Debug, Clone)]
pub struct LldpTlvs<'a>(&'a [u8]);

impl<'a> Lldp<'a> {
    /// Walks the parts; ends at the first that does not fit.
    pub fn tlvs(&self) -> LldpTlvs<'a> {
        LldpTlvs(self.raw_tlvs)
    }

    /// Returns the name of the system that sends it.
    pub fn system_name(&self) -> Option<&'a [u8]> {
        self.tlvs().find(|tlv| tlv.kind == 5).map(|tlv| tlv.value)
    }

    /// Returns how long to believe it, in seconds.
    pub fn ttl_s(&self) -> Option<u16> {
        let ttl = self.tlvs().find(|tlv| tlv.kind == 3 && tlv.value.len() >= 2)?;
        Some(be16(ttl.value, 0))
    }
}

impl<'a> Iterator for LldpTlvs<'a> {
    type Item = LldpTlv<'a>;

    fn next(&mut self) -> Option<LldpTlv<'a>> {
        let (head, rest) = self.0.split_first_chunk::<2>()?;
        let bits = u16::from_be_bytes(*head);
        let (kind, len) = ((bits >> 9) as u8, usize::from(bits & 0x1ff));
        if kind == 0 {
            return None;
        }
        let (value, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(LldpTlv { kind, value })
    }
}

pub(in super::super) fn lldp(part: Part<'_>) -> Step<'_> {
    part.head::<2>(Kind::Lldp)?;
    let lldp = Lldp { raw_tlvs: part.data };
    end(Proto::Lldp(lldp), part.data.len(), Next::Nothing, part)
}
