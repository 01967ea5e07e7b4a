//! Requests to ipset (linux/netfilter/ipset/ip_set.h), and what kind of answer a message is.

use super::attr::{self, Attrs, NESTED, Request};
use super::header::{Message, NLM_F_ACK, NLM_F_DUMP};

/// `NFNL_SUBSYS_IPSET << 8` before the message's own number.
const SUBSYSTEM: u16 = 6 << 8;
/// `struct nfgenmsg`: family, version 0, resource.
const FIXED: [u8; 4] = [2, 0, 0, 0];
/// `IPSET_PROTOCOL_MIN`: of protocol 7 nothing is needed here.
const PROTOCOL: &[u8] = &[6];
/// `NLA_F_NET_BYTEORDER`: ipset insists on it for numbers and addresses.
pub(crate) const NET: u16 = 0x4000;

const CMD_LIST: u16 = 7;
const CMD_TEST: u16 = 11;
const CMD_HEADER: u16 = 12;
const CMD_BY_INDEX: u16 = 15;

/// `IPSET_ATTR_*` of a command.
pub(crate) const SETNAME: u16 = 2;
pub(crate) const TYPENAME: u16 = 3;
pub(crate) const REVISION: u16 = 4;
pub(crate) const FAMILY: u16 = 5;
pub(crate) const DATA: u16 = 7;
pub(crate) const ADT: u16 = 8;

/// Asks for all sets or for one; `terse` leaves the elements out.
pub(crate) fn list(set: Option<&[u8]>, terse: bool) -> Request {
    const FLAGS: u16 = 6;
    const LIST_HEADER: u32 = 1 << 2;
    request("IPSET_CMD_LIST", CMD_LIST, NLM_F_DUMP | NLM_F_ACK, set)
        .maybe(NET | FLAGS, terse.then_some(LIST_HEADER.to_be_bytes()))
}

/// Asks for the type and the family of a set.
pub(crate) fn header(set: &[u8]) -> Request {
    request("IPSET_CMD_HEADER", CMD_HEADER, 0, Some(set))
}

/// Asks for the name of the set with a number; since protocol 7 (Linux 4.20).
pub(crate) fn by_index(number: u16) -> Request {
    const INDEX: u16 = 11;
    Request::new("IPSET_CMD_GET_BYINDEX", SUBSYSTEM | CMD_BY_INDEX, 0, &FIXED)
        .attr(1, &[7])
        .attr(NET | INDEX, &number.to_be_bytes())
}

/// Reads the answer to [`by_index`].
pub(crate) fn decode_name(message: &Message<'_>) -> Option<Vec<u8>> {
    let attrs = Attrs::after(message.body, FIXED.len());
    (message.kind == SUBSYSTEM | CMD_BY_INDEX)
        .then(|| attrs.find(SETNAME).map(|name| attr::text(name).to_vec()))?
}

/// Asks whether an element is in a set; `data` is what describes it.
pub(crate) fn test(set: &[u8], data: &[u8]) -> Request {
    request("IPSET_CMD_TEST", CMD_TEST, NLM_F_ACK, Some(set)).attr(NESTED | DATA, data)
}

fn request(name: &'static str, command: u16, flags: u16, set: Option<&[u8]>) -> Request {
    Request::new(name, SUBSYSTEM | command, flags, &FIXED)
        .attr(1, PROTOCOL)
        .maybe(SETNAME, set.map(|set| [set, &[0]].concat()))
}

/// Returns the attributes of a listed set or of its header.
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<Attrs<'a>> {
    let mine = [CMD_LIST, CMD_HEADER].map(|command| SUBSYSTEM | command).contains(&message.kind);
    mine.then(|| Attrs::after(message.body, FIXED.len()))
}

/// Returns what stands in the nest `IPSET_ATTR_IPADDR_IPV4` or `…_IPV6`.
pub(crate) fn address(nest: &[u8]) -> Option<std::net::IpAddr> {
    Attrs::new(nest).find_map(|(_, value)| attr::ip(value))
}
