//! `vision capture`

use super::Ended;
use crate::args::CaptureArgs;
use crate::context::Context;

pub fn run(_args: &CaptureArgs, _context: &mut Context) -> Ended {
    Err(vision_core::Error::Unsupported("vision capture").into())
}
