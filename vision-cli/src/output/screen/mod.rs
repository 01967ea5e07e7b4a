//! A screen that changes in place, for verbs that go on until they are told to end.

pub mod path;

use std::io::{self, IsTerminal, Stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::panic;
use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::prelude::{CrosstermBackend, Terminal};
use vision_core::{Error, Result};

/// The terminal, taken over until this is dropped.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    input: io::Stdin,
}

/// Something that can be drawn on the whole screen.
pub trait Drawn {
    /// Draws it.
    fn draw(&self, frame: &mut Frame<'_>);
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// [`Error::Invalid`] where standard input or output is none, [`Error::Sys`] when it refuses.
    pub fn open() -> Result<Self> {
        let input = io::stdin();
        if !input.is_terminal() || !io::stdout().is_terminal() {
            let why = "--live needs a terminal; --report prints the same figures".to_owned();
            return Err(Error::Invalid { what: "output", why });
        }
        // A panic ends the process at once, and what it says must be seen.
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            earlier(panic);
        }));
        enable_raw_mode().map_err(refused)?;
        let made = execute!(io::stdout(), EnterAlternateScreen)
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match made {
            Ok(terminal) => Ok(Self { terminal, input }),
            Err(e) => {
                leave();
                Err(refused(e))
            }
        }
    }

    /// Draws all of it anew; what has not changed is not sent again.
    ///
    /// # Errors
    /// What writing to the terminal says.
    pub fn show(&mut self, what: &impl Drawn) -> io::Result<()> {
        self.terminal.draw(|frame| what.draw(frame)).map(drop)
    }

    /// Reads the keys pressed meanwhile; tells whether one of them means the end.
    ///
    /// # Errors
    /// What reading from the terminal says.
    pub fn is_told_to_end(&mut self) -> io::Result<bool> {
        let mut end = false;
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                let interrupt = key.modifiers.contains(KeyModifiers::CONTROL);
                end |= match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => true,
                    KeyCode::Char('c' | 'd') => interrupt,
                    _ => false,
                };
            }
        }
        Ok(end)
    }
}

impl AsFd for Screen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back; nobody is left to tell if that fails.
fn leave() {
    let _ = execute!(io::stdout(), LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

fn refused(source: io::Error) -> Error {
    Error::Sys { op: vision_core::base::Op::SetOption, source }
}
