use crate::wire::packet::part::{Part, array, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// An NTP message; control messages (mode 6, 7) have no times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ntp {
    /// 3 and 4 as a rule.
    pub version: u8,
    /// 3 client, 4 server, 5 broadcast, 1 and 2 between peers, 6 control.
    pub mode: u8,
    /// A leap second is near (1, 2), or the clock is not set (3).
    pub leap: u8,
    /// Steps from a reference clock; zero means that the server is not to be used.
    pub stratum: u8,
    /// What the server follows: an address, or a name of four letters at stratum 0 and 1.
    pub reference: [u8; 4],
    /// When it was sent: seconds since 1900 and their 2⁻³² parts.
    pub transmitted: u64,
}

pub(super) fn ntp(part: Part<'_>) -> Step<'_> {
    let first = part.head::<12>(Kind::Ntp)?;
    let (leap, version, mode) = (first[0] >> 6, first[0] >> 3 & 7, first[0] & 7);
    let mut ntp = Ntp { version, mode, leap, stratum: 0, reference: [0; 4], transmitted: 0 };
    if mode < 6 {
        let head = part.head::<48>(Kind::Ntp)?;
        ntp.stratum = head[1];
        ntp.reference = array(head, 12);
        ntp.transmitted = u64::from(be32(head, 40)) << 32 | u64::from(be32(head, 44));
    }
    end(Proto::Ntp(ntp), part.data.len(), Next::Nothing, part)
}
