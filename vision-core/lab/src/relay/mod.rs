//! A wire that delays, drops, reorders and duplicates, in user space: needs no netem.

mod checksum;
mod queue;

use std::{
    io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    ifaddrs::getifaddrs,
    poll::PollFlags,
    sys::socket::{
        AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send,
        socket,
    },
};

use crate::{
    Lab,
    error::{Error, Result},
    node::Node,
    server::{TICK, Worker, wait},
};
use queue::Queue;

/// What a [`Relay`] does to frames, in each direction for itself.
///
/// Counted, not random, and only IP packets count: ARP, neighbour discovery and multicast membership are
/// delayed and else left alone, so that a count of packets means what it says. Zero means never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelaySpec {
    /// How long each frame takes.
    pub delay: Duration,
    /// Every n-th packet vanishes.
    pub drop_one_in: u32,
    /// Every n-th packet is passed right after its successor (or 200 ms later, if none comes).
    pub reorder_one_in: u32,
    /// Every n-th packet is passed twice.
    pub duplicate_one_in: u32,
}

/// A node that passes frames between two others. Stops on drop, and then the wire is dead.
#[derive(Debug)]
pub struct Relay {
    node: Node,
    spec: Arc<Mutex<RelaySpec>>,
    _worker: Worker,
}

impl Relay {
    /// Changes what happens to frames that come from now on.
    pub fn set(&self, spec: RelaySpec) {
        *self.spec.lock().unwrap_or_else(PoisonError::into_inner) = spec;
    }

    /// The node in the middle: its `left` and `right` are the wire's inner ends, and it has no address.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }
}

impl Lab {
    /// Joins two nodes by a wire with a relay in it; no addresses. See [`Lab::link`].
    ///
    /// The two outer devices no longer hand over packets larger than their MTU (GSO).
    ///
    /// # Errors
    /// When a node already has a device of that name, or packet sockets are refused.
    pub fn relay(
        &self,
        a: &Node,
        a_dev: &str,
        b: &Node,
        b_dev: &str,
        spec: RelaySpec,
    ) -> Result<Relay> {
        let node = self.node("relay")?;
        node.sysctls(&[
            ("net/ipv6/conf/all/disable_ipv6", "1"),
            ("net/ipv6/conf/default/disable_ipv6", "1"),
        ])?;
        self.link(a, a_dev, &node, "left")?;
        self.link(b, b_dev, &node, "right")?;
        a.try_sh(&format!("ip link set {a_dev} gso_max_segs 1"))?;
        b.try_sh(&format!("ip link set {b_dev} gso_max_segs 1"))?;
        let open = || Ok([packet_socket("left")?, packet_socket("right")?]);
        let sockets = node
            .try_enter(open)
            .and_then(|opened: io::Result<_>| opened)
            .map_err(Error::io("packet sockets of a relay"))?;
        let spec = Arc::new(Mutex::new(spec));
        let mut passing = Passing { sockets, spec: Arc::clone(&spec), queue: Queue::default() };
        Ok(Relay { node, spec, _worker: Worker::start(move || passing.turn()) })
    }

    /// As [`Lab::pair`], with a relay in the wire; it begins to interfere when the pair has been seen to work.
    ///
    /// # Errors
    /// As [`Lab::pair`] and [`Lab::relay`].
    pub fn relayed_pair(&self, spec: RelaySpec) -> Result<([Node; 2], Relay)> {
        let pair = [self.node("a")?, self.node("b")?];
        let relay = self.relay(&pair[0], "eth0", &pair[1], "eth0", RelaySpec::default())?;
        self.address_pair(&pair)?;
        relay.set(spec);
        Ok((pair, relay))
    }
}

/// A socket that sees and sends whole frames of one device.
fn packet_socket(dev: &str) -> io::Result<OwnedFd> {
    let address = link_address(dev)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    // The address names no protocol, which leaves the socket's own.
    bind(fd.as_raw_fd(), &address)?;
    Ok(fd)
}

fn link_address(dev: &str) -> io::Result<LinkAddr> {
    getifaddrs()?
        .filter(|entry| entry.interface_name == dev)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| io::Error::other(format!("no device {dev}")))
}

struct Passing {
    sockets: [OwnedFd; 2],
    spec: Arc<Mutex<RelaySpec>>,
    queue: Queue,
}

impl Passing {
    fn turn(&mut self) {
        let limit =
            self.queue.next_due().map_or(TICK, |due| due.saturating_duration_since(Instant::now()));
        let fds = [
            (self.sockets[0].as_fd(), PollFlags::POLLIN),
            (self.sockets[1].as_fd(), PollFlags::POLLIN),
        ];
        let ready = wait(&fds, limit);
        for side in (0..2).filter(|&side| ready[side].contains(PollFlags::POLLIN)) {
            self.take(side);
        }
        for (side, frame) in self.queue.due(Instant::now()) {
            // What the device refuses (full, too big) is lost as on any wire.
            let _ = send(self.sockets[side].as_raw_fd(), &frame, MsgFlags::empty());
        }
    }

    /// Takes up to 64 frames that came in on `side`, to go out on the other.
    fn take(&mut self, side: usize) {
        let spec = *self.spec.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = vec![0; 65536];
        for _ in 0..64 {
            let Ok(n) = recv(self.sockets[side].as_raw_fd(), &mut buffer, MsgFlags::empty()) else {
                return;
            };
            let mut frame = buffer[..n].to_vec();
            checksum::complete(&mut frame);
            self.queue.push(1 - side, frame, &spec, Instant::now());
        }
    }
}
