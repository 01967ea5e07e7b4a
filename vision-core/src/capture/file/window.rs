use std::io::{ErrorKind, Read};

use super::FileError;

/// Bytes asked of the system at once: large enough that the calls do not count, small enough to
/// stay in the processor's second cache.
const CHUNK: usize = 256 * 1024;

/// The part of a stream that is in memory; grows only as far as bytes really come.
pub(super) struct Window {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Place of `start` in the stream.
    offset: u64,
}

impl Window {
    pub(super) fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, buffer: vec![0; CHUNK], start: 0, end: 0, offset: 0 }
    }

    /// Begins with bytes that were read already.
    pub(super) fn replace(
        &mut self,
        wrap: impl FnOnce(Vec<u8>, Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) {
        let head = self.bytes().to_vec();
        let source = std::mem::replace(&mut self.source, Box::new(std::io::empty()));
        self.source = wrap(head, source);
        (self.start, self.end, self.offset) = (0, 0, 0);
    }

    /// Forgets what is in memory: the source was set to another place.
    pub(super) fn restart(&mut self, offset: u64) {
        (self.start, self.end, self.offset) = (0, 0, offset);
    }

    /// Returns where in the stream the window begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Makes at least `count` bytes available; tells whether there are that many.
    #[inline]
    pub(super) fn need(&mut self, count: usize) -> Result<bool, FileError> {
        if self.end - self.start >= count {
            return Ok(true);
        }
        self.fill(count)
    }

    #[cold]
    fn fill(&mut self, count: usize) -> Result<bool, FileError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < count {
            if self.end == self.buffer.len() {
                // Doubled only once it is full: a claimed length alone takes no memory.
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => return Ok(false),
                Ok(got) => self.end += got,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + self.end as u64;
                    return Err(FileError::Read { offset, source });
                }
            }
        }
        Ok(true)
    }

    /// Steps over `count` bytes that are there and returns where they lie, for [`Window::slice`].
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> usize {
        let at = self.start;
        self.start = (self.start + count).min(self.end);
        self.offset += (self.start - at) as u64;
        at
    }

    /// Returns bytes taken since the last call of [`Window::need`] that had to read.
    #[inline]
    pub(super) fn slice(&self, at: usize, count: usize) -> &[u8] {
        self.buffer.get(at..at + count).unwrap_or_default()
    }
}
