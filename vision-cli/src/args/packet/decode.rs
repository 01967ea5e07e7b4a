use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use vision_core::{Error, Result};

use super::capture::Ring;
use super::print::PrintArgs;
use super::search::SearchArgs;
use crate::args::Span;

/// `vision decode`
#[derive(Debug, Args)]
#[command(after_help = "Reads pcap, pcapng and snoop files, also packed with gzip or zstd.\n\n\
                        Examples:\n  vision decode out.pcapng 'udp port 53 and host 10.0.0.2'\n  \
                        vision decode trace.pcap 'tcp[tcpflags] & tcp-syn != 0' --count\n  \
                        vision decode big.pcap.zst 'host 10.0.0.2' -w small.pcapng\n  \
                        vision decode out.pcapng --match '^(GET|POST) ' --text 'tcp port 80'")]
pub struct DecodeArgs {
    /// The capture file; - is standard input
    pub file: PathBuf,
    /// Take only packets that match, as tcpdump says it: 'tcp port 80'
    #[arg(value_name = "FILTER")]
    pub filter: Vec<String>,
    /// Stop after this many packets; with --match after as many that match
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Say how many packets there are, and nothing else
    #[arg(long, conflicts_with_all = ["global-budget", "what"])]
    pub count: bool,
    /// Say what the file is: format, byte order, interfaces and their link types
    #[arg(long, conflicts_with_all = ["global-budget", "follow", "limit", "filter"])]
    pub what: bool,
    /// Wait for more packets at the end of the file
    #[arg(long)]
    pub follow: bool,
    /// Take only packets with these numbers, such as 7,10-20,100-
    #[arg(long, value_name = "LIST")]
    pub numbers: Option<Numbers>,
    /// Keep at most this many bytes of each packet
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..))]
    pub snap: Option<u32>,
    /// Write the packets to this file instead; - is standard output
    #[arg(id = "global-budget", short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<OsString>,
    /// The format of the file written; pcap if its name ends so, else pcapng
    #[arg(long, value_name = "FORMAT", requires = "global-budget")]
    pub format: Option<WriteFormat>,
    /// Keep this many files of this size, such as 10x50MB
    #[arg(long, value_name = "NxSIZE", requires = "global-budget")]
    pub ring: Option<Ring>,
    /// Begin a new file after this much time between packets, such as 60s
    #[arg(long, value_name = "TIME", requires = "global-budget")]
    pub rotate: Option<Span>,
    /// Limit the whole run, such as 10s
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Span>,
    /// Which packets are taken by what they carry.
    #[command(flatten)]
    pub search: SearchArgs,
    /// How packets are printed.
    #[command(flatten)]
    pub print: PrintArgs,
}

/// A format that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WriteFormat {
    /// One link type, no interfaces.
    Pcap,
    /// Everything.
    Pcapng,
}

/// Packet numbers, counted from one: single ones and ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers(Vec<(u64, u64)>);

impl Numbers {
    /// Tells whether a number is in the list.
    pub fn contains(&self, number: u64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&number))
    }

    /// Returns the greatest of them.
    pub fn last(&self) -> u64 {
        self.0.iter().map(|range| range.1).max().unwrap_or(0)
    }
}

impl FromStr for Numbers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse::<u64>().ok().filter(|it| *it > 0);
        let range = |part: &str| match part.split_once('-') {
            None => number(part).map(|one| (one, one)),
            Some(("", last)) => number(last).map(|last| (1, last)),
            Some((first, "")) => number(first).map(|first| (first, u64::MAX)),
            Some((first, last)) => {
                let pair = number(first).zip(number(last));
                pair.filter(|(first, last)| first <= last)
            }
        };
        let all: Option<Vec<_>> = text.split(',').map(range).collect();
        let why = || format!("`{text}` is not a list of packet numbers such as 7,10-20");
        all.map(Self).ok_or_else(|| Error::Invalid { what: "numbers", why: why() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_single_or_ranges() {
        let numbers: Numbers = "3,7-8,20-".parse().expect("a list");
        let taken: Vec<_> = (1..=21).filter(|it| numbers.contains(*it)).collect();
        assert_eq!(taken, [3, 7, 8, 20, 21]);
        for bad in ["", "0", "8-7", "a", "1,,2", "-"] {
            assert!(bad.parse::<Numbers>().is_err(), "{bad}");
        }
    }
}
