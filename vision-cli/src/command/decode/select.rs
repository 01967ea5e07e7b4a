//! Which packets are wanted.

use vision_core::Error;
use vision_core::capture::Frame;
use vision_core::wire::LinkType;

use crate::args::DecodeArgs;

/// All that a packet must satisfy.
#[derive(Debug)]
pub struct Select<'a> {
    args: &'a DecodeArgs,
    expression: String,
}

impl<'a> Select<'a> {
    /// Takes the wishes and compiles the filter for the link type the file begins with, so that
    /// a mistake in it is told before the first packet.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the filter makes no sense.
    pub fn new(args: &'a DecodeArgs, first: LinkType) -> Result<Self, Error> {
        let expression = args.filter.join(" ");
        let mut select = Self { args, expression };
        select.program(first)?;
        Ok(select)
    }

    /// Tells whether every packet is wanted.
    pub fn all(&self) -> bool {
        self.expression.is_empty() && self.args.numbers.is_none()
    }

    /// Tells whether no packet from this number on can be wanted.
    #[inline]
    pub fn over(&self, number: u64) -> bool {
        self.args.numbers.as_ref().is_some_and(|it| number > it.last())
    }

    /// Tells whether a packet is wanted.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the filter makes no sense for its link type.
    #[inline]
    pub fn takes(&mut self, number: u64, frame: &Frame<'_>) -> Result<bool, Error> {
        if self.args.numbers.as_ref().is_some_and(|it| !it.contains(number)) {
            return Ok(false);
        }
        self.program(frame.link_type).map(|()| true)
    }

    /// Compiles the filter for a link type, once.
    #[inline]
    fn program(&mut self, _link_type: LinkType) -> Result<(), Error> {
        match self.expression.is_empty() {
            true => Ok(()),
            false => Err(Error::Unsupported("filters on files")),
        }
    }
}
