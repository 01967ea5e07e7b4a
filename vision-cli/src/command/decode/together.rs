//! A large file read by two threads.
//!
//! Each takes pieces of the file and does with their packets what is to be done: that is most of the
//! work. What has to be in order is done in turns: following the conversations that lines depend on,
//! and handing over what came of a piece. So the output is the same, byte for byte, as of one thread.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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

/// A second thread that waits until there is something to do.
#[derive(Debug)]
pub struct Helper {
    work: Sender<Work>,
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
    spare: Receiver<Yield>,
}

/// What both threads use.
struct Shared {
    pieces: Pieces,
    filter: Option<Filter>,
    task: Common,
    order: Order,
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
            if let Ok(Work { shared, done, spare }) = orders.recv() {
                let mut worker = Worker::new(&shared);
                while let Some(result) = worker.piece(spare.try_recv().ok()) {
                    if done.send(result).is_err() {
                        break;
                    }
                }
            }
        })?;
        Ok(Self { work })
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
        let shared = Arc::new(Shared { pieces, filter, task, order });
        let (done, results) = sync_channel(1);
        let (back, spare) = channel();
        let work = Work { shared: Arc::clone(&shared), done, spare };
        // Without the thread this one does it alone.
        let _ = self.work.send(work);
        let (next, packets, read) = (0, 0, 0);
        let mut hand = Hand { out, next, packets, read, waiting: VecDeque::new(), results, back };
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
    back: Sender<Yield>,
}

impl<E: From<vision_core::Error>> Hand<'_, E> {
    fn all(&mut self, worker: &mut Worker<'_>, budget: &Budget) -> Result<(), E> {
        let mut own = None;
        loop {
            budget.remaining()?;
            let Some(done) = worker.piece(own.take()) else { break };
            own = self.take(done)?;
            while let Ok(done) = self.results.try_recv() {
                self.give_back(done)?;
            }
            while self.waiting.len() >= MOST
                && let Ok(done) = self.results.recv()
            {
                self.give_back(done)?;
            }
        }
        while let Ok(done) = self.results.recv() {
            self.give_back(done)?;
        }
        Ok(())
    }

    /// Hands over what the other thread made, and returns the room to it.
    fn give_back(&mut self, done: Done) -> Result<(), E> {
        if let Some(room) = self.take(done)? {
            let _ = self.back.send(room);
        }
        Ok(())
    }

    /// Hands over what is next; returns room that nobody uses any more.
    fn take(&mut self, done: Done) -> Result<Option<Yield>, E> {
        let place = self.waiting.partition_point(|it| it.number < done.number);
        self.waiting.insert(place, done);
        let mut room = None;
        while self.waiting.front().is_some_and(|it| it.number == self.next)
            && let Some(mut done) = self.waiting.pop_front()
        {
            self.next += 1;
            self.packets += done.packets;
            self.read += done.read;
            (self.out)(&mut done.came)?;
            if let Some(more) = room.replace(done.came) {
                let _ = self.back.send(more);
            }
        }
        Ok(room)
    }
}

/// One of the two.
struct Worker<'w> {
    shared: &'w Shared,
    piece: Piece,
    lines: Option<Lines>,
    odd: Vec<u8>,
}

/// How a packet gets its line.
enum Entry<'a> {
    Later(u64, Frame<'a>, Told),
    /// It is written already.
    Now(Range<usize>),
}

impl<'w> Worker<'w> {
    fn new(shared: &'w Shared) -> Self {
        let lines = match &shared.task {
            Common::Print(style) => Some(Lines::new(*style)),
            _ => None,
        };
        Self { shared, piece: Piece::default(), lines, odd: Vec::new() }
    }

    /// Does the next piece; `None` where there is none.
    fn piece(&mut self, room: Option<Yield>) -> Option<Done> {
        let Self { shared, piece, lines, odd } = self;
        if !shared.pieces.take(piece) {
            return None;
        }
        let (number, read) = (piece.number(), piece.packets());
        let passes = |frame: &Frame<'_>| match &shared.filter {
            Some(filter) => filter.matches(frame.data, frame.len),
            None => true,
        };
        if let (Common::Count, None) = (&shared.task, &shared.filter) {
            return Some(Done { number, read, packets: read, came: Yield::Nothing });
        }
        let frames = piece.frames(&shared.pieces).filter(|(_, frame)| passes(frame));
        let (packets, came) = match (&shared.task, room, lines) {
            (Common::Copy(model, snap), room, _) => {
                let mut records = match room {
                    Some(Yield::Records(records)) => records,
                    _ => model.like(),
                };
                let keep = snap.map_or(usize::MAX, |it| it as usize);
                for (_, mut frame) in frames {
                    frame.data = frame.data.get(..keep).unwrap_or(frame.data);
                    records.frame(&frame);
                }
                (records.packets(), Yield::Records(records))
            }
            (Common::Print(_), room, Some(lines)) => {
                let mut text = match room {
                    Some(Yield::Text(text)) => text,
                    _ => Vec::new(),
                };
                text.clear();
                let packets = print(&shared.order, number, frames, (lines, odd), &mut text);
                (packets, Yield::Text(text))
            }
            _ => (frames.count() as u64, Yield::Nothing),
        };
        Some(Done { number, read, packets, came })
    }
}

/// Writes the lines of packets, after those of all pieces before were looked at.
fn print<'a>(
    order: &Order,
    number: u64,
    frames: impl Iterator<Item = (u64, Frame<'a>)>,
    (lines, odd): (&mut Lines, &mut Vec<u8>),
    text: &mut Vec<u8>,
) -> u64 {
    odd.clear();
    let chosen: Vec<_> = frames.collect();
    let entries: Vec<_> = order.turn(number, |common| {
        let look = |(number, frame): (u64, Frame<'a>)| match common.look(&frame) {
            Some(told) => Entry::Later(number, frame, told),
            None => {
                let start = odd.len();
                common.packet(odd, number, &frame);
                Entry::Now(start..odd.len())
            }
        };
        chosen.into_iter().map(look).collect()
    });
    for entry in &entries {
        match entry {
            Entry::Later(number, frame, told) => lines.told(text, *number, frame, *told),
            Entry::Now(place) => text.extend_from_slice(odd.get(place.clone()).unwrap_or_default()),
        }
    }
    entries.len() as u64
}

impl Order {
    fn lock(&self) -> std::sync::MutexGuard<'_, (u64, Option<Box<Lines>>)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn of a piece and does what has to be done in order.
    fn turn<T: Default>(&self, number: u64, work: impl FnOnce(&mut Lines) -> T) -> T {
        let mut next = self.lock();
        while next.0 < number {
            next = self.moved.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        let made = next.1.as_mut().map(|lines| work(lines)).unwrap_or_default();
        next.0 += 1;
        drop(next);
        self.moved.notify_all();
        made
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
