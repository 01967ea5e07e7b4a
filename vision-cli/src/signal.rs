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
    wait_for(hold()?, || {})
}

/// As [`cancel_on_interrupt`]; SIGQUIT and SIGUSR1 call `tell`, which says how far the run is.
///
/// # Errors
/// As [`cancel_on_interrupt`].
pub fn cancel_or_tell(tell: impl Fn() + Send + 'static) -> Result<Cancel> {
    let asking: SigSet = [Signal::SIGQUIT, Signal::SIGUSR1].into_iter().collect();
    asking.thread_block().map_err(|e| Error::Sys { op: Op::Poll, source: e.into() })?;
    let mut wanted = hold()?;
    wanted.extend(&asking);
    wait_for(wanted, tell)
}

fn wait_for(wanted: SigSet, tell: impl Fn() + Send + 'static) -> Result<Cancel> {
    let cancel = Cancel::new()?;
    let switch = cancel.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            loop {
                match wanted.wait() {
                    Ok(Signal::SIGQUIT | Signal::SIGUSR1) => tell(),
                    _ if switch.is_cancelled() => std::process::exit(INTERRUPTED),
                    _ => switch.cancel(),
                }
            }
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
