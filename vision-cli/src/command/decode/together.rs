//! A large file read by two threads.
//!
//! Each takes pieces of the file and does with their packets what is to be done: that is most of the
//! work. What has to be in order is done in turns: following the conversations that lines depend on,
//! and handing over what came of a piece. So the output is the same, byte for byte, as of one thread.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use vision_core::Budget;
use vision_core::capture::Frame;
use vision_core::capture::file::{Piece, Pieces, Reader, Records};
use vision_core::capture::filter::Filter;

use super::{Run, Sink, named};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::packet::text::{Lines, Style, Told};

/// What is done with packets.
pub enum Task {
    Count,
    /// Lines in this style; the conversations so far are known to these.
    Print(Style, Box<Lines>),
    /// Records as these, of packets cut to this length.
    Copy(Records, Option<u32>),
}

/// What came of a piece.
pub enum Yield {
    Text(Vec<u8>),
    Records(Records),
    Nothing,
}

/// A second thread that waits until there is something to do, or none.
#[derive(Debug)]
pub struct Helper {
    work: Option<Sender<Work>>,
}

/// What came of pieces, on the way from one thread to the other.
struct Done {
    number: u64,
    read: u64,
    packets: u64,
    came: Yield,
}

struct Work {
    shared: Arc<Shared>,
    done: SyncSender<Done>,
}

/// What both threads use.
struct Shared {
    pieces: Pieces,
    filter: Option<Filter>,
    task: Common,
    order: Order,
    /// Room that is used again.
    spare: Mutex<Vec<Yield>>,
}

/// The part of a task that stays the same.
enum Common {
    Count,
    Print(Style),
    Copy(Records, Option<u32>),
}

/// Whose turn it is to follow conversations.
struct Order {
    next: Mutex<(u64, Option<Box<Lines>>)>,
    moved: Condvar,
}

/// Pieces whose turn to be handed over has not come, at most: this bounds the memory.
const MOST: usize = 8;

impl Helper {
    /// Starts the thread; before the sandbox is locked, which takes that right away.
    ///
    /// # Errors
    /// The kernel's, when there can be no more threads.
    pub fn start() -> io::Result<Self> {
        let (work, orders) = channel::<Work>();
        thread::Builder::new().name("packets".to_owned()).spawn(move || {
            if let Ok(Work { shared, done }) = orders.recv() {
                let mut worker = Worker::new(&shared);
                while let Some(result) = worker.piece() {
                    if done.send(result).is_err() {
                        break;
                    }
                }
            }
        })?;
        Ok(Self { work: Some(work) })
    }

    /// Stands for a thread where there is no processor for it: pieces are quicker all the same.
    pub fn none() -> Self {
        Self { work: None }
    }

    /// Does the task with all packets of the pieces that pass the filter, and gives what comes of
    /// them to `out` in order. Returns how many those are, and the lines with all conversations.
    ///
    /// # Errors
    /// Those of `out`, and when the budget ends.
    pub fn run<E: From<vision_core::Error>>(
        self,
        pieces: Pieces,
        filter: Option<Filter>,
        task: Task,
        budget: &Budget,
        out: &mut dyn FnMut(&mut Yield) -> Result<(), E>,
    ) -> (Pieced, Result<(), E>) {
        let (task, lines) = match task {
            Task::Count => (Common::Count, None),
            Task::Print(style, lines) => (Common::Print(style), Some(lines)),
            Task::Copy(records, snap) => (Common::Copy(records, snap), None),
        };
        let order = Order { next: Mutex::new((0, lines)), moved: Condvar::new() };
        let spare = Mutex::default();
        let shared = Arc::new(Shared { pieces, filter, task, order, spare });
        let (done, results) = sync_channel(1);
        let work = Work { shared: Arc::clone(&shared), done };
        // Without the thread this one does it alone.
        if let Some(thread) = self.work {
            let _ = thread.send(work);
        } else {
            drop(work);
        }
        let (next, packets, read) = (0, 0, 0);
        let (waiting, common) = (VecDeque::new(), &*shared);
        let mut hand = Hand { out, next, packets, read, waiting, results, common };
        let ended = hand.all(&mut Worker::new(&shared), budget);
        shared.pieces.stop();
        let Hand { packets, read, .. } = hand;
        let lines = shared.order.lock().1.take();
        (Pieced { packets, read, lines, shared }, ended)
    }
}

/// What was done with the pieces.
pub struct Pieced {
    /// Packets that passed the filter.
    pub packets: u64,
    /// Packets there were.
    pub read: u64,
    /// The lines that know all conversations.
    pub lines: Option<Box<Lines>>,
    shared: Arc<Shared>,
}

impl Pieced {
    /// Returns the pieces.
    pub fn pieces(&self) -> &Pieces {
        &self.shared.pieces
    }
}

/// Hands over what came of pieces, in their order.
struct Hand<'h, E> {
    out: &'h mut dyn FnMut(&mut Yield) -> Result<(), E>,
    next: u64,
    packets: u64,
    read: u64,
    waiting: VecDeque<Done>,
    results: Receiver<Done>,
    common: &'h Shared,
}

impl<E: From<vision_core::Error>> Hand<'_, E> {
    fn all(&mut self, worker: &mut Worker<'_>, budget: &Budget) -> Result<(), E> {
        loop {
            budget.remaining()?;
            let Some(done) = worker.piece() else { break };
            self.take(done)?;
            while let Ok(done) = self.results.try_recv() {
                self.take(done)?;
            }
            while self.waiting.len() >= MOST
                && let Ok(done) = self.results.recv()
            {
                self.take(done)?;
            }
        }
        while let Ok(done) = self.results.recv() {
            self.take(done)?;
        }
        Ok(())
    }

    /// Hands over what is next.
    fn take(&mut self, done: Done) -> Result<(), E> {
        let place = self.waiting.partition_point(|it| it.number < done.number);
        self.waiting.insert(place, done);
        while self.waiting.front().is_some_and(|it| it.number == self.next)
            && let Some(mut done) = self.waiting.pop_front()
        {
            self.next += 1;
            self.packets += done.packets;
            self.read += done.read;
            (self.out)(&mut done.came)?;
            self.common.spare().push(done.came);
        }
        Ok(())
    }
}

impl Shared {
    fn spare(&self) -> MutexGuard<'_, Vec<Yield>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passes(&self, frame: &Frame<'_>) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.matches(frame.data, frame.len))
    }
}

/// One of the two.
struct Worker<'w> {
    shared: &'w Shared,
    piece: Piece,
    lines: Lines,
    entries: Vec<Entry>,
    odd: Vec<u8>,
}

/// What becomes of a packet.
enum Entry {
    /// It did not pass.
    Out,
    /// It is to be looked at.
    In,
    /// It gets its line.
    Later(Told),
    /// Its line is written already.
    Now(Range<usize>),
}

impl<'w> Worker<'w> {
    fn new(shared: &'w Shared) -> Self {
        let style = match &shared.task {
            Common::Print(style) => *style,
            _ => Style::default(),
        };
        let (lines, entries) = (Lines::new(style), Vec::new());
        Self { shared, piece: Piece::default(), lines, entries, odd: Vec::new() }
    }

    /// Does the next piece; `None` where there is none.
    fn piece(&mut self) -> Option<Done> {
        if !self.shared.pieces.take(&mut self.piece) {
            return None;
        }
        let (number, read) = (self.piece.number(), self.piece.packets());
        let room = self.shared.spare().pop();
        let (packets, came) = match (&self.shared.task, room) {
            (Common::Count, _) => (self.count(), Yield::Nothing),
            (Common::Copy(model, snap), room) => {
                let records = match room {
                    Some(Yield::Records(records)) => records,
                    _ => model.like(),
                };
                self.copy(records, *snap)
            }
            (Common::Print(_), Some(Yield::Text(text))) => self.print(text),
            (Common::Print(_), _) => self.print(Vec::new()),
        };
        Some(Done { number, read, packets, came })
    }

    fn count(&self) -> u64 {
        let Self { shared, piece, .. } = self;
        match &shared.filter {
            None => piece.packets(),
            Some(_) => {
                piece.frames(&shared.pieces).filter(|(_, it)| shared.passes(it)).count() as u64
            }
        }
    }

    fn copy(&self, mut records: Records, snap: Option<u32>) -> (u64, Yield) {
        let Self { shared, piece, .. } = self;
        let keep = snap.map_or(usize::MAX, |it| it as usize);
        for (_, mut frame) in piece.frames(&shared.pieces) {
            if shared.passes(&frame) {
                frame.data = frame.data.get(..keep).unwrap_or(frame.data);
                records.frame(&frame);
            }
        }
        (records.packets(), Yield::Records(records))
    }

    /// Writes the lines of packets, after those of all pieces before were looked at.
    fn print(&mut self, mut text: Vec<u8>) -> (u64, Yield) {
        let Self { shared, piece, lines, entries, odd } = self;
        let frames = || piece.frames(&shared.pieces);
        text.clear();
        odd.clear();
        entries.clear();
        let chosen = |(_, frame)| if shared.passes(&frame) { Entry::In } else { Entry::Out };
        entries.extend(frames().map(chosen));
        shared.order.turn(piece.number(), |common| {
            let passed = entries.iter_mut().zip(frames());
            for (entry, (number, frame)) in passed.filter(|it| matches!(it.0, Entry::In)) {
                *entry = match common.look(&frame) {
                    Some(told) => Entry::Later(told),
                    None => {
                        let start = odd.len();
                        common.packet(odd, number, &frame);
                        Entry::Now(start..odd.len())
                    }
                };
            }
        });
        let mut packets = 0;
        for (entry, (number, frame)) in entries.iter().zip(frames()) {
            match entry {
                Entry::Out | Entry::In => continue,
                Entry::Later(told) => lines.told(&mut text, number, &frame, *told),
                Entry::Now(place) => {
                    text.extend_from_slice(odd.get(place.clone()).unwrap_or_default());
                }
            }
            packets += 1;
        }
        (packets, Yield::Text(text))
    }
}

impl Order {
    fn lock(&self) -> MutexGuard<'_, (u64, Option<Box<Lines>>)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a piece and does what has to be done in order.
    fn turn(&self, number: u64, work: impl FnOnce(&mut Lines)) {
        let mut next = self.lock();
        while next.0 < number {
            next = self.moved.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        if let Some(lines) = next.1.as_mut() {
            work(lines);
        }
        next.0 += 1;
        drop(next);
        self.moved.notify_all();
    }
}

impl Run<'_> {
    /// Does as much of the file as two threads can; the rest is left to the reader.
    pub(super) fn together(
        &mut self,
        helper: Helper,
        reader: &mut Reader,
        budget: &Budget,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let (args, style) = (self.args, self.args.print.style(&context.global));
        let Some(pieces) = reader.pieces() else { return Ok(()) };
        let task = match &mut self.sink {
            Sink::Count => Task::Count,
            Sink::Print(packets) => Task::Print(style, Box::new(packets.lend(style))),
            Sink::Copy(copy) => match copy.records() {
                Some(records) => Task::Copy(records, args.snap),
                None => return Ok(()),
            },
        };
        let (sink, interfaces) = (&mut self.sink, reader.interfaces());
        let mut out = |came: &mut Yield| -> Result<(), Failure> {
            match (&mut *sink, came) {
                (Sink::Copy(copy), Yield::Records(records)) => {
                    copy.append(records, interfaces, args.snap).map_err(|e| named(args, e))
                }
                (_, Yield::Text(text)) => Ok(context.out.packet(|out, _| out.write_all(text))?),
                _ => Ok(()),
            }
        };
        let (mut pieced, ended) = helper.run(pieces, self.select.filter(), task, budget, &mut out);
        if let (Sink::Print(packets), Some(lines)) = (&mut self.sink, pieced.lines.take()) {
            packets.give_back(*lines);
        }
        self.done.packets += pieced.packets;
        self.done.read += pieced.read;
        ended?;
        reader.resume(pieced.pieces()).map_err(|e| named(args, e))
    }
}
