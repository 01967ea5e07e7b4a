//! Expressions: what a rule is made of, as the kernel keeps it.

use std::borrow::Cow;

use super::value::{Fields, Value};
use crate::base::{Escaped, Untrusted};
use crate::netlink::attr::{self, Attrs};

/// One expression of a rule, a set or a set's element: a name and its numbered settings.
///
/// The settings are those of the kernel's module, under the names of linux/netfilter/nf_tables.h;
/// one this version does not know is kept as bytes under `attr_N`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expression {
    /// The kernel's name: `payload`, `cmp`, `counter`, `nat`, or one nobody here knows.
    pub name: Cow<'static, str>,
    /// What it is set to, in the kernel's order.
    pub fields: Fields,
    /// Whether this version knows the name.
    pub known: bool,
}

impl Expression {
    /// Returns a setting that is a number.
    pub fn number(&self, field: &str) -> Option<u64> {
        match self.get(field)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns a setting that is raw data, in the byte order of a packet or of this machine.
    pub fn bytes(&self, field: &str) -> Option<&[u8]> {
        match self.get(field)? {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns a setting that is a name.
    pub fn text(&self, field: &str) -> Option<&Untrusted> {
        match self.get(field)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns any setting.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field)
    }

    /// Tells whether the kernel calls it so.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

/// Reads `NFTA_LIST_ELEM` lists.
pub(super) fn list(nest: &[u8], depth: u8) -> Vec<Expression> {
    let mut list = Vec::with_capacity(Attrs::new(nest).count());
    list.extend(Attrs::new(nest).filter_map(|(_, value)| read(value, depth)));
    list
}

/// Reads one nest of a name and data (`NFTA_EXPR_NAME`, `NFTA_EXPR_DATA`).
pub(super) fn read(nest: &[u8], depth: u8) -> Option<Expression> {
    let name = attr::text(Attrs::new(nest).find(1)?);
    let data = Attrs::new(nest).find(2).unwrap_or_default();
    let Some((name, schema)) = EXPRESSIONS.iter().find(|row| row.0.as_bytes() == name) else {
        let name = Cow::Owned(Escaped::new(name).to_string());
        return Some(Expression { name, fields: fields(data, &[], depth), known: false });
    };
    let fields = fields(data, schema, depth);
    Some(Expression { name: Cow::Borrowed(name), fields, known: true })
}

/// Reads settings by a table of their names.
pub(super) fn fields(data: &[u8], schema: &[Field], depth: u8) -> Fields {
    let mut fields = Fields::with_room(Attrs::new(data).count());
    for (kind, value) in Attrs::new(data) {
        let known = schema.iter().find(|field| field.0 == kind);
        let Some((_, name, form)) = known else {
            fields.push(format!("attr_{kind}").into(), Value::Bytes(value.to_vec()));
            continue;
        };
        let read = match form {
            Form::Number => number(value).map(Value::Number),
            Form::Text => Some(Value::Text(attr::text(value).into())),
            Form::Bytes => Some(Value::Bytes(value.to_vec())),
            Form::Data => self::data(value),
            Form::Skip => None,
            Form::One | Form::Many if depth == 0 => Some(Value::Bytes(value.to_vec())),
            Form::One => read(value, depth - 1).map(|one| Value::List(vec![one])),
            Form::Many => Some(Value::List(list(value, depth - 1))),
        };
        if let Some(value) = read {
            fields.push((*name).into(), value);
        }
    }
    fields
}

/// Reads `NFTA_DATA_VALUE` or `NFTA_DATA_VERDICT`.
pub(super) fn data(nest: &[u8]) -> Option<Value> {
    let (kind, value) = Attrs::new(nest).next()?;
    match kind {
        1 => Some(Value::Bytes(value.to_vec())),
        2 => {
            let code = Attrs::new(value).find(1).and_then(attr::be32)?;
            let chain = Attrs::new(value).find(2).map(|name| attr::text(name).into());
            // Two's complement: drop is 0, accept 1, jump -3.
            Some(Value::Verdict { code: code.cast_signed(), chain })
        }
        _ => None,
    }
}

/// Reads a number in network byte order, of any width the kernel uses.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        1 => attr::u8(value).map(u64::from),
        2 => attr::be16(value).map(u64::from),
        4 => attr::be32(value).map(u64::from),
        8 => attr::be64(value),
        _ => None,
    }
}

/// How the bytes of a setting are to be read.
// closed: private to the table below.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Number,
    Text,
    Bytes,
    Data,
    One,
    Many,
    Skip,
}

pub(super) type Field = (u16, &'static str, Form);

use Form::{Bytes as B, Data as D, Many as M, Number as N, One as O, Skip as S, Text as T};

/// How deep expressions may nest: a rule's dynset holds some, those hold none.
pub(super) const DEPTH: u8 = 2;

/// The settings of each expression (linux/netfilter/nf_tables.h, `enum nft_*_attributes`).
#[rustfmt::skip]
const EXPRESSIONS: &[(&str, &[Field])] = &[
    ("payload", &[(1, "dreg", N), (2, "base", N), (3, "offset", N), (4, "len", N), (5, "sreg", N),
        (6, "csum_type", N), (7, "csum_offset", N), (8, "csum_flags", N)]),
    ("cmp", &[(1, "sreg", N), (2, "op", N), (3, "data", D)]),
    ("meta", &[(1, "dreg", N), (2, "key", N), (3, "sreg", N)]),
    ("immediate", &[(1, "dreg", N), (2, "data", D)]),
    ("counter", COUNTER),
    ("ct", &[(1, "dreg", N), (2, "key", N), (3, "direction", N), (4, "sreg", N)]),
    ("lookup", &[(1, "set", T), (2, "sreg", N), (3, "dreg", N), (4, "set_id", S), (5, "flags", N)]),
    ("bitwise", &[(1, "sreg", N), (2, "dreg", N), (3, "len", N), (4, "mask", D), (5, "xor", D),
        (6, "op", N), (7, "data", D)]),
    ("match", &[(1, "name", T), (2, "rev", N), (3, "info", B)]),
    ("target", &[(1, "name", T), (2, "rev", N), (3, "info", B)]),
    ("nat", &[(1, "type", N), (2, "family", N), (3, "addr_min", N), (4, "addr_max", N),
        (5, "proto_min", N), (6, "proto_max", N), (7, "flags", N)]),
    ("byteorder", &[(1, "sreg", N), (2, "dreg", N), (3, "op", N), (4, "len", N), (5, "size", N)]),
    ("range", &[(1, "sreg", N), (2, "op", N), (3, "from", D), (4, "to", D)]),
    ("dynset", &[(1, "set", T), (2, "set_id", S), (3, "op", N), (4, "sreg_key", N),
        (5, "sreg_data", N), (6, "timeout", N), (7, "expr", O), (8, "pad", S), (9, "flags", N),
        (10, "expressions", M)]),
    ("limit", LIMIT),
    ("quota", QUOTA),
    ("log", &[(1, "group", N), (2, "prefix", T), (3, "snaplen", N), (4, "qthreshold", N),
        (5, "level", N), (6, "flags", N)]),
    ("reject", &[(1, "type", N), (2, "icmp_code", N)]),
    ("masq", &[(1, "flags", N), (2, "proto_min", N), (3, "proto_max", N)]),
    ("redir", &[(1, "proto_min", N), (2, "proto_max", N), (3, "flags", N)]),
    ("tproxy", &[(1, "family", N), (2, "addr", N), (3, "port", N)]),
    ("dup", &[(1, "addr", N), (2, "dev", N)]),
    ("fwd", &[(1, "dev", N), (2, "addr", N), (3, "nfproto", N)]),
    ("queue", &[(1, "num", N), (2, "total", N), (3, "flags", N), (4, "sreg", N)]),
    ("notrack", &[]),
    ("objref", &[(1, "type", N), (2, "name", T), (3, "sreg", N), (4, "set", T), (5, "set_id", S)]),
    ("exthdr", &[(1, "dreg", N), (2, "type", N), (3, "offset", N), (4, "len", N), (5, "flags", N),
        (6, "op", N), (7, "sreg", N)]),
    ("fib", &[(1, "dreg", N), (2, "result", N), (3, "flags", N)]),
    ("rt", &[(1, "dreg", N), (2, "key", N)]),
    ("socket", &[(1, "key", N), (2, "dreg", N), (3, "level", N)]),
    ("osf", &[(1, "dreg", N), (2, "ttl", N), (3, "flags", N)]),
    ("numgen", &[(1, "dreg", N), (2, "modulus", N), (3, "type", N), (4, "offset", N)]),
    ("hash", &[(1, "sreg", N), (2, "dreg", N), (3, "len", N), (4, "modulus", N), (5, "seed", N),
        (6, "offset", N), (7, "type", N)]),
    ("connlimit", CONNLIMIT),
    ("last", &[(1, "set", N), (2, "msecs", N), (3, "pad", S)]),
    ("synproxy", SYNPROXY),
    ("flow_offload", &[(1, "flowtable", T)]),
    ("tunnel", &[(1, "key", N), (2, "dreg", N)]),
    ("xfrm", &[(1, "dreg", N), (2, "key", N), (3, "dir", N), (4, "spnum", N)]),
    ("inner", &[(1, "num", N), (2, "type", N), (3, "flags", N), (4, "hdrsize", N), (5, "expr", O)]),
];

pub(super) const COUNTER: &[Field] = &[(1, "bytes", N), (2, "packets", N), (3, "pad", S)];
pub(super) const QUOTA: &[Field] =
    &[(1, "bytes", N), (2, "flags", N), (3, "pad", S), (4, "consumed", N)];
pub(super) const LIMIT: &[Field] = &[
    (1, "rate", N),
    (2, "unit", N),
    (3, "burst", N),
    (4, "type", N),
    (5, "flags", N),
    (6, "pad", S),
];
pub(super) const CONNLIMIT: &[Field] = &[(1, "count", N), (2, "flags", N)];
pub(super) const SYNPROXY: &[Field] = &[(1, "mss", N), (2, "wscale", N), (3, "flags", N)];
