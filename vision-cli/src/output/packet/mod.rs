//! Packets as they are printed, one after the other.

pub mod beside;
mod json;
mod stream;
pub mod text;
pub mod what;

pub use self::stream::{Decoded, Packets};
