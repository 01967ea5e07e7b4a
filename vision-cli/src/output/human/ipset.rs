use std::io::{self, Write};

use serde::Serialize;
use vision_core::firewall::ipset::{Ipset, IpsetElement};

use crate::output::json::Object as Json;
use crate::output::text::Put;
use crate::output::{Human, Row, Style, esc};

/// A set of ipset, for JSON.
#[derive(Debug)]
pub struct IpsetRow<'i> {
    /// The set.
    pub set: &'i Ipset,
    /// What is in it, where that was asked for.
    pub elements: Option<&'i [IpsetElement]>,
}

/// An element beside its words.
#[derive(Serialize)]
struct Member<'m> {
    elem: String,
    #[serde(flatten)]
    element: &'m IpsetElement,
}

impl Row for IpsetRow<'_> {
    fn line(&self, out: &mut Vec<u8>, _: &Style) -> io::Result<()> {
        out.put(&self.set.header());
        Ok(())
    }

    fn members(&self, object: &mut Json<'_>) -> io::Result<()> {
        object.members(self.set)?;
        object.member("options", &self.set.options())?;
        let Some(elements) = self.elements else { return Ok(()) };
        let member = |element| Member { elem: self.set.element(element), element };
        object.member("elements", &elements.iter().map(member).collect::<Vec<_>>())
    }
}

/// Whether a set holds an element.
#[derive(Debug, Serialize)]
pub struct Tested {
    /// The set.
    pub set: String,
    /// The element, as it was given.
    pub element: String,
    /// Whether the kernel finds it there.
    pub found: bool,
}

impl Human for Tested {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let (paint, word) =
            if self.found { (style.good, "is in") } else { (style.bad, "is not in") };
        writeln!(out, "{} {paint}{word}{paint:#} set {}", esc(&self.element), esc(&self.set))
    }
}
