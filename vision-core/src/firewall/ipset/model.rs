//! Sets of ipset and what is in them, as plain data.

use std::net::IpAddr;

use crate::base::{LinkAddr, Untrusted, open_enum};
use crate::firewall::Counter;

open_enum! {
    /// Which addresses a set is of (linux/netfilter.h `NFPROTO_*`).
    pub enum IpsetFamily: u8 {
        /// A set of other things, such as ports or sets.
        None = 0, "unspec";
        /// IPv4.
        Inet = 2, "inet";
        /// IPv6.
        Inet6 = 10, "inet6";
    }
}

/// A set: what it was created with, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Ipset {
    /// Its name.
    pub name: Untrusted,
    /// How it stores what: `hash:ip,port`, `bitmap:port`, `list:set`.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: Untrusted,
    /// Revision of the type.
    pub revision: u8,
    /// Its addresses.
    pub family: IpsetFamily,
    /// First and last address of a bitmap.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub range: Option<(IpAddr, IpAddr)>,
    /// First and last port of a bitmap.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ports: Option<(u16, u16)>,
    /// Buckets of the hash.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hashsize: Option<u32>,
    /// How many elements it may hold.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub maxelem: Option<u32>,
    /// How many sets a list may hold.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub size: Option<u32>,
    /// Addresses are cut to that prefix length.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub netmask: Option<u8>,
    /// Addresses are masked with that.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bitmask: Option<IpAddr>,
    /// Marks are masked with that.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub markmask: Option<u32>,
    /// Seconds an element stays unless it says otherwise; 0 for ever. Without it, none expires.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timeout: Option<u32>,
    /// Whether elements count.
    pub counters: bool,
    /// Whether elements may have comments.
    pub comment: bool,
    /// Whether elements may set marks, priorities and queues.
    pub skbinfo: bool,
    /// Whether a full set throws an element out for a new one.
    pub forceadd: bool,
    /// Elements of a bucket at most.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bucketsize: Option<u8>,
    /// The hash's starting value.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub initval: Option<u32>,
    /// Memory in bytes.
    pub memory: u32,
    /// How many rules and lists use it.
    pub references: u32,
    /// Elements, as the kernel counts them.
    #[cfg_attr(feature = "serde", serde(rename = "entries"))]
    pub count: u32,
}

/// An element; which members it has depends on the type of its set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpsetElement {
    /// The first address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ip: Option<IpAddr>,
    /// Its prefix length.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub prefix: Option<u8>,
    /// The second address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ip2: Option<IpAddr>,
    /// Its prefix length.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub prefix2: Option<u8>,
    /// Number of the IP protocol.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub proto: Option<u8>,
    /// The port; for ICMP 256 times the type plus the code.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub port: Option<u16>,
    /// A packet's mark.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mark: Option<u32>,
    /// A hardware address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mac: Option<LinkAddr>,
    /// An interface, as [`IpsetElement::physdev`] and [`IpsetElement::wildcard`] say.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub iface: Option<Untrusted>,
    /// The interface is a port of a bridge.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_false"))]
    pub physdev: bool,
    /// The interface's name is the beginning of a name.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_false"))]
    pub wildcard: bool,
    /// Another set.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub set: Option<Untrusted>,
    /// An exception: what it covers is not in the set.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_false"))]
    pub nomatch: bool,
    /// Seconds left; 0 for ever.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timeout: Option<u32>,
    /// What matched it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub counter: Option<Counter>,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
    /// Mark and mask that a rule may give to packets.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub skbmark: Option<(u32, u32)>,
    /// Priority that a rule may give to packets: a traffic class.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub skbprio: Option<u32>,
    /// Queue that a rule may give to packets.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub skbqueue: Option<u16>,
}

#[cfg(feature = "serde")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_false(it: &bool) -> bool {
    !it
}
