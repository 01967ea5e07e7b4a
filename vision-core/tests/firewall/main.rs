//! The firewall against nft and iptables, in namespaces made for each test.
//!
//! Needs root and `nft`; prints SKIP and why where they are missing.

mod ipset;
mod iptables;
mod legacy;
mod round_trip;
mod rows;
mod why;
