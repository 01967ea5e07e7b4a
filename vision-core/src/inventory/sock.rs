use std::net::IpAddr;

use super::row::{Row, string};
use super::sock_details::{SockDetails, SockMemory, SockTimer, TcpInfo};
use crate::base::{Family, open_enum};
use crate::netlink::header::Message;
use crate::netlink::sock_diag::{self, Query, SockMsg};

/// A TCP or UDP socket, as `ss -tuane` shows it.
#[doc(alias = "SOCK_DIAG_BY_FAMILY")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sock {
    /// TCP or UDP.
    pub protocol: SockProtocol,
    /// Version of the socket; one of IPv6 may carry IPv4 (`::ffff:…`).
    pub family: Family,
    /// State; UDP knows `ESTAB` and `UNCONN` only.
    pub state: SockState,
    /// Local address; `0.0.0.0` or `::` for any.
    pub local: IpAddr,
    /// Local port.
    pub local_port: u16,
    /// Remote address; unspecified when there is none.
    pub remote: IpAddr,
    /// Remote port; zero when there is none.
    pub remote_port: u16,
    /// Interface it is bound to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ifindex: Option<u32>,
    /// Owner, as a user number of the caller's user namespace.
    pub uid: u32,
    /// Inode, as in `/proc/PID/fd`; zero once no process holds it.
    pub inode: u32,
    /// Bytes not read yet; of a listener, connections not accepted yet.
    pub recv_q: u32,
    /// Bytes not acknowledged yet; of a listener, the limit of its backlog.
    pub send_q: u32,
    /// Whether it refuses IPv4; known for IPv6 sockets without a peer.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub v6only: Option<bool>,
    /// Unanswered tries of what is being sent: data, a SYN, a probe.
    pub retransmits: u8,
    /// Packet mark; told to those with `CAP_NET_ADMIN` only.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mark: Option<u32>,
    /// Number that is never used again.
    pub cookie: u64,
    /// What it tells beyond that, if asked for.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub details: Option<Box<SockDetails>>,
}

/// Which sockets to list; the default is all of TCP and UDP.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SocketFilter {
    /// Protocols; empty for all.
    pub protocols: Vec<SockProtocol>,
    /// With a peer, without, or both.
    pub kind: SocketKind,
    /// IP version of the socket.
    pub family: Option<Family>,
    /// Local port.
    pub local_port: Option<u16>,
    /// Remote port.
    pub remote_port: Option<u16>,
    /// States; empty for those of `kind`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub states: Vec<SockState>,
    /// Whether to fill in [`Sock::details`], which takes longer.
    #[cfg_attr(feature = "serde", serde(default))]
    pub details: bool,
}

/// Sockets with a peer or without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SocketKind {
    /// All.
    #[default]
    All,
    /// Waiting for anybody: TCP `LISTEN`, UDP `UNCONN`.
    Listening,
    /// With a peer, `TIME-WAIT` and `SYN-RECV` included.
    Connected,
}

impl SocketFilter {
    /// Lists one protocol; may be called again for another.
    pub fn protocol(mut self, protocol: SockProtocol) -> Self {
        self.protocols.push(protocol);
        self
    }

    /// Lists sockets that wait for anybody.
    pub fn listening(self) -> Self {
        Self { kind: SocketKind::Listening, ..self }
    }

    /// Lists sockets with a peer.
    pub fn connected(self) -> Self {
        Self { kind: SocketKind::Connected, ..self }
    }

    /// Lists sockets of one IP version.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Lists sockets with a local port.
    pub fn local_port(self, port: u16) -> Self {
        Self { local_port: Some(port), ..self }
    }

    /// Lists sockets with a remote port.
    pub fn remote_port(self, port: u16) -> Self {
        Self { remote_port: Some(port), ..self }
    }

    /// Lists sockets in one state; may be called again for another.
    pub fn state(mut self, state: SockState) -> Self {
        self.states.push(state);
        self
    }

    /// Fills in [`Sock::details`].
    pub fn details(self) -> Self {
        Self { details: true, ..self }
    }

    /// The kernel's questions: one for TCP, one for each version of the others.
    pub(super) fn queries(&self) -> Vec<(Query, SockProtocol)> {
        let protocols = match self.protocols.as_slice() {
            [] => &[SockProtocol::Tcp, SockProtocol::Udp][..],
            some => some,
        };
        let query = |family, protocol: SockProtocol| Query {
            family,
            protocol: protocol.raw(),
            details: self.details,
            states: self.states(),
            local_port: self.local_port.unwrap_or(0),
            remote_port: self.remote_port.unwrap_or(0),
        };
        let each = |protocol: SockProtocol| {
            let families = match (self.family, protocol) {
                (Some(family), _) => vec![family.raw()],
                (None, SockProtocol::Tcp) => vec![0],
                (None, _) => Family::BOTH.map(Family::raw).to_vec(),
            };
            families.into_iter().map(move |family| (query(family, protocol), protocol))
        };
        let asked = protocols.iter().copied().filter(|p| *p != SockProtocol::Raw);
        asked.flat_map(each).collect()
    }

    /// The same for raw sockets, which not every kernel answers.
    pub(super) fn raw_queries(&self) -> Vec<(Query, SockProtocol)> {
        let wanted = self.protocols.contains(&SockProtocol::Raw);
        let families = Family::BOTH.into_iter().filter(|of| self.family.is_none_or(|f| f == *of));
        let query = |family: Family| Query {
            family: family.raw(),
            protocol: SockProtocol::Raw.raw(),
            details: self.details,
            states: self.states(),
            local_port: 0,
            remote_port: 0,
        };
        families.filter(|_| wanted).map(|family| (query(family), SockProtocol::Raw)).collect()
    }

    fn states(&self) -> u32 {
        let waiting = 1 << SockState::Listen.raw() | 1 << SockState::Unconnected.raw();
        if !self.states.is_empty() {
            let bit = |state: &SockState| 1_u32.checked_shl(state.raw().into()).unwrap_or(0);
            return self.states.iter().fold(0, |all, state| all | bit(state));
        }
        match self.kind {
            SocketKind::All => u32::MAX,
            SocketKind::Listening => waiting,
            SocketKind::Connected => !(waiting | 1 << SockState::BoundInactive.raw()),
        }
    }

    /// What the kernel's filter lets through although it was not asked for.
    pub(super) fn admits(&self, sock: &Sock) -> bool {
        (self.states.is_empty() || self.states.contains(&sock.state))
            && self.local_port.is_none_or(|port| port == sock.local_port)
            && self.remote_port.is_none_or(|port| port == sock.remote_port)
            && (self.kind != SocketKind::Listening || !sock.is_idle_tcp())
    }
}

impl Sock {
    /// Tells whether it waits for anybody: a TCP listener, a UDP socket without a peer.
    pub fn is_listening(&self) -> bool {
        match self.protocol {
            SockProtocol::Tcp => self.state == SockState::Listen,
            _ => self.state == SockState::Unconnected,
        }
    }

    /// Returns the local end.
    pub fn local_endpoint(&self) -> (IpAddr, u16) {
        (self.local, self.local_port)
    }

    /// Tells whether packets to `addr` of `family` would reach this listener.
    pub fn accepts(&self, addr: IpAddr) -> bool {
        match (self.local, addr) {
            (IpAddr::V6(local), IpAddr::V4(_)) if local.is_unspecified() => {
                self.v6only != Some(true)
            }
            (IpAddr::V6(local), IpAddr::V4(v4)) => local.to_ipv4_mapped() == Some(v4),
            (local, addr) => {
                Family::of(local) == Family::of(addr) && (local.is_unspecified() || local == addr)
            }
        }
    }

    fn is_idle_tcp(&self) -> bool {
        self.protocol == SockProtocol::Tcp && self.state != SockState::Listen
    }
}

/// Reads a row of a socket dump.
#[inline]
pub(super) fn read(message: &Message<'_>, protocol: SockProtocol) -> Row<Sock> {
    sock_diag::decode(message).and_then(|msg| from_msg(&msg, protocol, msg.memory.is_some())).into()
}

/// Reads a row of a dump for which details were asked: of sockets that are no whole ones any more, or not yet
/// (`TIME-WAIT`, `SYN-RECV`), the kernel tells the timer alone.
#[inline]
pub(super) fn read_in_detail(message: &Message<'_>, protocol: SockProtocol) -> Row<Sock> {
    let read = |msg: SockMsg<'_>| from_msg(&msg, protocol, msg.memory.is_some() || msg.timer != 0);
    sock_diag::decode(message).and_then(read).into()
}

#[inline]
fn from_msg(msg: &SockMsg<'_>, protocol: SockProtocol, in_detail: bool) -> Option<Sock> {
    Some(Sock {
        protocol,
        family: Family::from_raw(msg.family)?,
        state: SockState::from_raw(msg.state),
        local: msg.local,
        local_port: msg.local_port,
        remote: msg.remote,
        remote_port: msg.remote_port,
        ifindex: Some(msg.ifindex).filter(|i| *i != 0),
        uid: msg.uid,
        inode: msg.inode,
        recv_q: msg.recv_q,
        send_q: msg.send_q,
        v6only: msg.v6only.map(|v| v != 0),
        retransmits: msg.retransmits,
        mark: msg.mark,
        cookie: msg.cookie,
        details: in_detail.then(|| Box::new(details(msg, protocol))),
    })
}

fn details(msg: &SockMsg<'_>, protocol: SockProtocol) -> SockDetails {
    let timer = Some(SockTimer::from_raw(msg.timer)).filter(|timer| timer.raw() != 0);
    SockDetails {
        timer_ms: timer.map(|_| msg.expires),
        timer,
        congestion: msg.congestion.map(string),
        tos: msg.tos,
        tclass: msg.tclass,
        shutdown: msg.shutdown.filter(|shut| *shut != 0),
        memory: msg.memory.map(SockMemory::whole),
        // MPTCP sends a structure of its own under the same number.
        tcp: msg
            .info
            .filter(|_| protocol == SockProtocol::Tcp)
            .map(|info| Box::new(TcpInfo::whole(info))),
    }
}

open_enum! {
    /// A protocol of sockets over IP.
    pub enum SockProtocol: u16 {
        /// TCP.
        Tcp = 6, "tcp";
        /// UDP.
        Udp = 17, "udp";
        /// UDP-Lite.
        UdpLite = 136, "udplite";
        /// Raw IP, whichever protocol is in it; the port is the number of that.
        Raw = 255, "raw";
        /// MPTCP; its paths are TCP sockets.
        Mptcp = 262, "mptcp";
    }
}

impl SockProtocol {
    /// All that can be listed.
    pub const ALL: [Self; 5] = [Self::Tcp, Self::Udp, Self::UdpLite, Self::Raw, Self::Mptcp];
}

open_enum! {
    /// State of a socket (net/tcp_states.h), named as `ss` prints it.
    pub enum SockState: u8 {
        /// Connected.
        Established = 1, "ESTAB";
        /// Connecting, no answer yet.
        SynSent = 2, "SYN-SENT";
        /// Being connected to.
        SynRecv = 3, "SYN-RECV";
        /// Closed here, not acknowledged.
        FinWait1 = 4, "FIN-WAIT-1";
        /// Closed here, acknowledged.
        FinWait2 = 5, "FIN-WAIT-2";
        /// Waits for stray packets to die.
        TimeWait = 6, "TIME-WAIT";
        /// Without a peer.
        Unconnected = 7, "UNCONN";
        /// Closed by the peer, not here.
        CloseWait = 8, "CLOSE-WAIT";
        /// Closed by both, not acknowledged.
        LastAck = 9, "LAST-ACK";
        /// Waits for connections.
        Listen = 10, "LISTEN";
        /// Closed by both at once.
        Closing = 11, "CLOSING";
        /// Being connected to, as a request only.
        NewSynRecv = 12, "NEW-SYN-RECV";
        /// Holds a port, neither listens nor connects (kernel 6.8).
        BoundInactive = 13, "BOUND-INACTIVE";
    }
}
