//! The scenarios, one file per class of cause, and the networks in which nothing is to be found.

mod addr;
mod addresses;
mod answers;
mod dns;
mod healthy;
mod link;
mod links;
mod listeners;
mod lookalikes;
mod mixed;
mod neigh;
mod peers;
mod resolver;
mod route;
mod socket;
mod traps;
mod unnamed;
mod ways;

use super::scenario::{Scenario, Site};
use crate::Result;

/// What building a scenario ends in.
type Built = Result<Site>;

/// Every scenario, from the wire up.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        link::ALL,
        links::ALL,
        addr::ALL,
        addresses::ALL,
        neigh::ALL,
        peers::ALL,
        route::ALL,
        ways::ALL,
        ways::ROUTERS,
        dns::ALL,
        resolver::ALL,
        answers::ALL,
        socket::ALL,
        listeners::ALL,
        unnamed::ALL,
        healthy::ALL,
        lookalikes::ALL,
        traps::ALL,
        mixed::ALL,
    ]
    .into_iter()
    .flatten()
}
