//! Enters any container's network namespace, reads its tables, probes from inside it, and names
//! what is wrong.
//!
//! Three levels, each built on the one before; take the one that answers your question.
//!
//! **Look.** A [`Target`] is what a user calls a namespace ([`Selector`]: a process, a name, a
//! file, a container, a pod), with its identity; it holds nothing open. An [`inventory::Inventory`] reads the links,
//! addresses, routes, rules, neighbours, sockets, counters and settings of that namespace as plain
//! data. Reading needs no privilege in the own namespace.
//!
//! ```
//! use std::time::Duration;
//! use vision_core::inventory::Inventory;
//! use vision_core::{Budget, Selector, Target};
//!
//! let budget = Budget::within(Duration::from_secs(2));
//! let target = Target::resolve(&"self".parse::<Selector>()?, &budget)?; // or "pid:4242", "ctr:web"
//! let mut inventory = Inventory::open(&target)?;
//! for link in inventory.links(&budget)?.items {
//!     println!("{} {} mtu {}", link.ifindex, link.name.escaped(), link.mtu_bytes.unwrap_or(0));
//! }
//! # Ok::<(), vision_core::Error>(())
//! ```
//!
//! **Probe.** A request from [`probe`] is a builder; [`probe::Probe::run`] carries it out inside
//! the target until it is done or the [`Budget`] ends. What the network answered, a refusal or
//! silence included, is `Ok`; an [`Error`] means that the question could not be asked.
//!
//! ```
//! use std::time::Duration;
//! use vision_core::probe::{Probe, TcpOutcome, TcpProbe};
//! use vision_core::{Budget, Selector, Target};
//!
//! let server = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let at = server.local_addr()?;
//!
//! let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
//! let probe = TcpProbe::new(at.ip(), [at.port()]).wait(Duration::from_millis(500));
//! let report = probe.run(&target, &Budget::within(Duration::from_secs(3)))?;
//! assert!(matches!(report.attempts[0].outcome, TcpOutcome::Open { .. }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Diagnose.** The `doctor` collects evidence around one question into a case file and judges
//! it; the judgement is a pure function of the file, which can be saved and judged again.
//!
#![cfg_attr(not(feature = "dns"), doc = "```ignore")]
#![cfg_attr(feature = "dns", doc = "```")]
//! use std::time::Duration;
//! use vision_core::doctor::{CaseFile, Vantages, diagnose};
//! use vision_core::{Budget, Selector, Target};
//!
//! fn main() -> vision_core::Result<()> {
//!     let budget = Budget::within(Duration::from_secs(10));
//!     let target = Target::resolve(&"self".parse::<Selector>()?, &budget)?; // or "pid:4242"
//!     let case = CaseFile::new("127.0.0.1:5432".parse()?);
//!     let (_case, diagnosis) = diagnose(case, &Vantages::of(&target), &budget)?;
//!     println!("{:?}", diagnosis.verdict);
//!     for finding in &diagnosis.findings {
//!         println!("{} ({:?}): {}", finding.cause, finding.confidence, finding.summary);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What holds everywhere
//!
//! - Nothing here prints, reads the environment, installs signal handlers or keeps global state;
//!   no thread outlives the call that started it.
//! - Every call that may wait takes a [`Budget`], which is a deadline and a [`Cancel`] in one.
//! - Sessions that yield events are an [`EventSource`]: block on them, or put their descriptor
//!   into a reactor.
//! - A [`Netns`] and anything opened inside it keep the namespace alive; a [`Target`] does not.
//! - Bytes that others choose (interface names, process names, file contents) are [`Untrusted`]
//!   until they are escaped.
//! - Reports have public fields, keep numbers this version does not know, and are
//!   `#[non_exhaustive]`.
//!
//! # Privileges
//!
//! In the own namespace: none for the inventory, TCP, UDP, DNS and the doctor; `CAP_NET_RAW` for
//! ARP and neighbour discovery, and for ping where `net.ipv4.ping_group_range` leaves the group
//! out. Another namespace takes `CAP_SYS_ADMIN`, and that of another user's process
//! `CAP_SYS_PTRACE` as well. [`Error::Permission`] names the capability that is missing.
//!
//! # Features
//!
//! - `serde` (default): reports, snapshots and case files to and from JSON.
//! - `capture` (default): live capture, filters and capture files.
//! - `dns` (default): DNS messages, queries, name resolution as the target would do it, and the
//!   doctor, which needs them.
//!
//! Linux only.

#[cfg(feature = "tokio")]
pub mod aio;
pub mod base;
#[cfg(feature = "capture")]
pub mod capture;
#[cfg(feature = "dns")]
pub mod doctor;
pub mod firewall;
pub mod inventory;
mod netlink;
pub mod netns;
pub mod probe;
mod socket;
mod sys;
pub mod watch;
pub mod wire;

pub use base::{
    Budget, Cancel, Capability, DecodeError, Endpoint, Error, EventSource, Family, Gap, Host,
    LinkAddr, Pacer, PortRange, Prefix, Reason, Result, Timestamp, Ttl, Untrusted,
};
pub use netns::{Netns, NetnsId, Selector, Target};
