//! `vision dns --from FILE`: every name of a list.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use vision_core::probe::{DnsBulk, DnsBulkAnswer, DnsQuery};
use vision_core::wire::dns::{Name, Question, RecordType};
use vision_core::{Error, Pacer, Result};

use super::words::Words;
use super::{Place, dress, next};
use crate::args::DnsArgs;
use crate::command::Ended;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::dns::Answered;
use crate::output::human::dns::bulk::write_answer;

/// Asks for every name of the list, or keeps asking for a time.
pub fn run(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let path = args.from.as_deref().unwrap_or(Path::new("-"));
    let questions = read(path, args, words.rtype)?;
    let first = questions.first().map(|question| question.name.clone());
    let Some(first) = first else {
        let why = format!("`{}` holds no names: give one `NAME [TYPE]` a line", path.display());
        return Err(Error::Invalid { what: "names", why }.into());
    };
    let mut query = dress(DnsQuery::new(first, RecordType::A), args, context)?;
    for server in words.addresses(args.secure.port(), place.target, place.budget, context)? {
        query = query.server(server);
    }
    let mut bulk = DnsBulk::new(query, questions).window(args.window.into());
    if let Some(rate) = args.rate {
        bulk = bulk.pacer(Pacer::per_second(rate, 1));
    }
    if let Some(time) = args.lasting {
        bulk = bulk.lasting(time);
    }
    let mut session = bulk.start(place.target)?;
    let mut order = Order::default();
    loop {
        match next(&mut session, place) {
            Ok(Some(answer)) => {
                for answer in order.next(answer) {
                    context.out.held_event(&answer, |out, style| {
                        write_answer(&answer, args.short, out, style)
                    })?;
                }
            }
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => break,
            Err(error) => return Err(error.into()),
        }
    }
    for answer in order.rest() {
        context
            .out
            .held_event(&answer, |out, style| write_answer(&answer, args.short, out, style))?;
    }
    let report = session.finish();
    context.out.summary(&Answered { report: &report, short: args.short }, None)?;
    Ok(match report.unfinished > 0 && args.lasting.is_none() {
        true => Outcome::Unknown,
        false if report.answered == report.asked => Outcome::Yes,
        false => Outcome::No,
    })
}

/// Puts answers back into the order of the list.
#[derive(Default)]
struct Order {
    next: usize,
    early: BTreeMap<usize, DnsBulkAnswer>,
}

impl Order {
    fn next(&mut self, answer: DnsBulkAnswer) -> Vec<DnsBulkAnswer> {
        self.early.insert(answer.index, answer);
        let mut due = Vec::new();
        while let Some(answer) = self.early.remove(&self.next) {
            self.next += 1;
            due.push(answer);
        }
        due
    }

    /// What is left when the run ends early.
    fn rest(self) -> impl Iterator<Item = DnsBulkAnswer> {
        self.early.into_values()
    }
}

fn read(path: &Path, args: &DnsArgs, rtype: Option<RecordType>) -> Result<Vec<Question>> {
    let lines: Box<dyn BufRead> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin().lock()),
        false => {
            let file = File::open(path).map_err(|source| unreadable(path, None, &source))?;
            Box::new(BufReader::new(file))
        }
    };
    let mut questions = Vec::new();
    for (line, number) in lines.lines().zip(1..) {
        let line = line.map_err(|source| unreadable(path, Some(number), &source))?;
        let question = parse(&line, args, rtype).map_err(|error| Error::Invalid {
            what: "names",
            why: format!("line {number} of `{}`: {error}", path.display()),
        })?;
        questions.extend(question);
    }
    Ok(questions)
}

fn unreadable(path: &Path, line: Option<u32>, source: &io::Error) -> Error {
    let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
    Error::Invalid { what: "names", why: format!("`{}`{line}: {source}", path.display()) }
}

/// Reads `NAME [TYPE]`; blank lines and what follows `#` or `;` count for nothing.
fn parse(line: &str, args: &DnsArgs, rtype: Option<RecordType>) -> Result<Option<Question>> {
    let line = line.split([';', '#']).next().unwrap_or_default();
    let words: Vec<_> = line.split_whitespace().collect();
    let default = if args.reverse { RecordType::Ptr } else { RecordType::A };
    let (name, own) = match words.as_slice() {
        [] => return Ok(None),
        [name] => (*name, None),
        [name, own] => (*name, Some(own.parse()?)),
        _ => {
            let why = format!("`{}` is more than NAME [TYPE]", line.trim().escape_debug());
            return Err(Error::Invalid { what: "line", why });
        }
    };
    let name: Name = match args.reverse {
        true => Name::reverse(super::address(name)?),
        false => name.parse()?,
    };
    let mut question = Question::new(name, own.or(rtype).unwrap_or(default));
    question.class = args.query.class;
    Ok(Some(question))
}
