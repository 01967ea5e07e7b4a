//! What a sweep keeps about each target and each request; there may be millions.

use std::time::Instant;

use super::SweepVerdict;
use crate::base::Reason;
use crate::probe::IcmpError;

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Unsent,
    /// Sent at this moment, and its wait is not over.
    Open(Instant),
    /// Answered after so many nanoseconds.
    Answered(u64),
    Lost,
}

impl Slot {
    pub(crate) fn rtt_ns(&self) -> Option<u64> {
        match self {
            Self::Answered(rtt) => Some(*rtt),
            _ => None,
        }
    }
}

/// One target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    pub(crate) sent: u16,
    pub(crate) open: u16,
    pub(crate) received: u16,
    pub(crate) lost: u16,
    pub(crate) duplicates: u16,
    stage: Stage,
    /// Rare, and large.
    fault: Option<Box<SweepVerdict>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Asking,
    /// The kernel refused a request; there will be no other.
    Refused,
    Done,
}

impl Host {
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.stage == Stage::Refused
    }

    pub(crate) fn finish(&mut self) {
        self.stage = Stage::Done;
    }

    /// Keeps the latest error that somebody reported.
    pub(crate) fn unreachable(&mut self, error: IcmpError) {
        self.fault = Some(Box::new(SweepVerdict::Unreachable(error)));
    }

    pub(crate) fn refuse(&mut self, reason: Reason) {
        self.stage = Stage::Refused;
        self.fault = Some(Box::new(SweepVerdict::LocalError(reason)));
    }

    pub(crate) fn verdict(&self) -> SweepVerdict {
        match (&self.fault, self.received, self.is_done()) {
            (_, 1.., _) => SweepVerdict::Alive,
            (Some(fault), ..) => **fault,
            (None, _, true) => SweepVerdict::Silent,
            (None, _, false) => SweepVerdict::Undecided,
        }
    }
}
