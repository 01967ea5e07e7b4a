use std::net::Ipv6Addr;

use crate::wire::packet::part::{Part, array, be16, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A DHCPv6 message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dhcp6<'a> {
    /// 1 solicits, 2 advertises, 3 requests, 7 replies, 12 and 13 are of relays (RFC 8415 §7.3).
    pub kind: u8,
    /// Ties question and answer, 24 bits; zero between relays.
    pub xid: u32,
    /// Between relays: which link, and which peer sent it.
    pub relay: Option<(Ipv6Addr, Ipv6Addr)>,
    /// The options as they stand.
    pub raw_options: &'a [u8],
}

/// One option (RFC 8415 §21.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dhcp6Option<'a> {
    /// Its number: 1 client, 2 server, 3 addresses, 9 a relayed message, 25 prefixes.
    pub code: u16,
    /// Its data.
    pub data: &'a [u8],
}

/// The options of a [`Dhcp6`] message.
#[derive(Debug, Clone)]
pub struct Dhcp6Options<'a>(&'a [u8]);

impl<'a> Dhcp6<'a> {
    /// Walks the options; ends at the first that does not fit.
    pub fn options(&self) -> Dhcp6Options<'a> {
        Dhcp6Options(self.raw_options)
    }
}

impl<'a> Iterator for Dhcp6Options<'a> {
    type Item = Dhcp6Option<'a>;

    fn next(&mut self) -> Option<Dhcp6Option<'a>> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        let (data, rest) = rest.split_at_checked(usize::from(be16(head, 2)))?;
        self.0 = rest;
        Some(Dhcp6Option { code: be16(head, 0), data })
    }
}

pub(super) fn dhcp6(part: Part<'_>) -> Step<'_> {
    let head = part.head::<4>(Kind::Dhcp6)?;
    let kind = head[0];
    let (fixed, relay) = match kind {
        12 | 13 => {
            let head = part.head::<34>(Kind::Dhcp6)?;
            let ip = |at| Ipv6Addr::from(array::<16>(head, at));
            (34, Some((ip(2), ip(18))))
        }
        _ => (4, None),
    };
    let xid = if relay.is_some() { 0 } else { be32(head, 0) & 0xff_ffff };
    let dhcp = Dhcp6 { kind, xid, relay, raw_options: part.after(fixed).data };
    end(Proto::Dhcp6(dhcp), part.data.len(), Next::Nothing, part)
}
