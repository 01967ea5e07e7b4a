//! Requests to IPVS over generic netlink (linux/ip_vs.h), and what kind of answer a message is.

use super::attr::{self, Attrs, NESTED, Request};
use super::header::{Message, NLM_F_DUMP};

/// `struct genlmsghdr`.
const FIXED: usize = 4;
/// The controller of generic netlink.
const GENL_ID_CTRL: u16 = 0x10;
/// `IPVS_CMD_*`: answers carry the number of what made the object.
const NEW_SERVICE: u8 = 1;
const GET_SERVICE: u8 = 4;
const NEW_DEST: u8 = 5;
const GET_DEST: u8 = 8;
/// `IPVS_CMD_ATTR_*`.
const SERVICE: u16 = 1;
const DEST: u16 = 2;

/// Asks for the number of the family.
pub(crate) fn family() -> Request {
    const CTRL_CMD_GETFAMILY: u8 = 3;
    const CTRL_ATTR_FAMILY_NAME: u16 = 2;
    Request::new("CTRL_CMD_GETFAMILY", GENL_ID_CTRL, 0, &[CTRL_CMD_GETFAMILY, 1, 0, 0])
        .attr(CTRL_ATTR_FAMILY_NAME, b"IPVS\0")
}

/// Asks for all services.
pub(crate) fn services(family: u16) -> Request {
    Request::new("IPVS_CMD_GET_SERVICE", family, NLM_F_DUMP, &[GET_SERVICE, 1, 0, 0])
}

/// Asks for the real servers of a service; `service` is what names it.
pub(crate) fn servers(family: u16, service: &[u8]) -> Request {
    Request::new("IPVS_CMD_GET_DEST", family, NLM_F_DUMP, &[GET_DEST, 1, 0, 0])
        .attr(NESTED | SERVICE, service)
}

/// Returns the attributes of a service.
pub(crate) fn decode_service<'a>(message: &Message<'a>) -> Option<Attrs<'a>> {
    nest(message, NEW_SERVICE, SERVICE)
}

/// Returns the attributes of a real server.
pub(crate) fn decode_server<'a>(message: &Message<'a>) -> Option<Attrs<'a>> {
    nest(message, NEW_DEST, DEST)
}

fn nest<'a>(message: &Message<'a>, command: u8, kind: u16) -> Option<Attrs<'a>> {
    let mine = attr::u8(message.body)? == command;
    let value = Attrs::after(message.body, FIXED).find(kind)?;
    mine.then(|| Attrs::new(value))
}
