//! Arguments of the verbs about packets, a file each.

mod capture;
mod decode;
mod filter;
mod print;
mod search;

pub use self::capture::CaptureArgs;
pub use self::decode::{DecodeArgs, WriteFormat};
pub use self::filter::FilterArgs;
pub use self::search::SearchArgs;
