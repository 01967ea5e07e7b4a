//! The scenarios, one file per class of cause, and the networks in which nothing is to be found.

mod addr;
mod dns;
mod healthy;
mod link;
mod mixed;
mod neigh;
mod route;
mod socket;
mod traps;
mod unnamed;

use super::scenario::{Scenario, Site};
use crate::Result;

/// What building a scenario ends in.
type Built = Result<Site>;

/// Every scenario, from the wire up.
pub(super) fn all() -> impl Iterator<Item = &'static Scenario> {
    [
        link::ALL,
        addr::ALL,
        neigh::ALL,
        route::ALL,
        dns::ALL,
        socket::ALL,
        unnamed::ALL,
        healthy::ALL,
        traps::ALL,
        mixed::ALL,
    ]
    .into_iter()
    .flatten()
}
