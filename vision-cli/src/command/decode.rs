//! `vision decode`

use super::Ended;
use crate::args::DecodeArgs;
use crate::context::Context;

pub fn run(_args: &DecodeArgs, _context: &mut Context) -> Ended {
    Err(vision_core::Error::Unsupported("vision decode").into())
}
