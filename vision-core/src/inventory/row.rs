//! What all rows share: reading names, and what reading a message came to.

use std::net::IpAddr;

use crate::base::{Family, Prefix, Untrusted};

/// What a message of a dump turned out to be.
pub(super) enum Row<T> {
    Item(T),
    /// Of no interest: another family, a cached entry.
    Other,
    /// A row that could not be read; counted, so that its loss shows.
    Unreadable,
}

impl<T> From<Option<T>> for Row<T> {
    fn from(row: Option<T>) -> Self {
        row.map_or(Self::Unreadable, Self::Item)
    }
}

/// Takes a name that somebody else chose.
pub(super) fn untrusted(bytes: &[u8]) -> Untrusted {
    Untrusted::from(bytes)
}

/// Takes a name that kernel code chose: a driver, a queueing discipline.
pub(super) fn string(bytes: &[u8]) -> String {
    Untrusted::from(bytes).escaped().to_string()
}

/// Builds a prefix from the length in a header and the address in an attribute.
///
/// Only a length of zero goes without an address; anything else would be a false default route.
#[inline]
pub(super) fn prefix(family: Family, addr: Option<IpAddr>, bits: u8) -> Option<Prefix> {
    match addr {
        None if bits == 0 => Some(Prefix::default_of(family)),
        None => None,
        Some(addr) => Prefix::new(addr, bits).ok().filter(|p| p.family() == family),
    }
}

/// Clock ticks of 1/100 s (`USER_HZ`) in milliseconds.
pub(super) fn ticks_ms(ticks: u32) -> u64 {
    u64::from(ticks) * 10
}
