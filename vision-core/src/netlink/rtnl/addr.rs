//! Addresses of links (linux/if_addr.h).

use std::net::{IpAddr, Ipv4Addr};

use netlink_bindings::rt_addr::{AddrAttrs, OpGetaddrDump};

use super::fixed;
use crate::netlink::attr::{Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

pub(crate) const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;

/// `struct ifaddrmsg`.
const FIXED: usize = 8;

/// One address as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct AddrMsg<'a> {
    pub(crate) family: u8,
    pub(crate) prefix_bits: u8,
    pub(crate) flags: u32,
    pub(crate) scope: u8,
    pub(crate) ifindex: u32,
    pub(crate) address: Option<IpAddr>,
    pub(crate) local: Option<IpAddr>,
    pub(crate) broadcast: Option<Ipv4Addr>,
    pub(crate) label: Option<&'a [u8]>,
    pub(crate) preferred_s: Option<u32>,
    pub(crate) valid_s: Option<u32>,
    pub(crate) protocol: Option<u8>,
}

/// Asks for all addresses of all families.
pub(crate) fn dump() -> Request {
    Request::new("RTM_GETADDR", RTM_GETADDR, NLM_F_DUMP, &[0; FIXED])
}

/// Reads one address; `None` when the message is of another type.
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<AddrMsg<'a>> {
    if message.kind != RTM_NEWADDR {
        return None;
    }
    let head: [u8; FIXED] = fixed(message.body);
    let [family, prefix_bits, flags, scope, ..] = head;
    let mut addr = AddrMsg {
        family,
        prefix_bits,
        flags: flags.into(),
        scope,
        ifindex: u32::from_ne_bytes(read(&head, 4)?),
        ..AddrMsg::default()
    };
    for attr in OpGetaddrDump::decode_request(message.body).1.flatten() {
        match attr {
            AddrAttrs::Address(v) => addr.address = Some(v),
            AddrAttrs::Local(v) => addr.local = Some(v),
            AddrAttrs::Broadcast(v) => addr.broadcast = Some(v),
            AddrAttrs::Label(v) => addr.label = Some(v.to_bytes()),
            // The header has room for the first eight flags only.
            AddrAttrs::Flags(v) => addr.flags = v,
            AddrAttrs::Proto(v) => addr.protocol = Some(v),
            AddrAttrs::Cacheinfo(v) => {
                addr.preferred_s = Some(v.ifa_prefered);
                addr.valid_s = Some(v.ifa_valid);
            }
            _ => {}
        }
    }
    Some(addr)
}
