//! What an expression says, before any link type is thought of.

use std::net::Ipv6Addr;

use super::error::Span;
use super::words::Protocol;

/// An expression. Chains are flat: `and` and `or` bind alike, from the left.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Chain(Box<Expr>, Vec<(Join, Expr)>),
    Not(Box<Expr>),
    Test(Primitive, Span),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    And,
    Or,
}

#[derive(Debug, Clone)]
pub(super) enum Primitive {
    /// Qualifiers and what they qualify.
    Id(Qualifiers, Id),
    /// A protocol alone.
    Protocol(Protocol),
    Relation(Relation, Arith, Arith),
    Broadcast(Option<Protocol>),
    Multicast(Option<Protocol>),
    Less(u32),
    Greater(u32),
    Byte(u32, &'static str, u32),
    Inbound,
    Outbound,
    Ifindex(u32),
    Vlan(Option<u32>),
    Mpls(Option<u32>),
    Pppoed,
    Pppoes(Option<u32>),
    Geneve(Option<u32>),
    Vxlan(Option<u32>),
    Llc(Option<String>),
    /// Bits of an 802.11 frame control byte.
    Control {
        at: u32,
        value: u32,
        mask: u32,
    },
    /// A field of a signalling link's routing label, and what it is compared with.
    Routing(&'static str, Vec<(Relation, u32)>),
    /// A word of another link type, and which.
    Foreign(&'static str, &'static str),
}

/// What stands before a name or number, and stays for the ones joined to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Qualifiers {
    /// Where they stand.
    pub span: Span,
    pub protocol: Option<Protocol>,
    pub direction: Option<Way>,
    pub kind: Option<Sort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Src,
    Dst,
    Either,
    Both,
    /// A word for 802.11.
    Wireless(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Host,
    Net,
    Port,
    Portrange,
    Gateway,
    Proto,
    Protochain,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Id {
    Name(String),
    Number(u32),
    Dotted(String),
    /// `10.0.0.0/8`
    Prefix(String, u32),
    /// `10.0.0.0 mask 255.0.0.0`
    Masked(String, String),
    Ip6(Ipv6Addr),
    Prefix6(Ipv6Addr, u32),
    Mac([u8; 6]),
    Arcnet(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Differ,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A number that a packet makes.
#[derive(Debug, Clone)]
pub(super) struct Arith {
    pub span: Span,
    pub node: Number,
}

#[derive(Debug, Clone)]
pub(super) enum Number {
    Constant(u32),
    Length,
    /// `tcp[index:size]`
    Load(Protocol, Box<Arith>, u32),
    Negated(Box<Arith>),
    Of(char, Box<Arith>, Box<Arith>),
}
