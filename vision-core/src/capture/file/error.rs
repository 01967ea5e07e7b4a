use std::io;

use super::Kind;
use crate::base::{Error, Op};

/// Why a capture file could not be read further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// There is no such file.
    #[error("file {0} not found")]
    NotFound(String),
    /// The system refused to open it or to read from it.
    #[error("cannot read the file at byte {offset}: {source}")]
    Read {
        /// Bytes that had been read, after unpacking.
        offset: u64,
        /// What the system said, or what is wrong with the compressed data.
        #[source]
        source: io::Error,
    },
    /// The file holds nothing at all.
    #[error("the file is empty")]
    Empty,
    /// The file is something else.
    #[error("not a capture file but {0}")]
    NotCapture(Kind),
    /// A capture file of a version nobody writes.
    #[error("pcap version {major}.{minor} cannot be read, only 2.0 to 2.4")]
    Version {
        /// First number.
        major: u16,
        /// Second number.
        minor: u16,
    },
    /// The file ends inside something; all before it was good.
    #[error(
        "the file ends in the middle of a {what} at byte {offset}: it needs {need} bytes and has {have}"
    )]
    Truncated {
        /// Inside what it ends.
        what: &'static str,
        /// Where that begins, in bytes from the start, after unpacking.
        offset: u64,
        /// Bytes it needs.
        need: u64,
        /// Bytes there are.
        have: u64,
    },
    /// What was to be written does not fit into the file.
    #[error("cannot be written: {0}")]
    Unfit(String),
    /// The system did not take what was to be written.
    #[error("cannot write the file: {0}")]
    Write(#[source] io::Error),
    /// Something in the file cannot be.
    #[error("damaged at byte {offset}: {why}")]
    Damaged {
        /// Where, in bytes from the start, after unpacking.
        offset: u64,
        /// What is wrong.
        why: String,
    },
}

impl FileError {
    pub(super) fn damaged(offset: u64, why: impl Into<String>) -> Self {
        Self::Damaged { offset, why: why.into() }
    }

    /// Returns where it went wrong, in bytes from the start of the unpacked file.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Read { offset, .. }
            | Self::Truncated { offset, .. }
            | Self::Damaged { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotFound(what) => Self::NotFound(format!("file {what}")),
            FileError::Read { source, .. } if source.raw_os_error().is_some() => {
                Self::Sys { op: Op::ReadCapture, source }
            }
            FileError::Write(source) if source.raw_os_error().is_some() => {
                Self::Sys { op: Op::WriteCapture, source }
            }
            other => Self::CaptureFile(other.to_string()),
        }
    }
}
