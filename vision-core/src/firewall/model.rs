//! The objects of nf_tables as plain data.

use super::expr::Expression;
use super::value::{Fields, Value};
use crate::base::{Untrusted, open_enum};

open_enum! {
    /// The packets a table sees (linux/netfilter.h `NFPROTO_*`).
    pub enum FwFamily: u8 {
        /// IPv4 and IPv6.
        Inet = 1, "inet";
        /// IPv4.
        Ip = 2, "ip";
        /// ARP.
        Arp = 3, "arp";
        /// Frames of one device.
        Netdev = 5, "netdev";
        /// Frames a bridge forwards.
        Bridge = 7, "bridge";
        /// IPv6.
        Ip6 = 10, "ip6";
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Table {
    /// Which packets it sees.
    pub family: FwFamily,
    /// Its name.
    pub name: Untrusted,
    /// The kernel's number for it.
    pub handle: u64,
    /// `NFT_TABLE_F_*`: 1 dormant, 2 owned by a process.
    pub flags: u32,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
}

/// Where a chain is attached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Hook {
    /// The family's number of the hook; [`Hook::name`] spells it.
    pub number: u32,
    /// `prerouting`, `input`, `forward`, `output`, `postrouting`, `ingress`, `egress`.
    pub name: String,
    /// Lower ones run first.
    pub priority: i32,
    /// The devices, for hooks that belong to some.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub devices: Vec<Untrusted>,
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Chain {
    /// Which packets its table sees.
    pub family: FwFamily,
    /// Its table.
    pub table: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// The kernel's number for it.
    pub handle: u64,
    /// `filter`, `nat` or `route`, for a chain with a hook.
    #[cfg_attr(feature = "serde", serde(rename = "type", skip_serializing_if = "Option::is_none"))]
    pub kind: Option<Untrusted>,
    /// Where it is attached; other chains are only jumped to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub hook: Option<Hook>,
    /// What becomes of packets no rule decided on: 0 drop, 1 accept.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub policy: Option<u32>,
    /// `NFT_CHAIN_*`: 2 is hardware offload.
    pub flags: u32,
    /// Packets and bytes that met its policy, where the kernel counts them.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub counter: Option<Counter>,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Their bytes, from the network header on.
    pub bytes: u64,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Rule {
    /// Which packets its table sees.
    pub family: FwFamily,
    /// Its table.
    pub table: Untrusted,
    /// Its chain.
    pub chain: Untrusted,
    /// The kernel's number for it.
    pub handle: u64,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
    /// What it is made of.
    pub expressions: Vec<Expression>,
}

impl Rule {
    /// Returns what the rule's own counter shows, if it has one.
    pub fn counter(&self) -> Option<Counter> {
        self.expressions.iter().find(|it| it.is("counter")).map(Counter::of)
    }
}

impl Counter {
    /// Reads a counter expression.
    pub(super) fn of(expr: &Expression) -> Self {
        let number = |name| expr.number(name).unwrap_or(0);
        Self { packets: number("packets"), bytes: number("bytes") }
    }
}

/// A set or a map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Set {
    /// Which packets its table sees.
    pub family: FwFamily,
    /// Its table.
    pub table: Untrusted,
    /// Its name; the kernel chose those of anonymous sets.
    pub name: Untrusted,
    /// The kernel's number for it.
    pub handle: u64,
    /// `NFT_SET_*`: 1 anonymous, 2 constant, 4 interval, 8 map, 16 timeout, 32 dynamic, 64 objects.
    pub flags: u32,
    /// The type of the keys as nft numbers them: six bits for each part of a concatenation.
    pub key_type: u32,
    /// Length of a key in bytes.
    pub key_len: u32,
    /// The type of a map's values; `0xffffff00` are verdicts.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub data_type: Option<u32>,
    /// Length of a value in bytes.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub data_len: Option<u32>,
    /// The type of the objects a map leads to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub object_type: Option<u32>,
    /// How many elements fit.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub size: Option<u32>,
    /// How long elements stay, in milliseconds.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timeout_ms: Option<u64>,
    /// How often old elements are swept out, in milliseconds.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub gc_interval_ms: Option<u32>,
    /// 1: rather small than fast.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub policy: Option<u32>,
    /// What every element carries.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub expressions: Vec<Expression>,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
    /// What nft keeps beside a set, for its own later listing.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) notes: SetNotes,
}

/// Userdata of a set (libnftnl udata.h `nftnl_udata_set_types`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SetNotes {
    /// 1 is this machine's order, 2 the network's.
    pub(super) key_order: Option<u32>,
    pub(super) data_order: Option<u32>,
    pub(super) merge: bool,
    pub(super) key_typeof: Option<Vec<u8>>,
    pub(super) data_typeof: Option<Vec<u8>>,
    pub(super) data_interval: bool,
}

impl Default for FwFamily {
    fn default() -> Self {
        Self::Other(0)
    }
}

impl Set {
    /// Tells whether it was written inside a rule.
    pub fn is_anonymous(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Tells whether its elements may be ranges.
    pub fn is_interval(&self) -> bool {
        self.flags & 4 != 0
    }

    /// Tells whether its keys lead to something.
    pub fn is_map(&self) -> bool {
        self.flags & (8 | 64) != 0
    }
}

/// An element of a set or a map, as the kernel keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Element {
    /// The key in hexadecimal; a range starts here. None for the element that matches everything.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::bytes", rename = "key_hex"))]
    pub key: Option<Vec<u8>>,
    /// The last key of a range of concatenations.
    #[cfg_attr(feature = "serde", serde(serialize_with = "json::bytes", rename = "key_end_hex"))]
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub key_end: Option<Vec<u8>>,
    /// `NFT_SET_ELEM_*`: 1 a range ends before this key, 2 matches everything.
    pub flags: u32,
    /// What the key leads to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub data: Option<Value>,
    /// The object the key leads to.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub object: Option<Untrusted>,
    /// How long it stays, in milliseconds.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub timeout_ms: Option<u64>,
    /// How long it still stays, in milliseconds.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub expires_ms: Option<u64>,
    /// What it carries: counters, limits.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub expressions: Vec<Expression>,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
}

/// A stateful object: a named counter, quota, limit, helper.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Object {
    /// Which packets its table sees.
    pub family: FwFamily,
    /// Its table.
    pub table: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// The kernel's number for it.
    pub handle: u64,
    /// `NFT_OBJECT_*`: 1 counter, 2 quota, 3 ct helper, 4 limit, 5 connlimit, 6 tunnel, 7 ct timeout,
    /// 8 secmark, 9 ct expectation, 10 synproxy.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub kind: u32,
    /// What it is set to and what it counted.
    pub fields: Fields,
    /// What its maker wrote beside it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub comment: Option<Untrusted>,
}

impl Object {
    /// Returns what a named counter or quota counted; a quota counts bytes only.
    pub fn counter(&self) -> Option<Counter> {
        let number = |name: &str| match self.fields.get(name) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        };
        match self.kind {
            1 => Some(Counter { packets: number("packets"), bytes: number("bytes") }),
            2 => Some(Counter { packets: 0, bytes: number("consumed") }),
            _ => None,
        }
    }

    /// Returns what declares such an object in nft's language.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            1 => "counter",
            2 => "quota",
            3 => "ct helper",
            4 => "limit",
            5 => "ct count",
            6 => "tunnel",
            7 => "ct timeout",
            8 => "secmark",
            9 => "ct expectation",
            10 => "synproxy",
            _ => "object",
        }
    }
}

/// A flowtable: connections that take the short way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Flowtable {
    /// Which packets its table sees.
    pub family: FwFamily,
    /// Its table.
    pub table: Untrusted,
    /// Its name.
    pub name: Untrusted,
    /// The kernel's number for it.
    pub handle: u64,
    /// Where it is attached.
    pub hook: Hook,
    /// `NFT_FLOWTABLE_*`: 1 hardware offload, 2 counters.
    pub flags: u32,
}

#[cfg(feature = "serde")]
mod json {
    use serde::Serializer;

    pub(super) fn bytes<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&super::super::value::hex(bytes)),
            None => serializer.serialize_none(),
        }
    }
}
