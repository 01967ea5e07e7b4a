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

/// What is known about a cause.
#[derive(Debug, Serialize)]
pub struct Explained {
    /// Which.
    pub cause: Cause,
    /// What it is, how it shows, how it is told, what to do.
    pub text: &'static str,
}

impl Human for Explained {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        writeln!(out, "{bold}{}{bold:#}\n\n{}", self.cause, self.text.trim_end())
    }
}
