//! The one place that opens probe sockets, sets their options and reads their error queues.

#[cfg(feature = "dns")]
mod batch;
mod errqueue;
mod open;
mod receive;

#[cfg(feature = "dns")]
pub(crate) use batch::{BATCH, Inbox, send_many};
pub(crate) use errqueue::{IcmpFault, QueuedError, next_error};
pub(crate) use open::{Kind, Options, open, send_to, with_scope};
pub(crate) use receive::{Datagram, receive};

pub use open::Df;
