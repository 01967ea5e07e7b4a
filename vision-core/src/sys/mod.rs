//! The kernel's edge: the only room with `unsafe` code, ten lines at a time.
#![allow(unsafe_code)]

pub(crate) mod batch;
pub(crate) mod dir;
pub(crate) mod ethtool;
pub(crate) mod nsfs;
pub(crate) mod packet;
pub(crate) mod perf;
pub(crate) mod pidfd;
#[cfg(feature = "capture")]
pub(crate) mod prefetch;
#[cfg(feature = "capture")]
pub(crate) mod ring;
pub(crate) mod sockns;
pub(crate) mod sockopt;
pub(crate) mod tracefs;
