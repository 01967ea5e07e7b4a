//! Telling a thread to end, whatever happens.

use std::sync::atomic::{AtomicBool, Ordering};

/// Sets a flag when dropped, so that a thread which goes on until then ends also when the test fails: a scope
/// waits for its threads before it lets a panic through.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// let done = AtomicBool::new(false);
/// std::thread::scope(|scope| {
///     scope.spawn(|| while !done.load(Relaxed) { std::thread::yield_now() });
///     let _done = vision_lab::AtEnd(&done);
///     // What may fail.
/// });
/// assert!(done.into_inner());
/// ```
#[derive(Debug)]
pub struct AtEnd<'a>(pub &'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
