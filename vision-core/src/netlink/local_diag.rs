//! Sockets that have no IP address (linux/unix_diag.h, linux/packet_diag.h).

use super::attr::{self, Attrs, Request, read};
use super::header::{Message, NLM_F_DUMP};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_UNIX: u8 = 1;
const AF_PACKET: u8 = 17;

/// `struct unix_diag_msg` and `struct packet_diag_msg`.
const FIXED: usize = 16;

/// A unix socket as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct UnixMsg<'a> {
    pub(crate) kind: u8,
    pub(crate) state: u8,
    pub(crate) inode: u32,
    pub(crate) cookie: u64,
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) peer: Option<u32>,
    /// Received and not read or accepted; waits, or the limit of the backlog.
    pub(crate) queues: Option<[u32; 2]>,
    pub(crate) memory: Option<&'a [u8]>,
    pub(crate) shutdown: Option<u8>,
    pub(crate) uid: Option<u32>,
}

/// A packet socket as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct PacketMsg<'a> {
    pub(crate) kind: u8,
    pub(crate) protocol: u16,
    pub(crate) inode: u32,
    pub(crate) cookie: u64,
    pub(crate) ifindex: Option<u32>,
    pub(crate) fanout: Option<u32>,
    pub(crate) has_rx_ring: bool,
    pub(crate) memory: Option<&'a [u8]>,
    pub(crate) filter: Option<&'a [u8]>,
    pub(crate) uid: Option<u32>,
}

/// Asks for all unix sockets: name, peer, queues, memory, owner.
pub(crate) fn unix() -> Request {
    let show: u32 = 0x1 | 0x4 | 0x10 | 0x20 | 0x40;
    let head =
        [&[AF_UNIX, 0, 0, 0][..], &[0xff; 4], &[0; 4], &show.to_ne_bytes(), &[0xff; 8]].concat();
    Request::new("SOCK_DIAG_BY_FAMILY", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &head)
}

/// Asks for all packet sockets: interface, rings, fanout, memory, filter.
pub(crate) fn packet() -> Request {
    let show: u32 = 0x1 | 0x4 | 0x8 | 0x10 | 0x20;
    let head = [&[AF_PACKET, 0, 0, 0][..], &[0; 4], &show.to_ne_bytes(), &[0xff; 8]].concat();
    Request::new("SOCK_DIAG_BY_FAMILY", SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &head)
}

/// Reads a unix socket; `None` when the message is of another kind.
pub(crate) fn decode_unix<'a>(message: &Message<'a>) -> Option<UnixMsg<'a>> {
    let head: [u8; FIXED] = read(message.body, 0)?;
    let [family, kind, state, ..] = head;
    if message.kind != SOCK_DIAG_BY_FAMILY || family != AF_UNIX {
        return None;
    }
    let mut sock = UnixMsg {
        kind,
        state,
        inode: word(&head, 4)?,
        cookie: cookie(&head)?,
        ..UnixMsg::default()
    };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            0 => sock.name = Some(value),
            2 => sock.peer = attr::u32(value),
            4 => sock.queues = word(value, 0).zip(word(value, 4)).map(|(r, w)| [r, w]),
            5 => sock.memory = Some(value),
            6 => sock.shutdown = attr::u8(value),
            7 => sock.uid = attr::u32(value),
            _ => {}
        }
    }
    Some(sock)
}

/// Reads a packet socket; `None` when the message is of another kind.
pub(crate) fn decode_packet<'a>(message: &Message<'a>) -> Option<PacketMsg<'a>> {
    let head: [u8; FIXED] = read(message.body, 0)?;
    let [family, kind, ..] = head;
    if message.kind != SOCK_DIAG_BY_FAMILY || family != AF_PACKET {
        return None;
    }
    let mut sock = PacketMsg {
        kind,
        protocol: read(&head, 2).map(u16::from_ne_bytes)?,
        inode: word(&head, 4)?,
        cookie: cookie(&head)?,
        ..PacketMsg::default()
    };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            0 => sock.ifindex = attr::u32(value),
            2 => sock.has_rx_ring = true,
            4 => sock.fanout = attr::u32(value),
            5 => sock.uid = attr::u32(value),
            6 => sock.memory = Some(value),
            7 => sock.filter = Some(value),
            _ => {}
        }
    }
    Some(sock)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    read(bytes, at).map(u32::from_ne_bytes)
}

fn cookie(head: &[u8]) -> Option<u64> {
    Some(u64::from(word(head, 8)?) | u64::from(word(head, 12)?) << 32)
}
