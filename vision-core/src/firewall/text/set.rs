//! Sets, maps and their elements.

use super::super::SetContent;
use super::super::model::Element;
use super::super::notes;
use super::super::types::{self, IFNAME, INTEGER, IPV4, IPV6, Part, STRING};
use super::super::value::Value;
use super::machine::{part, quoted};
use super::stateful::stateful;
use super::statement::verdict;

/// The parts of a set's keys; `like` is what it is applied to, if known.
pub(super) fn key_parts(content: &SetContent, like: &[Part]) -> Vec<Part> {
    let set = &content.set;
    let typeof_ = set.notes.key_typeof.as_deref().and_then(notes::parts);
    resolve(set.key_type, set.key_len, like, typeof_, set.is_interval(), set.notes.key_order)
}

/// The parts of a map's values.
fn data_parts(content: &SetContent) -> Vec<Part> {
    let set = &content.set;
    let typeof_ = set.notes.data_typeof.as_deref().and_then(notes::parts);
    let (kind, len) = (set.data_type.unwrap_or(INTEGER), set.data_len.unwrap_or(4));
    let len = if set.notes.data_interval { len / 2 } else { len };
    resolve(kind, len, &[], typeof_, false, set.notes.data_order)
}

fn resolve(
    packed: u32,
    len: u32,
    like: &[Part],
    typeof_: Option<Vec<Part>>,
    interval: bool,
    order: Option<u32>,
) -> Vec<Part> {
    let kinds = types::parts(packed);
    let mut parts: Vec<_> = kinds.iter().map(|kind| part(*kind)).collect();
    let known = typeof_.as_deref().filter(|it| it.len() == parts.len()).unwrap_or(like);
    for (part, known) in parts.iter_mut().zip(known) {
        if part.kind == known.kind {
            *part = *known;
        }
    }
    if let [one] = parts.as_mut_slice() {
        one.bits = len.saturating_mul(8);
        if order == Some(1) {
            one.host = true;
        }
        if order == Some(2) && !matches!(one.kind, STRING | IFNAME) {
            one.host = false;
        }
    }
    if interval {
        parts.iter_mut().for_each(|part| part.host = false);
    }
    parts
}

/// Writes all elements, ranges put together, between braces.
pub(super) fn body(content: &SetContent, like: &[Part], separator: &str) -> String {
    let parts = key_parts(content, like);
    let data = data_parts(content);
    let list: Vec<_> = elements(content, &parts)
        .into_iter()
        .map(|(key, element)| one(&key, element, content, &data))
        .collect();
    list.join(separator)
}

fn one(key: &str, element: &Element, content: &SetContent, data: &[Part]) -> String {
    let mut out = key.to_owned();
    let default = content.set.timeout_ms;
    if let Some(timeout) = element.timeout_ms.filter(|it| Some(*it) != default && *it != 0) {
        out.push_str(&format!(" timeout {}", types::duration(timeout)));
    }
    if let Some(expires) = element.expires_ms {
        out.push_str(&format!(" expires {}", types::duration(expires)));
    }
    for expr in &element.expressions {
        match stateful(expr) {
            Some(text) => out.push_str(&format!(" {text}")),
            None => out.push_str(&format!(" [{}]", expr.name)),
        }
    }
    if let Some(comment) = &element.comment {
        out.push_str(&format!(" comment {}", quoted(comment)));
    }
    if let Some(object) = &element.object {
        out.push_str(&format!(" : {}", quoted(object)));
    }
    match &element.data {
        Some(Value::Bytes(bytes)) => {
            let half = bytes.len() / 2;
            let halves = bytes.split_at_checked(half).filter(|_| content.set.notes.data_interval);
            let text = match halves {
                Some((low, high)) => range(low, high, data),
                None => joined(bytes, data),
            };
            out.push_str(&format!(" : {text}"));
        }
        Some(value) => {
            let text = verdict(value).unwrap_or_else(|| "continue".into());
            out.push_str(&format!(" : {text}"));
        }
        None => {}
    }
    out
}

/// The keys of all elements as text; ends of ranges are taken up by their beginnings.
fn elements<'c>(content: &'c SetContent, parts: &[Part]) -> Vec<(String, &'c Element)> {
    let mut all: Vec<&Element> = content.elements.iter().collect();
    all.sort_by(|a, b| {
        (a.key.is_none(), &a.key, b.flags & 1).cmp(&(b.key.is_none(), &b.key, a.flags & 1))
    });
    let mut out = Vec::with_capacity(all.len());
    let split = content.set.is_interval() && parts.len() == 1;
    let mut rest = all.into_iter().peekable();
    while let Some(element) = rest.next() {
        let Some(key) = element.key.as_ref().filter(|_| element.flags & 2 == 0) else {
            out.push(("*".to_owned(), element));
            continue;
        };
        if let Some(end) = &element.key_end {
            out.push((range(key, end, parts), element));
        } else if split {
            if element.flags & 1 != 0 {
                continue;
            }
            let last = match rest.peek().and_then(|next| next.key.as_ref()) {
                Some(next) => before(next),
                None => vec![0xff; key.len()],
            };
            out.push((range(key, &last, parts), element));
        } else {
            out.push((joined(key, parts), element));
        }
    }
    out
}

/// The key one below.
fn before(key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    for byte in key.iter_mut().rev() {
        let (less, borrow) = byte.overflowing_sub(1);
        *byte = less;
        if !borrow {
            break;
        }
    }
    key
}

/// Splits bytes into the parts of a concatenation, each padded to four bytes.
fn split<'b>(mut bytes: &'b [u8], parts: &[Part]) -> Vec<(&'b [u8], Part)> {
    let single = parts.len() == 1;
    let mut out = Vec::new();
    for part in parts {
        let width = if single { bytes.len() } else { part.bytes() };
        let step = width.next_multiple_of(4).min(bytes.len());
        out.push((bytes.get(..width).unwrap_or(bytes), *part));
        bytes = bytes.get(step..).unwrap_or_default();
    }
    out
}

fn joined(bytes: &[u8], parts: &[Part]) -> String {
    let values = split(bytes, parts).into_iter().map(|(value, part)| part.constant(value));
    values.collect::<Vec<_>>().join(" . ")
}

fn range(low: &[u8], high: &[u8], parts: &[Part]) -> String {
    let both = split(low, parts).into_iter().zip(split(high, parts));
    let values = both.map(|((low, part), (high, _))| part_range(low, high, part));
    values.collect::<Vec<_>>().join(" . ")
}

fn part_range(low: &[u8], high: &[u8], part: Part) -> String {
    if low == high {
        return part.constant(low);
    }
    if matches!(part.kind, STRING | IFNAME) {
        return string_range(low, high);
    }
    match prefix_len(low, high).filter(|_| matches!(part.kind, IPV4 | IPV6)) {
        Some(bits) => format!("{}/{bits}", part.constant(low)),
        None => format!("{}-{}", part.constant(low), part.constant(high)),
    }
}

/// Names that begin alike; intervals keep strings in the network's order.
fn string_range(low: &[u8], high: &[u8]) -> String {
    let common: Vec<u8> =
        low.iter().zip(high).take_while(|(a, b)| a == b).map(|it| *it.0).collect();
    types::constant(&common, STRING, false)
}

/// The length of the prefix that two ends span, if they do.
pub(super) fn prefix_len(low: &[u8], high: &[u8]) -> Option<u32> {
    let (a, b) = (types::number(low, false)?, types::number(high, false)?);
    let size = b.checked_sub(a)?.wrapping_add(1);
    let bits = u32::try_from(low.len() * 8).ok()?;
    if size == 0 {
        return Some(0);
    }
    (size.is_power_of_two() && a % size == 0).then(|| bits.checked_sub(size.trailing_zeros()))?
}
