//! DNS messages: bytes to typed messages and queries to bytes (RFC 1035, RFC 6891).
//!
//! A message is walked by hand, so that one bad record never costs the others; the data of the
//! common types is read by a library, of which nothing shows outside this folder. Decoding
//! neither panics nor recurses, takes time linear in the message and keeps at most 4096 records.

mod cursor;
mod edns;
mod message;
mod name;
mod number;
mod query;
mod rdata;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "dnssec")]
pub(crate) mod verify;

pub use edns::{Edns, EdnsOption};
pub use message::{Flags, Header, Message, Question, Record};
pub use name::Name;
pub use number::{Class, Opcode, Rcode, RecordType};
pub(crate) use query::{Query, QueryEdns};
#[cfg(feature = "dnssec")]
pub(crate) use rdata::Moment;
pub use rdata::{
    Loc, Naptr, Nsec3, RData, Rrsig, Soa, Srv, SvcParam, SvcParamKey, Tkey, TypeBitmap,
};
#[cfg(feature = "dnssec")]
pub(crate) use text::base32hex;
pub use text::{CharString, Opaque};
