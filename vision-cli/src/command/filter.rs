//! `vision filter`

use super::Ended;
use crate::args::FilterArgs;
use crate::context::Context;

pub fn run(_args: &FilterArgs, _context: &mut Context) -> Ended {
    Err(vision_core::Error::Unsupported("vision filter").into())
}
