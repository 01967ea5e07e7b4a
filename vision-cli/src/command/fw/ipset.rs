//! `vision fw sets --ipset` and `vision fw sets test`

use std::io;

use vision_core::firewall::ipset::{Ipset, IpsetElement, IpsetStep, Ipsets};

use super::super::Ended;
use super::super::stream::{self, Stop, Tail};
use crate::args::SetsArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::Row;
use crate::output::human::fw::Words;
use crate::output::human::ipset::{IpsetRow, Tested};

type Write<'w> = dyn FnMut(&dyn Row) -> io::Result<()> + 'w;

/// Lists sets as `ipset list` does.
pub fn list(args: &SetsArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut ipsets = Ipsets::open(&target)?;
    let json = context.out.is_json();
    let (name, terse) = (args.name.as_deref(), args.terse);
    stream::list(context, "sets", |write| {
        let mut listing = Listing { json, terse, set: None, elements: Vec::new() };
        let consistent = ipsets.each(name, terse, &budget, |step| {
            stop.unless(listing.take(step, write));
        })?;
        stop.unless(listing.end(write));
        Ok(Tail { consistent, interfaces: None })
    })
}

/// Asks the kernel whether a set holds an element.
pub fn test(set: &str, element: &str, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = context.budget()?;
    let found = Ipsets::open(&target)?.test(set, element, &budget)?;
    let (set, element) = (set.to_owned(), element.to_owned());
    context.out.report(&Tested { set, element, found })?;
    Ok(if found { Outcome::Yes } else { Outcome::No })
}

/// Text goes out line by line, JSON set by set.
struct Listing {
    json: bool,
    terse: bool,
    set: Option<Ipset>,
    elements: Vec<IpsetElement>,
}

impl Listing {
    fn take(&mut self, step: IpsetStep, write: &mut Write<'_>) -> io::Result<()> {
        match (step, &self.set) {
            (IpsetStep::Set(set), _) => {
                let gap = if self.set.is_some() && !self.json { "\n" } else { "" };
                self.end(write)?;
                let members = if self.terse { "" } else { "Members:\n" };
                let head = format!("{gap}{}{members}", set.header());
                self.set = Some(set);
                if self.json { Ok(()) } else { write(&Words(&head)) }
            }
            (IpsetStep::Element(element), Some(_)) if self.json => {
                self.elements.push(element);
                Ok(())
            }
            (IpsetStep::Element(element), Some(set)) => {
                write(&Words(&format!("{}\n", set.member(&element))))
            }
            (IpsetStep::Element(_), None) => Ok(()),
        }
    }

    fn end(&mut self, write: &mut Write<'_>) -> io::Result<()> {
        let Some(set) = self.set.take().filter(|_| self.json) else { return Ok(()) };
        let elements = (!self.terse).then(|| std::mem::take(&mut self.elements));
        write(&IpsetRow { set: &set, elements: elements.as_deref() })
    }
}
