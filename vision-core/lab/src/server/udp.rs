//! A UDP server with one behaviour for all its clients.

use std::{
    net::{SocketAddr, UdpSocket},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use nix::poll::PollFlags;

use super::{TICK, Worker, open, wait};
use crate::{
    error::{Error, Result},
    node::Node,
};

/// What a [`UdpServer`] does with its datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UdpBehaviour {
    /// Sends each back.
    Echo,
    /// Reads and says nothing.
    Silent,
    /// Never reads: the receive buffer fills.
    NeverRead,
}

/// A UDP server in a node. Stops on drop.
///
/// A server on `0.0.0.0` in a node with several addresses answers from the address its route prefers, as naive
/// servers do; bind the address asked for where that matters.
#[derive(Debug)]
pub struct UdpServer {
    addr: SocketAddr,
    received: Arc<AtomicU64>,
    _worker: Worker,
}

impl UdpServer {
    /// Binds `addr` in `node`.
    ///
    /// # Errors
    /// When the address does not parse or cannot be bound.
    pub fn start(node: &Node, addr: &str, behaviour: UdpBehaviour) -> Result<Self> {
        let what = format!("udp server on {addr}");
        let bind = || {
            UdpSocket::bind(addr).and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        };
        let socket = open(node, &what, bind)?;
        let addr = socket.local_addr().map_err(Error::io(what))?;
        let received = Arc::<AtomicU64>::default();
        let count = Arc::clone(&received);
        let interest = match behaviour {
            UdpBehaviour::NeverRead => PollFlags::empty(),
            UdpBehaviour::Echo | UdpBehaviour::Silent => PollFlags::POLLIN,
        };
        let worker = Worker::start(move || {
            if !wait(&[(socket.as_fd(), interest)], TICK)[0].contains(PollFlags::POLLIN) {
                return;
            }
            let mut buffer = [0; 65536];
            let Ok((n, from)) = socket.recv_from(&mut buffer) else {
                return;
            };
            count.fetch_add(1, Ordering::Relaxed);
            if behaviour == UdpBehaviour::Echo {
                // A refused reply (no route back, a rule) is a lost one.
                let _ = socket.send_to(&buffer[..n], from);
            }
        });
        Ok(Self { addr, received, _worker: worker })
    }

    /// Where it is bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Datagrams read so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
