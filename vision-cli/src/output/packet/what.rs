use std::io::{self, Write};

use serde::Serialize;
use vision_core::capture::file::{Interface, Precision, What};

use crate::output::{Human, Style, esc};

/// What a file is.
#[derive(Debug, Serialize)]
pub struct Whatness {
    /// The file as it was named.
    pub file: String,
    /// What it is as a capture file.
    pub capture: Option<What>,
    /// What it is instead, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<String>,
}

impl Human for Whatness {
    fn human(&self, out: &mut dyn Write, _style: &Style) -> io::Result<()> {
        let file = esc(&self.file);
        let Some(what) = &self.capture else {
            let instead = self.instead.as_deref().unwrap_or("something else");
            return writeln!(out, "{file}: not a capture file but {}", esc(instead));
        };
        write!(out, "{file}: {}", what.format)?;
        if let Some((major, minor)) = what.version {
            write!(out, " {major}.{minor}")?;
        }
        write!(out, ", {}", what.endian)?;
        match what.precision {
            Some(Precision::Micro) => write!(out, ", microseconds")?,
            Some(Precision::Nano) => write!(out, ", nanoseconds")?,
            None => {}
        }
        if let Some(packed) = what.compression {
            write!(out, ", packed with {packed}")?;
        }
        writeln!(out)?;
        if let Some(section) = &what.section {
            let said = [&section.application, &section.os, &section.hardware];
            let said: Vec<_> = said.into_iter().flatten().map(|it| esc(it).to_string()).collect();
            if !said.is_empty() {
                writeln!(out, "  written by {}", said.join(" on "))?;
            }
            for comment in &section.comments {
                writeln!(out, "  comment: {}", esc(comment))?;
            }
        }
        for (number, interface) in what.interfaces.iter().enumerate() {
            line(out, number, interface)?;
        }
        Ok(())
    }
}

fn line(out: &mut dyn Write, number: usize, interface: &Interface) -> io::Result<()> {
    let (link, raw) = (interface.link_type, interface.link_type.0);
    write!(out, "  interface {number}")?;
    if let Some(name) = &interface.name {
        write!(out, " {}", esc(name))?;
    }
    match link.name() {
        Some(name) => write!(out, ": link type {name} ({raw})")?,
        None => write!(out, ": link type {raw}")?,
    }
    match interface.snap_len {
        Some(bytes) => write!(out, ", snap length {bytes} bytes")?,
        None => write!(out, ", no snap length")?,
    }
    if let Some(description) = &interface.description {
        write!(out, ", {}", esc(description))?;
    }
    writeln!(out)
}
