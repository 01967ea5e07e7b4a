//! Packets from one file to another.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use vision_core::capture::Frame;
use vision_core::capture::file::{
    FileError, Format, Interface, Limits, Precision, Reader, Records, Rotation, Section, Writer,
};

use crate::args::{DecodeArgs, Span, WriteFormat};

/// Writes the packets of a reader.
#[derive(Debug)]
pub struct Copy {
    writer: Writer,
    format: WriteFormat,
    rotation: Option<Rotation>,
}

impl Copy {
    /// Makes the file.
    ///
    /// # Errors
    /// What keeps it from being made.
    pub fn create(args: &DecodeArgs, path: &OsStr, reader: &Reader) -> io::Result<Self> {
        let pcap = Path::new(path).extension().is_some_and(|it| it.eq_ignore_ascii_case("pcap"));
        let named = if pcap { WriteFormat::Pcap } else { WriteFormat::Pcapng };
        let format = args.format.unwrap_or(named);
        let precision = match reader.precision() {
            Some(precision) => precision,
            None if reader.format() == Format::Snoop => Precision::Micro,
            None => Precision::Nano,
        };
        let mut rotation = rotation(args, path)?;
        let file = match &mut rotation {
            Some(rotation) => rotation.next_file()?,
            None if path == "-" => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            None => File::create(path)?,
        };
        let writer = match format {
            WriteFormat::Pcap => Writer::pcap_file(file, precision),
            WriteFormat::Pcapng => Writer::pcapng_file(file, &section(reader.section())),
        };
        Ok(Self { writer, format, rotation })
    }

    /// Returns the folder in which further files are made.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn folder(&self) -> io::Result<Option<OwnedFd>> {
        let folder = self.rotation.as_ref().map(Rotation::folder);
        folder.map(|folder| folder.try_clone_to_owned()).transpose()
    }

    /// Writes one packet, and before it what is new about interfaces.
    ///
    /// # Errors
    /// As [`Writer::frame`].
    #[inline]
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        interfaces: &[Interface],
        snap: Option<u32>,
    ) -> Result<(), FileError> {
        if self.lacks(frame.interface) {
            self.describe(interfaces, frame.interface, snap)?;
        }
        let keep = snap.map_or(usize::MAX, |it| it as usize);
        let data = frame.data.get(..keep).unwrap_or(frame.data);
        let mut cut = *frame;
        cut.data = data;
        if let Some(rotation) = &mut self.rotation {
            rotation.turn(&mut self.writer, data.len(), frame.time)?;
        }
        self.writer.frame(&cut)
    }

    /// Tells whether the interface of a packet is still to be described.
    #[inline]
    fn lacks(&self, interface: u32) -> bool {
        let known = self.writer.interfaces().len();
        match self.format {
            WriteFormat::Pcap => known == 0,
            WriteFormat::Pcapng => known <= interface as usize,
        }
    }

    /// Describes interfaces up to one.
    fn describe(
        &mut self,
        all: &[Interface],
        interface: u32,
        snap: Option<u32>,
    ) -> Result<(), FileError> {
        let first = match self.format {
            WriteFormat::Pcap => interface as usize,
            WriteFormat::Pcapng => self.writer.interfaces().len(),
        };
        for it in all.get(first..=interface as usize).unwrap_or_default() {
            let mut it = it.clone();
            if let Some(snap) = snap {
                it.snap_len = Some(it.snap_len.unwrap_or(snap).min(snap));
            }
            self.writer.interface(&it)?;
        }
        Ok(())
    }

    /// Begins records that are put together elsewhere, unless files take turns.
    pub fn records(&self) -> Option<Records> {
        self.rotation.is_none().then(|| self.writer.records())
    }

    /// Writes records put together elsewhere, of packets of the first interface.
    ///
    /// # Errors
    /// As [`Writer::append`].
    pub fn append(
        &mut self,
        records: &mut Records,
        interfaces: &[Interface],
        snap: Option<u32>,
    ) -> Result<(), FileError> {
        if records.packets() > 0 && self.lacks(0) {
            self.describe(interfaces, 0, snap)?;
        }
        self.writer.append(records)
    }

    /// Hands over what was written so far.
    ///
    /// # Errors
    /// As [`Writer::flush`].
    pub fn flush(&mut self) -> Result<(), FileError> {
        self.writer.flush()
    }

    /// Completes the file with what the reader says of interfaces.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn finish(mut self, reader: &Reader, snap: Option<u32>) -> Result<(), FileError> {
        let all = reader.interfaces();
        let last = u32::try_from(all.len()).unwrap_or(u32::MAX).checked_sub(1);
        if let Some(last) = last.filter(|last| self.lacks(*last)) {
            let last = if self.format == WriteFormat::Pcap { 0 } else { last };
            self.describe(all, last, snap)?;
        }
        for (number, at) in (0..).zip(0..all.len()) {
            if let Some(counts) = reader.statistics(at) {
                self.writer.statistics(number, counts);
            }
        }
        self.writer.finish()
    }
}

/// What is said of the file: as before, and who wrote it if nobody said.
fn section(from: &Section) -> Section {
    let mut section = from.clone();
    let own = || concat!("vision ", env!("CARGO_PKG_VERSION")).to_owned();
    section.application.get_or_insert_with(own);
    section
}

fn rotation(args: &DecodeArgs, path: &OsStr) -> io::Result<Option<Rotation>> {
    let mut limits = Limits::default();
    if let Some(ring) = args.ring {
        (limits.files, limits.bytes) = (Some(ring.files), Some(ring.bytes));
    }
    limits.every = args.rotate.as_ref().map(Span::lenient);
    match limits == Limits::default() {
        true => Ok(None),
        false => Rotation::new(path, limits).map(Some),
    }
}
