//! Packets that wait for a neighbour's address: plain data, and what it means. Pure.

use std::net::IpAddr;

use crate::inventory::NeighQueue;
use crate::probe::{EchoOutcome, PingReport};

/// Two echo requests in several pieces: one while the neighbour's address was not known, one later.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UnresolvedRecord {
    /// Who was asked.
    pub to: IpAddr,
    /// Who the packets are handed to.
    pub neighbour: IpAddr,
    /// What may wait for its address.
    pub queue: NeighQueue,
    /// How many pieces each is in.
    pub pieces: u32,
    /// The echo requests.
    pub echoes: PingReport,
}

impl UnresolvedRecord {
    /// Tells whether the request that had to wait was lost, and the other one answered.
    pub(super) fn lost_the_first(&self) -> bool {
        let outcomes: Vec<_> = self.echoes.echoes.iter().map(|echo| &echo.outcome).collect();
        matches!(outcomes[..], [EchoOutcome::Lost { late: None }, EchoOutcome::Reply { .. }])
    }
}
