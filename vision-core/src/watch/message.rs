//! What one netlink message says about a table.

use super::event::{Namespace, Row};
use crate::inventory::{RecordedProtocol, RecordedRow};
use crate::netlink::header::Message;
use crate::netlink::rtnl::{link, nsid};
use crate::netlink::{Protocol, conntrack};

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The row is there; `replaces` when it took the place of another.
    Is { row: Row, replaces: bool },
    /// The row is gone; `moved` for an interface that went to another namespace.
    Gone { row: Row, moved: bool },
    /// A next-hop object is gone, and with it the IPv4 routes that used it.
    NextHopGone,
    /// Nothing about these tables.
    Nothing,
    /// Something about them that could not be read.
    Unreadable,
}

pub(super) fn read(protocol: Protocol, message: &Message<'_>) -> Said {
    match (protocol, message.kind) {
        // A bridge tells of its ports in messages that lack most of a link.
        (Protocol::Route, 16 | 17) if message.body.first() != Some(&0) => Said::Nothing,
        (Protocol::Route, nsid::RTM_NEWNSID | nsid::RTM_DELNSID) => namespace(message),
        (Protocol::Route, RTM_DELNEXTHOP) => Said::NextHopGone,
        (Protocol::Route, _) => row(RecordedProtocol::Route, message),
        (Protocol::Netfilter, _) => row(RecordedProtocol::Netfilter, message),
        (Protocol::SockDiag | Protocol::Generic, _) => Said::Nothing,
    }
}

fn row(protocol: RecordedProtocol, message: &Message<'_>) -> Said {
    let row = match RecordedRow::of(protocol, message) {
        RecordedRow::Link(link) => Row::Link(link),
        RecordedRow::Addr(addr) => Row::Addr(Box::new(addr)),
        RecordedRow::Route(route) => Row::Route(route),
        RecordedRow::Rule(rule) => Row::Rule(rule),
        RecordedRow::Neighbour(neigh) => Row::Neigh(Box::new(neigh)),
        RecordedRow::Connection(entry) => Row::Ct(entry),
        RecordedRow::Unreadable => return Said::Unreadable,
        // Bridges' own tables, queues and sockets are not among the watched.
        _ => return Said::Nothing,
    };
    let gone = match protocol {
        RecordedProtocol::Netfilter => message.kind == conntrack::IPCTNL_MSG_CT_DELETE,
        // RTM_DEL… follows RTM_NEW…, and each object begins at a multiple of four.
        _ => message.kind % 4 == 1,
    };
    let moved = link::gone(message).is_some_and(|gone| gone.moved);
    match gone {
        true => Said::Gone { row, moved },
        false => Said::Is { row, replaces: message.flags & NLM_F_REPLACE != 0 },
    }
}

fn namespace(message: &Message<'_>) -> Said {
    let Some(nsid) = nsid::decode(message) else { return Said::Unreadable };
    let row = Row::Ns(Namespace { nsid: Some(nsid), ..Namespace::default() });
    match message.kind {
        nsid::RTM_DELNSID => Said::Gone { row, moved: false },
        _ => Said::Is { row, replaces: false },
    }
}

/// linux/rtnetlink.h.
const RTM_DELNEXTHOP: u16 = 105;
/// linux/netlink.h: the new object took the place of another.
const NLM_F_REPLACE: u16 = 0x100;
