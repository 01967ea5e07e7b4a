//! `vision path --live`

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use vision_core::base::{EventSource, Wake};
use vision_core::probe::{PathReport, PathSession};
use vision_core::{Budget, Error};

use crate::exit::Failure;
use crate::output::screen::{Screen, path};

/// How often the screen changes.
const TICK: Duration = Duration::from_millis(200);

/// Shows the path until it has been followed often enough or somebody ends it; returns what was
/// found by then, to be printed once the terminal is free again.
pub fn follow(
    mut session: PathSession,
    budget: &Budget,
    name: &str,
) -> Result<PathReport, Failure> {
    let mut screen = Screen::open()?;
    loop {
        let ended = until(Instant::now() + TICK, &mut session, budget, &screen)?;
        let report = session.so_far();
        screen.show(&path::Live { report: &report, name })?;
        if ended || screen.is_told_to_end()? {
            drop(screen);
            return Ok(session.finish());
        }
    }
}

/// Moves the probe until a moment, or until a key is pressed; tells whether it has ended.
fn until(
    tick: Instant,
    session: &mut PathSession,
    budget: &Budget,
    screen: &Screen,
) -> Result<bool, Error> {
    loop {
        while session.try_recv()?.is_some() {}
        if session.is_finished() {
            return Ok(true);
        }
        match budget.wait(&[session.as_fd(), screen.as_fd()], Some(tick)) {
            Ok(Wake::Ready(ready)) if ready & 2 == 0 => {}
            Ok(_) => return Ok(false),
            Err(Error::Elapsed | Error::Cancelled) => return Ok(true),
            Err(e) => return Err(e),
        }
    }
}
