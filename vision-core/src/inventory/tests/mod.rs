#![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

mod collect;
mod drift;
mod recorded;
mod replay;

use super::row::Row;
use super::sock::SockProtocol;
use super::{addr, conntrack, link, neigh, route, rule, sock};
use crate::base::Family;
use crate::netlink::header::{Message, Messages};

/// Messages of a file of hexadecimal lines; `#` starts a comment.
fn messages(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.map(|line| unhex(line.trim())).collect()
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// The rows of one family of messages, shown as text so that all kinds can be compared.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    text: &'static str,
    /// Length of the fixed part.
    fixed: usize,
    /// Attributes without which there is no row.
    identity: &'static [u16],
    read: fn(&Message<'_>) -> Option<Option<String>>,
}

/// `None` for unreadable, `Some(None)` for of no interest.
fn shown<T: std::fmt::Debug>(row: Row<T>) -> Option<Option<String>> {
    match row {
        Row::Item(item) => Some(Some(format!("{item:?}"))),
        Row::Other => Some(None),
        Row::Unreadable => None,
    }
}

fn of_family(message: &Message<'_>) -> Family {
    message.body.first().and_then(|f| Family::from_raw(*f)).unwrap_or(Family::V4)
}

const KINDS: [Kind; 7] = [
    Kind {
        name: "link",
        text: include_str!("../../../tests/data/nl/link.hex"),
        fixed: 16,
        identity: &[],
        read: |m| shown(link::read(m, ())),
    },
    Kind {
        name: "addr",
        text: include_str!("../../../tests/data/nl/addr.hex"),
        fixed: 8,
        identity: &[1, 2],
        read: |m| shown(addr::read(m, ())),
    },
    Kind {
        name: "route",
        text: include_str!("../../../tests/data/nl/route.hex"),
        fixed: 12,
        identity: &[1],
        read: |m| shown(route::read(m, of_family(m))),
    },
    Kind {
        name: "rule",
        text: include_str!("../../../tests/data/nl/rule.hex"),
        fixed: 12,
        identity: &[1, 2],
        read: |m| shown(rule::read(m, of_family(m))),
    },
    Kind {
        name: "neigh",
        text: include_str!("../../../tests/data/nl/neigh.hex"),
        fixed: 12,
        identity: &[1],
        read: |m| shown(neigh::read(m, ())),
    },
    Kind {
        name: "sock",
        text: include_str!("../../../tests/data/nl/sock.hex"),
        fixed: 72,
        identity: &[],
        read: |m| shown(sock::read(m, SockProtocol::Tcp)),
    },
    Kind {
        name: "conntrack",
        text: include_str!("../../../tests/data/nl/conntrack.hex"),
        fixed: 4,
        identity: &[1, 2],
        read: |m| shown(conntrack::read(m, ())),
    },
];

/// The messages of a kind that are rows.
fn rows(kind: Kind) -> Vec<Vec<u8>> {
    let all = messages(kind.text).into_iter();
    all.filter(|m| u16::from_ne_bytes([m[4], m[5]]) > 15).collect()
}

fn read_one(kind: Kind, bytes: &[u8]) -> Option<Option<String>> {
    let message = Messages::new(bytes).next().expect("one message");
    (kind.read)(&message)
}
