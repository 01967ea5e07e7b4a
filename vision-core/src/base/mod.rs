//! Types every room shares: errors, budgets, the event-source contract, addresses and time.
//!
//! No input or output happens here beyond `poll(2)` on descriptors handed in.

mod addr;
mod budget;
mod endpoint;
mod error;
mod gap;
#[cfg(feature = "serde")]
pub(crate) mod nanos;
mod open_enum;
mod pacer;
mod random;
mod source;
mod text;
mod time;

pub use addr::{Family, LinkAddr, Prefix, Ttl};
pub use budget::{Budget, Cancel, Wake};
pub use endpoint::{Endpoint, Host, PortRange, parse_duration};
pub use error::{Capability, DecodeError, Error, Layer, Op, Reason, Result};
pub use gap::Gap;
pub(crate) use open_enum::open_enum;
pub use pacer::Pacer;
pub(crate) use random::fill_random;
pub use source::{EventSource, Events};
pub use text::{Escaped, Untrusted};
pub use time::Timestamp;
