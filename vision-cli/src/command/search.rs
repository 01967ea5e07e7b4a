//! Packets picked by what they carry, and how many of them are enough.

use vision_core::Error;
use vision_core::capture::{Frame, Hit, Match};

use crate::args::SearchArgs;

/// What is left to look for.
#[derive(Debug)]
pub struct Search {
    /// `None` takes every packet.
    wanted: Option<Match>,
    /// Packets asked for and not seen yet; those that only follow one do not count.
    pub left: Option<u64>,
}

/// What came of a packet.
#[derive(Debug)]
pub enum Looked<'a> {
    /// Nobody asked for it.
    Pass,
    /// It is taken; something was found in it where something was searched for.
    Take(Option<Hit<'a>>),
}

impl Search {
    /// Begins.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the expression makes no sense.
    pub fn new(args: &SearchArgs, limit: Option<u64>) -> Result<Self, Error> {
        Ok(Self { wanted: args.compile()?, left: limit })
    }

    /// Tells whether there have been enough packets.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.left == Some(0) && !self.wanted.as_ref().is_some_and(Match::is_following)
    }

    /// Tells whether fewer packets came than were asked for.
    pub fn is_short(&self) -> bool {
        self.left.is_some_and(|left| left > 0)
    }

    /// Looks at the next packet.
    #[inline]
    pub fn look<'a>(&mut self, frame: &Frame<'a>) -> Looked<'a> {
        let Some(wanted) = &mut self.wanted else {
            self.count();
            return Looked::Take(None);
        };
        let Some(hit) = wanted.take(frame) else { return Looked::Pass };
        if !hit.follows {
            self.count();
        }
        Looked::Take(Some(hit))
    }

    #[inline]
    fn count(&mut self) {
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
            if let (0, Some(wanted)) = (*left, &mut self.wanted) {
                wanted.stop();
            }
        }
    }
}
