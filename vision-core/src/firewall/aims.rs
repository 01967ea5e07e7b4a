//! The destinations that rules and maps name one by one.

use std::net::IpAddr;

use super::expr::Expression;
use super::types::{IPV4, IPV6, PROTO, SERVICE, parts};
use super::{Ruleset, SetContent};

/// A single address, with protocol and port where they are named beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) addr: IpAddr,
    pub(crate) protocol: Option<u8>,
    pub(crate) port: Option<u16>,
}

/// Collects what rules compare destination addresses with, and the keys of maps that begin with an address.
pub(crate) fn aims(ruleset: &Ruleset) -> Vec<Aim> {
    let rules = ruleset.rules.iter().filter_map(|rule| compared(&rule.expressions));
    let maps = ruleset.sets.iter().filter(|content| content.set.is_map());
    let mut found: Vec<Aim> = rules.chain(maps.flat_map(keys)).collect();
    found.sort_by_key(|aim| (aim.addr, aim.protocol, aim.port));
    found.dedup();
    found
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// `ip daddr` and `ip6 daddr` lie at 16 and at 24 bytes of the network header.
fn compared(expressions: &[Expression]) -> Option<Aim> {
    let addr = expressions.windows(2).find_map(|pair| {
        let [load, cmp] = pair else { return None };
        let place = (load.number("base")?, load.number("offset")?, load.number("len")?);
        let is_destination = load.is("payload") && matches!(place, (1, 16, 4) | (1, 24, 16));
        let equals = cmp.is("cmp") && cmp.number("op") == Some(0);
        address(cmp.bytes("data").filter(|_| is_destination && equals)?)
    })?;
    Some(Aim { addr, protocol: None, port: None })
}

/// Parts of a concatenation begin at multiples of four bytes.
fn keys(content: &SetContent) -> impl Iterator<Item = Aim> {
    let kinds = parts(content.set.key_type);
    let single = content.elements.iter().filter(|element| element.key_end.is_none());
    let single = single.filter(|element| element.flags == 0 && !content.set.is_interval());
    single.filter_map(move |element| {
        let mut rest = element.key.as_deref()?;
        let mut aim: Option<Aim> = None;
        for kind in &kinds {
            let len = super::types::len(*kind);
            let part = rest.get(..len)?;
            match (*kind, &mut aim) {
                (IPV4 | IPV6, None) => {
                    aim = Some(Aim { addr: address(part)?, protocol: None, port: None });
                }
                (PROTO, Some(aim)) => aim.protocol = part.first().copied(),
                (SERVICE, Some(aim)) => aim.port = part.try_into().ok().map(u16::from_be_bytes),
                (_, None) => return None,
                _ => {}
            }
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        aim
    })
}
