use super::row::Row;
use super::sock::{self, SockProtocol};
use super::{
    Addr, Class, CtEntry, FdbEntry, Filter, Link, Mdb, Neighbour, PortVlans, Qdisc, Route, Rule,
    Sock,
};
use super::{addr, bridge, conntrack, link, neigh, qdisc, route, rule};
use crate::base::Family;
use crate::netlink::conntrack::{IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW};
use crate::netlink::header::{Message, Messages, NLM_F_REQUEST};

/// One netlink message, read from bytes that were recorded earlier or elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// The message type, such as 24 for `RTM_NEWROUTE`.
    pub kind: u16,
    /// The row it carries.
    pub row: RecordedRow,
}

/// What a recorded message carries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordedRow {
    /// An interface.
    Link(Box<Link>),
    /// An address.
    Addr(Addr),
    /// A route.
    Route(Box<Route>),
    /// A policy rule.
    Rule(Box<Rule>),
    /// A neighbour.
    Neighbour(Neighbour),
    /// A forwarding entry of a bridge or tunnel.
    Fdb(Box<FdbEntry>),
    /// VLANs of a port.
    Vlans(PortVlans),
    /// Multicast groups of a bridge.
    Mdb(Mdb),
    /// A queueing discipline.
    Qdisc(Box<Qdisc>),
    /// A class.
    Class(Box<Class>),
    /// A filter.
    Filter(Box<Filter>),
    /// A TCP socket; the messages do not say of which protocol they are.
    Socket(Sock),
    /// A tracked connection.
    Connection(Box<CtEntry>),
    /// A message that is no row: a request, an acknowledgement, another table, a cached route.
    Other,
    /// A row without the attributes that make it one.
    Unreadable,
}

/// Which netlink protocol a recording is of.
// Closed: those whose rows this crate reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordedProtocol {
    /// `NETLINK_ROUTE`.
    Route,
    /// `NETLINK_SOCK_DIAG`.
    SockDiag,
    /// `NETLINK_NETFILTER`.
    Netfilter,
}

impl Recorded {
    /// Reads the messages of one datagram, as an `nlmon` device shows them and a dump receives
    /// them; stops at the first header that cannot be true.
    ///
    /// The bytes must be of a machine with the same byte order.
    ///
    /// ```
    /// use vision_core::inventory::{Recorded, RecordedProtocol, RecordedRow};
    ///
    /// // The end of a dump.
    /// let done = [20, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    /// let rows: Vec<_> = Recorded::read(RecordedProtocol::Route, &done).collect();
    /// assert_eq!(rows[0].row, RecordedRow::Other);
    /// ```
    pub fn read(protocol: RecordedProtocol, datagram: &[u8]) -> impl Iterator<Item = Self> + '_ {
        Messages::new(datagram).map(move |message| {
            let row = match message.flags & NLM_F_REQUEST {
                0 => RecordedRow::of(protocol, &message),
                _ => RecordedRow::Other,
            };
            Self { kind: message.kind, row }
        })
    }
}

impl RecordedRow {
    /// Reads the row a message adds, changes or removes.
    pub(crate) fn of(protocol: RecordedProtocol, message: &Message<'_>) -> Self {
        of(protocol, message.kind, &Message { kind: created(protocol, message.kind), ..*message })
    }
}

/// A row that goes is told of in the same form as one that comes, under a number of its own.
fn created(protocol: RecordedProtocol, kind: u16) -> u16 {
    match (protocol, kind) {
        (RecordedProtocol::Route, 17 | 21 | 25 | 29 | 33) => kind - 1,
        (RecordedProtocol::Netfilter, IPCTNL_MSG_CT_DELETE) => IPCTNL_MSG_CT_NEW,
        _ => kind,
    }
}

fn of(protocol: RecordedProtocol, kind: u16, message: &Message<'_>) -> RecordedRow {
    const AF_BRIDGE: u8 = 7;
    let bridge = || message.body.first() == Some(&AF_BRIDGE);
    let family = || message.body.first().and_then(|f| Family::from_raw(*f)).unwrap_or(Family::V4);
    match (protocol, kind) {
        (RecordedProtocol::Route, 16) if bridge() => {
            kept(bridge::read_vlans(message, ()), RecordedRow::Vlans)
        }
        (RecordedProtocol::Route, 16 | 17) => {
            kept(link::read(message, ()), |row| RecordedRow::Link(Box::new(row)))
        }
        (RecordedProtocol::Route, 20 | 21) => kept(addr::read(message, ()), RecordedRow::Addr),
        (RecordedProtocol::Route, 24 | 25) => {
            kept(route::read(message, family()), |row| RecordedRow::Route(Box::new(row)))
        }
        (RecordedProtocol::Route, 28 | 29) if bridge() => {
            kept(bridge::read_fdb(message, ()), |row| RecordedRow::Fdb(Box::new(row)))
        }
        (RecordedProtocol::Route, 112) => kept(bridge::read_vlans(message, ()), RecordedRow::Vlans),
        (RecordedProtocol::Route, 84 | 86) => kept(bridge::read_mdb(message, ()), RecordedRow::Mdb),
        (RecordedProtocol::Route, 36) => {
            kept(qdisc::read_qdisc(message, ()), |row| RecordedRow::Qdisc(Box::new(row)))
        }
        (RecordedProtocol::Route, 40) => {
            kept(qdisc::read_class(message, ()), |row| RecordedRow::Class(Box::new(row)))
        }
        (RecordedProtocol::Route, 44) => {
            kept(qdisc::read_filter(message, ()), |row| RecordedRow::Filter(Box::new(row)))
        }
        (RecordedProtocol::Route, 28 | 29) => {
            kept(neigh::read(message, ()), RecordedRow::Neighbour)
        }
        (RecordedProtocol::Route, 32 | 33) => {
            kept(rule::read(message, family()), |row| RecordedRow::Rule(Box::new(row)))
        }
        (RecordedProtocol::SockDiag, 20) => {
            kept(sock::read(message, SockProtocol::Tcp), RecordedRow::Socket)
        }
        (RecordedProtocol::Netfilter, IPCTNL_MSG_CT_NEW | IPCTNL_MSG_CT_DELETE) => {
            kept(conntrack::read(message, ()), |row| RecordedRow::Connection(Box::new(row)))
        }
        _ => RecordedRow::Other,
    }
}

fn kept<T>(row: Row<T>, wrap: impl FnOnce(T) -> RecordedRow) -> RecordedRow {
    match row {
        Row::Item(item) => wrap(item),
        Row::Other => RecordedRow::Other,
        Row::Unreadable => RecordedRow::Unreadable,
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_kind_becomes_its_row_and_a_cut_one_is_counted() {
        let hex = include_str!("../../tests/data/nl/route.hex");
        let lines = hex.lines().filter(|line| !line.starts_with('#'));
        let datagrams: Vec<Vec<u8>> = lines.map(crate::inventory::tests::unhex).collect();
        let read =
            |bytes: &[u8]| Recorded::read(RecordedProtocol::Route, bytes).collect::<Vec<_>>();
        let rows: Vec<_> = datagrams.iter().flat_map(|bytes| read(bytes)).collect();
        assert!(rows.iter().any(|r| matches!(r.row, RecordedRow::Route(_))));
        assert!(rows.iter().all(|r| r.row != RecordedRow::Unreadable));
        // A row that goes is told of in the form it came in, with the next number.
        let mut gone = datagrams.clone();
        gone.iter_mut().filter(|bytes| bytes[4] == 24).for_each(|bytes| bytes[4] = 25);
        let left: Vec<_> = gone.iter().flat_map(|bytes| read(bytes)).collect();
        let routes = |rows: &[Recorded], kind: u16| {
            let of = rows.iter().filter(|r| r.kind == kind).map(|r| r.row.clone());
            of.filter(|row| matches!(row, RecordedRow::Route(_))).collect::<Vec<_>>()
        };
        assert!(!routes(&left, 25).is_empty());
        assert!(routes(&left, 25).iter().all(|row| routes(&rows, 24).contains(row)));
        let mut cut = datagrams[0][..20].to_vec();
        cut[0] = 20;
        assert_eq!(read(&cut)[0].row, RecordedRow::Unreadable);
        assert_eq!(read(&datagrams[0][..10]), []);
    }
}
