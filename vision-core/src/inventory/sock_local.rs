//! Sockets without an IP address: unix and packet.

use super::dump::Plan;
use super::row::Row;
use super::sock::SockState;
use super::sock_details::SockMemory;
use super::{Dump, Inventory};
use crate::base::{Budget, Result, Untrusted, open_enum};
use crate::netlink::header::Message;
use crate::netlink::{Protocol, local_diag};

/// A unix socket, as `ss -xem` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UnixSock {
    /// Stream, datagram or in between.
    pub kind: UnixKind,
    /// State, in TCP's words.
    pub state: SockState,
    /// Path, or `@` and a name without one; `None` without either.
    pub name: Option<Untrusted>,
    /// The name in hexadecimal when it is not UTF-8.
    pub name_hex: Option<String>,
    /// Inode, as in `/proc/PID/fd`.
    pub inode: u32,
    /// Inode of the other end.
    pub peer_inode: Option<u32>,
    /// Bytes not read yet; of a listener, connections not accepted yet.
    pub recv_q: u32,
    /// Bytes the other end has not read; of a listener, the limit of its backlog.
    pub send_q: u32,
    /// Which directions are shut: 1 receiving, 2 sending, 3 both.
    pub shutdown: Option<u8>,
    /// Owner, where the kernel tells (5.3).
    pub uid: Option<u32>,
    /// Memory and drops.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub memory: Option<SockMemory>,
    /// Number that is never used again.
    pub cookie: u64,
}

/// A packet socket, as `ss -0em` shows it: somebody captures, or speaks ARP or DHCP by hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PacketSock {
    /// Whether packets come without their link-layer header (`SOCK_DGRAM`).
    pub cooked: bool,
    /// Ethertype it takes; 3 for all, 0 for none.
    pub ethertype: u16,
    /// Interface it is bound to.
    pub ifindex: Option<u32>,
    /// Inode, as in `/proc/PID/fd`.
    pub inode: u32,
    /// Owner.
    pub uid: Option<u32>,
    /// Whether it reads from memory it shares with the kernel.
    pub ring: bool,
    /// Number of the group that shares the packets.
    pub fanout_group: Option<u16>,
    /// Instructions of its filter; told to those with `CAP_NET_ADMIN` only.
    pub filter_instructions: Option<u32>,
    /// Memory and drops.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub memory: Option<SockMemory>,
    /// Number that is never used again.
    pub cookie: u64,
}

impl UnixSock {
    /// Tells whether it waits for anybody: a listener, or a datagram socket with a name.
    pub fn is_listening(&self) -> bool {
        match self.kind {
            UnixKind::Datagram => self.peer_inode.is_none() && self.name.is_some(),
            _ => self.state == SockState::Listen,
        }
    }
}

open_enum! {
    /// Kind of a unix socket.
    pub enum UnixKind: u8 {
        /// A stream of bytes.
        Stream = 1, "u_str";
        /// Datagrams.
        Datagram = 2, "u_dgr";
        /// Datagrams over a connection.
        SeqPacket = 5, "u_seq";
    }
}

impl Inventory {
    /// Returns all unix sockets of the namespace.
    ///
    /// # Errors
    /// As [`Inventory::sockets`]; kernels without `unix_diag` answer `ENOENT`.
    pub fn unix_sockets(&mut self, budget: &Budget) -> Result<Dump<UnixSock>> {
        let plan = Plan::over(Protocol::SockDiag, read_unix).ask(local_diag::unix(), ());
        self.reader.list_by(&plan, budget, |sock| sock.cookie)
    }

    /// Returns all packet sockets of the namespace.
    ///
    /// # Errors
    /// As [`Inventory::sockets`]; kernels without `packet_diag` answer `ENOENT`.
    pub fn packet_sockets(&mut self, budget: &Budget) -> Result<Dump<PacketSock>> {
        let plan = Plan::over(Protocol::SockDiag, read_packet).ask(local_diag::packet(), ());
        self.reader.list_by(&plan, budget, |sock| sock.cookie)
    }
}

fn read_unix(message: &Message<'_>, (): ()) -> Row<UnixSock> {
    let Some(msg) = local_diag::decode_unix(message) else {
        return Row::Unreadable;
    };
    let name = msg.name.map(name);
    let [recv_q, send_q] = msg.queues.unwrap_or_default();
    Row::Item(UnixSock {
        kind: UnixKind::from_raw(msg.kind),
        state: SockState::from_raw(msg.state),
        name_hex: name.as_ref().and_then(Untrusted::hex_unless_utf8),
        name,
        inode: msg.inode,
        peer_inode: msg.peer.filter(|peer| *peer != 0),
        recv_q,
        send_q,
        shutdown: msg.shutdown.filter(|shut| *shut != 0),
        uid: msg.uid,
        memory: msg.memory.map(SockMemory::whole),
        cookie: msg.cookie,
    })
}

/// Names without a path begin with a zero byte; paths may end with one.
fn name(bytes: &[u8]) -> Untrusted {
    match bytes.split_first() {
        Some((0, rest)) => Untrusted::from([b"@", rest].concat().as_slice()),
        _ => Untrusted::from(crate::netlink::attr::text(bytes)),
    }
}

fn read_packet(message: &Message<'_>, (): ()) -> Row<PacketSock> {
    let Some(msg) = local_diag::decode_packet(message) else {
        return Row::Unreadable;
    };
    const SOCK_DGRAM: u8 = 2;
    /// `struct sock_filter`.
    const INSTRUCTION: usize = 8;
    let instructions = msg.filter.map(|filter| (filter.len() / INSTRUCTION) as u32);
    Row::Item(PacketSock {
        cooked: msg.kind == SOCK_DGRAM,
        ethertype: msg.protocol,
        ifindex: msg.ifindex.filter(|index| *index != 0),
        inode: msg.inode,
        uid: msg.uid,
        ring: msg.has_rx_ring,
        fanout_group: msg.fanout.map(|fanout| (fanout & 0xffff) as u16),
        filter_instructions: instructions.filter(|count| *count > 0),
        memory: msg.memory.map(SockMemory::whole),
        cookie: msg.cookie,
    })
}
