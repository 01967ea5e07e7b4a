//! What fills a register: conntrack, routes, options, hashes.

use std::fmt::Write;

use super::super::expr::Expression;
use super::super::model::FwFamily;
use super::super::proto::{self, CT};
use super::super::types::{self, BOOLEAN, IFINDEX, IFNAME, INTEGER, IPV4, IPV6, Part, STRING};
use super::machine::{HOST, Machine, in_bits, slot};
use super::sym::{Parts, Place, Sym};

impl Machine<'_> {
    pub(super) fn ct(&self, expr: &Expression) -> Option<Sym> {
        let (mut name, mut bits, mut kind) = *CT.get(expr.number("key")? as usize)?;
        if matches!(name, "saddr" | "daddr") {
            let six = self.family == FwFamily::Ip6 || self.is_six();
            let source = name == "saddr";
            (name, bits, kind) = match (six, source) {
                (false, true) => ("ip saddr", 32, IPV4),
                (false, false) => ("ip daddr", 32, IPV4),
                (true, true) => ("ip6 saddr", 128, IPV6),
                (true, false) => ("ip6 daddr", 128, IPV6),
            };
        }
        let way = match expr.number("direction") {
            Some(0) => "original ",
            Some(1) => "reply ",
            _ => "",
        };
        let mut sym = Sym::new(format!("ct {way}{name}"), kind, bits);
        if matches!(name, "packets" | "bytes" | "avgpkt" | "zone" | "id" | "secmark") {
            sym.parts = Parts::One(Part { host: name != "id", ..Part::of(kind, bits) });
        }
        Some(sym)
    }

    pub(super) fn rt(&self, key: u64) -> Option<Sym> {
        let (name, kind, bits) = match key {
            0 => ("rt classid", 22, 32),
            1 => ("rt ip nexthop", IPV4, 32),
            2 => ("rt ip6 nexthop", IPV6, 128),
            3 => ("rt mtu", INTEGER, 16),
            4 => ("rt ipsec", BOOLEAN, 8),
            _ => return None,
        };
        let mut sym = Sym::new(name, kind, bits);
        if key == 3 {
            sym.parts = Parts::One(Part { host: true, ..Part::of(kind, bits) });
        }
        Some(sym)
    }

    pub(super) fn hash(&self, expr: &Expression) -> Option<Sym> {
        let modulus = expr.number("modulus")?;
        let text = if expr.number("type") == Some(1) {
            format!("symhash mod {modulus}{}", offset(expr))
        } else {
            let (mut at, mut left) = (slot(expr.number("sreg")?)?, expr.number("len")? as usize);
            let mut parts = Vec::new();
            while left > 0 {
                let sym = self.registers.get(at)?.as_ref()?.settled();
                let width = sym.len.next_multiple_of(4).max(4);
                left = left.saturating_sub(width);
                at += width / 4;
                parts.push(sym.text.into_string());
            }
            let seed = expr.number("seed").filter(|seed| *seed != 0);
            let seed = seed.map(|seed| format!(" seed {seed:#x}")).unwrap_or_default();
            format!("jhash {} mod {modulus}{seed}{}", parts.join(" . "), offset(expr))
        };
        Some(Sym { parts: Parts::One(HOST), ..Sym::new(text, INTEGER, 32) })
    }
}

pub(super) fn offset(expr: &Expression) -> String {
    match expr.number("offset") {
        Some(offset) if offset != 0 => format!(" offset {offset}"),
        _ => String::new(),
    }
}

pub(super) fn extension(expr: &Expression) -> Option<Sym> {
    let (op, kind) = (expr.number("op").unwrap_or(0), expr.number("type")?);
    let (at, bits) = (in_bits(expr.number("offset")?), in_bits(expr.number("len")?));
    if expr.number("flags") == Some(1) {
        let name = proto::EXTENSIONS.iter().find(|row| row.0 == op && row.1 == kind);
        let text = match (name, op) {
            (Some((.., name, _)), 0) => format!("exthdr {name}"),
            (Some((.., name, _)), _) => (*name).to_owned(),
            (None, 1) => format!("tcp option {kind}"),
            (None, _) => return None,
        };
        return Some(Sym::new(text, BOOLEAN, 8));
    }
    Some(Sym::located(Place::Extension(op, kind), at, bits, None))
}

pub(super) fn fib(expr: &Expression) -> Option<Sym> {
    let flags = expr.number("flags")?;
    let names = [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")];
    let keys: Vec<_> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, n)| *n).collect();
    let (result, kind, bits) = match expr.number("result")? {
        1 => ("oif", IFINDEX, 32),
        2 => ("oifname", IFNAME, 128),
        3 => ("type", 38, 32),
        _ => return None,
    };
    let (kind, bits) = if flags & 32 != 0 { (BOOLEAN, 8) } else { (kind, bits) };
    Some(Sym::new(format!("fib {} {result}", keys.join(" . ")), kind, bits))
}

pub(super) fn socket(expr: &Expression) -> Option<Sym> {
    Some(match expr.number("key")? {
        0 => Sym::new("socket transparent", INTEGER, 8),
        1 => Sym::new("socket mark", types::MARK, 32),
        2 => Sym::new("socket wildcard", INTEGER, 8),
        3 => {
            let text = format!("socket cgroupv2 level {}", expr.number("level")?);
            Sym::new(text, 46, 64)
        }
        _ => return None,
    })
}

pub(super) fn osf(expr: &Expression) -> Option<Sym> {
    let mut text = String::from("osf");
    match expr.number("ttl") {
        Some(1) => text.push_str(" ttl loose"),
        Some(2) => text.push_str(" ttl skip"),
        _ => {}
    }
    let what = if expr.number("flags") == Some(1) { "version" } else { "name" };
    let _ = write!(text, " {what}");
    Some(Sym::new(text, STRING, 128))
}

pub(super) fn xfrm(expr: &Expression) -> Option<Sym> {
    let way = ["in", "out"].get(expr.number("dir")? as usize)?;
    let (name, kind, bits) = match expr.number("key")? {
        1 => ("ip daddr", IPV4, 32),
        2 => ("ip6 daddr", IPV6, 128),
        3 => ("ip saddr", IPV4, 32),
        4 => ("ip6 saddr", IPV6, 128),
        5 => ("reqid", INTEGER, 32),
        6 => ("spi", INTEGER, 32),
        _ => return None,
    };
    let number = match expr.number("spnum") {
        Some(number) if number != 0 => format!(" spnum {number}"),
        _ => String::new(),
    };
    let mut sym = Sym::new(format!("ipsec {way}{number} {name}"), kind, bits);
    if name == "reqid" {
        sym.parts = Parts::One(HOST);
    }
    Some(sym)
}
