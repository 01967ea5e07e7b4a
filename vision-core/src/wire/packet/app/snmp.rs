use crate::wire::packet::part::Part;
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// What stands at the head of an SNMP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snmp<'a> {
    /// 0 is version 1, 1 is version 2c, 3 is version 3.
    pub version: u8,
    /// The community; version 3 has users instead.
    pub community: Option<&'a [u8]>,
    /// 0 get, 1 get next, 2 response, 3 set, 5 get bulk, 7 trap; version 3 hides it.
    pub pdu: Option<u8>,
    /// Ties question and answer; not in a version 1 trap.
    pub request_id: Option<i32>,
}

/// Takes one element of a known tag (X.690 §8.1) and gives what is in it.
fn element<'a>(bytes: &mut &'a [u8], tag: impl Fn(u8) -> bool) -> Option<(u8, &'a [u8])> {
    let [first, length, rest @ ..] = *bytes else { return None };
    let (len, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    // What the segment lacks, the sender may have sent: the head suffices.
    let (inner, rest) = rest.split_at_checked(len).unwrap_or((rest, &[]));
    *bytes = rest;
    tag(*first).then_some((*first, inner))
}

fn integer(bytes: &[u8]) -> Option<i32> {
    let [first, ..] = bytes else { return None };
    let start = if *first >= 0x80 { -1_i32 } else { 0 };
    (bytes.len() <= 4).then(|| bytes.iter().fold(start, |sum, byte| sum << 8 | i32::from(*byte)))
}

fn read(mut bytes: &[u8]) -> Option<Snmp<'_>> {
    let (_, mut message) = element(&mut bytes, |tag| tag == 0x30)?;
    let version = integer(element(&mut message, |tag| tag == 2)?.1)?;
    let version = u8::try_from(version).ok().filter(|version| *version <= 3)?;
    let mut snmp = Snmp { version, community: None, pdu: None, request_id: None };
    if version < 3 {
        snmp.community = Some(element(&mut message, |tag| tag == 4)?.1);
        let (tag, mut pdu) = element(&mut message, |tag| (0xa0..=0xa8).contains(&tag))?;
        snmp.pdu = Some(tag & 0x1f);
        snmp.request_id = element(&mut pdu, |tag| tag == 2).and_then(|id| integer(id.1));
    }
    Some(snmp)
}

pub(super) fn snmp(part: Part<'_>) -> Step<'_> {
    let snmp = read(part.data).ok_or_else(|| part.malformed(Kind::Snmp))?;
    end(Proto::Snmp(snmp), part.data.len(), Next::Nothing, part)
}
