//! What a run of the program comes to, and the number that says so.

use std::io;

use vision_core::Error;

use crate::output::query;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// Asked, and the answer is yes.
    Yes,
    /// Asked, and the answer is no: no reply, closed, a cause found.
    No,
    /// Asked, and the answer could not be told.
    Unknown,
    /// The command line made no sense.
    Usage,
    /// The question could not be asked.
    Failed(Failure),
    /// Another program was to be run, and this is what a shell would return in its place.
    Passed(u8),
}

/// What ended a verb before its answer.
#[derive(Debug)]
pub enum Failure {
    /// The library says why.
    Core(Error),
    /// The result could not be written.
    Output(io::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// The one table of exit codes.
pub fn code(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Yes => 0,
        Outcome::No => 1,
        Outcome::Usage => 2,
        Outcome::Unknown => 3,
        Outcome::Passed(code) => *code,
        // Whoever read the output has had enough of it.
        Outcome::Failed(Failure::Output(e)) if e.kind() == io::ErrorKind::BrokenPipe => 0,
        Outcome::Failed(Failure::Output(e)) if query::is_unfiltered(e) => 2,
        Outcome::Failed(Failure::Output(_)) => 3,
        Outcome::Failed(Failure::Core(error)) => of_error(error),
    }
}

fn of_error(error: &Error) -> u8 {
    use nix::libc::{
        EACCES, EAFNOSUPPORT, ENOSYS, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
    };
    match (error, error.errno()) {
        (Error::Invalid { .. }, _) => 2,
        (Error::Permission { .. }, _) | (_, Some(EPERM | EACCES)) => 4,
        (Error::Unsupported(_), _) => 5,
        (_, Some(EAFNOSUPPORT | EPROTONOSUPPORT | ESOCKTNOSUPPORT | EOPNOTSUPP | ENOSYS)) => 5,
        (Error::Cancelled, _) => 130,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_ending_has_its_code() {
        let failed = |error: Error| code(&Outcome::Failed(error.into()));
        assert_eq!(failed(Error::NotFound("x".into())), 3);
        assert_eq!(failed(Error::Unsupported("x")), 5);
        assert_eq!(failed(Error::Elapsed), 3);
        let invalid = Error::Invalid { what: "x", why: String::new() };
        assert_eq!(failed(invalid), 2);
        let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(code(&Outcome::Failed(pipe.into())), 0);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(code(&Outcome::Failed(full.into())), 3);
        assert_eq!(code(&Outcome::Yes) + code(&Outcome::No) + code(&Outcome::Usage), 3);
    }
}
