//! Connection tracking beyond its list: one entry, other tables, expectations, statistics, events.

use super::attr::{self, Attrs, NESTED, Request, be16, be32};
use super::conntrack::{self, CtMsg, Query, TupleMsg};
use super::header::{Message, NLM_F_ACK, NLM_F_DUMP};

/// `NFNL_SUBSYS_CTNETLINK << 8` and `NFNL_SUBSYS_CTNETLINK_EXP << 8`.
const CONNECTIONS: u16 = 1 << 8;
const EXPECTATIONS: u16 = 2 << 8;

/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// Multicast groups (linux/netfilter/nfnetlink_compat.h `NFNLGRP_CONNTRACK_*`).
pub(crate) const NEW: u32 = 1;
pub(crate) const UPDATE: u32 = 2;
pub(crate) const DESTROY: u32 = 3;

/// Asks for one entry by the tuple of its original direction, which must be whole.
pub(crate) fn get(query: &Query, zone: Option<u16>) -> Request {
    const CTA_TUPLE_ORIG: u16 = 1;
    const CTA_ZONE: u16 = 18;
    let head = [query.family, 0, 0, 0];
    let (_, tuple) = query.tuple();
    // The only answer claims to be one of many; what ends them is the acknowledgement.
    Request::new("IPCTNL_MSG_CT_GET", CONNECTIONS | 1, NLM_F_ACK, &head)
        .attr(NESTED | CTA_TUPLE_ORIG, &tuple)
        .maybe(CTA_ZONE, zone.map(u16::to_be_bytes))
}

/// Asks for entries that are going, or that no packet has confirmed yet.
pub(crate) fn table(dying: bool) -> Request {
    let (name, number) = match dying {
        true => ("IPCTNL_MSG_CT_GET_DYING", 6),
        false => ("IPCTNL_MSG_CT_GET_UNCONFIRMED", 7),
    };
    Request::new(name, CONNECTIONS | number, NLM_F_DUMP, &[0; FIXED])
}

/// Asks for the statistics of each processor.
pub(crate) fn cpu_stats() -> Request {
    let name = "IPCTNL_MSG_CT_GET_STATS_CPU";
    Request::new(name, CONNECTIONS | 4, NLM_F_DUMP, &[0; FIXED])
}

/// Reads the statistics of one processor: its number, then the attributes.
pub(crate) fn decode_cpu_stats<'a>(message: &Message<'a>) -> Option<(u16, &'a [u8])> {
    let cpu = message.body.get(2..).and_then(be16)?;
    (message.kind == CONNECTIONS | 4)
        .then(|| (cpu, message.body.get(FIXED..)))
        .and_then(|(cpu, attrs)| Some((cpu, attrs?)))
}

/// Asks for all expectations.
pub(crate) fn expectations() -> Request {
    Request::new("IPCTNL_MSG_EXP_GET", EXPECTATIONS | 1, NLM_F_DUMP, &[0; FIXED])
}

/// One expectation as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct ExpectMsg<'a> {
    pub(crate) family: u8,
    pub(crate) tuple: TupleMsg<'a>,
    pub(crate) mask: TupleMsg<'a>,
    pub(crate) master: TupleMsg<'a>,
    pub(crate) timeout_s: Option<u32>,
    pub(crate) id: Option<u32>,
    pub(crate) helper: Option<&'a [u8]>,
    pub(crate) zone: Option<u16>,
    pub(crate) flags: u32,
    pub(crate) class: Option<u32>,
    pub(crate) function: Option<&'a [u8]>,
}

/// Reads one expectation; `None` when the message is of another kind.
pub(crate) fn decode_expectation<'a>(message: &Message<'a>) -> Option<ExpectMsg<'a>> {
    if message.kind != EXPECTATIONS {
        return None;
    }
    let mut expect = ExpectMsg { family: attr::u8(message.body)?, ..ExpectMsg::default() };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            1 => expect.master = conntrack::tuple(value),
            2 => expect.tuple = conntrack::tuple(value),
            3 => expect.mask = conntrack::tuple(value),
            4 => expect.timeout_s = be32(value),
            5 => expect.id = be32(value),
            6 => expect.helper = Some(attr::text(value)),
            7 => expect.zone = be16(value),
            8 => expect.flags = be32(value).unwrap_or(0),
            9 => expect.class = be32(value),
            11 => expect.function = Some(attr::text(value)),
            _ => {}
        }
    }
    Some(expect)
}

/// What an event says of an entry.
// closed: the kinds the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    New,
    Update,
    Destroy,
}

/// Reads an event; `None` when the message is of another kind.
pub(crate) fn decode_event<'a>(message: &Message<'a>) -> Option<(Change, CtMsg<'a>)> {
    /// `NLM_F_CREATE`: the entry was not there before.
    const CREATE: u16 = 0x400;
    let change = match message.kind {
        CONNECTIONS if message.flags & CREATE != 0 => Change::New,
        CONNECTIONS => Change::Update,
        number if number == CONNECTIONS | 2 => Change::Destroy,
        _ => return None,
    };
    Some((change, conntrack::entry(message.body)?))
}
