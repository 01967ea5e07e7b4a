//! vision-core

pub mod base;

pub use base::{
    Budget, Cancel, Capability, DecodeError, Endpoint, Error, EventSource, Family, Host, LinkAddr,
    Pacer, PortRange, Prefix, Reason, Result, Timestamp, Ttl, Untrusted,
};
