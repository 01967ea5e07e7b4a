use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How far a long run has come, on a terminal and nowhere else: one line that is written over.
pub struct Progress {
    shown: bool,
    due: Instant,
    enabled: bool,
}

/// A person notices changes no faster.
pub const REFRESH: Duration = Duration::from_millis(200);
const CLEAR: &str = "\r\x1b[K";

impl Progress {
    /// Starts silent; the first line comes after a moment.
    pub fn new(wanted: bool) -> Self {
        let enabled = wanted && io::stderr().is_terminal();
        Self { shown: false, due: Instant::now() + REFRESH, enabled }
    }

    /// Tells whether anything is shown.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Shows a line if the last one is old enough.
    pub fn show(&mut self, line: impl FnOnce() -> String) {
        if !self.enabled || Instant::now() < self.due {
            return;
        }
        // Nobody is left to tell if that fails.
        let _ = write!(io::stderr().lock(), "{CLEAR}{}", line());
        self.shown = true;
        self.due = Instant::now() + REFRESH;
    }

    /// Takes the line away, so that something else can be written.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr().lock(), "{CLEAR}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
