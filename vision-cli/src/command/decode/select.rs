//! Which packets are wanted.

use vision_core::Error;
use vision_core::capture::Frame;
use vision_core::capture::filter::Filter;
use vision_core::wire::LinkType;

use crate::args::DecodeArgs;
use crate::command::filter::compile;

/// All that a packet must satisfy.
#[derive(Debug)]
pub struct Select<'a> {
    args: &'a DecodeArgs,
    expression: String,
    /// One for each link type that came; none where the filter makes no sense.
    programs: Vec<(LinkType, Option<Filter>)>,
}

impl<'a> Select<'a> {
    /// Takes the wishes and compiles the filter for the link type the file begins with, so that
    /// a mistake in it is told before the first packet.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the filter makes no sense.
    pub fn new(args: &'a DecodeArgs, first: LinkType) -> Result<Self, Error> {
        let expression = args.filter.join(" ");
        let mut programs = Vec::new();
        if !expression.is_empty() {
            programs.push((first, Some(compile(&Filter::on(first), &expression)?)));
        }
        Ok(Self { args, expression, programs })
    }

    /// Tells whether every packet is wanted.
    pub fn all(&self) -> bool {
        self.expression.is_empty() && self.args.numbers.is_none()
    }

    /// Returns the filter for a file of one link type, if there is one; it was compiled for that.
    pub fn filter(&self) -> Option<Filter> {
        self.programs.first().and_then(|(_, program)| program.clone())
    }

    /// Tells whether no packet from this number on can be wanted.
    #[inline]
    pub fn over(&self, number: u64) -> bool {
        self.args.numbers.as_ref().is_some_and(|it| number > it.last())
    }

    /// Tells whether a packet is wanted.
    #[inline]
    pub fn takes(&mut self, number: u64, frame: &Frame<'_>) -> bool {
        if self.args.numbers.as_ref().is_some_and(|it| !it.contains(number)) {
            return false;
        }
        if self.expression.is_empty() {
            return true;
        }
        let known = self.programs.iter().find(|it| it.0 == frame.link_type);
        match known {
            Some((_, program)) => {
                program.as_ref().is_some_and(|it| it.matches(frame.data, frame.len))
            }
            None => {
                self.learn(frame.link_type);
                self.takes(number, frame)
            }
        }
    }

    /// Compiles the filter for one more link type. What makes no sense there matches nothing: `vlan`
    /// on a file's interfaces without Ethernet.
    #[cold]
    fn learn(&mut self, link_type: LinkType) {
        let request = Filter::on(link_type).names_from_files();
        let program = request.compile(&self.expression).ok();
        self.programs.push((link_type, program));
    }
}
