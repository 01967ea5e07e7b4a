//! Packets: taken live from interfaces, filtered, read from capture files and written to them.

pub mod file;
pub mod filter;
mod flows;
mod frame;
mod live;
mod point;
mod search;

pub use self::flows::flows;
pub use self::frame::{Direction, Frame};
#[doc(hidden)]
pub use self::live::walk_block;
pub use self::live::{
    Capture, CaptureEvent, CaptureMethod, CaptureRequest, CaptureStats, Change, Interface, Notice,
    Packet, Taken,
};
pub use self::search::{Hit, Match, MatchError, searched};
