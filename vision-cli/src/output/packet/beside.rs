//! A second thread for the lines of a large file.
//!
//! Packets are gathered in batches, and whoever is free writes the lines of the next one. What a
//! line needs from the packets before it is found out on the way into the batch, in order; what is
//! too unusual for that is written there and then. So the output is the same, byte for byte.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use vision_core::Timestamp;
use vision_core::capture::Frame;
use vision_core::wire::LinkType;

use super::text::{Lines, Style, Told};

/// Bytes of a batch: enough that handing it over costs nothing beside its lines.
const FULL: usize = 256 * 1024;

/// Batches on their way at most, which bounds the memory.
const MOST: usize = 4;

/// A packet in a batch.
#[derive(Debug)]
struct Entry {
    bytes: Range<usize>,
    len: u32,
    number: u64,
    time: Option<Timestamp>,
    link_type: LinkType,
    /// `None` for lines that are written already and only stand here.
    told: Option<Told>,
}

/// Packets together with their bytes, and their lines once there are.
#[derive(Debug, Default)]
struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
    lines: Vec<u8>,
}

impl Batch {
    fn write(&mut self, lines: &mut Lines) {
        self.lines.clear();
        for entry in &self.entries {
            let bytes = self.bytes.get(entry.bytes.clone()).unwrap_or_default();
            match entry.told {
                None => self.lines.extend_from_slice(bytes),
                Some(told) => {
                    let mut frame = Frame::new(entry.link_type, bytes);
                    (frame.len, frame.time) = (entry.len, entry.time);
                    lines.told(&mut self.lines, entry.number, &frame, told);
                }
            }
        }
    }
}

/// Batches in the order their lines are to appear in.
#[derive(Debug)]
enum Slot {
    /// On the other thread.
    Away,
    Here(Batch),
}

/// The other thread, and what is on its way to it and back.
#[derive(Debug)]
pub struct Beside {
    filling: Batch,
    /// Bytes at which a batch is full.
    full: usize,
    slots: VecDeque<Slot>,
    spare: Vec<Batch>,
    to: SyncSender<Batch>,
    back: Receiver<Batch>,
}

impl Beside {
    /// Starts the thread; before the sandbox is locked, which takes that right away.
    ///
    /// # Errors
    /// The kernel's, when there can be no more threads.
    pub fn start(style: Style) -> io::Result<Self> {
        let (to, work) = sync_channel::<Batch>(1);
        let (done, back) = sync_channel(MOST);
        thread::Builder::new().name("lines".to_owned()).spawn(move || {
            let mut lines = Lines::new(style);
            while let Ok(mut batch) = work.recv() {
                batch.write(&mut lines);
                if done.send(batch).is_err() {
                    break;
                }
            }
        })?;
        let (slots, spare) = (VecDeque::new(), Vec::new());
        Ok(Self { filling: Batch::default(), full: FULL, slots, spare, to, back })
    }

    /// Takes a packet; tells whether it is time to [`advance`](Self::advance).
    #[inline]
    pub fn take(&mut self, number: u64, frame: &Frame<'_>, lines: &mut Lines) -> bool {
        let batch = &mut self.filling;
        let start = batch.bytes.len();
        let told = lines.look(frame);
        match told {
            Some(_) => batch.bytes.extend_from_slice(frame.data),
            None => lines.packet(&mut batch.bytes, number, frame),
        }
        batch.entries.push(Entry {
            bytes: start..batch.bytes.len(),
            len: frame.len,
            number,
            time: frame.time,
            link_type: frame.link_type,
            told,
        });
        batch.bytes.len() >= self.full
    }

    /// Has the lines of the batch written, there or here, and hands over what is ready.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn advance(
        &mut self,
        lines: &mut Lines,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let next = self.spare.pop().unwrap_or_default();
        let batch = std::mem::replace(&mut self.filling, next);
        match self.to.try_send(batch) {
            Ok(()) => self.slots.push_back(Slot::Away),
            Err(TrySendError::Full(mut batch) | TrySendError::Disconnected(mut batch)) => {
                batch.write(lines);
                self.slots.push_back(Slot::Here(batch));
            }
        }
        while self.slots.len() >= MOST || matches!(self.slots.front(), Some(Slot::Here(_))) {
            self.first(out)?;
        }
        Ok(())
    }

    /// Hands over everything.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(
        &mut self,
        lines: &mut Lines,
        out: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !self.slots.is_empty() {
            self.first(out)?;
        }
        self.filling.write(lines);
        let batch = std::mem::take(&mut self.filling);
        out(&batch.lines)
    }

    fn first(&mut self, out: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut batch = match self.slots.pop_front() {
            None => return Ok(()),
            Some(Slot::Here(batch)) => batch,
            Some(Slot::Away) => {
                self.back.recv().map_err(|_| io::Error::other("the second thread is gone"))?
            }
        };
        let written = out(&batch.lines);
        batch.entries.clear();
        batch.bytes.clear();
        self.spare.push(batch);
        written
    }
}

#[cfg(test)]
mod tests {
    use vision_core::capture::file::Reader;

    use super::super::text::{Clock, Dump, Form, Lines, Style};
    use super::Beside;

    /// The lines of a capture by one thread and by two.
    fn both(path: &str, style: Style) -> (Vec<u8>, Vec<u8>) {
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        let (mut first, mut lines) = (Lines::new(style), Lines::new(style));
        let mut beside = Beside::start(style).expect("a thread");
        // So that the small captures of a corpus make many batches.
        beside.full = 700;
        let mut out = |text: &[u8]| {
            together.extend_from_slice(text);
            Ok(())
        };
        let mut number = 0;
        if let Ok(mut reader) = Reader::open(path) {
            while let Ok(Some(frame)) = reader.next_frame() {
                number += 1;
                first.packet(&mut alone, number, &frame);
                if beside.take(number, &frame, &mut lines) {
                    beside.advance(&mut lines, &mut out).expect("taken");
                }
            }
        }
        beside.finish(&mut lines, &mut out).expect("taken");
        (alone, together)
    }

    #[test]
    fn two_threads_write_what_one_would() {
        let Ok(list) = std::fs::read_to_string("../../shared/captures/MANIFEST.tsv") else {
            println!("SKIP: ../../shared/captures is not there");
            return;
        };
        let plain = Style::default();
        let dump = Some(Dump { form: Form::Both, link: true });
        let more =
            Style { verbose: 2, link: true, number: true, clock: Clock::Date, dump, ..plain };
        let quiet = Style { quiet: true, absolute: true, ..plain };
        for (n, name) in list.lines().skip(1).filter_map(|row| row.split('\t').next()).enumerate() {
            let path = format!("../../shared/captures/{name}");
            let (alone, together) = both(&path, [plain, more, quiet][n % 3]);
            let same = alone == together;
            assert!(same, "{name}:\n{}", String::from_utf8_lossy(&together));
        }
    }

    #[test]
    fn a_batch_that_never_filled_is_written_at_the_end() {
        use vision_core::capture::Frame;
        use vision_core::wire::LinkType;

        let style = Style { clock: Clock::None, ..Style::default() };
        let (mut lines, mut text) = (Lines::new(style), Vec::new());
        let mut beside = Beside::start(style).expect("a thread");
        assert!(!beside.take(1, &Frame::new(LinkType::RAW, &[0x45; 20]), &mut lines));
        let mut out = |written: &[u8]| {
            text.extend_from_slice(written);
            Ok(())
        };
        beside.finish(&mut lines, &mut out).expect("taken");
        beside.finish(&mut lines, &mut out).expect("taken");
        assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
