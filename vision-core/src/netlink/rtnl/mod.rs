//! rtnetlink (linux/rtnetlink.h): links, addresses, routes, rules, neighbours,
//! bridges, traffic control.

pub(crate) mod addr;
pub(crate) mod bridge;
pub(crate) mod link;
pub(crate) mod neigh;
pub(crate) mod neigh_table;
pub(crate) mod nsid;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod tc;

/// Multicast groups (`enum rtnetlink_groups`).
pub(crate) mod group {
    pub(crate) const LINK: u32 = 1;
    pub(crate) const NEIGH: u32 = 3;
    pub(crate) const TC: u32 = 4;
    pub(crate) const IPV4_IFADDR: u32 = 5;
    pub(crate) const IPV4_ROUTE: u32 = 7;
    pub(crate) const IPV4_RULE: u32 = 8;
    pub(crate) const IPV6_IFADDR: u32 = 9;
    pub(crate) const IPV6_ROUTE: u32 = 11;
    pub(crate) const IPV6_RULE: u32 = 19;
    pub(crate) const MDB: u32 = 26;
    pub(crate) const NSID: u32 = 28;
    pub(crate) const NEXTHOP: u32 = 32;
    pub(crate) const BRVLAN: u32 = 33;
}

/// Completes a fixed part that is shorter than this version of the structure with zeros.
#[inline]
fn fixed<const N: usize>(body: &[u8]) -> [u8; N] {
    // At once, not byte by byte, unless a kernel is that old.
    if let Some(whole) = body.first_chunk() {
        return *whole;
    }
    let mut bytes = [0; N];
    for (to, from) in bytes.iter_mut().zip(body) {
        *to = *from;
    }
    bytes
}
