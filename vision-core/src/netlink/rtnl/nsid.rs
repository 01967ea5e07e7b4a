//! Which number another namespace has here (linux/net_namespace.h).

use crate::netlink::attr::{self, Attrs, Request};
use crate::netlink::header::{Message, NLM_F_DUMP};

pub(crate) const RTM_NEWNSID: u16 = 88;
pub(crate) const RTM_DELNSID: u16 = 89;
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// `struct rtgenmsg` and its padding.
const FIXED: usize = 4;

/// Asks for the number of the namespace behind a descriptor of this process.
pub(crate) fn get(fd: u32) -> Request {
    Request::new("RTM_GETNSID", RTM_GETNSID, 0, &[0; FIXED]).attr(NETNSA_FD, &fd.to_ne_bytes())
}

/// Asks for all numbers that are in use.
pub(crate) fn dump() -> Request {
    Request::new("RTM_GETNSID", RTM_GETNSID, NLM_F_DUMP, &[0; FIXED])
}

/// Reads the number; negative means that none was ever assigned.
pub(crate) fn decode(message: &Message<'_>) -> Option<i32> {
    attr::i32(Attrs::after(message.body, FIXED).find(NETNSA_NSID)?)
}
