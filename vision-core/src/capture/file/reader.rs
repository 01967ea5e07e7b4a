use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::block::{Block, Item};
use super::pcap::{self, Found, Pcap};
use super::pcapng::{Pcapng, Step};
use super::snoop::{self, Snoop};
use super::unpack::unpack;
use super::what::Kind;
use super::window::Window;
use super::{
    Compression, Endian, FileError, Format, Interface, Precision, Resolution, Section, Statistics,
};
use crate::capture::Frame;
use crate::wire::LinkType;

/// Reads a capture file of any kind, in constant memory: pcap in all its variants, pcapng and
/// snoop, plain or packed with gzip or zstd.
///
/// After an error that ends the reading, and after the end, every call returns `Ok(None)`.
///
/// ```
/// use vision_core::capture::file::Reader;
///
/// # let pcap = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
/// #     9, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 60, 0, 0, 0, 0xab, 0xcd];
/// let mut reader = Reader::new(std::io::Cursor::new(pcap))?;
/// while let Some(frame) = reader.next_frame()? {
///     println!("{} of {} bytes", frame.data.len(), frame.len);
/// }
/// # Ok::<(), vision_core::capture::file::FileError>(())
/// ```
pub struct Reader {
    window: Window,
    kind: Layout,
    compression: Option<Compression>,
    done: bool,
    pub(super) file: Option<super::follow::Watched>,
    /// The one interface of formats that have no more.
    only: Vec<Interface>,
    none: Section,
}

/// A packet and the interfaces of its file.
pub type Described<'a> = (Frame<'a>, &'a [Interface]);

enum Layout {
    Pcap(Pcap),
    Pcapng(Pcapng),
    Snoop(Snoop),
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reader");
        shown.field("format", &self.format()).field("offset", &self.window.offset());
        shown.finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`FileError::NotFound`], [`FileError::Read`] when it may not be opened, and those of
    /// [`Reader::new`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let file = open(path)?;
        let watched = super::follow::Watched::new(path, &file);
        let mut reader = Self::new(file)?;
        reader.file = watched;
        Ok(reader)
    }

    /// Reads from anything: an open file, a pipe, bytes in memory.
    ///
    /// # Errors
    /// [`FileError::Empty`], [`FileError::NotCapture`] which says what it is instead,
    /// [`FileError::Version`], [`FileError::Truncated`] when the header is not whole.
    pub fn new(source: impl Read + Send + 'static) -> Result<Self, FileError> {
        let mut window = Window::new(Box::new(source));
        window.need(12)?;
        let compression = Compression::of(window.bytes());
        if let Some(kind) = compression {
            window.replace(|head, rest| unpack(kind, head, rest));
            window.need(12)?;
        }
        let kind = layout(&mut window, compression)?;
        let only = match &kind {
            Layout::Pcap(pcap) => {
                let mut interface = Interface::new(pcap.link_type);
                interface.snap_len = Some(pcap.snap_len).filter(|it| *it != 0);
                interface.resolution = match pcap.precision {
                    Precision::Micro => Resolution::MICRO,
                    Precision::Nano => Resolution::NANO,
                };
                vec![interface]
            }
            Layout::Snoop(snoop) => vec![Interface::new(snoop.link_type)],
            Layout::Pcapng(_) => Vec::new(),
        };
        let none = Section::default();
        let mut reader = Self { window, kind, compression, done: false, file: None, only, none };
        if reader.format() == Format::Pcapng {
            // The section header: without it there is no file.
            reader.step()?;
        }
        Ok(reader)
    }

    /// Returns how the file is laid out.
    pub fn format(&self) -> Format {
        match &self.kind {
            Layout::Pcap(pcap) => pcap.format(),
            Layout::Pcapng(_) => Format::Pcapng,
            Layout::Snoop(_) => Format::Snoop,
        }
    }

    /// Returns what time stamps of a pcap file count; `None` for others.
    pub fn precision(&self) -> Option<Precision> {
        self.pcap_header().map(|it| it.precision)
    }

    /// Returns the byte order, of pcapng that of the current section.
    pub fn endian(&self) -> Endian {
        match &self.kind {
            Layout::Pcap(pcap) => pcap.endian,
            Layout::Pcapng(pcapng) => pcapng.endian,
            Layout::Snoop(_) => Endian::Big,
        }
    }

    /// Returns how the file is packed.
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Returns the interfaces met so far; [`Frame::interface`] is a place in this list. A pcapng
    /// file may name more of them between packets.
    pub fn interfaces(&self) -> &[Interface] {
        match &self.kind {
            Layout::Pcapng(pcapng) => &pcapng.interfaces,
            _ => &self.only,
        }
    }

    /// Returns the newest counts of an interface of [`Reader::interfaces`], where the file has
    /// them; they usually come last.
    pub fn statistics(&self, interface: usize) -> Option<Statistics> {
        match &self.kind {
            Layout::Pcapng(pcapng) => pcapng.statistics.get(interface).copied().flatten(),
            _ => None,
        }
    }

    /// Returns what the current section of a pcapng file says of itself.
    pub fn section(&self) -> &Section {
        match &self.kind {
            Layout::Pcapng(pcapng) => &pcapng.section,
            _ => &self.none,
        }
    }

    /// Returns how many sections have begun; none in formats without.
    pub fn sections(&self) -> u64 {
        match &self.kind {
            Layout::Pcapng(pcapng) => pcapng.sections,
            _ => 0,
        }
    }

    /// Returns how far the file has been read, in bytes after unpacking.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// Returns the next packet; `None` at the end.
    ///
    /// # Errors
    /// [`FileError::Truncated`] when the file ends inside a packet, [`FileError::Damaged`], and
    /// [`FileError::Read`]. An error in the content of one block of a pcapng file does not end
    /// the reading: the next call goes on behind it.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FileError> {
        let found = self.next_found()?;
        Ok(found.map(|found| self.frame(found)))
    }

    /// As [`Reader::next_frame`], with the interfaces met so far, that of the packet included.
    ///
    /// # Errors
    /// As [`Reader::next_frame`].
    #[inline]
    pub fn next_described(&mut self) -> Result<Option<Described<'_>>, FileError> {
        let found = self.next_found()?;
        Ok(found.map(|found| (self.frame(found), self.interfaces())))
    }

    /// Steps over packets that are in memory already, no more than `limit`, and returns how many.
    /// Zero says nothing about what follows: [`Reader::next_frame`] does.
    ///
    /// For counting: of most files the packets themselves need not be looked at.
    pub fn skip_ready(&mut self, limit: u64) -> u64 {
        match &mut self.kind {
            Layout::Pcap(pcap) if !self.done => pcap.skip(&mut self.window, limit),
            _ => 0,
        }
    }

    #[inline]
    fn next_found(&mut self) -> Result<Option<Found>, FileError> {
        loop {
            match self.step()? {
                None => return Ok(None),
                Some(Step::Packet(found)) => return Ok(Some(found)),
                Some(Step::Block { .. }) => {}
            }
        }
    }

    /// Returns the next packet or, of a pcapng file, the next block of any kind.
    ///
    /// # Errors
    /// As [`Reader::next_frame`].
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, FileError> {
        Ok(match self.step()? {
            None => None,
            Some(Step::Packet(found)) => Some(Item::Frame(self.frame(found))),
            Some(Step::Block { kind, at, count }) => {
                let body = self.window.slice(at, count);
                Some(Item::Block(Block { kind, body, endian: self.endian() }))
            }
        })
    }

    #[inline]
    fn step(&mut self) -> Result<Option<Step>, FileError> {
        if self.done {
            return Ok(None);
        }
        let before = self.window.offset();
        let stepped = self.attempt();
        if let Err(error) = &stepped {
            // Whatever made no headway would fail again in the same place for ever.
            self.done = self.window.offset() == before || matches!(error, FileError::Read { .. });
        }
        stepped
    }

    /// As [`Reader::step`], without remembering an error: what is missing may still be written.
    #[inline]
    pub(super) fn attempt(&mut self) -> Result<Option<Step>, FileError> {
        let packet = match &mut self.kind {
            Layout::Pcap(pcap) => pcap.next(&mut self.window)?,
            Layout::Pcapng(pcapng) => return pcapng.next(&mut self.window),
            Layout::Snoop(snoop) => snoop.next(&mut self.window)?,
        };
        Ok(packet.map(Step::Packet))
    }

    #[inline]
    pub(super) fn frame(&self, found: Found) -> Frame<'_> {
        Frame {
            time: found.time,
            data: self.window.slice(found.at, found.kept),
            len: found.len,
            link_type: found.link_type,
            interface: found.interface,
            direction: found.direction,
        }
    }

    /// Returns what packets of an interface begin with.
    pub fn link_type(&self, interface: usize) -> Option<LinkType> {
        self.interfaces().get(interface).map(|it| it.link_type)
    }

    /// Goes on elsewhere, where the source was set to.
    pub(super) fn restart(&mut self, offset: u64) {
        self.window.restart(offset);
        if let Layout::Pcap(pcap) = &mut self.kind {
            pcap.restart();
        }
    }

    pub(super) fn pcap_header(&self) -> Option<&Pcap> {
        match &self.kind {
            Layout::Pcap(pcap) => Some(pcap),
            _ => None,
        }
    }
}

/// Opens a file and names it if there is none.
pub(super) fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => FileError::NotFound(path.display().to_string()),
        _ => FileError::Read { offset: 0, source },
    })
}

/// Finds out what a stream is and takes its header.
fn layout(window: &mut Window, packed: Option<Compression>) -> Result<Layout, FileError> {
    let head = window.bytes();
    if let Some(endian) = Pcapng::magic(head) {
        return Ok(Layout::Pcapng(Pcapng::new(endian)));
    }
    let pcap = Pcap::magic(head);
    let size = match (pcap, head.starts_with(&snoop::MAGIC)) {
        (Some(_), _) => pcap::HEADER,
        (None, true) => snoop::HEADER,
        (None, false) => return Err(refuse(window, packed)),
    };
    if !window.need(size)? {
        let have = window.bytes().len() as u64;
        let what = "file header";
        return Err(FileError::Truncated { what, offset: 0, need: size as u64, have });
    }
    let layout = match pcap {
        Some(read) => Layout::Pcap(Pcap::open(window.bytes(), read)?),
        None => Layout::Snoop(Snoop::open(window.bytes())?),
    };
    window.take(size);
    Ok(layout)
}

fn refuse(window: &mut Window, packed: Option<Compression>) -> FileError {
    // More of it, to say more exactly what it is; an error here says less than what is known.
    let _ = window.need(4096);
    match (window.bytes(), packed) {
        ([], None) => FileError::Empty,
        (bytes, None) => FileError::NotCapture(Kind::of(bytes)),
        (bytes, Some(packed)) => {
            FileError::NotCapture(Kind::Packed(packed, Box::new(Kind::of(bytes))))
        }
    }
}
