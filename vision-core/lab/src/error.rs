//! What can go wrong while building a lab.

use std::{fmt, io, process::ExitStatus};

/// The lab's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the lab could not be built or broken as asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A command in a node failed.
    Sh(ShError),
    /// A system call failed.
    Io {
        /// What was being done.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A topology was built and does not carry packets.
    NotReady(String),
    /// The caller asked for something the lab cannot build.
    Invalid(String),
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sh(error) => error.fmt(f),
            Self::Io { what, source } => write!(f, "{what}: {source}"),
            Self::NotReady(what) => write!(f, "not ready: {what}"),
            Self::Invalid(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for Error {}

impl From<ShError> for Error {
    fn from(error: ShError) -> Self {
        Self::Sh(error)
    }
}

/// A command that failed in a node.
#[derive(Debug)]
#[non_exhaustive]
pub struct ShError {
    /// The node's name.
    pub node: String,
    /// The command as given.
    pub command: String,
    /// How it ended; `None` when it could not be started.
    pub status: Option<ExitStatus>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr, or why it could not be started.
    pub stderr: String,
}

impl fmt::Display for ShError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in node {}: ", self.command, self.node)?;
        match self.status {
            Some(status) => write!(f, "{status}")?,
            None => f.write_str("not started")?,
        }
        write!(f, "\n{}{}", self.stdout, self.stderr)
    }
}

impl std::error::Error for ShError {}
