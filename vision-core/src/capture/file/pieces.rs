//! One file read by several threads.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::pcap::{Found, Pcap};
use super::{FileError, Reader};
use crate::capture::Frame;

/// A plain pcap file that several threads read at once, each in pieces of its own.
///
/// Nothing but the way from packet to packet has to be followed in order, which takes little beside
/// all else. Reading ends where something is not as it should be, and at the end of the file: from
/// there [`Reader::resume`] goes on and says what it is.
///
/// ```no_run
/// use vision_core::capture::file::{Piece, Reader};
///
/// let mut reader = Reader::open("large.pcap")?;
/// if let Some(pieces) = reader.pieces() {
///     std::thread::scope(|scope| {
///         for _ in 0..2 {
///             scope.spawn(|| {
///                 let mut piece = Piece::default();
///                 while pieces.take(&mut piece) {
///                     println!("{} packets", piece.frames(&pieces).count());
///                 }
///             });
///         }
///     });
///     reader.resume(&pieces)?;
/// }
/// # Ok::<(), vision_core::capture::file::FileError>(())
/// ```
#[derive(Debug)]
pub struct Pieces {
    file: File,
    pcap: Pcap,
    /// Where the first piece begins.
    base: u64,
    turn: Mutex<Turn>,
    passed: Condvar,
}

/// How far the way through the file is known.
#[derive(Debug)]
struct Turn {
    /// The next piece that nobody has.
    claimed: u64,
    /// The next piece whose first packet is known, and where in the file that is.
    known: u64,
    start: u64,
    /// Packets before it.
    packets: u64,
    over: bool,
}

/// Packets that lie beside each other in a file, and their bytes.
#[derive(Debug, Default)]
pub struct Piece {
    number: u64,
    first: u64,
    bytes: Vec<u8>,
    /// Where the packets' records begin, and how much of each packet was kept.
    places: Vec<(u32, u32)>,
}

/// Bytes of a piece: as many as the processor's second cache holds with room for what comes of it.
const SIZE: usize = 256 * 1024;
/// Bytes read behind it, where its last packet ends.
const BEHIND: usize = 2048;

impl Pieces {
    /// Takes the next piece; `false` where there are no more.
    ///
    /// Its bytes are read at once with those of others.
    pub fn take(&self, piece: &mut Piece) -> bool {
        let number = {
            let mut turn = self.turn();
            if turn.over {
                return false;
            }
            turn.claimed += 1;
            turn.claimed - 1
        };
        let begin = self.base + number * SIZE as u64;
        let read = piece.read(&self.file, begin, SIZE + BEHIND);
        let mut turn = self.turn();
        while turn.known < number && !turn.over {
            turn = self.passed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        if turn.over {
            return false;
        }
        let start = (turn.start - begin) as usize;
        piece.places.clear();
        let whole = read.is_ok() && piece.divide(&self.file, &self.pcap, begin, start);
        (piece.number, piece.first) = (number, turn.packets + 1);
        turn.packets += piece.places.len() as u64;
        turn.start = begin + piece.end(&self.pcap).unwrap_or(start) as u64;
        turn.known += 1;
        turn.over = !whole;
        drop(turn);
        self.passed.notify_all();
        whole || !piece.places.is_empty()
    }

    /// Gives out no more pieces.
    pub fn stop(&self) {
        self.turn().over = true;
        self.passed.notify_all();
    }

    /// Returns how many packets the pieces had that were given out.
    pub fn packets(&self) -> u64 {
        self.turn().packets
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Piece {
    /// Returns which piece it is, counted from zero.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns how many packets it has.
    pub fn packets(&self) -> u64 {
        self.places.len() as u64
    }

    /// Returns the packets with their numbers, of which the first in the file is 1.
    pub fn frames(&self, of: &Pieces) -> impl Iterator<Item = (u64, Frame<'_>)> {
        let frames = self.places.iter().filter_map(move |(at, kept)| {
            let at = *at as usize;
            let found: Found = of.pcap.read(self.bytes.get(at..)?, *kept as usize)?;
            let start = at + found.at;
            Some(Frame {
                time: found.time,
                data: self.bytes.get(start..start + found.kept)?,
                len: found.len,
                link_type: found.link_type,
                interface: found.interface,
                direction: found.direction,
            })
        });
        (self.first..).zip(frames)
    }

    /// Reads up to `most` bytes; fewer at the end of the file.
    fn read(&mut self, file: &File, begin: u64, most: usize) -> io::Result<()> {
        self.bytes.resize(most, 0);
        let got = fill(file, &mut self.bytes, begin)?;
        self.bytes.truncate(got);
        Ok(())
    }

    /// Finds the packets that begin here; tells whether the way goes on behind them.
    fn divide(&mut self, file: &File, pcap: &Pcap, begin: u64, start: usize) -> bool {
        let mut at = start;
        while at < SIZE {
            let kept = match pcap.whole(&self.bytes, at) {
                Some(kept) => kept,
                None => match self.reach(file, pcap, begin, at) {
                    Some(kept) => kept,
                    None => return false,
                },
            };
            self.places.push((at as u32, kept));
            at += pcap.record() + kept as usize;
        }
        true
    }

    /// Reads the rest of a packet that goes on behind the piece; `None` at the end of the file and
    /// for a length that cannot be.
    #[cold]
    fn reach(&mut self, file: &File, pcap: &Pcap, begin: u64, at: usize) -> Option<u32> {
        let have = self.bytes.len();
        let needed = at + pcap.record() + pcap.claims(&self.bytes, at)? as usize;
        if have < SIZE + BEHIND {
            return None;
        }
        self.bytes.resize(needed, 0);
        let room = self.bytes.get_mut(have..).unwrap_or_default();
        let got = fill(file, room, begin + have as u64).unwrap_or(0);
        self.bytes.truncate(have + got);
        pcap.whole(&self.bytes, at)
    }

    /// Returns where the last packet ends.
    fn end(&self, pcap: &Pcap) -> Option<usize> {
        self.places.last().map(|(at, kept)| *at as usize + pcap.record() + *kept as usize)
    }
}

/// Reads until there is no room, or no more.
fn fill(file: &File, room: &mut [u8], from: u64) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = room.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from + got as u64) {
            Ok(0) => break,
            Ok(count) => got += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(got)
}

impl Reader {
    /// Gives the rest of the file to several threads; `None` where it is no plain pcap file, or no
    /// file. Until [`Reader::resume`] this reader stays where it is.
    pub fn pieces(&self) -> Option<Pieces> {
        let pcap = self.pcap_header().filter(|it| it.is_even())?;
        let file = self.file.as_ref().filter(|_| self.compression().is_none())?;
        let base = self.offset();
        let turn = Turn { claimed: 0, known: 0, start: base, packets: 0, over: false };
        Some(Pieces {
            file: file.file().ok()?,
            pcap: pcap.clone(),
            base,
            turn: Mutex::new(turn),
            passed: Condvar::new(),
        })
    }

    /// Goes on behind the last packet of the pieces that were given out.
    ///
    /// # Errors
    /// [`FileError::Read`].
    pub fn resume(&mut self, behind: &Pieces) -> Result<(), FileError> {
        let offset = behind.turn().start;
        let sought = (&behind.file).seek(SeekFrom::Start(offset));
        sought.map_err(|source| FileError::Read { offset, source })?;
        self.restart(offset);
        Ok(())
    }
}
