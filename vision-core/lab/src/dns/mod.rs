//! A DNS server that tells the truth or lies, as scripted.

mod codec;
mod plan;
mod record;
mod script;
mod server;

pub use record::{Rdata, Record, Type};
pub use script::{Behaviour, DnsScript, Forgery};
pub use server::{DnsServer, Query, Transport};
