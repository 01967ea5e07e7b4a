use std::io::{self, Write};

use serde::Serialize;
use vision_core::doctor::Cause;

use crate::output::{Human, Style};

/// The causes the doctor knows.
#[derive(Debug, Serialize)]
pub struct Causes {
    /// From the wire up.
    pub causes: &'static [Cause],
}

impl Human for Causes {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        self.causes.iter().try_for_each(|cause| writeln!(out, "{cause}"))
    }
}
