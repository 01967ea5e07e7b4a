//! What nft keeps beside a set about the expressions it was declared with (`typeof`).

use super::proto;
use super::types::Part;
use crate::netlink::attr;

/// Values by number, one byte of number and one of length (libnftnl udata.h).
fn tlv(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[kind, len], after) = rest.split_first_chunk()?;
        let value = after.get(..len.into())?;
        rest = after.get(len.into()..)?;
        Some((kind, value))
    })
}

fn find(nest: &[u8], kind: u8) -> Option<&[u8]> {
    tlv(nest).find(|it| it.0 == kind).map(|it| it.1)
}

/// One expression: its kind (nftables expression.h `enum expr_types`) and settings.
fn expression(nest: &[u8]) -> Option<(u32, &[u8])> {
    Some((attr::u32(find(nest, 0)?)?, find(nest, 1)?))
}

/// The types of the parts.
pub(super) fn parts(nest: &[u8]) -> Option<Vec<Part>> {
    walk(nest).map(|all| all.into_iter().map(|(_, part)| part).collect())
}

/// The words behind `typeof`.
pub(super) fn words(nest: &[u8]) -> Option<String> {
    walk(nest).map(|all| all.into_iter().map(|it| it.0).collect::<Vec<_>>().join(" . "))
}

fn walk(nest: &[u8]) -> Option<Vec<(String, Part)>> {
    const CONCAT: u32 = 13;
    let (kind, data) = expression(nest)?;
    if kind != CONCAT {
        return Some(vec![one(kind, data)?]);
    }
    let each = |(_, part)| expression(part).and_then(|(kind, data)| one(kind, data));
    // A set declared by types has a concatenation of nothing here.
    tlv(data).map(each).collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
}

fn one(kind: u32, data: &[u8]) -> Option<(String, Part)> {
    let number = |at| find(data, at).and_then(attr::u32);
    let named = |name: &str, kind, bits| (name.to_owned(), Part::of(kind, bits));
    match kind {
        7 => {
            let (header, field) = (number(0)?, number(1)?);
            let (name, bits, kind) = proto::described(header, field)?;
            Some((name, Part::of(kind, bits)))
        }
        9 => proto::META.get(number(0)? as usize).map(|row| named(row.0, row.2, row.1)),
        12 => proto::CT.get(number(0)? as usize).map(|row| {
            let way = match number(1) {
                Some(0) => "original ",
                Some(1) => "reply ",
                _ => "",
            };
            named(&format!("ct {way}{}", row.0), row.2, row.1)
        }),
        _ => None,
    }
}
