use std::net::IpAddr;

use nix::libc;

use super::dump::Reader;
use super::route::{self, Route, RouteFlags, RouteKind};
use crate::base::{Budget, Error, Family, Reason, Result};
use crate::netlink::rtnl::route::{self as msg, Lookup};

/// A packet whose way is asked for, as in `ip route get`.
///
/// ```
/// use vision_core::inventory::RouteQuery;
///
/// let query = RouteQuery::to("192.0.2.1".parse().expect("address")).mark(0x10);
/// assert_eq!(query.mark, Some(0x10));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RouteQuery {
    /// Destination.
    pub dst: IpAddr,
    /// Source; without [`RouteQuery::iif`] it must be an address of the namespace.
    pub src: Option<IpAddr>,
    /// Interface the packet would come in through; makes it a question about forwarding.
    pub iif: Option<u32>,
    /// Interface the sender is bound to.
    pub oif: Option<u32>,
    /// Packet mark.
    pub mark: Option<u32>,
    /// Owner of the socket.
    pub uid: Option<u32>,
    /// Type of service.
    pub tos: u8,
    /// IP protocol, where rules look at it (4.17).
    pub ip_protocol: Option<u8>,
    /// Source port, where rules look at it (4.17).
    pub sport: Option<u16>,
    /// Destination port, where rules look at it (4.17).
    pub dport: Option<u16>,
    /// Asks for the route of the table instead of what the look-up makes of it (4.13).
    pub fib_match: bool,
}

impl RouteQuery {
    /// Asks about a packet from here to `dst`.
    pub fn to(dst: IpAddr) -> Self {
        Self {
            dst,
            src: None,
            iif: None,
            oif: None,
            mark: None,
            uid: None,
            tos: 0,
            ip_protocol: None,
            sport: None,
            dport: None,
            fib_match: false,
        }
    }

    /// Sets the source.
    pub fn from(self, src: IpAddr) -> Self {
        Self { src: Some(src), ..self }
    }

    /// Sets the interface the packet would come in through.
    pub fn iif(self, ifindex: u32) -> Self {
        Self { iif: Some(ifindex), ..self }
    }

    /// Sets the interface the sender is bound to.
    pub fn oif(self, ifindex: u32) -> Self {
        Self { oif: Some(ifindex), ..self }
    }

    /// Sets the packet mark.
    pub fn mark(self, mark: u32) -> Self {
        Self { mark: Some(mark), ..self }
    }

    /// Sets the owner of the socket.
    pub fn uid(self, uid: u32) -> Self {
        Self { uid: Some(uid), ..self }
    }

    /// Sets protocol and destination port, for rules that look at them.
    pub fn port(self, ip_protocol: u8, dport: u16) -> Self {
        Self { ip_protocol: Some(ip_protocol), dport: Some(dport), ..self }
    }

    /// Asks for the route of the table.
    pub fn fib_match(self) -> Self {
        Self { fib_match: true, ..self }
    }

    fn lookup(&self) -> Result<Lookup> {
        let family = Family::of(self.dst);
        if self.src.is_some_and(|src| Family::of(src) != family) {
            return Err(Error::invalid("source", "it is of another family than the destination"));
        }
        Ok(Lookup {
            family: family.raw(),
            bits: family.bits(),
            dst: self.dst,
            src: self.src,
            iif: self.iif,
            oif: self.oif,
            mark: self.mark,
            uid: self.uid,
            tos: self.tos,
            ip_proto: self.ip_protocol,
            sport: self.sport,
            dport: self.dport,
            fib_match: self.fib_match,
        })
    }
}

/// The kernel's answer to a [`RouteQuery`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RouteAnswer {
    /// This way; of kind `local` when the packet stays here.
    Route(Box<Route>),
    /// No way.
    Refused(RouteRefusal),
}

impl RouteAnswer {
    /// Returns the route, where there is a way.
    pub fn route(&self) -> Option<&Route> {
        match self {
            Self::Route(route) => Some(route),
            Self::Refused(_) => None,
        }
    }
}

/// Why there is no way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RouteRefusal {
    /// What it means.
    pub cause: RefusalCause,
    /// What a sender of such packets is told.
    pub reason: Reason,
    /// The route that refuses, where the kernel shows it (IPv6).
    pub route: Option<Box<Route>>,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RefusalCause {
    /// No route matches, or the one that does says `unreachable` without saying so (IPv6).
    NoRoute,
    /// An `unreachable` route or rule.
    Unreachable,
    /// A `blackhole` route or rule.
    Blackhole,
    /// A `prohibit` route or rule.
    Prohibit,
    /// The source is no address of the namespace.
    SourceNotLocal,
    /// The source would be reached through another interface (`rp_filter`).
    ReversePath,
    /// The source or destination cannot come in through that interface, or a `blackhole` route:
    /// the kernel tells them apart by nothing.
    Martian,
    /// Something else; see the reason.
    Other,
}

/// Asks, and sorts out what a refusal means.
pub(super) fn route_to(
    reader: &mut Reader,
    query: &RouteQuery,
    budget: &Budget,
) -> Result<RouteAnswer> {
    let refused = match ask(reader, query, budget) {
        Ok(route) => return Ok(answer(route, query.fib_match)),
        Err(e) => e,
    };
    let Some(reason) = reason(&refused) else {
        return Err(refused);
    };
    let cause = match reason.errno {
        libc::EINVAL | libc::ENETUNREACH if source_is_foreign(reader, query, budget)? => {
            RefusalCause::SourceNotLocal
        }
        libc::EINVAL if query.iif.is_some() => RefusalCause::Martian,
        libc::EINVAL => RefusalCause::Blackhole,
        libc::ENETUNREACH => RefusalCause::NoRoute,
        libc::EHOSTUNREACH => RefusalCause::Unreachable,
        libc::EACCES => RefusalCause::Prohibit,
        libc::EXDEV => RefusalCause::ReversePath,
        _ => RefusalCause::Other,
    };
    Ok(RouteAnswer::Refused(RouteRefusal { cause, reason, route: None }))
}

/// IPv4 gives a foreign source the number of a blackhole or of a missing route, by version
/// (net/ipv4/route.c `ip_route_output_key_hash_rcu`).
fn source_is_foreign(reader: &mut Reader, query: &RouteQuery, budget: &Budget) -> Result<bool> {
    match query.src {
        Some(src @ IpAddr::V4(_)) if query.iif.is_none() => {
            let way = ask(reader, &RouteQuery::to(src), budget);
            Ok(way.map_or_else(|e| reason(&e).is_some(), |way| way.kind != RouteKind::Local))
        }
        _ => Ok(false),
    }
}

fn ask(reader: &mut Reader, query: &RouteQuery, budget: &Budget) -> Result<Route> {
    let (lookup, family) = (query.lookup()?, Family::of(query.dst));
    let mut found = None;
    reader.route_channel()?.ask(msg::get(&lookup), budget, |message| {
        found = msg::decode(message).and_then(|msg| route::from_msg(&msg, family));
    })?;
    found.ok_or_else(|| Error::NotFound(format!("route to {}", query.dst)))
}

/// IPv4 refuses with an error number, IPv6 with a route of a kind that refuses.
fn answer(mut route: Route, fib_match: bool) -> RouteAnswer {
    if !fib_match {
        // The upper half holds the look-up's own flags (linux/in_route.h), not the route's.
        route.flags = RouteFlags::from_bits(route.flags.bits() & 0xffff);
    }
    let (cause, errno) = match route.kind {
        RouteKind::Blackhole => (RefusalCause::Blackhole, libc::EINVAL),
        RouteKind::Prohibit => (RefusalCause::Prohibit, libc::EACCES),
        RouteKind::Unreachable => (RefusalCause::Unreachable, libc::EHOSTUNREACH),
        RouteKind::Throw => (RefusalCause::NoRoute, libc::ENETUNREACH),
        _ => return RouteAnswer::Route(Box::new(route)),
    };
    let reason = route.error.unwrap_or(Reason::new(errno));
    let cause = match (cause, reason.errno) {
        (RefusalCause::Unreachable, libc::ENETUNREACH) => RefusalCause::NoRoute,
        (cause, _) => cause,
    };
    RouteAnswer::Refused(RouteRefusal { cause, reason, route: Some(Box::new(route)) })
}

/// The numbers that say something about the way; an invalid question comes with an explanation.
fn reason(error: &Error) -> Option<Reason> {
    let Error::Netlink { source, ext_ack: None, .. } = error else {
        return None;
    };
    let errno = source.raw_os_error()?;
    let about_the_way = [
        libc::ENETUNREACH,
        libc::EHOSTUNREACH,
        libc::EACCES,
        libc::EINVAL,
        libc::EXDEV,
        libc::ENETDOWN,
        libc::EHOSTDOWN,
        libc::EADDRNOTAVAIL,
    ];
    about_the_way.contains(&errno).then(|| Reason::new(errno))
}
