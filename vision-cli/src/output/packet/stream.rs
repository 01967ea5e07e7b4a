use std::io::{self, Write};

use serde::Serialize;
use vision_core::capture::{Capture, Frame, Hit};

use super::beside::Beside;
use super::json;
use super::text::{self, Clock, Lines};
use crate::output::{Human, Output, Style};

/// Gathers the lines of many packets before they go to standard output.
#[derive(Debug)]
pub struct Packets {
    text: Vec<u8>,
    lines: Lines,
    objects: json::Lines,
    json: bool,
    beside: Option<Box<Beside>>,
}

/// Bytes to gather: a few calls for a million packets.
const ENOUGH: usize = 128 * 1024;

impl Packets {
    /// Prints in the form the user asked for.
    pub fn new(out: &Output, style: text::Style) -> Self {
        let text = Vec::with_capacity(ENOUGH + 4096);
        let objects = json::Lines::default();
        Self { text, lines: Lines::new(style), objects, json: out.is_json(), beside: None }
    }

    /// Has the lines of many packets written by two threads.
    ///
    /// For what is read at once and whole: lines come in batches then. Where there is no room for a
    /// thread, it stays with one.
    pub fn beside(&mut self, style: text::Style) {
        if self.is_free(style) {
            self.beside = Beside::start(style).ok().map(Box::new);
        }
    }

    /// Tells whether lines depend on nothing but their packet and its conversation.
    pub fn is_free(&self, style: text::Style) -> bool {
        !self.json && !matches!(style.clock, Clock::Delta | Clock::First)
    }

    /// Lends what writes the lines to somebody else, until it is given back.
    pub fn lend(&mut self, style: text::Style) -> Lines {
        std::mem::replace(&mut self.lines, Lines::new(style))
    }

    /// Takes back what was lent.
    pub fn give_back(&mut self, lines: Lines) {
        self.lines = lines;
    }

    /// Learns what the interfaces of a capture are called, which cooked headers know by index.
    pub fn names(&mut self, capture: &Capture) {
        for (ifindex, name) in capture.interfaces() {
            self.lines.name(ifindex, name.escaped().to_string());
        }
    }

    /// Prints one packet, and what was found in it where something was searched for.
    ///
    /// # Errors
    /// What writing to standard output says.
    #[inline]
    pub fn print(
        &mut self,
        number: u64,
        frame: &Frame<'_>,
        hit: Option<&Hit<'_>>,
        out: &mut Output,
    ) -> io::Result<()> {
        if let Some(beside) = &mut self.beside {
            if beside.take(number, frame, &mut self.lines) {
                beside.advance(&mut self.lines, &mut |text| {
                    out.packet(|out, _| out.write_all(text))
                })?;
            }
            return Ok(());
        }
        match self.json {
            true => self.objects.packet(&mut self.text, number, frame, hit),
            false => self.lines.packet(&mut self.text, number, frame),
        }
        if self.text.len() < ENOUGH { Ok(()) } else { self.push_out(out) }
    }

    /// Hands over what was gathered.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn push_out(&mut self, out: &mut Output) -> io::Result<()> {
        if let Some(beside) = &mut self.beside {
            beside.finish(&mut self.lines, &mut |text| out.packet(|out, _| out.write_all(text)))?;
        }
        let written = out.packet(|out, _| out.write_all(&self.text));
        self.text.clear();
        written?;
        out.finish()
    }
}

/// What reading a capture file came to.
#[derive(Debug, Serialize)]
pub struct Decoded {
    /// Packets that were printed, written or counted.
    pub packets: u64,
    /// Packets that were read to find them.
    pub read: u64,
}

/// The number alone.
impl Human for Decoded {
    fn human(&self, out: &mut dyn Write, _style: &Style) -> io::Result<()> {
        writeln!(out, "{}", self.packets)
    }
}
