//! Real Linux networks for tests: namespaces, topologies, faults and small servers.
//!
//! Every namespace is anonymous: it is held by a file descriptor of this process and by nothing else. There is
//! no name to clash and nothing on disk to clean up; labs run in parallel, and a killed test leaves nothing.
//! Needs real root, or the root of a user namespace (`unshare -Urnm cargo test`).
//!
//! The lab is wired with iproute2 and nftables through [`Node::sh`], so that it shares no code with what it
//! tests.
//!
//! ```no_run
//! use vision_lab::{Fault, Hook, Lab, Proto, require};
//! let Some(lab) = require(Lab::new()) else { return };
//! let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain of three");
//! a.sh(&format!("ping -c1 -W1 {}", b.v4()));
//! lab.fault(&r, Fault::Drop { hook: Hook::Forward, proto: Proto::Udp, dport: Some(53) }).expect("a drop rule");
//! ```

mod check;
pub mod dns;
mod error;
mod fault;
mod flag;
mod node;
mod process;
mod relay;
mod server;
mod topology;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

pub use check::{Skip, require, whole_machine};
pub use dns::DnsServer;
pub use error::{Error, Result, ShError};
pub use fault::{Family, Fault, Hook, Proto, RejectKind, RouteKind};
pub use flag::AtEnd;
pub use node::Node;
pub use process::Proc;
pub use relay::{Relay, RelaySpec};
pub use server::{
    Authority, Certificate, Signed, TcpBehaviour, TcpServer, TlsServer, UdpBehaviour, UdpServer,
};
pub use topology::Bridge;

/// A set of namespaces that belong together.
///
/// Keeps every node it made, so that `let [a, _, b] = lab.chain(…)` has a middle. A namespace is gone when the
/// lab, every clone of its [`Node`] and every process and socket in it are gone.
#[derive(Debug, Default)]
pub struct Lab {
    nodes: Mutex<Vec<Node>>,
    nets: AtomicU32,
    tables: AtomicU32,
}

impl Lab {
    /// Checks that this process may build networks here.
    ///
    /// # Errors
    /// [`Skip`] names the missing tool, capability or kernel feature. The check runs once per process.
    pub fn new() -> Result<Self, Skip> {
        check::usable()?;
        Ok(Self::default())
    }

    /// As [`Lab::new`], with networks numbered from `first` + 1 on, so that labs side by side share no address.
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn numbered_after(first: u8) -> Result<Self, Skip> {
        let lab = Self::new()?;
        lab.nets.store(first.into(), Ordering::Relaxed);
        Ok(lab)
    }

    /// Every node made so far and not let go, in order.
    #[must_use]
    pub fn nodes(&self) -> Vec<Node> {
        self.kept().clone()
    }

    /// Makes a namespace with `lo` up and addresses usable at once: IPv6 duplicate address detection is off.
    ///
    /// Values a new namespace inherits from the machine (`rp_filter`, forwarding) are pinned to 0.
    ///
    /// # Errors
    /// The kernel's refusal, or that of `ip`.
    pub fn node(&self, name: &str) -> Result<Node> {
        let node = self.node_raw(name)?;
        node.settle()?;
        Ok(node)
    }

    /// As [`Lab::node`], with duplicate address detection as the kernel has it by default.
    ///
    /// # Errors
    /// As [`Lab::node`].
    pub fn node_with_dad(&self, name: &str) -> Result<Node> {
        let node = self.node(name)?;
        node.sysctls(&[
            ("net/ipv6/conf/default/accept_dad", "1"),
            ("net/ipv6/conf/default/dad_transmits", "1"),
        ])?;
        Ok(node)
    }

    /// Makes a namespace exactly as the kernel hands it out: `lo` is down, no sysctl is touched.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn node_raw(&self, name: &str) -> Result<Node> {
        let node = Node::create(name)?;
        self.kept().push(node.clone());
        Ok(node)
    }

    /// Gives up the lab's own hold of a node: it goes with its last clone, process and socket.
    pub fn let_go(&self, node: &Node) {
        self.kept().retain(|kept| kept.inode() != node.inode());
    }

    /// Breaks something in `node`; the effect lasts as long as the namespace.
    ///
    /// # Errors
    /// The command that was refused.
    pub fn fault(&self, node: &Node, fault: Fault<'_>) -> Result<()> {
        let table = format!("lab_{}", self.tables.fetch_add(1, Ordering::Relaxed));
        for command in fault.commands(&table) {
            node.try_sh_writable(&command)?;
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next unused second octet of 10.0.0.0/8.
    fn next_net(&self) -> Result<u8> {
        let n = self.nets.fetch_add(1, Ordering::Relaxed) + 1;
        u8::try_from(n).map_err(|_| Error::Invalid("one lab has room for 255 networks".into()))
    }
}
