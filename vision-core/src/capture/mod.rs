//! Packets: taken live from interfaces, filtered, read from capture files and written to them.

pub mod file;
pub mod filter;
mod frame;

pub use self::frame::{Direction, Frame};
