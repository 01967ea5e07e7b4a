//! Where the bytes come from.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use vision_core::Budget;
use vision_core::capture::file::{FileError, Reader};

/// Opens a capture file, or takes standard input.
///
/// # Errors
/// As [`Reader::open`].
pub fn open(path: &Path, budget: &Budget) -> Result<Reader, FileError> {
    if path.as_os_str() != "-" {
        return Reader::open(path);
    }
    let failed = |source| FileError::Read { offset: 0, source };
    let file = File::from(stdin().map_err(failed)?);
    Reader::new(Patient { file, budget: budget.clone() })
}

/// Takes standard input as a descriptor of its own.
pub fn stdin() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}

/// A pipe that may stay silent for long: a signal ends the waiting.
struct Patient {
    file: File,
    budget: Budget,
}

impl Read for Patient {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.budget.wait(&[self.file.as_fd()], None).map_err(io::Error::other)?;
        self.file.read(room)
    }
}
