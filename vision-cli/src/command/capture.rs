//! `vision capture`

mod sink;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vision_core::capture::filter::Filter;
use vision_core::capture::{Capture, CaptureMethod, CaptureRequest, Taken};
use vision_core::inventory::{Inventory, LinkFlags};
use vision_core::wire::LinkType;
use vision_core::{Budget, Error, Target};

use self::sink::Sink;
use super::Ended;
use super::filter::compile;
use super::search::{Looked, Search};
use crate::args::CaptureArgs;
use crate::context::Context;
use crate::exit::{Failure, Outcome};
use crate::output::diagnose;
use crate::output::human::capture::Summed;
use crate::sandbox::{self, Allow};
use crate::signal;

/// Takes packets and prints or writes them until told to stop.
pub fn run(args: &CaptureArgs, context: &mut Context) -> Ended {
    signal::hold()?;
    let search = Search::new(&args.search, args.count)?;
    let target = context.target()?;
    let mut capture = request(args, context, &target)?.start(&target)?;
    let mut sink = Sink::open(args, context, &target, &capture)?;
    let allow = Allow { folder: sink.folder()? };
    // The thread that waits for signals comes after, so that it has no rights either.
    sandbox::drop_rights(&allow)?;
    let taken = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&taken);
    let budget = context.capture_budget(args.budget.as_ref(), move || say(&asked))?;
    sandbox::lock(&allow)?;
    if !context.out.is_json() {
        announce(args, &capture);
    }
    let mut run = Run { search, captured: 0, taken, ended_by: None };
    let followed = run.follow(&mut capture, &budget, &mut sink, context);
    run.close(capture, sink, followed, context)
}

fn request(
    args: &CaptureArgs,
    context: &Context,
    target: &Target,
) -> Result<CaptureRequest, Error> {
    let on = args.on.as_ref().or(context.global.interface.as_ref());
    let mut request = match on.map(String::as_str) {
        Some("any") => Capture::any(),
        Some(name) => Capture::on(name),
        None => first(target)?,
    };
    request = request.snap_bytes(args.snap);
    request = request.buffer_bytes(u32::try_from(args.buffer).unwrap_or(u32::MAX));
    if let Some(direction) = args.direction {
        request = request.direction(direction);
    }
    if args.promisc {
        request = request.promiscuous();
    }
    if !args.filter.is_empty() {
        let link_type = request.link_type(target)?;
        request = request.program(program(&args.filter.join(" "), link_type)?);
    }
    Ok(request)
}

/// Compiles the filter as the kernel takes it.
fn program(expression: &str, link_type: LinkType) -> Result<Vec<(u16, u8, u8, u32)>, Error> {
    let filter = compile(&Filter::on(link_type).live(), expression)?;
    Ok(filter.program().instructions().iter().map(|it| (*it).into()).collect())
}

/// The first interface that is up and not the loopback, else all of them.
fn first(target: &Target) -> Result<CaptureRequest, Error> {
    let budget = Budget::within(std::time::Duration::from_secs(5));
    let links = Inventory::open(target)?.links(&budget)?.items;
    let usable =
        |flags: &LinkFlags| flags.contains(LinkFlags::UP) && !flags.contains(LinkFlags::LOOPBACK);
    let found = links.iter().find(|link| usable(&link.flags));
    Ok(found.map_or_else(Capture::any, |link| Capture::on_index(link.ifindex)))
}

fn announce(args: &CaptureArgs, capture: &Capture) {
    let name = capture.interface().name.escaped();
    let (link_type, snap) = (capture.link_type(), args.snap_bytes());
    let text = format!("listening on {name}, link-type {link_type}, snapshot length {snap} bytes");
    diagnose(&text, None);
    if capture.method() == CaptureMethod::Receive {
        let text = "this kernel shares no packet rings (TPACKET_V3); packets are received instead";
        diagnose(text, Some("that costs more for each packet; a filter keeps them few"));
    }
    let (has, wanted) = (capture.buffer_bytes(), args.buffer);
    if has <= wanted / 2 {
        let text = format!("the kernel had room for a buffer of {has} bytes only, not {wanted}");
        diagnose(&text, Some("packets may be dropped; ask for less with -B, or free memory"));
    }
}

/// Says how far the capture is; that nobody reads it is no fault of the capture.
fn say(taken: &AtomicU64) {
    let count = taken.load(Ordering::Relaxed);
    let _ = writeln!(io::stderr(), "vision: {count} packets captured");
}

/// The progress of a capture.
struct Run {
    search: Search,
    captured: u64,
    /// The same, for whoever asks in the middle.
    taken: Arc<AtomicU64>,
    ended_by: Option<String>,
}

impl Run {
    /// Hands packets to the sink until there are enough, the budget ends or nothing will come.
    fn follow(
        &mut self,
        capture: &mut Capture,
        budget: &Budget,
        sink: &mut Sink,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let mut until = budget.clone();
        while !self.search.is_over() {
            match self.step(capture, &until, sink, context) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(Failure::Core(Error::Elapsed | Error::Cancelled)) => {
                    // What has come until now is still shown.
                    until = Budget::unbounded();
                    capture.stop()?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Completes the output, whatever ended the capture, and sums up.
    fn close(
        self,
        mut capture: Capture,
        sink: Sink,
        followed: Result<(), Failure>,
        context: &mut Context,
    ) -> Ended {
        let stats = capture.stats()?;
        let ended = match (followed, sink.close(self.captured, &stats, context)) {
            (Err(failure), _) | (Ok(()), Err(failure)) => Some(failure),
            (Ok(()), Ok(())) => None,
        };
        if let Some(Failure::Output(e)) = &ended
            && e.kind() == io::ErrorKind::BrokenPipe
        {
            // Whoever read has gone; there is nobody to sum up for.
            return Ok(Outcome::Failed(io::Error::from(e.kind()).into()));
        }
        let report = Summed::new(self.captured, stats, &capture, self.ended_by);
        let reason = match &ended {
            Some(Failure::Core(error)) => Some(error),
            _ => None,
        };
        match context.out.is_json() {
            true => context.out.summary(&report, reason)?,
            false => report.say(),
        }
        match ended {
            Some(Failure::Core(error)) if context.out.is_json() => {
                Ok(Outcome::Failed(error.into()))
            }
            Some(failure) => Err(failure),
            None if self.search.is_short() => Ok(Outcome::No),
            None => Ok(Outcome::Yes),
        }
    }

    /// Takes all that is there, then waits for more.
    fn step(
        &mut self,
        capture: &mut Capture,
        budget: &Budget,
        sink: &mut Sink,
        context: &mut Context,
    ) -> Result<bool, Failure> {
        // Between two looks at the clock and at the keyboard.
        for _ in 0..ROUND {
            let taken = match capture.try_taken() {
                Ok(None) => {
                    sink.flush(context)?;
                    match capture.next_taken(budget) {
                        Ok(None) => return Ok(false),
                        taken => taken,
                    }
                }
                taken => taken,
            };
            match taken {
                Ok(Some(Taken::Frame(frame))) => {
                    if let Looked::Take(hit) = self.search.look(&frame) {
                        self.captured += 1;
                        self.taken.store(self.captured, Ordering::Relaxed);
                        sink.frame(&frame, self.captured, hit.as_ref(), context)?;
                    }
                    if self.search.is_over() {
                        return Ok(false);
                    }
                }
                Ok(Some(Taken::Notice(notice))) => {
                    let text = notice.to_string();
                    sink.notice(&notice, context)?;
                    sink.names(capture);
                    if notice.change.ends_the_capture() {
                        self.ended_by = Some(text);
                    }
                }
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        budget.remaining()?;
        Ok(true)
    }
}

const ROUND: u32 = 1024;
