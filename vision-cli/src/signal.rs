//! Ctrl-C: the first ends the measurement, which then sums up; the second ends the program.

use nix::sys::signal::{SigSet, Signal};
use vision_core::base::Op;
use vision_core::{Cancel, Error, Result};

/// What a shell reports for a program ended by an interrupt.
const INTERRUPTED: i32 = 130;

/// Turns the first interrupt, hang-up or termination into a cancel.
///
/// The signals are blocked for this thread and all it starts, and one thread waits for them; so
/// no handler runs anywhere. Call before any other thread exists.
///
/// # Errors
/// [`Error::Sys`] when no descriptor or thread is left.
pub fn cancel_on_interrupt() -> Result<Cancel> {
    let wanted = hold()?;
    let cancel = Cancel::new()?;
    let switch = cancel.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let _ = wanted.wait();
            switch.cancel();
            let _ = wanted.wait();
            std::process::exit(INTERRUPTED);
        })
        .map_err(|source| Error::Sys { op: Op::SpawnThread, source })?;
    Ok(cancel)
}

/// Lets the signals wait until [`cancel_on_interrupt`] looks for them, so that none ends the program
/// half-way through its preparations.
///
/// # Errors
/// [`Error::Sys`] never happens with signals that exist.
pub fn hold() -> Result<SigSet> {
    let wanted: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    wanted.thread_block().map_err(|e| Error::Sys { op: Op::Poll, source: e.into() })?;
    Ok(wanted)
}
