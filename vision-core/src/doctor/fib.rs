//! What a table of routes says by itself, without policy rules. Pure.

use std::net::IpAddr;

use crate::inventory::{Route, RouteTable};

/// Finds the route of a table that decides about a destination: the longest prefix, then the
/// lowest metric (RFC 1812 §5.2.4.3; net/ipv4/fib_trie.c).
pub(super) fn longest_match(routes: &[Route], table: RouteTable, dst: IpAddr) -> Option<&Route> {
    let matching = routes.iter().filter(|r| r.table == table && r.dst.contains(dst));
    matching.max_by_key(|r| (r.dst.bits(), std::cmp::Reverse(r.metric.unwrap_or(0))))
}

/// Lists the ways a route offers: gateway and outgoing interface of each.
pub(super) fn ways(route: &Route) -> Vec<(Option<IpAddr>, u32)> {
    let single = route.oif_ifindex.map(|ifindex| (route.gateway, ifindex));
    let several = route.nexthops.iter().filter_map(|hop| Some((hop.gateway, hop.oif_ifindex?)));
    match route.nexthops.is_empty() {
        true => single.into_iter().collect(),
        false => several.collect(),
    }
}
