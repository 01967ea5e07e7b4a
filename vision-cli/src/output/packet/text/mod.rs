//! Packets in lines that a reader of tcpdump knows.
//!
//! One pass over the bytes of each packet, without building anything in between: this is what a
//! capture of a busy interface spends its time on.

mod apps;
mod arp;
mod bytes;
mod clock;
mod dhcp;
mod dns;
mod flows;
mod hex;
mod icmp;
mod icmp6;
mod ip;
mod ip6;
mod link;
mod options;
mod plain;
mod routing;
mod sctp;
mod tcp;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

use std::collections::HashMap;

use vision_core::capture::Frame;

pub use self::clock::Clock;
use self::flows::{Flows, Numbers};
pub use self::hex::{Dump, Form};
pub use self::plain::Told;

/// What is written of each packet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Say more: 1 for headers, 2 for what is in messages, 3 for all of it.
    pub verbose: u8,
    /// Say less: protocol and length.
    pub quiet: bool,
    /// The link-layer header as well.
    pub link: bool,
    /// The number of the packet before it.
    pub number: bool,
    /// Sequence numbers as they are on the wire.
    pub absolute: bool,
    /// How the time is written.
    pub clock: Clock,
    /// The bytes after it.
    pub dump: Option<Dump>,
}

/// Writes packets, one after the other, and remembers what relative numbers need.
#[derive(Debug)]
pub struct Lines {
    style: Style,
    flows: Flows,
    clock: clock::Memory,
    names: HashMap<u32, String>,
}

impl Lines {
    /// Begins.
    pub fn new(style: Style) -> Self {
        let (flows, clock) = (Flows::default(), clock::Memory::default());
        Self { style, flows, clock, names: HashMap::new() }
    }

    /// Learns the name of an interface that cooked headers have by its index, escaped already.
    pub fn name(&mut self, ifindex: u32, name: String) {
        self.names.insert(ifindex, name);
    }

    /// Appends the lines of one packet.
    pub fn packet(&mut self, out: &mut Vec<u8>, number: u64, frame: &Frame<'_>) {
        self.write(out, number, frame, None);
    }

    /// Appends the lines of one packet of which [`look`](Self::look) told what they need.
    pub fn told(&mut self, out: &mut Vec<u8>, number: u64, frame: &Frame<'_>, told: Told) {
        self.write(out, number, frame, Some(told));
    }

    /// Finds out what a packet's lines need from the packets before it; `None` when they have to
    /// be written now.
    pub fn look(&mut self, frame: &Frame<'_>) -> Option<Told> {
        plain::look(frame, &self.style, &mut self.flows)
    }

    #[inline]
    fn write(&mut self, out: &mut Vec<u8>, number: u64, frame: &Frame<'_>, told: Option<Told>) {
        if self.style.number {
            bytes::pad(out, number, 5);
            out.extend_from_slice(b"  ");
        }
        self.clock.put(out, self.style.clock, frame.time);
        let Self { style, flows, names, .. } = self;
        let numbers = match told {
            None | Some(Told::Nothing) => Numbers::Of(flows),
            Some(Told::Numbers(numbers)) => Numbers::Are(numbers),
        };
        let mut printer = Printer { out, style, numbers, names, depth: 0, headed: false };
        let payload = printer.frame(frame);
        if let Some(dump) = self.style.dump {
            dump.packet(out, frame, payload);
        }
        out.push(b'\n');
    }
}

/// One packet on its way to the buffer.
struct Printer<'p> {
    out: &'p mut Vec<u8>,
    style: &'p Style,
    numbers: Numbers<'p>,
    names: &'p HashMap<u32, String>,
    /// Packets around this one: tunnels, and packets quoted in errors.
    depth: u8,
    /// A link-layer header was written that says what kind of packet follows.
    headed: bool,
}

/// Packets inside packets are followed so far and no further.
const MAX_DEPTH: u8 = 8;

/// Bytes of a layer: what was captured of it, and how long it was on the wire.
#[derive(Clone, Copy)]
struct Part<'a> {
    data: &'a [u8],
    len: usize,
}

impl<'a> Part<'a> {
    fn new(data: &'a [u8], len: usize) -> Self {
        Self { data, len }
    }

    /// What follows the first `n` bytes; `None` when they were not captured.
    fn after(self, n: usize) -> Option<Self> {
        Some(Self { data: self.data.get(n..)?, len: self.len.saturating_sub(n) })
    }

    /// No more than the first `len` bytes of the wire.
    fn within(self, len: usize) -> Self {
        let len = len.min(self.len);
        Self { data: self.data.get(..len).unwrap_or(self.data), len }
    }

    /// Whether all of it was captured.
    fn is_whole(self) -> bool {
        self.data.len() >= self.len
    }
}

impl Printer<'_> {
    /// Writes the packet and returns where what follows the link-layer header begins.
    fn frame(&mut self, frame: &Frame<'_>) -> usize {
        let whole = Part::new(frame.data, frame.len as usize);
        self.link(frame.link_type, whole)
    }

    /// Writes a layer, and says where it was cut.
    fn layer(&mut self, name: &str, write: impl FnOnce(&mut Self) -> Option<()>) {
        if write(self).is_none() {
            self.text(" [|");
            self.text(name);
            self.text("]");
        }
    }

    /// Goes one packet deeper; too deep is said and not followed.
    fn deeper(&mut self, write: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            return self.text(" [nested too deep]");
        }
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }
}
