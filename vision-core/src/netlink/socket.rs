//! The kernel's end of a netlink socket; the only file that names netlink-sys.

use std::io;
use std::os::fd::AsFd;

use netlink_sys::{Socket, SocketAddr, protocols};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use crate::base::{Budget, Error, Op, Result};
use crate::netns::Netns;

/// A netlink family of sockets.
// closed: the ones this crate speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Route,
    SockDiag,
    Netfilter,
    Generic,
}

/// Carries datagrams; a trait so that recorded answers can stand in for the kernel.
pub(crate) trait Transport {
    /// Our own port number, which answers carry.
    fn port(&self) -> u32;

    fn send(&self, bytes: &[u8]) -> io::Result<()>;

    /// Replaces `buffer` by the next datagram, whole, and returns the sender's port; never blocks.
    ///
    /// A datagram that exceeds the capacity is lost (`ENOBUFS`), never cut.
    fn recv(&self, buffer: &mut Vec<u8>) -> io::Result<u32>;

    /// Blocks until [`Transport::recv`] has something to say.
    fn wait(&self, budget: &Budget) -> Result<()>;
}

/// A netlink socket that belongs to the namespace it was opened in.
pub(crate) struct KernelSocket {
    socket: Socket,
    port: u32,
}

impl KernelSocket {
    /// Opens, binds and tunes a socket inside `netns`; usable from any thread afterwards.
    pub(crate) fn open(netns: &Netns, protocol: Protocol, buffer_bytes: usize) -> Result<Self> {
        netns
            .run(|| Self::open_here(protocol, buffer_bytes))?
            .map_err(|e| Error::sys(Op::OpenNetlink, e))
    }

    fn open_here(protocol: Protocol, buffer_bytes: usize) -> io::Result<Self> {
        let mut socket = Socket::new(match protocol {
            Protocol::Route => protocols::NETLINK_ROUTE,
            Protocol::SockDiag => protocols::NETLINK_SOCK_DIAG,
            Protocol::Netfilter => protocols::NETLINK_NETFILTER,
            Protocol::Generic => protocols::NETLINK_GENERIC,
        })?;
        socket.set_non_blocking(true)?;
        let port = socket.bind_auto()?.port_number();
        // Old kernels lack some of these (ENOPROTOOPT); answers are the same without, only poorer.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        // The forced form needs CAP_NET_ADMIN.
        if setsockopt(&socket, sockopt::RcvBufForce, &buffer_bytes).is_err() {
            let _ = setsockopt(&socket, sockopt::RcvBuf, &buffer_bytes);
        }
        Ok(Self { socket, port })
    }

    /// Joins a multicast group (`RTNLGRP_*`).
    pub(crate) fn join(&self, group: u32) -> Result<()> {
        self.socket.add_membership(group).map_err(|e| Error::sys(Op::SetOption, e))
    }

    /// Leaves a multicast group.
    pub(crate) fn leave(&self, group: u32) -> Result<()> {
        self.socket.drop_membership(group).map_err(|e| Error::sys(Op::SetOption, e))
    }
}

impl AsFd for KernelSocket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Transport for KernelSocket {
    fn port(&self) -> u32 {
        self.port
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let kernel = SocketAddr::new(0, 0);
        retry(|| self.socket.send_to(bytes, &kernel, 0)).map(drop)
    }

    fn recv(&self, buffer: &mut Vec<u8>) -> io::Result<u32> {
        buffer.clear();
        // No look at the length first: each look makes the kernel dump ahead into its own queue,
        // and what lies there goes cold until it is read.
        let (len, from) = retry(|| self.socket.recv_from(buffer, libc::MSG_TRUNC))?;
        if len <= buffer.len() {
            return Ok(from.port_number());
        }
        // The rest is lost, as with a full queue.
        buffer.clear();
        Err(io::Error::from_raw_os_error(libc::ENOBUFS))
    }

    fn wait(&self, budget: &Budget) -> Result<()> {
        budget.wait(&[self.as_fd()], None).map(drop)
    }
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::rtnl;

    #[test]
    fn a_datagram_that_does_not_fit_is_lost_and_said_to_be() {
        let netns = Netns::current().expect("/proc is mounted");
        let socket = KernelSocket::open(&netns, Protocol::Route, 1 << 16).expect("a socket");
        for (capacity, fits) in [(64, false), (1 << 16, true)] {
            socket.send(rtnl::link::dump().finish(1)).expect("sent");
            let mut buffer = Vec::with_capacity(capacity);
            socket.wait(&Budget::unbounded()).expect("an answer");
            let received = socket.recv(&mut buffer);
            assert_eq!(received.as_ref().err().and_then(io::Error::raw_os_error).is_none(), fits);
            assert_eq!(buffer.is_empty(), !fits);
            // The end of the dump.
            while socket.recv(&mut Vec::with_capacity(1 << 16)).is_ok() {}
        }
    }
}
