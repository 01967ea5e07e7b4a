//! The inventory against the field's own tools, in namespaces made for each test.
//!
//! Needs root, `ip`, `ss`, `nft` and `conntrack`; prints SKIP and why where they are missing.

mod addrs;
mod bridges;
mod churn;
mod conntrack;
mod ct_more;
mod drivers;
mod files;
mod kinds;
mod links;
mod neigh;
mod ns;
mod owners;
mod qdiscs;
mod routes;
mod rules;
mod snapshot;
mod socks;
mod stats;
