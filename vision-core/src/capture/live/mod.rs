//! Packets as they pass an interface.

mod cook;
mod links;
mod packet;
mod program;
mod request;
mod session;

pub use self::links::{Change, Notice};
pub use self::packet::{CaptureMethod, Packet};
pub use self::request::CaptureRequest;
pub use self::session::{Capture, CaptureEvent, CaptureStats, Interface, Taken};

use crate::capture::Frame;
use crate::sys::ring::block::Walk;

/// Walks a block of a receive ring (`struct tpacket_block_desc`) as a capture does, and returns
/// how many packets it held; for tests and benchmarks without a kernel.
#[doc(hidden)]
pub fn walk_block(block: &mut [u8], hardware: u16, each: &mut dyn FnMut(Frame<'_>)) -> usize {
    let form = cook::Form::of(hardware);
    let (mut walk, mut count) = (Walk::begin(block), 0);
    while let Some(entry) = walk.next(block) {
        let (at, end, len) = form.complete(block, &entry);
        each(session::frame(block, at..end, len, &entry, form));
        count += 1;
    }
    count
}
