//! Everything that is written: the only module that touches the standard streams.

pub mod envelope;
pub mod human;
pub mod json;
pub mod only;
pub mod packet;
mod patient;
pub mod picture;
mod progress;
pub mod query;
mod rows;
pub mod screen;
mod style;
pub mod text;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

use serde::Serialize;
use vision_core::base::Escaped;
use vision_core::probe::Resolution;
use vision_core::{Error, Result, Target};

use self::patient::Patient;
pub use self::progress::{Progress, REFRESH};
pub use self::rows::Row;
pub use self::style::{Style, When};
use crate::args::Global;
use crate::exit::Failure;
use crate::hint;

/// A report as a person reads it: a function of the report and nothing else.
pub trait Human {
    /// Writes it, in lines.
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()>;
}

/// Makes text from elsewhere safe for a terminal.
pub fn esc(text: &str) -> Escaped<'_> {
    Escaped::new(text.as_bytes())
}

/// Where the result goes, and in which form.
pub struct Output {
    out: BufWriter<Box<dyn Write>>,
    style: Style,
    json: bool,
    /// The documents go through a filter first.
    filtered: bool,
    /// Which rows of lists are wanted.
    only: only::Only,
    quiet: bool,
    schema: &'static str,
    target: envelope::About,
}

impl Output {
    /// Takes hold of standard output.
    pub fn new(global: &Global, schema: &'static str) -> Self {
        let out = Self::stdout();
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            style: Style::new(global.color, global.verbose),
            json: global.json,
            filtered: false,
            only: only::Only::new(&global.only),
            quiet: global.quiet,
            schema,
            target: envelope::About::default(),
        }
    }

    fn stdout() -> Box<dyn Write> {
        // Past the standard library's own buffer, which looks for the last line feed in all that
        // goes through it.
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(fd) => Box::new(Patient(File::from(fd))),
            Err(_) => Box::new(Patient(io::stdout().lock())),
        }
    }

    /// Has every document go through a filter in the language of jq, before the first is written.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the filter makes no sense; its fault is pointed at.
    pub fn query(&mut self, text: &str) -> Result<()> {
        self.filtered = true;
        let query = query::Query::compile(text).inspect_err(|wrong| {
            point(&wrong.pointed(text));
        })?;
        let shown = io::stdout().is_terminal();
        let filtered = query::Filtered::new(query, Self::stdout(), shown);
        self.out = BufWriter::with_capacity(64 * 1024, Box::new(filtered));
        Ok(())
    }

    /// Tells whether the result is JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Remembers whom the result is about.
    pub fn about(&mut self, target: &Target) {
        self.target = envelope::About::of(target);
    }

    /// Remembers what was asked for before it is found.
    pub fn about_selector(&mut self, selector: &vision_core::Selector) {
        self.target = envelope::About::named(selector);
    }

    /// Remembers what a name was resolved to, and by whom.
    pub fn resolved(&mut self, found: &Resolution) {
        let text = human::resolution::resolved(found);
        if self.style.verbose > 0 && !self.json {
            // Not part of the result, and worth nothing if it cannot be written.
            let _ = writeln!(self.out, "{} is {text}", esc(&found.name));
        }
        self.target.resolve(found);
    }

    /// Writes a one-shot result.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn report<R: Serialize + Human>(&mut self, report: &R) -> io::Result<()> {
        if self.json {
            let line = envelope::Envelope::report(self.schema, &self.target, report);
            return json::line(&mut self.out, &line);
        }
        report.human(&mut self.out, &self.style)
    }

    /// Writes one event of a stream at once; none with `--quiet`.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn event<E: Serialize>(
        &mut self,
        event: &E,
        human: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.json {
            _ if self.quiet => return Ok(()),
            true => json::line(&mut self.out, &envelope::Event::new(self.schema, event))?,
            false => human(&mut self.out, &self.style)?,
        }
        self.out.flush()
    }

    /// As [`Output::event`], for streams that come thick: [`Output::finish`] pushes them out.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn held_event<E: Serialize>(
        &mut self,
        event: &E,
        human: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.json {
            _ if self.quiet => Ok(()),
            true => json::line(&mut self.out, &envelope::Event::new(self.schema, event)),
            false => human(&mut self.out, &self.style),
        }
    }

    /// Tells whether only the summary is wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes a packet, in whatever form; [`Output::finish`] pushes it out.
    ///
    /// # Errors
    /// What writing to standard output says.
    #[inline]
    pub fn packet(
        &mut self,
        write: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> io::Result<()> {
        write(&mut self.out, &self.style)
    }

    /// Writes something that a person sees at once and that the report will hold as well.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn live(
        &mut self,
        human: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json || self.quiet {
            return Ok(());
        }
        human(&mut self.out, &self.style)?;
        self.out.flush()
    }

    /// Writes the last object of a stream, with the error that ended it, if one did.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn summary<R: Serialize + Human>(
        &mut self,
        report: &R,
        error: Option<&Error>,
    ) -> io::Result<()> {
        if self.json {
            let line = envelope::Envelope::summary(self.schema, &self.target, report, error);
            return json::line(&mut self.out, &line);
        }
        report.human(&mut self.out, &self.style)
    }

    /// Writes a report of many rows as they come, in constant memory; tells `each` to stop by
    /// returning an error once nobody reads any more.
    ///
    /// # Errors
    /// What `produce` says, if no row was written before, and what writing says. An error after
    /// the first row is part of the output and comes back as `Ok(Some(..))`.
    pub fn rows<Tail: Serialize>(
        &mut self,
        name: &'static str,
        produce: impl FnOnce(&mut dyn FnMut(&dyn Row) -> io::Result<()>) -> Result<Tail>,
    ) -> Result<Option<Error>, Failure> {
        let (out, style) = (&mut self.out, &self.style);
        let head = envelope::Envelope::<()>::open(self.schema, &self.target, name);
        let mut rows = rows::Rows::new(out, style, self.json.then_some(head));
        let only = &mut self.only;
        let mut failed = None;
        let produced = produce(&mut |row| {
            let wanted = if only.is_all() { Ok(true) } else { only.row(row) };
            wanted.and_then(|wanted| if wanted { rows.row(row) } else { Ok(()) }).map_err(|e| {
                let kind = e.kind();
                failed = Some(e);
                kind.into()
            })
        });
        let produced = produced.and_then(|tail| only.check().map(|()| tail));
        match (failed, produced) {
            (Some(e), _) => Err(e.into()),
            (None, Ok(tail)) => Ok(rows.end(Some(&tail), None).map(|()| None)?),
            (None, Err(e)) if rows.is_empty() => Err(e.into()),
            // A person sees what there is, and is told on standard error.
            (None, Err(e)) if !self.json => {
                rows.end(None::<&Tail>, None)?;
                Err(e.into())
            }
            (None, Err(e)) => {
                rows.end(None::<&Tail>, Some(&envelope::Refusal::of(&e)))?;
                Ok(Some(e))
            }
        }
    }

    /// Leaves those rows of a report that are wanted.
    ///
    /// # Errors
    /// [`Error::Invalid`] when no row has the field of a condition.
    pub fn keep<T: Serialize>(&mut self, rows: &mut Vec<T>) -> Result<()> {
        self.only.keep(rows)
    }

    /// Writes a one-shot result that has no other form than JSON.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn data<R: Serialize>(&mut self, report: &R) -> io::Result<()> {
        let line = envelope::Envelope::report(self.schema, &self.target, report);
        json::line(&mut self.out, &line)
    }

    /// Writes a result that is neither text for people nor JSON.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn raw(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        write(&mut self.out)
    }

    /// Writes text that is for people only; nothing with `--json`.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn text(
        &mut self,
        human: impl FnOnce(&mut dyn Write, &Style) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.json {
            true => Ok(()),
            false => human(&mut self.out, &self.style),
        }
    }

    /// Says why there is no result: one line, or one object.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn failure(&mut self, failure: &Failure) -> io::Result<()> {
        match failure {
            Failure::Core(error) if self.filtered => {
                diagnose(&envelope::chain(error), hint::of(error).as_deref());
                Ok(())
            }
            Failure::Core(error) if self.json => {
                let line = envelope::Envelope::<()>::error(self.schema, &self.target, error);
                json::line(&mut self.out, &line)
            }
            Failure::Core(error) => {
                let message = envelope::chain(error);
                diagnose(&message, hint::of(error).as_deref());
                Ok(())
            }
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Failure::Output(error) if query::is_unfiltered(error) => {
                diagnose(&error.to_string(), None);
                Ok(())
            }
            Failure::Output(error) => {
                diagnose(&format!("cannot write the result: {error}"), None);
                Ok(())
            }
        }
    }

    /// Pushes out what is still held back.
    ///
    /// # Errors
    /// What writing to standard output says.
    pub fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes one line to standard error; nobody is left to tell if that fails.
pub fn diagnose(message: &str, hint: Option<&str>) {
    let mut err = io::stderr().lock();
    let message = esc(message);
    let _ = match hint {
        Some(hint) => writeln!(err, "vision: {message}; {}", esc(hint)),
        None => writeln!(err, "vision: {message}"),
    };
}

/// Shows what a user wrote and where its fault is, before the fault is said.
pub fn point(lines: &str) {
    let mut err = io::stderr().lock();
    for line in lines.lines() {
        let _ = writeln!(err, "  {}", esc(line));
    }
}

/// Writes a usage error as JSON, before there is a verb to speak of.
pub fn usage_as_json(message: &str, hint: &str) {
    let line = envelope::Envelope::<()>::usage(message, hint);
    let _ = json::line(&mut io::stdout().lock(), &line);
}

/// Writes help or the version.
///
/// # Errors
/// What writing to standard output says.
pub fn help(text: &str, to_stderr: bool) -> io::Result<()> {
    match to_stderr {
        true => io::stderr().lock().write_all(text.as_bytes()),
        false => io::stdout().lock().write_all(text.as_bytes()),
    }
}
