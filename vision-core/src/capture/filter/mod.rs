//! The pcap-filter language (pcap-filter(7)), compiled to classic BPF and run on packets.
//!
//! [`Filter::compile`] takes what tcpdump takes. The program that comes out runs here, by a
//! [`Machine`], and as it is in the kernel. Nobody is asked for names: those of services and protocols
//! come from the system's tables, those of hosts only where that is wanted.
//!
//! ```
//! use vision_core::capture::filter::Filter;
//! use vision_core::wire::LinkType;
//!
//! let filter = Filter::compile("arp or icmp6", LinkType::ETHERNET)?;
//! let mut frame = [0; 60];
//! frame[12..14].copy_from_slice(&[8, 6]);
//! assert!(filter.matches(&frame, 60));
//!
//! let error = Filter::compile("port htpt", LinkType::ETHERNET).expect_err("a slip");
//! assert_eq!(error.at, 5);
//! # Ok::<(), vision_core::Error>(())
//! ```

mod build;
mod cond;
mod emit;
mod error;
mod graph;
mod machine;
mod names;
mod parse;
mod program;
mod request;
mod token;
mod tree;
mod value;
mod walk;
mod words;

pub use self::error::FilterError;
use self::error::{Checked, Span};
pub use self::machine::Machine;
pub use self::program::{Instruction, Program};
pub use self::request::FilterRequest;
use crate::capture::Frame;
use crate::wire::LinkType;

/// A compiled filter for packets of one link type.
#[derive(Debug, Clone)]
pub struct Filter {
    link_type: LinkType,
    program: Program,
    machine: Machine,
}

/// What a program returns for a packet that it takes: all of it, as tcpdump says it.
const WHOLE: u32 = 262_144;

impl Filter {
    /// Compiles an expression for packets of a link type.
    ///
    /// # Errors
    /// What is wrong with the expression and where; also when it can take no packet at all.
    pub fn compile(expression: &str, link_type: LinkType) -> Result<Self, FilterError> {
        Self::on(link_type).compile(expression)
    }

    /// Begins a request with more wishes.
    pub fn on(link_type: LinkType) -> FilterRequest<'static> {
        FilterRequest::new(link_type)
    }

    /// Returns the program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Returns what the packets begin with that it is for.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Tells whether a packet is taken of which `data` was kept and that had `len` bytes.
    #[inline]
    pub fn matches(&self, data: &[u8], len: u32) -> bool {
        self.machine.run(data, len) != 0
    }

    /// Tells whether a frame is taken. One of another link type is not.
    #[inline]
    pub fn takes(&self, frame: &Frame<'_>) -> bool {
        frame.link_type == self.link_type && self.matches(frame.data, frame.len)
    }

    fn build(request: &FilterRequest<'_>, expression: &str) -> Checked<Self> {
        let whole = Span { at: 0, end: expression.len() };
        let fail = |why: String| FilterError::new(whole, why);
        let built = match parse::parse(expression)? {
            Some(tree) => build::whole(&tree, request)?,
            None => build::Built {
                cond: cond::Cond::Always(true),
                values: value::Values::default(),
                loops: false,
            },
        };
        // As libpcap leaves programs with loops alone, so that both load the same bytes.
        let optimised = !request.plain && !built.loops;
        let mut graph = graph::Graph::new(&built.cond, optimised);
        if optimised {
            graph.optimise(&built.values);
            if graph.takes_nothing() {
                let link = request.link_type;
                return Err(fail(format!("no packet of {link} can ever match this")));
            }
        }
        let unfit = |_| fail("the arithmetic is too complex".to_owned());
        let code = emit::emit(&graph, &built.values, !request.plain, WHOLE).map_err(unfit)?;
        let program = Program::new(code);
        let machine = Machine::new(&program).map_err(|it| fail(it.to_string()))?;
        Ok(Self { link_type: request.link_type, program, machine })
    }
}

impl graph::Graph {
    fn takes_nothing(&self) -> bool {
        self.get(self.root) == graph::Node::Verdict(false)
    }
}

#[cfg(test)]
mod tests;
