//! The scenarios, one file per class of cause, and the networks in which nothing is to be found.

mod addr;
mod addresses;
mod afar;
mod answers;
mod astray;
mod bridge;
mod bridged;
mod busy;
mod cluster;
mod delay;
mod discovery;
mod dns;
mod frames;
mod healthy;
mod led;
mod link;
mod links;
mod listeners;
mod lookalikes;
mod loss;
mod mixed;
mod mtu;
mod names;
mod neigh;
mod overlay;
mod peers;
mod resolver;
mod route;
mod routers;
mod routing;
mod services;
mod socket;
mod spent;
mod spoken;
mod tracked;
mod traps;
mod unnamed;
mod walls;
mod ways;

use super::scenario::{Scenario, Site};
use crate::Result;

/// What building a scenario ends in.
type Built = Result<Site>;

/// Asked once as they are and once with everything in sight: the answer has to be the same.
const TWICE: &[&[Scenario]] = &[
    link::ALL,
    addr::ALL,
    neigh::ALL,
    route::ALL,
    dns::ALL,
    socket::ALL,
    unnamed::DROPPED,
    healthy::ALL,
    traps::ALL,
    mixed::ALL,
];

/// Asked as they say.
const ONCE: &[&[Scenario]] = &[
    bridge::ALL,
    routing::ALL,
    mtu::ALL,
    links::ALL,
    addresses::ALL,
    peers::ALL,
    ways::ALL,
    routers::ALL,
    resolver::ALL,
    answers::ALL,
    astray::ALL,
    led::ALL,
    listeners::ALL,
    unnamed::ALL,
    lookalikes::ALL,
    loss::ALL,
    delay::ALL,
    busy::ALL,
    walls::ALL,
    services::ALL,
    spent::ALL,
    bridged::ALL,
    tracked::ALL,
    afar::ALL,
    overlay::ALL,
    discovery::ALL,
    frames::ALL,
    cluster::ALL,
    names::ALL,
    spoken::ALL,
];

/// Every scenario.
pub(super) fn all() -> impl Iterator<Item = Scenario> {
    let flat = |sets: &'static [&'static [Scenario]]| sets.iter().copied().flatten().copied();
    let again = flat(TWICE).map(Scenario::seen);
    flat(TWICE).chain(again).chain(flat(ONCE))
}
