use std::net::IpAddr;
use std::time::Instant;

use super::change::Change;
use crate::base::{Reason, Ttl};
use crate::probe::IcmpError;
use crate::wire::quote::MplsLabel;

/// What machines that send probes of limited life hear.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A probe is handed to the kernel at this very moment.
    Sending { seq: u32, at: Instant },
    /// The kernel refused it; with the MTU it exceeded, where that was the reason.
    SendFailed { seq: u32, reason: Reason, mtu: Option<u32> },
    /// Somebody answered.
    Answer(Answer),
    /// Something that only looked like an answer.
    Foreign,
}

/// An answer, tied to its probe.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Which probe; `None` where the error does not quote enough to tell.
    pub(crate) seq: Option<u32>,
    pub(crate) from: Option<IpAddr>,
    /// Time to live on arrival.
    pub(crate) ttl: Option<Ttl>,
    pub(crate) said: Said,
    pub(crate) at: Instant,
    pub(crate) labels: Vec<MplsLabel>,
    pub(crate) quote: Option<QuoteFacts>,
}

impl Answer {
    pub(crate) fn new(
        seq: Option<u32>,
        from: Option<IpAddr>,
        ttl: Option<Ttl>,
        said: Said,
        at: Instant,
    ) -> Self {
        Self { seq, from, ttl, said, at, labels: Vec::new(), quote: None }
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Icmp(IcmpError),
    /// An echo reply.
    Echo,
    /// A SYN-ACK, and the segment size it offers.
    Open {
        mss: Option<u16>,
    },
    /// A reset.
    Closed,
    /// A datagram from the destination.
    Datagram,
}

/// What the quoted header says about the way.
#[derive(Debug, Clone)]
pub(crate) struct QuoteFacts {
    pub(crate) ttl: Ttl,
    pub(crate) changed: Vec<Change>,
}
