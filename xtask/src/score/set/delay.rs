//! Networks that lose nothing and take their time.

use std::time::Duration;

use vision_lab::{Lab, Node, Relay, RelaySpec};

use super::Built;
use crate::{
    Result,
    score::{
        container::listen,
        scenario::{Scenario, Site},
    },
};

const HOP: &str = "latency.hop";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(HOP, "behind the router, 120 ms, TCP, out of sight", behind),
    Scenario::fault(HOP, "behind the router, 120 ms, TCP", behind).seen(),
    Scenario::fault(HOP, "between two routers, 200 ms, ping, v6", between).seen(),
    Scenario::fault(HOP, "before the first of two routers, 160 ms, TCP", before),
    Scenario::fault(HOP, "on the only link, 140 ms, ping", only_link),
    Scenario::healthy("a way that takes 40 ms", far).seen(),
    Scenario::healthy("a way that takes 105 ms, a third of it on each link", spread),
];

const PORT: u16 = 5432;

/// A relay that needs half of `round_trip` in each direction.
fn takes(round_trip: u64) -> RelaySpec {
    RelaySpec { delay: Duration::from_micros(round_trip * 500), ..RelaySpec::default() }
}

fn asked(a: &Node, b: &Node, relays: Vec<Relay>) -> Result<Site> {
    Ok(Site::at(a).keep((listen(b, PORT)?, relays)).ask_tcp(b.v4(), PORT))
}

fn behind(lab: &Lab) -> Built {
    let ([a, _, b], relays) = lab.relayed_chain(["a", "r", "b"], &[(1, takes(120))])?;
    asked(&a, &b, relays)
}

fn between(lab: &Lab) -> Built {
    let ([a, .., b], relays) = lab.relayed_chain(["a", "x", "r", "b"], &[(1, takes(200))])?;
    Ok(Site::at(&a).keep(relays).ask(b.v6()))
}

fn before(lab: &Lab) -> Built {
    let ([a, .., b], relays) = lab.relayed_chain(["a", "x", "r", "b"], &[(0, takes(160))])?;
    asked(&a, &b, relays)
}

fn only_link(lab: &Lab) -> Built {
    let ([a, b], relay) = lab.relayed_pair(takes(140))?;
    Ok(Site::at(&a).keep(relay).ask(b.v4()))
}

fn far(lab: &Lab) -> Built {
    let ([a, _, b], relays) = lab.relayed_chain(["a", "r", "b"], &[(1, takes(40))])?;
    asked(&a, &b, relays)
}

fn spread(lab: &Lab) -> Built {
    let each = [0, 1, 2].map(|link| (link, takes(35)));
    let ([a, .., b], relays) = lab.relayed_chain(["a", "x", "r", "b"], &each)?;
    asked(&a, &b, relays)
}
