use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, SockaddrIn6, recvmsg};

use super::receive::{timestamp, ttl_of};
use crate::base::{Family, Timestamp, Ttl};

/// One entry of a socket's error queue (`IP_RECVERR`, ip(7)): which packet failed, who says so, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedError {
    /// The error number the kernel derived.
    pub(crate) errno: i32,
    /// The host that sent the ICMP error; `None` when the error arose here.
    pub(crate) icmp: Option<IcmpFault>,
    /// The MTU a packet of ours exceeded before it left.
    pub(crate) local_mtu: Option<u32>,
    /// Where the failed packet was going.
    pub(crate) to: Option<SocketAddr>,
    /// Time to live of the error on arrival, where the socket was told to ask.
    pub(crate) ttl: Option<Ttl>,
    /// When it arrived, where the socket was told to ask (`SO_TIMESTAMPNS`).
    pub(crate) stamp: Option<Timestamp>,
    /// What the failed packet carried after the transport's own header, as far as quoted.
    pub(crate) payload: Vec<u8>,
}

/// What an ICMP error said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcmpFault {
    pub(crate) from: Option<IpAddr>,
    pub(crate) kind: u8,
    pub(crate) code: u8,
    /// The next hop's MTU of "fragmentation needed" and "packet too big".
    pub(crate) mtu: Option<u32>,
}

/// Takes the oldest entry; `None` when the queue is empty.
pub(crate) fn next_error(socket: &impl AsFd, family: Family) -> Option<QueuedError> {
    match family {
        Family::V4 => next_v4(socket),
        Family::V6 => next_v6(socket),
    }
}

const FLAGS: MsgFlags = MsgFlags::MSG_ERRQUEUE.union(MsgFlags::MSG_DONTWAIT);

fn next_v4(socket: &impl AsFd) -> Option<QueuedError> {
    let mut bytes = [0; 2048];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in, [u8; 64]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let fd = socket.as_fd().as_raw_fd();
    let message = retry(|| {
        recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut control), FLAGS).map(|m| {
            let beside = Beside::read(m.cmsgs().ok().into_iter().flatten());
            let to = m.address.map(|a| SocketAddr::from((a.ip(), a.port())));
            (beside, to, m.bytes)
        })
    });
    let (beside, to, len) = message?;
    beside.queued(to, bytes.get(..len)?)
}

fn next_v6(socket: &impl AsFd) -> Option<QueuedError> {
    let mut bytes = [0; 2048];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6, [u8; 64]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let fd = socket.as_fd().as_raw_fd();
    let message = retry(|| {
        recvmsg::<SockaddrIn6>(fd, &mut parts, Some(&mut control), FLAGS).map(|m| {
            let beside = Beside::read(m.cmsgs().ok().into_iter().flatten());
            let to = m.address.map(|a| SocketAddr::from((a.ip(), a.port())));
            (beside, to, m.bytes)
        })
    });
    let (beside, to, len) = message?;
    beside.queued(to, bytes.get(..len)?)
}

fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> Option<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result.ok(),
        }
    }
}

/// What comes beside the quoted packet.
#[derive(Default)]
struct Beside {
    error: Option<(libc::sock_extended_err, Option<IpAddr>)>,
    ttl: Option<Ttl>,
    stamp: Option<Timestamp>,
}

impl Beside {
    fn read(parts: impl Iterator<Item = ControlMessageOwned>) -> Self {
        let mut found = Self::default();
        for part in parts {
            match part {
                ControlMessageOwned::Ipv4RecvErr(error, from) => {
                    let from =
                        from.map(|a| IpAddr::from(u32::from_be(a.sin_addr.s_addr).to_be_bytes()));
                    found.error = Some((error, from));
                }
                ControlMessageOwned::Ipv6RecvErr(error, from) => {
                    let from = from.map(|a| IpAddr::from(a.sin6_addr.s6_addr));
                    found.error = Some((error, from));
                }
                ControlMessageOwned::ScmTimestampns(at) => found.stamp = timestamp(at),
                other => found.ttl = found.ttl.or(ttl_of(other)),
            }
        }
        found
    }

    fn queued(self, to: Option<SocketAddr>, payload: &[u8]) -> Option<QueuedError> {
        let (error, from) = self.error?;
        let by_icmp = matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
        let too_big = error.ee_errno == libc::EMSGSIZE as u32;
        let mtu = too_big.then_some(error.ee_info);
        let fault = IcmpFault { from, kind: error.ee_type, code: error.ee_code, mtu };
        Some(QueuedError {
            errno: i32::try_from(error.ee_errno).unwrap_or(libc::EIO),
            icmp: by_icmp.then_some(fault),
            local_mtu: mtu.filter(|_| !by_icmp),
            to,
            ttl: self.ttl,
            stamp: self.stamp,
            payload: payload.to_vec(),
        })
    }
}
