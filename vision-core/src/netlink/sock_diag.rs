//! TCP and UDP sockets (linux/inet_diag.h), by our own walk: a node may have 100 000 of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attr::{self, Attrs, Request, read};
use super::header::{Message, NLM_F_DUMP};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// The older question, which alone takes both families at once: one walk over the kernel's table
/// instead of two.
const TCPDIAG_GETSOCK: u16 = 18;

/// `struct inet_diag_msg`.
const FIXED: usize = 72;

/// What to list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    /// Zero for both, with TCP only.
    pub(crate) family: u8,
    pub(crate) protocol: u16,
    /// All that the kernel tells, which takes longer.
    pub(crate) details: bool,
    /// Bit n: state n.
    pub(crate) states: u32,
    /// Zero means any.
    pub(crate) local_port: u16,
    /// Zero means any.
    pub(crate) remote_port: u16,
}

/// One socket as the kernel describes it.
#[derive(Debug)]
pub(crate) struct SockMsg<'a> {
    pub(crate) family: u8,
    pub(crate) state: u8,
    pub(crate) retransmits: u8,
    pub(crate) timer: u8,
    pub(crate) expires: u32,
    pub(crate) info: Option<&'a [u8]>,
    pub(crate) memory: Option<&'a [u8]>,
    pub(crate) congestion: Option<&'a [u8]>,
    pub(crate) tos: Option<u8>,
    pub(crate) tclass: Option<u8>,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) ifindex: u32,
    pub(crate) cookie: u64,
    pub(crate) recv_q: u32,
    pub(crate) send_q: u32,
    pub(crate) uid: u32,
    pub(crate) inode: u32,
    pub(crate) v6only: Option<u8>,
    pub(crate) mark: Option<u32>,
    pub(crate) shutdown: Option<u8>,
    pub(crate) protocol: Option<u8>,
}

/// Asks for the sockets of one protocol; the kernel filters by state and port.
pub(crate) fn dump(query: &Query) -> Request {
    let states = query.states.to_ne_bytes();
    // No addresses, no interface, any cookie.
    let mut id = Vec::with_capacity(48);
    id.extend(query.local_port.to_be_bytes());
    id.extend(query.remote_port.to_be_bytes());
    id.extend([0; 36]);
    id.extend([0xff; 8]);
    let extensions = if query.details { DETAILS } else { EXTENSIONS };
    if query.family == 0 {
        let head = [&[0, 0, 0, extensions][..], &id, &states, &[0; 4]].concat();
        return Request::new("TCPDIAG_GETSOCK", TCPDIAG_GETSOCK, NLM_F_DUMP, &head);
    }
    // Numbers above 255 have an attribute of their own (kernel 5.8).
    let [low, high] = query.protocol.to_le_bytes();
    let head = [&[query.family, low, extensions, 0][..], &states, &id].concat();
    let request = Request::new("SOCK_DIAG_BY_FAMILY", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &head);
    let whole = u32::from(query.protocol).to_ne_bytes();
    request.maybe(INET_DIAG_REQ_PROTOCOL, (high != 0).then_some(whole))
}

/// Reads one socket; `None` when the message is of another type or too short to name one.
#[inline]
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<SockMsg<'a>> {
    if !matches!(message.kind, SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK) {
        return None;
    }
    let head: [u8; FIXED] = read(message.body, 0)?;
    let [family, state, timer, retransmits, ..] = head;
    let word = |at| read(&head, at).map(u32::from_ne_bytes);
    let mut sock = SockMsg {
        family,
        state,
        retransmits,
        timer,
        expires: word(52)?,
        info: None,
        memory: None,
        congestion: None,
        tos: None,
        tclass: None,
        local_port: u16::from_be_bytes(read(&head, 4)?),
        remote_port: u16::from_be_bytes(read(&head, 6)?),
        local: address(family, read(&head, 8)?),
        remote: address(family, read(&head, 24)?),
        ifindex: word(40)?,
        cookie: u64::from(word(44)?) | (u64::from(word(48)?) << 32),
        recv_q: word(56)?,
        send_q: word(60)?,
        uid: word(64)?,
        inode: word(68)?,
        v6only: None,
        mark: None,
        shutdown: None,
        protocol: None,
    };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            INET_DIAG_INFO => sock.info = Some(value),
            INET_DIAG_CONG => sock.congestion = Some(attr::text(value)),
            INET_DIAG_TOS => sock.tos = attr::u8(value),
            INET_DIAG_TCLASS => sock.tclass = attr::u8(value),
            INET_DIAG_SKMEMINFO => sock.memory = Some(value),
            INET_DIAG_SHUTDOWN => sock.shutdown = attr::u8(value),
            INET_DIAG_PROTOCOL => sock.protocol = attr::u8(value),
            INET_DIAG_SKV6ONLY => sock.v6only = attr::u8(value),
            INET_DIAG_MARK => sock.mark = attr::u32(value),
            _ => {}
        }
    }
    Some(sock)
}

fn address(family: u8, bytes: [u8; 16]) -> IpAddr {
    let [a, b, c, d, ..] = bytes;
    match i32::from(family) {
        nix::libc::AF_INET => Ipv4Addr::new(a, b, c, d).into(),
        _ => Ipv6Addr::from(bytes).into(),
    }
}

/// Shutdown state; what else is read here comes without being asked for.
const EXTENSIONS: u8 = 1 << (INET_DIAG_SHUTDOWN - 1);

/// As much as there is.
const DETAILS: u8 = EXTENSIONS
    | 1 << (INET_DIAG_INFO - 1)
    | 1 << (INET_DIAG_CONG - 1)
    | 1 << (INET_DIAG_TOS - 1)
    | 1 << (INET_DIAG_TCLASS - 1)
    | 1 << (INET_DIAG_SKMEMINFO - 1);

/// In a request.
const INET_DIAG_REQ_PROTOCOL: u16 = 3;

const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const INET_DIAG_TOS: u16 = 5;
const INET_DIAG_TCLASS: u16 = 6;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SHUTDOWN: u16 = 8;
const INET_DIAG_PROTOCOL: u16 = 10;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_MARK: u16 = 15;
