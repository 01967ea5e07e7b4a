use clap::{ArgAction, Args};

use crate::args::Global;
use crate::output::packet::text::{Clock, Dump, Form, Style};

/// How packets are printed, with the letters of tcpdump.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Printing")]
pub struct PrintArgs {
    /// Print the link-layer header as well
    #[arg(short = 'e')]
    link: bool,
    /// Print the bytes after the link-layer header; twice, with it
    #[arg(short = 'x', action = ArgAction::Count)]
    hex: u8,
    /// As -x, with the text beside it
    #[arg(short = 'X', action = ArgAction::Count, conflicts_with = "hex")]
    both: u8,
    /// Print the bytes as text
    #[arg(short = 'A', action = ArgAction::Count, conflicts_with_all = ["hex", "both"])]
    text: u8,
    /// Print what the packet carries as lines, a dot for what is no ASCII
    #[arg(long = "text", conflicts_with_all = ["hex", "both", "text"])]
    lines: bool,
    /// Times in UTC: -t none, -tt since 1970, -ttt since the packet before, -tttt with the date,
    /// -ttttt since the first packet
    #[arg(short = 't', action = ArgAction::Count)]
    time: u8,
    /// Print the number of each packet before it
    #[arg(long = "number", visible_short_alias = '#')]
    number: bool,
    /// Print TCP sequence numbers as they are, not relative to the first
    #[arg(long = "absolute")]
    absolute: bool,
}

impl PrintArgs {
    /// Returns the style that these flags and the global ones ask for.
    pub fn style(&self, global: &Global) -> Style {
        let counts = [
            (self.hex, Form::Hex),
            (self.both, Form::Both),
            (self.text, Form::Text),
            (self.lines.into(), Form::Lines),
        ];
        let dump = counts.into_iter().find(|(count, _)| *count > 0);
        Style {
            verbose: global.verbose,
            quiet: global.quiet,
            link: self.link,
            number: self.number,
            absolute: self.absolute,
            clock: match self.time {
                0 => Clock::Day,
                1 => Clock::None,
                2 => Clock::Epoch,
                3 => Clock::Delta,
                4 => Clock::Date,
                _ => Clock::First,
            },
            dump: dump.map(|(count, form)| Dump { form, link: count > 1 }),
        }
    }
}
