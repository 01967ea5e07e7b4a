//! Where packets go: to the screen or to a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use vision_core::capture::{Capture, Frame, Notice};

use crate::args::CaptureArgs;
use crate::context::Context;
use crate::output::diagnose;

/// Takes packets one by one.
pub enum Sink {
    /// Printed, in the form the user asked for.
    Print,
    /// Written as a capture file.
    File(BufWriter<Box<dyn Write>>),
}

impl Sink {
    /// Opens the file, if there is to be one.
    ///
    /// # Errors
    /// What keeps the file from being made.
    pub fn open(args: &CaptureArgs, _context: &Context, capture: &Capture) -> io::Result<Self> {
        let Some(path) = &args.write else { return Ok(Self::Print) };
        let file: Box<dyn Write> = match path.to_str() {
            Some("-") => Box::new(io::stdout()),
            _ => Box::new(File::create(Path::new(path))?),
        };
        let mut out = BufWriter::with_capacity(BUFFER, file);
        out.write_all(&0xa1b2_3c4d_u32.to_ne_bytes())?;
        out.write_all(&[2_u16, 4].map(u16::to_ne_bytes).concat())?;
        let link_type = capture.link_type().0.into();
        out.write_all(&[0_u32, 0, 262_144, link_type].map(u32::to_ne_bytes).concat())?;
        out.flush()?;
        Ok(Self::File(out))
    }

    /// Returns the folder in which it makes further files.
    ///
    /// # Errors
    /// What keeps it from being opened.
    pub fn folder(&self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }

    /// Takes a packet.
    ///
    /// # Errors
    /// What writing says.
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        number: u64,
        context: &mut Context,
    ) -> io::Result<()> {
        match self {
            Self::Print => context.out.packet(|out, _| {
                writeln!(out, "{number} {:?} {} bytes", frame.direction, frame.len)
            }),
            Self::File(out) => {
                let nanos = frame.time.map_or(0, |time| time.as_unix_nanos());
                let (sec, nsec) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
                let head = [sec as u32, nsec as u32, frame.data.len() as u32, frame.len];
                out.write_all(head.map(u32::to_ne_bytes).as_flattened())?;
                out.write_all(frame.data)
            }
        }
    }

    /// Takes what happened to the interface.
    ///
    /// # Errors
    /// What writing says.
    pub fn notice(&mut self, notice: &Notice, context: &mut Context) -> io::Result<()> {
        if context.out.is_json() {
            return context.out.event(notice, |_, _| Ok(()));
        }
        diagnose(&notice.to_string(), None);
        Ok(())
    }

    /// Pushes out what is held back, because nothing more comes at the moment.
    ///
    /// # Errors
    /// What writing says.
    pub fn flush(&mut self, context: &mut Context) -> io::Result<()> {
        match self {
            Self::Print => context.out.finish(),
            Self::File(out) => out.flush(),
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    /// What writing says.
    pub fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Print => Ok(()),
            Self::File(out) => out.flush(),
        }
    }
}

const BUFFER: usize = 256 << 10;
