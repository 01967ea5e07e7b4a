//! From messages to the objects.

use super::expr::{self, DEPTH, Field, Form};
use super::model::{
    Chain, Counter, Element, Flowtable, FwFamily, Hook, Object, Rule, Set, SetNotes, Table,
};
use super::value::{Fields, Value};
use crate::base::Untrusted;
use crate::netlink::attr::{self, Attrs};

/// The attributes of a message with its family.
pub(super) struct Raw<'a> {
    pub(super) family: u8,
    pub(super) attrs: Attrs<'a>,
}

impl<'a> Raw<'a> {
    fn family(&self) -> FwFamily {
        FwFamily::from_raw(self.family)
    }

    fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.attrs.clone().find(kind)
    }

    fn name(&self, kind: u16) -> Option<Untrusted> {
        self.find(kind).map(|value| attr::text(value).into())
    }

    fn u32(&self, kind: u16) -> Option<u32> {
        self.find(kind).and_then(attr::be32)
    }

    fn u64(&self, kind: u16) -> Option<u64> {
        self.find(kind).and_then(attr::be64)
    }
}

/// Reads the values nft keeps beside an object: one byte of type, one of length.
fn note(userdata: Option<&[u8]>, wanted: u8) -> Option<&[u8]> {
    let mut rest = userdata?;
    while let Some((&[kind, len], after)) = rest.split_first_chunk() {
        let value = after.get(..len.into())?;
        if kind == wanted {
            return Some(value);
        }
        rest = after.get(len.into()..)?;
    }
    None
}

fn comment(userdata: Option<&[u8]>, kind: u8) -> Option<Untrusted> {
    note(userdata, kind).map(|value| attr::text(value).into())
}

pub(super) fn table(raw: &Raw<'_>) -> Option<Table> {
    Some(Table {
        family: raw.family(),
        name: raw.name(1)?,
        flags: raw.u32(2).unwrap_or(0),
        handle: raw.u64(4).unwrap_or(0),
        comment: comment(raw.find(6), 0),
    })
}

pub(super) fn chain(raw: &Raw<'_>) -> Option<Chain> {
    let hook = raw.find(4).and_then(|nest| hook(raw.family(), nest));
    let counter = raw.find(8).map(|nest| {
        let find = |kind| Attrs::new(nest).find(kind).and_then(attr::be64).unwrap_or(0);
        Counter { bytes: find(1), packets: find(2) }
    });
    Some(Chain {
        family: raw.family(),
        table: raw.name(1)?,
        handle: raw.u64(2).unwrap_or(0),
        name: raw.name(3)?,
        policy: raw.u32(5),
        kind: raw.name(7),
        flags: raw.u32(10).unwrap_or(0),
        comment: comment(raw.find(12), 0),
        hook,
        counter,
    })
}

/// `NFTA_HOOK_*`; a flowtable's have the same numbers.
fn hook(family: FwFamily, nest: &[u8]) -> Option<Hook> {
    let find = |kind| Attrs::new(nest).find(kind);
    let number = attr::be32(find(1)?)?;
    let mut devices: Vec<_> = find(3).map(|name| attr::text(name).into()).into_iter().collect();
    if let Some(list) = find(4) {
        devices.clear();
        devices.extend(Attrs::new(list).map(|(_, name)| Untrusted::from(attr::text(name))));
    }
    Some(Hook {
        number,
        name: hook_name(family, number),
        priority: find(2).and_then(attr::be32).unwrap_or(0).cast_signed(),
        devices,
    })
}

fn hook_name(family: FwFamily, number: u32) -> String {
    const INET: &[&str] = &["prerouting", "input", "forward", "output", "postrouting", "ingress"];
    let names = match family {
        FwFamily::Netdev => &["ingress", "egress"][..],
        FwFamily::Arp => &["input", "output", "forward"],
        _ => INET,
    };
    match names.get(number as usize) {
        Some(name) => (*name).to_owned(),
        None => number.to_string(),
    }
}

pub(super) fn rule(raw: &Raw<'_>) -> Option<Rule> {
    Some(Rule {
        family: raw.family(),
        table: raw.name(1)?,
        chain: raw.name(2)?,
        handle: raw.u64(3).unwrap_or(0),
        expressions: raw.find(4).map(|nest| expr::list(nest, DEPTH)).unwrap_or_default(),
        comment: comment(raw.find(7), 0),
    })
}

pub(super) fn set(raw: &Raw<'_>) -> Option<Set> {
    let userdata = raw.find(13);
    let order = |kind| note(userdata, kind).and_then(attr::u32);
    let mut expressions: Vec<_> =
        raw.find(17).and_then(|nest| expr::read(nest, DEPTH)).into_iter().collect();
    if let Some(list) = raw.find(18) {
        expressions = expr::list(list, DEPTH);
    }
    let desc = raw.find(9);
    Some(Set {
        family: raw.family(),
        table: raw.name(1)?,
        name: raw.name(2)?,
        flags: raw.u32(3).unwrap_or(0),
        key_type: raw.u32(4).unwrap_or(0),
        key_len: raw.u32(5).unwrap_or(0),
        data_type: raw.u32(6),
        data_len: raw.u32(7),
        policy: raw.u32(8),
        size: desc.and_then(|nest| Attrs::new(nest).find(1)).and_then(attr::be32),
        timeout_ms: raw.u64(11),
        gc_interval_ms: raw.u32(12),
        object_type: raw.u32(15),
        handle: raw.u64(16).unwrap_or(0),
        expressions,
        comment: comment(userdata, 7),
        notes: SetNotes {
            key_order: order(0),
            data_order: order(1),
            merge: order(2).is_some_and(|it| it != 0),
            key_typeof: note(userdata, 3).map(<[u8]>::to_vec),
            data_typeof: note(userdata, 4).map(<[u8]>::to_vec),
            data_interval: order(6).is_some_and(|it| it != 0),
        },
    })
}

/// Reads the elements one message holds (`NFTA_SET_ELEM_LIST_ELEMENTS`).
pub(super) fn elements(raw: &Raw<'_>) -> Vec<Element> {
    let list = raw.find(3).unwrap_or_default();
    Attrs::new(list).map(|(_, nest)| element(nest)).collect()
}

fn element(nest: &[u8]) -> Element {
    let mut out = Element::default();
    let bytes = |value| match expr::data(value) {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    };
    for (kind, value) in Attrs::new(nest) {
        match kind {
            1 => out.key = bytes(value),
            2 => out.data = expr::data(value),
            3 => out.flags = attr::be32(value).unwrap_or(0),
            4 => out.timeout_ms = attr::be64(value),
            5 => out.expires_ms = attr::be64(value),
            6 => out.comment = comment(Some(value), 0),
            7 => out.expressions.extend(expr::read(value, DEPTH)),
            9 => out.object = Some(attr::text(value).into()),
            10 => out.key_end = bytes(value),
            11 => out.expressions = expr::list(value, DEPTH),
            _ => {}
        }
    }
    out
}

pub(super) fn object(raw: &Raw<'_>) -> Option<Object> {
    let kind = raw.u32(3)?;
    let schema = OBJECTS.iter().find(|row| row.0 == kind).map_or(&[][..], |row| row.1);
    let fields = match raw.find(4) {
        Some(data) => expr::fields(data, schema, DEPTH),
        None => Fields::default(),
    };
    Some(Object {
        family: raw.family(),
        table: raw.name(1)?,
        name: raw.name(2)?,
        handle: raw.u64(6).unwrap_or(0),
        kind,
        fields,
        comment: comment(raw.find(8), 0),
    })
}

pub(super) fn flowtable(raw: &Raw<'_>) -> Option<Flowtable> {
    let mut hook = raw.find(3).and_then(|nest| hook(FwFamily::Netdev, nest))?;
    if let Some(list) = raw.find(3).and_then(|nest| Attrs::new(nest).find(3)) {
        hook.devices = Attrs::new(list).map(|(_, name)| attr::text(name).into()).collect();
    }
    Some(Flowtable {
        family: raw.family(),
        table: raw.name(1)?,
        name: raw.name(2)?,
        handle: raw.u64(5).unwrap_or(0),
        flags: raw.u32(7).unwrap_or(0),
        hook,
    })
}

use Form::{Bytes as B, Number as N, Text as T};

/// The settings of each kind of object.
#[rustfmt::skip]
const OBJECTS: &[(u32, &[Field])] = &[
    (1, expr::COUNTER),
    (2, expr::QUOTA),
    (3, &[(1, "name", T), (2, "l3proto", N), (3, "l4proto", N)]),
    (4, expr::LIMIT),
    (5, expr::CONNLIMIT),
    (7, &[(1, "l3proto", N), (2, "l4proto", N), (3, "policy", B)]),
    (8, &[(1, "context", T)]),
    (9, &[(1, "l3proto", N), (2, "l4proto", N), (3, "dport", N), (4, "timeout_ms", N), (5, "size", N)]),
    (10, expr::SYNPROXY),
];
