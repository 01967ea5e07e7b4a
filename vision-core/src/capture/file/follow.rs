use std::fs::{File, metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::pcap::Found;
use super::pcapng::Step;
use super::reader::Described;
use super::{FileError, Reader};
use crate::base::{Budget, Error, Result, Wake};
use crate::capture::Frame;

/// How often a file is looked at for more.
const LOOK: Duration = Duration::from_millis(50);

/// A file that may still be written.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    file: File,
}

impl Watched {
    /// Remembers a regular file; anything else ends where its writer ends.
    pub(super) fn new(path: &Path, file: &File) -> Option<Self> {
        let regular = file.metadata().is_ok_and(|it| it.is_file());
        let file = file.try_clone().ok().filter(|_| regular)?;
        Some(Self { path: path.to_owned(), file })
    }

    /// Returns the file itself, which shares its place with the reader's.
    pub(super) fn file(&self) -> std::io::Result<File> {
        self.file.try_clone()
    }

    /// Tells whether the path leads to another file by now, or to none.
    fn replaced(&self) -> bool {
        let ours = self.file.metadata().map(|it| (it.dev(), it.ino())).ok();
        let there = metadata(&self.path).map(|it| (it.dev(), it.ino())).ok();
        ours != there
    }

    fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |it| it.len())
    }
}

impl Reader {
    /// Returns the next packet of a file that is still being written, waiting for it; `None` once
    /// the path leads to another file, or when a pipe was closed.
    ///
    /// # Errors
    /// [`Error::Elapsed`] and [`Error::Cancelled`] when the budget ends first; otherwise as
    /// [`Reader::next_frame`], and when the file became shorter than what was read of it.
    pub fn follow_frame(&mut self, budget: &Budget) -> Result<Option<Frame<'_>>> {
        let found = self.follow_found(budget)?;
        Ok(found.map(|found| self.frame(found)))
    }

    /// As [`Reader::follow_frame`], with the interfaces met so far, that of the packet included.
    ///
    /// # Errors
    /// As [`Reader::follow_frame`].
    pub fn follow_described(&mut self, budget: &Budget) -> Result<Option<Described<'_>>> {
        let found = self.follow_found(budget)?;
        Ok(found.map(|found| (self.frame(found), self.interfaces())))
    }

    fn follow_found(&mut self, budget: &Budget) -> Result<Option<Found>> {
        let mut last = false;
        loop {
            match self.attempt() {
                Ok(Some(Step::Packet(found))) => return Ok(Some(found)),
                Ok(Some(Step::Block { .. })) => {}
                Ok(None) if last || !self.growing() => return Ok(None),
                Err(e @ FileError::Truncated { .. }) if last || !self.growing() => {
                    return Err(e.into());
                }
                Ok(None) | Err(FileError::Truncated { .. }) => {
                    // What was written before it was replaced is still to come.
                    last = self.file.as_ref().is_some_and(Watched::replaced);
                    self.shrunk()?;
                    if !last {
                        pause(budget)?;
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Packed files cannot go on: their unpacking has ended.
    fn growing(&self) -> bool {
        self.file.is_some() && self.compression().is_none()
    }

    fn shrunk(&self) -> Result<(), FileError> {
        let size = self.file.as_ref().map_or(u64::MAX, Watched::size);
        match size < self.offset() {
            true => Err(FileError::damaged(size, "the file was cut short while it was followed")),
            false => Ok(()),
        }
    }
}

fn pause(budget: &Budget) -> Result<()> {
    match budget.wait(&[], Some(Instant::now() + LOOK))? {
        Wake::TimeUp | Wake::Ready(_) => Ok::<(), Error>(()),
    }
}
