use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use nix::sys::time::TimeSpec;

use crate::base::{Timestamp, Ttl};

/// One datagram with what came beside it.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    pub(crate) from: Option<SocketAddr>,
    pub(crate) ttl: Option<Ttl>,
    /// When the kernel took it from the device, where the socket was told to ask (`SO_TIMESTAMPNS`).
    pub(crate) stamp: Option<Timestamp>,
    pub(crate) bytes: &'a [u8],
}

/// Takes one datagram without blocking; `Ok(None)` when there is none.
pub(crate) fn receive<'a>(
    socket: &impl AsFd,
    buffer: &'a mut [u8],
) -> io::Result<Option<Datagram<'a>>> {
    let mut control = nix::cmsg_space!(libc::c_int, libc::timespec, [u8; 64]);
    let fd = socket.as_fd().as_raw_fd();
    let (from, ttl, stamp, len) = loop {
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags) {
            Ok(message) => {
                let (mut ttl, mut stamp) = (None, None);
                for part in message.cmsgs().ok().into_iter().flatten() {
                    match part {
                        ControlMessageOwned::ScmTimestampns(at) => stamp = timestamp(at),
                        other => ttl = ttl.or(ttl_of(other)),
                    }
                }
                break (message.address.and_then(socket_addr), ttl, stamp, message.bytes);
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(e) => return Err(e.into()),
        }
    };
    let bytes = buffer.get(..len).unwrap_or_default();
    Ok(Some(Datagram { from, ttl, stamp, bytes }))
}

pub(super) fn timestamp(at: TimeSpec) -> Option<Timestamp> {
    at.tv_sec()
        .checked_mul(1_000_000_000)?
        .checked_add(at.tv_nsec())
        .map(Timestamp::from_unix_nanos)
}

pub(super) fn ttl_of(message: ControlMessageOwned) -> Option<Ttl> {
    match message {
        ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
            u8::try_from(ttl).ok().map(Ttl)
        }
        _ => None,
    }
}

pub(super) fn socket_addr(addr: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = addr.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port())));
    v4.or_else(|| {
        let v6 = addr.as_sockaddr_in6()?;
        Some(std::net::SocketAddrV6::new(v6.ip(), v6.port(), 0, v6.scope_id()).into())
    })
}
