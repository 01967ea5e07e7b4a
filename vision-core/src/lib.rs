//! vision-core

#[cfg(feature = "tokio")]
pub mod aio;
pub mod base;
#[cfg(feature = "dns")]
pub mod doctor;
pub mod inventory;
mod netlink;
pub mod netns;
pub mod probe;
#[allow(dead_code, reason = "filled room by room")]
mod socket;
mod sys;
#[allow(dead_code, reason = "filled room by room")]
pub mod wire;

pub use base::{
    Budget, Cancel, Capability, DecodeError, Endpoint, Error, EventSource, Family, Gap, Host,
    LinkAddr, Pacer, PortRange, Prefix, Reason, Result, Timestamp, Ttl, Untrusted,
};
pub use netns::{Netns, NetnsId, Selector, Target};
