use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Paint};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The colours of one run; all empty when there are to be none.
///
/// Used as `{red}text{red:#}` in format strings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// What matters most.
    pub bold: Paint,
    /// Faults.
    pub bad: Paint,
    /// What is in order.
    pub good: Paint,
    /// What is doubtful.
    pub warn: Paint,
    /// What can be passed over.
    pub dim: Paint,
    /// Names of things.
    pub name: Paint,
    /// How much more than usual is wanted.
    pub verbose: u8,
}

impl Style {
    /// Writes something in a colour; the machinery of formatting is for those who see colours.
    ///
    /// # Errors
    /// What `text` says.
    #[inline]
    pub fn paint(
        out: &mut Vec<u8>,
        paint: Paint,
        text: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        if paint.is_plain() {
            return text(out);
        }
        write!(out, "{paint}")?;
        text(out)?;
        write!(out, "{paint:#}")
    }

    /// Decides for standard output.
    pub fn new(when: When, verbose: u8) -> Self {
        let wanted = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let choice = anstream::AutoStream::choice(&io::stdout());
                choice != anstream::ColorChoice::Never
            }
        };
        let colours = if wanted { Self::coloured() } else { Self::default() };
        Self { verbose, ..colours }
    }

    fn coloured() -> Self {
        let paint = |color: AnsiColor| color.on_default();
        Self {
            bold: Paint::new().bold(),
            bad: paint(AnsiColor::Red).bold(),
            good: paint(AnsiColor::Green),
            warn: paint(AnsiColor::Yellow),
            dim: Paint::new().dimmed(),
            name: paint(AnsiColor::Cyan),
            verbose: 0,
        }
    }
}
