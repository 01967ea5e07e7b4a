use std::net::Ipv4Addr;

use crate::wire::packet::part::{Part, array, be16, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A DHCP or BOOTP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dhcp<'a> {
    /// 1 asks, 2 answers.
    pub op: u8,
    /// Relays it has passed.
    pub hops: u8,
    /// Ties question and answer.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// The answer is to be broadcast.
    pub is_broadcast: bool,
    /// The client's address, when it has one.
    pub client: Ipv4Addr,
    /// The address it is given.
    pub yours: Ipv4Addr,
    /// The server to boot from.
    pub server: Ipv4Addr,
    /// The relay.
    pub relay: Ipv4Addr,
    /// The client's hardware address, of kind and length 1 and 6.
    pub client_mac: Option<[u8; 6]>,
    /// The options as they stand, behind the cookie; empty in BOOTP.
    pub raw_options: &'a [u8],
}

/// One option (RFC 2132).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DhcpOption<'a> {
    /// Its number: 53 kind of message, 50 address wanted, 54 server, 12 host name.
    pub code: u8,
    /// Its data.
    pub data: &'a [u8],
}

/// The options of a [`Dhcp`] message, without padding.
#[derive(Debug, Clone)]
pub struct DhcpOptions<'a>(&'a [u8]);

impl<'a> Dhcp<'a> {
    /// Walks the options; ends at the first that does not fit.
    pub fn options(&self) -> DhcpOptions<'a> {
        DhcpOptions(self.raw_options)
    }

    /// Returns the kind: 1 discover, 2 offer, 3 request, 5 acknowledged, 6 refused (RFC 2132 §9.6).
    pub fn message_type(&self) -> Option<u8> {
        self.option(53)?.first().copied()
    }

    /// Returns the data of the first option of a number.
    pub fn option(&self, code: u8) -> Option<&'a [u8]> {
        self.options().find(|option| option.code == code).map(|option| option.data)
    }
}

impl<'a> Iterator for DhcpOptions<'a> {
    type Item = DhcpOption<'a>;

    fn next(&mut self) -> Option<DhcpOption<'a>> {
        while let [0, rest @ ..] = self.0 {
            self.0 = rest;
        }
        let [code @ 1..=254, len, ..] = *self.0 else { return None };
        let (data, rest) = self.0.get(2..)?.split_at_checked(usize::from(len))?;
        self.0 = rest;
        Some(DhcpOption { code, data })
    }
}

/// What stands in front of options (RFC 2131 §3).
const COOKIE: &[u8] = &[99, 130, 83, 99];

pub(super) fn dhcp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<236>(Kind::Dhcp)?;
    let rest = part.after(236).data;
    let ip = |at| Ipv4Addr::from(array::<4>(head, at));
    let dhcp = Dhcp {
        op: head[0],
        hops: head[3],
        xid: be32(head, 4),
        secs: be16(head, 8),
        is_broadcast: head[10] & 0x80 != 0,
        client: ip(12),
        yours: ip(16),
        server: ip(20),
        relay: ip(24),
        client_mac: (head[1] == 1 && head[2] == 6).then(|| array(head, 28)),
        raw_options: rest.strip_prefix(COOKIE).unwrap_or_default(),
    };
    end(Proto::Dhcp(dhcp), part.data.len(), Next::Nothing, part)
}
