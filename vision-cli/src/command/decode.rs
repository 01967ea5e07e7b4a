//! `vision decode`

mod copy;
mod select;
mod source;
mod together;

use vision_core::capture::file::{FileError, Reader, sniff, sniff_path};
use vision_core::wire::LinkType;
use vision_core::{Budget, Error};

use self::copy::Copy;
use self::select::Select;
use self::together::Helper;
use super::Ended;
use super::search::{Looked, Search};
use crate::args::DecodeArgs;
use crate::context::Context;
use crate::exit::{Failure, Outcome};
use crate::output::packet::what::Whatness;
use crate::output::packet::{Decoded, Packets};
use crate::output::{diagnose, esc};
use crate::sandbox::{self, Allow};

/// Reads a capture file and prints, counts or copies its packets.
pub fn run(args: &DecodeArgs, context: &mut Context) -> Ended {
    if args.what {
        return what(args, context);
    }
    if args.write.as_ref().is_some_and(|it| it == "-")
        && (args.ring.is_some() || args.rotate.is_some())
    {
        let why = "standard output cannot be rotated; name a file with -w".to_owned();
        return Err(Error::Invalid { what: "output", why }.into());
    }
    args.rotate.as_ref().map(crate::args::Span::strict).transpose()?;
    let budget = context.file_budget(args.budget.as_ref())?;
    let mut reader = source::open(&args.file, &budget).map_err(|e| named(args, e))?;
    let first = reader.link_type(0).unwrap_or(LinkType::ETHERNET);
    let select = Select::new(args, first)?;
    let search = Search::new(&args.search, args.limit)?;
    let mut sink = match &args.write {
        _ if args.count => Sink::Count,
        None => {
            Sink::Print(Box::new(Packets::new(&context.out, args.print.style(&context.global))))
        }
        Some(path) => Sink::Copy(Box::new(Copy::create(args, path, &reader)?)),
    };
    let folder = match &sink {
        Sink::Copy(copy) => copy.folder()?,
        _ => None,
    };
    let allow = Allow { folder };
    sandbox::drop_rights(&allow)?;
    let helper = second_thread(args, &reader, &mut sink, context);
    sandbox::lock(&allow)?;
    let done = Decoded { packets: 0, read: 0 };
    let mut run = Run { args, select, search, sink, helper, done };
    let ended = run.all(&mut reader, &budget, context);
    let ended = match (ended, budget.remaining()) {
        // Whoever follows a file decides when it is enough.
        (Err(Failure::Core(_)), Err(Error::Cancelled | Error::Elapsed)) if args.follow => Ok(()),
        // A wait that was ended looks like a failed read.
        (Err(Failure::Core(_)), Err(stopped)) => Err(stopped.into()),
        (ended, _) => ended,
    };
    run.close(&reader, ended, context)
}

/// Starts a second thread where that is worth it: one that shares all the work, or, where packets
/// have to be found one after the other, one that writes lines only.
fn second_thread(
    args: &DecodeArgs,
    reader: &Reader,
    sink: &mut Sink,
    context: &Context,
) -> Option<Helper> {
    if !is_large(args) {
        return None;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let plain = reader.pieces().is_some() && !args.search.is_asked() && args.numbers.is_none();
    let style = args.print.style(&context.global);
    match sink {
        Sink::Print(packets) if cores > 1 && !plain => packets.beside(style),
        Sink::Print(packets) if cores == 1 || !packets.is_free(style) => {}
        _ if plain && cores > 1 => return Helper::start().ok(),
        _ if plain => return Some(Helper::none()),
        _ => {}
    }
    None
}

/// Whether there is enough to do for more than one thread.
fn is_large(args: &DecodeArgs) -> bool {
    let enough = |file: std::fs::Metadata| file.is_file() && file.len() > 4 << 20;
    !args.follow && args.limit.is_none() && std::fs::metadata(&args.file).is_ok_and(enough)
}

/// Says what the file is.
fn what(args: &DecodeArgs, context: &mut Context) -> Ended {
    let found = match args.file.as_os_str() == "-" {
        true => sniff(std::fs::File::from(source::stdin()?)),
        false => sniff_path(&args.file),
    };
    let file = args.file.display().to_string();
    let (report, outcome) = match found {
        Ok(what) => (Whatness { file, capture: Some(what), instead: None }, Outcome::Yes),
        Err(FileError::NotCapture(kind)) => {
            let instead = Some(kind.to_string());
            (Whatness { file, capture: None, instead }, Outcome::No)
        }
        Err(e) => return Err(named(args, e)),
    };
    context.out.report(&report)?;
    Ok(outcome)
}

/// Puts the file's name in front of what is wrong with it.
fn named(args: &DecodeArgs, error: FileError) -> Failure {
    match error {
        FileError::Write(source) => Failure::Output(source),
        // Nothing is wrong with it: the wait for its beginning was ended.
        FileError::Read { ref source, .. } if is(source, &Error::Cancelled) => {
            Error::Cancelled.into()
        }
        FileError::Read { ref source, .. } if is(source, &Error::Elapsed) => Error::Elapsed.into(),
        // About the file that is written.
        error @ FileError::Unfit(_) => Failure::Core(error.into()),
        error => match Error::from(error) {
            Error::CaptureFile(why) => {
                let file = match args.file.to_string_lossy() {
                    file if file == "-" => "standard input".into(),
                    file => file,
                };
                Error::CaptureFile(format!("{}: {why}", esc(&file))).into()
            }
            other => other.into(),
        },
    }
}

/// Tells whether a read failed by an error of ours.
fn is(source: &std::io::Error, ours: &Error) -> bool {
    let own = source.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    own.is_some_and(|own| own.kind() == ours.kind())
}

/// Where packets go.
#[derive(Debug)]
enum Sink {
    Count,
    Print(Box<Packets>),
    Copy(Box<Copy>),
}

/// One reading of a file.
struct Run<'a> {
    args: &'a DecodeArgs,
    select: Select<'a>,
    search: Search,
    sink: Sink,
    helper: Option<Helper>,
    done: Decoded,
}

impl Run<'_> {
    /// Takes packets until the file ends, there are enough, or the user stops it.
    fn all(
        &mut self,
        reader: &mut Reader,
        budget: &Budget,
        context: &mut Context,
    ) -> Result<(), Failure> {
        if let Some(helper) = self.helper.take() {
            self.together(helper, reader, budget, context)?;
        }
        let all = self.select.all() && !self.args.search.is_asked();
        if all && matches!(self.sink, Sink::Count) && !self.args.follow {
            return self.count(reader, budget);
        }
        while !self.search.is_over() && !self.select.over(self.done.read + 1) {
            if self.done.read.is_multiple_of(ROUND) {
                budget.remaining()?;
            }
            if !self.step(reader, budget, context)? {
                break;
            }
        }
        Ok(())
    }

    /// Counts, which needs no look at the packets.
    fn count(&mut self, reader: &mut Reader, budget: &Budget) -> Result<(), Failure> {
        let limit = self.args.limit.unwrap_or(u64::MAX);
        while self.done.read < limit {
            let ready = reader.skip_ready(limit - self.done.read);
            if ready > 0 || self.done.read.is_multiple_of(ROUND) {
                budget.remaining()?;
            }
            self.done.read += ready;
            if self.done.read == limit {
                break;
            }
            match reader.next_frame() {
                Ok(Some(_)) => self.done.read += 1,
                Ok(None) => break,
                Err(e) => {
                    self.done.packets = self.done.read;
                    return Err(named(self.args, e));
                }
            }
        }
        self.done.packets = self.done.read;
        Ok(())
    }

    /// Takes one packet; tells whether there was one.
    #[inline]
    fn step(
        &mut self,
        reader: &mut Reader,
        budget: &Budget,
        context: &mut Context,
    ) -> Result<bool, Failure> {
        let args = self.args;
        if args.follow {
            self.catch_up(reader, context)?;
        }
        let next = match args.follow {
            true => reader.follow_described(budget)?,
            false => reader.next_described().map_err(|e| named(args, e))?,
        };
        let Some((frame, interfaces)) = next else { return Ok(false) };
        let number = self.done.read + 1;
        self.done.read = number;
        if !self.select.takes(number, &frame) {
            return Ok(true);
        }
        let Looked::Take(hit) = self.search.look(&frame) else { return Ok(true) };
        match &mut self.sink {
            Sink::Count => {}
            Sink::Print(packets) => {
                packets.print(number, &frame, hit.as_ref(), &mut context.out)?
            }
            Sink::Copy(copy) => {
                let written = copy.frame(&frame, interfaces, args.snap);
                written.map_err(|e| named(args, e))?;
            }
        }
        self.done.packets += 1;
        Ok(true)
    }

    /// Shows what there is before waiting for more.
    fn catch_up(&mut self, _reader: &Reader, context: &mut Context) -> Result<(), Failure> {
        match &mut self.sink {
            Sink::Count => Ok(()),
            Sink::Print(packets) => Ok(packets.push_out(&mut context.out)?),
            Sink::Copy(copy) => copy.flush().map_err(|e| named(self.args, e)),
        }
    }

    /// Completes the output, whatever ended the reading, and says what that was.
    fn close(self, reader: &Reader, ended: Result<(), Failure>, context: &mut Context) -> Ended {
        let Self { args, sink, done, .. } = self;
        let write_failed = matches!(ended, Err(Failure::Output(_)));
        let to_stdout = args.write.as_ref().is_some_and(|path| path == "-");
        match sink {
            Sink::Count if ended.is_ok() => context.out.report(&done)?,
            Sink::Count => context.out.text(|out, style| {
                use crate::output::Human;
                done.human(out, style)
            })?,
            Sink::Print(mut packets) => packets.push_out(&mut context.out)?,
            Sink::Copy(_) if write_failed => {}
            Sink::Copy(copy) => {
                copy.finish(reader, args.snap).map_err(|e| named(args, e))?;
                if !context.global.quiet && !context.out.is_json() {
                    let of = if done.packets == done.read {
                        String::new()
                    } else {
                        format!(" of {}", done.read)
                    };
                    let s = if done.packets == 1 { "" } else { "s" };
                    diagnose(&format!("{}{of} packet{s} written", done.packets), None);
                }
            }
        }
        if context.out.is_json() && !args.count && !to_stdout {
            let error = match &ended {
                Err(Failure::Core(error)) => Some(error),
                _ => None,
            };
            context.out.summary(&done, error)?;
            return Ok(ended.map_or_else(Outcome::Failed, |()| Outcome::Yes));
        }
        ended.map(|()| Outcome::Yes)
    }
}

/// Packets between two looks at the clock and at the keyboard.
const ROUND: u64 = 1024;
