//! Zone records.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// An IPv4 address.
    A,
    /// A name server.
    Ns,
    /// An alias.
    Cname,
    /// The start of a zone.
    Soa,
    /// A name for an address.
    Ptr,
    /// A mail exchange.
    Mx,
    /// Text.
    Txt,
    /// An IPv6 address.
    Aaaa,
    /// A service.
    Srv,
    /// Every type at once.
    Any,
    /// Any other, by its number.
    Other(u16),
}

impl Type {
    pub(crate) fn from_code(code: u16) -> Self {
        let known = [
            Self::A,
            Self::Ns,
            Self::Cname,
            Self::Soa,
            Self::Ptr,
            Self::Mx,
            Self::Txt,
            Self::Aaaa,
            Self::Srv,
            Self::Any,
        ];
        known.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Other(code))
    }

    /// Numbers of RFC 1035 §3.2.2, RFC 3596, RFC 2782.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Ptr => 12,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Srv => 33,
            Self::Any => 255,
            Self::Other(code) => code,
        }
    }
}

/// A record's data. Names are absolute, with or without the final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rdata {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// An alias.
    Cname(String),
    /// A name server.
    Ns(String),
    /// A name for an address.
    Ptr(String),
    /// Strings of at most 255 bytes.
    Txt(Vec<String>),
    /// A mail exchange.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// The host.
        exchange: String,
    },
    /// A service.
    Srv {
        /// Lower is tried first.
        priority: u16,
        /// The share among equals.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: String,
    },
    /// The start of a zone; all timers are 60 s.
    Soa {
        /// The primary server.
        mname: String,
        /// The person responsible.
        rname: String,
        /// The version.
        serial: u32,
    },
}

impl Rdata {
    pub(crate) fn kind(&self) -> Type {
        match self {
            Self::A(_) => Type::A,
            Self::Aaaa(_) => Type::Aaaa,
            Self::Cname(_) => Type::Cname,
            Self::Ns(_) => Type::Ns,
            Self::Ptr(_) => Type::Ptr,
            Self::Txt(_) => Type::Txt,
            Self::Mx { .. } => Type::Mx,
            Self::Srv { .. } => Type::Srv,
            Self::Soa { .. } => Type::Soa,
        }
    }
}

/// One record of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The owner.
    pub name: String,
    /// Seconds a client may keep it.
    pub ttl_seconds: u32,
    /// The data.
    pub data: Rdata,
}
