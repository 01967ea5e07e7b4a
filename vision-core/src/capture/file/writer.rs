use std::fs::File;
use std::io::{self, Write};

use super::encode::{self, Shape};
use super::patient::Patient;
use super::{Block, Endian, FileError, Interface, Precision, Section, Statistics};
use crate::capture::Frame;
use crate::wire::LinkType;

/// Bytes that are gathered before they are handed to the system.
const ENOUGH: usize = 256 * 1024;

/// Writes a capture file, pcap or pcapng.
///
/// Whole records are gathered and handed to the system in large pieces and by
/// [`Writer::flush`]. When a write fails half-way, a regular file is cut back to the last whole
/// record, so that whatever happens it reads to its end.
///
/// ```
/// use vision_core::capture::Frame;
/// use vision_core::capture::file::{Interface, Section, Writer};
/// use vision_core::wire::LinkType;
///
/// let mut writer = Writer::pcapng(std::io::sink(), &Section::default());
/// let mut eth0 = Interface::new(LinkType::ETHERNET);
/// eth0.name = Some("eth0".to_owned());
/// writer.interface(&eth0)?;
/// writer.frame(&Frame::new(LinkType::ETHERNET, &[0; 60]))?;
/// writer.finish()?;
/// # Ok::<(), vision_core::capture::file::FileError>(())
/// ```
pub struct Writer {
    out: Out,
    buffer: Vec<u8>,
    shape: Shape,
    /// Bytes of this file that the system has taken.
    taken: u64,
    /// Packets in it.
    packets: u64,
    interfaces: Vec<Interface>,
    statistics: Vec<Option<Statistics>>,
    section: Section,
    failed: bool,
}

enum Out {
    /// Can be cut back.
    Regular(File),
    Stream(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Writer");
        shown.field("shape", &self.shape).field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Writer {
    /// Begins a pcapng file on a stream; interfaces are to follow. Nothing is written yet.
    pub fn pcapng(out: impl Write + Send + 'static, section: &Section) -> Self {
        Self::begin(Out::Stream(Box::new(out)), Shape::Pcapng, section.clone())
    }

    /// Begins a pcap file on a stream: one link type, no interfaces, no counts. Nothing is
    /// written yet.
    pub fn pcap(out: impl Write + Send + 'static, precision: Precision) -> Self {
        Self::begin(Out::Stream(Box::new(out)), Shape::Pcap(precision), Section::default())
    }

    /// As [`Writer::pcapng`], on a file that is mended after a failed write.
    pub fn pcapng_file(file: File, section: &Section) -> Self {
        Self::begin(Out::of(file), Shape::Pcapng, section.clone())
    }

    /// As [`Writer::pcap`], on a file that is mended after a failed write.
    pub fn pcap_file(file: File, precision: Precision) -> Self {
        Self::begin(Out::of(file), Shape::Pcap(precision), Section::default())
    }

    fn begin(out: Out, shape: Shape, section: Section) -> Self {
        let mut writer = Self {
            out,
            buffer: Vec::with_capacity(ENOUGH + 64 * 1024),
            shape,
            taken: 0,
            packets: 0,
            interfaces: Vec::new(),
            statistics: Vec::new(),
            section,
            failed: false,
        };
        writer.head();
        writer
    }

    fn head(&mut self) {
        if matches!(self.shape, Shape::Pcapng) {
            encode::section(&mut self.buffer, &self.section);
        }
    }

    /// Describes the next interface and returns its number; a pcap file takes one.
    ///
    /// # Errors
    /// [`FileError::Unfit`] when a pcap file has one already, [`FileError::Write`].
    pub fn interface(&mut self, interface: &Interface) -> Result<u32, FileError> {
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        match self.shape {
            Shape::Pcapng => encode::interface(&mut self.buffer, interface),
            Shape::Pcap(precision) if number == 0 => {
                encode::pcap_header(&mut self.buffer, interface, precision);
            }
            Shape::Pcap(_) if self.link_type() == Some(interface.link_type) => {}
            Shape::Pcap(_) => {
                let has = self.link_type().unwrap_or(interface.link_type);
                return Err(unfit_link(has, interface.link_type));
            }
        }
        self.interfaces.push(interface.clone());
        self.statistics.push(None);
        self.drain_if_full()?;
        Ok(number)
    }

    fn link_type(&self) -> Option<LinkType> {
        self.interfaces.first().map(|it| it.link_type)
    }

    /// Returns the interfaces described so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Writes a packet; [`Frame::interface`] is the number of one described before. Without a time
    /// a pcapng file takes whole packets of the first interface; others, and all in a pcap file,
    /// get the time zero.
    ///
    /// # Errors
    /// [`FileError::Unfit`] when that interface is not described or, in a pcap file, has another
    /// link type; [`FileError::Write`].
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) -> Result<(), FileError> {
        match self.shape {
            Shape::Pcapng if (frame.interface as usize) < self.interfaces.len() => {
                encode::packet(&mut self.buffer, frame, &self.interfaces);
            }
            Shape::Pcap(precision) if self.link_type() == Some(frame.link_type) => {
                encode::pcap_packet(&mut self.buffer, frame, precision);
            }
            _ => return Err(self.unfit(frame)),
        }
        self.packets += 1;
        self.drain_if_full()
    }

    #[cold]
    fn unfit(&self, frame: &Frame<'_>) -> FileError {
        match self.link_type() {
            Some(has) if matches!(self.shape, Shape::Pcap(_)) => unfit_link(has, frame.link_type),
            _ => FileError::Unfit(format!("interface {} was not described", frame.interface)),
        }
    }

    /// Begins records for this file that are put together elsewhere, on another thread maybe.
    pub fn records(&self) -> Records {
        Records { buffer: Vec::new(), shape: self.shape, packets: 0 }
    }

    /// Writes records put together elsewhere, and empties them. Their interfaces are to be
    /// described before.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn append(&mut self, records: &mut Records) -> Result<(), FileError> {
        self.drain()?;
        // Not a byte is copied: the two take turns.
        std::mem::swap(&mut self.buffer, &mut records.buffer);
        let written = self.drain();
        std::mem::swap(&mut self.buffer, &mut records.buffer);
        records.buffer.clear();
        self.packets += std::mem::take(&mut records.packets);
        written
    }

    /// Copies a block of another pcapng file that needs no change, such as names or secrets;
    /// tells whether it could be copied: a block in the other byte order or one that must not
    /// be copied is left out, and so are all from a pcap file.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn block(&mut self, block: &Block<'_>) -> Result<bool, FileError> {
        let own = matches!(
            block.kind,
            Block::SECTION | Block::INTERFACE | Block::STATISTICS | Block::CUSTOM_NO_COPY
        );
        let fits = matches!(self.shape, Shape::Pcapng) && block.endian == Endian::Little;
        if own || !fits {
            return Ok(false);
        }
        encode::block(&mut self.buffer, block.kind, |out| out.extend_from_slice(block.body));
        self.drain_if_full().map(|()| true)
    }

    /// Sets the counts of an interface, which are written by [`Writer::finish`]; a pcap file has
    /// no place for them.
    pub fn statistics(&mut self, interface: u32, counts: Statistics) {
        if let Some(slot) = self.statistics.get_mut(interface as usize) {
            *slot = Some(counts);
        }
    }

    /// Returns how long this file is, in bytes, what is still held back included.
    pub fn size(&self) -> u64 {
        self.taken + self.buffer.len() as u64
    }

    /// Returns how many packets this file holds, what is still held back included.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Hands over all that was written: whoever opens the file now reads to the last packet.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn flush(&mut self) -> Result<(), FileError> {
        self.drain()?;
        match &mut self.out {
            Out::Regular(_) => Ok(()),
            Out::Stream(out) => out.flush().map_err(FileError::Write),
        }
    }

    /// Writes the counts and hands over everything.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn finish(mut self) -> Result<(), FileError> {
        self.close()
    }

    /// Ends this file and goes on in another, with the same interfaces.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn switch(&mut self, file: File) -> Result<(), FileError> {
        self.close()?;
        (self.out, self.taken, self.packets) = (Out::of(file), 0, 0);
        self.head();
        for interface in &self.interfaces {
            match self.shape {
                Shape::Pcapng => encode::interface(&mut self.buffer, interface),
                Shape::Pcap(precision) => {
                    encode::pcap_header(&mut self.buffer, interface, precision);
                    break;
                }
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), FileError> {
        match self.shape {
            Shape::Pcapng => {
                for (number, counts) in (0..).zip(&self.statistics) {
                    if let Some(counts) = counts {
                        encode::statistics(&mut self.buffer, number, counts);
                    }
                }
            }
            Shape::Pcap(precision) if self.interfaces.is_empty() => {
                // A file without a packet is a file with a header.
                let ethernet = Interface::new(LinkType::ETHERNET);
                encode::pcap_header(&mut self.buffer, &ethernet, precision);
            }
            Shape::Pcap(_) => {}
        }
        self.flush()
    }

    #[inline]
    fn drain_if_full(&mut self) -> Result<(), FileError> {
        if self.buffer.len() < ENOUGH { Ok(()) } else { self.drain() }
    }

    #[cold]
    fn drain(&mut self) -> Result<(), FileError> {
        let mut done = 0;
        let failed = loop {
            let Some(rest) = self.buffer.get(done..).filter(|rest| !rest.is_empty()) else {
                break None;
            };
            match self.out.write(rest) {
                Ok(0) => break Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Some(e),
            }
        };
        let Some(error) = failed else {
            self.taken += done as u64;
            self.buffer.clear();
            return Ok(());
        };
        let first = self.taken == 0;
        self.taken += encode::whole(&self.buffer, done, first, self.shape) as u64;
        if let Out::Regular(file) = &mut self.out {
            // If even that fails the file ends in the middle of a packet, which readers bear.
            let _ = file.set_len(self.taken);
            let _ = io::Seek::seek(file, io::SeekFrom::Start(self.taken));
        }
        // What could not be written is lost; trying it again when all ends would fail again.
        self.buffer.clear();
        self.failed = true;
        Err(FileError::Write(error))
    }
}

/// Packets laid out as one file holds them: see [`Writer::records`].
#[derive(Debug)]
pub struct Records {
    buffer: Vec<u8>,
    shape: Shape,
    packets: u64,
}

impl Records {
    /// Adds a packet, which has to have a time and an interface that the file describes.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        match self.shape {
            Shape::Pcapng => encode::packet(&mut self.buffer, frame, &[]),
            Shape::Pcap(precision) => encode::pcap_packet(&mut self.buffer, frame, precision),
        }
        self.packets += 1;
    }

    /// Begins others for the same file.
    #[must_use]
    pub fn like(&self) -> Self {
        Self { buffer: Vec::new(), shape: self.shape, packets: 0 }
    }

    /// Returns how many packets there are.
    pub fn packets(&self) -> u64 {
        self.packets
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.failed && !self.buffer.is_empty() {
            // There is nobody to tell.
            let _ = self.flush();
        }
    }
}

impl Out {
    fn of(file: File) -> Self {
        // Only what was empty when it was opened is ours to cut.
        match file.metadata() {
            Ok(it) if it.is_file() && it.len() == 0 => Self::Regular(file),
            _ => Self::Stream(Box::new(Patient(file))),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Regular(file) => file.write(bytes),
            Self::Stream(out) => out.write(bytes),
        }
    }
}

fn unfit_link(has: LinkType, other: LinkType) -> FileError {
    FileError::Unfit(format!(
        "a pcap file holds one link type, and after {has} comes {other}; write pcapng instead"
    ))
}
