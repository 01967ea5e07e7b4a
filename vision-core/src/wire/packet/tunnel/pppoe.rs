use crate::wire::packet::part::{Part, be16};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A PPPoE header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pppoe {
    /// Zero in a session; 0x09, 0x07, 0x19, 0x65 and 0xa7 are its beginning and end.
    pub code: u8,
    /// The session; zero before there is one.
    pub session: u16,
    /// Length of what follows in bytes.
    pub length: u16,
}

pub(in super::super) fn pppoe(part: Part<'_>) -> Step<'_> {
    let head = part.head::<6>(Kind::Pppoe)?;
    if head[0] != 0x11 {
        return Err(part.malformed(Kind::Pppoe));
    }
    let pppoe = Pppoe { code: head[1], session: be16(head, 2), length: be16(head, 4) };
    let next = if pppoe.code == 0 { Next::Ppp } else { Next::Nothing };
    end(Proto::Pppoe(pppoe), 6, next, part.within(6 + usize::from(pppoe.length)))
}
