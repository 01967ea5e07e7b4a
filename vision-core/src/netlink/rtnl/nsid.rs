//! Which number another namespace has here (linux/net_namespace.h).

use crate::netlink::attr::{self, Attrs, Request};
use crate::netlink::header::Message;

const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;

/// `struct rtgenmsg` and its padding.
const FIXED: usize = 4;

/// Asks for the number of the namespace behind a descriptor of this process.
pub(crate) fn get(fd: u32) -> Request {
    Request::new("RTM_GETNSID", RTM_GETNSID, 0, &[0; FIXED]).attr(NETNSA_FD, &fd.to_ne_bytes())
}

/// Reads the number; negative means that none was ever assigned.
pub(crate) fn decode(message: &Message<'_>) -> Option<i32> {
    attr::i32(Attrs::after(message.body, FIXED).find(NETNSA_NSID)?)
}
