use std::ffi::OsString;

use clap::{ArgAction, Args};
use vision_core::capture::Direction;
use vision_core::{Error, Result};

use super::decode::WriteFormat;
use super::print::PrintArgs;
use super::search::SearchArgs;
use crate::args::Span;

/// `vision capture`
#[derive(Debug, Args)]
#[command(after_help = "Without -i the first interface that is up is taken, loopbacks last. The \
                        exit code is 1 when fewer packets came than -c asks for.\n\nExamples:\n  \
                        vision capture -i eth0 -c 1 -vv -X 'tcp port 9999'\n  \
                        vision capture --match 'Host:' --text 'port 80'\n  \
                        vision --in netns:blue capture -i any -w out.pcapng --ring 10x50MB")]
pub struct CaptureArgs {
    /// Take packets of this interface; any means all of them
    #[arg(short = 'i', long = "on", value_name = "IFACE")]
    pub on: Option<String>,
    /// Stop after this many packets; with --match after as many that match
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Write the packets to this file; - is standard output
    #[arg(id = "global-budget", short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<OsString>,
    /// The format of the file; pcap if its name ends so, else pcapng
    #[arg(long, value_name = "FORMAT", requires = "global-budget")]
    pub format: Option<WriteFormat>,
    /// Keep this many files of this size, such as 10x50MB
    #[arg(long, value_name = "NxSIZE", requires = "global-budget")]
    pub ring: Option<Ring>,
    /// Begin a new file after this time, such as 60s
    #[arg(long, value_name = "TIME", requires = "global-budget")]
    pub rotate: Option<Span>,
    /// Keep at most this many bytes of each packet
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 0, hide_default_value = true)]
    pub snap: u32,
    /// Take only what comes in, or only what goes out
    #[arg(short = 'Q', long = "dir", value_name = "in|out", value_parser = direction)]
    pub direction: Option<Direction>,
    /// Accept frames for other stations as well
    #[arg(long)]
    pub promisc: bool,
    /// Let this much wait to be read
    #[arg(short = 'B', long, value_name = "SIZE", value_parser = size, default_value = "64MB")]
    pub buffer: u64,
    /// Limit the whole run, such as 10s
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Span>,
    /// Take only packets that match, as tcpdump says it: 'tcp port 80'
    #[arg(value_name = "FILTER", trailing_var_arg = true)]
    pub filter: Vec<String>,
    /// Numbers instead of names, as always
    #[arg(short = 'n', action = ArgAction::Count, hide = true)]
    pub numeric: u8,
    /// Lines as they come, as always
    #[arg(short = 'l', hide = true)]
    pub line_buffered: bool,
    /// Which packets are taken by what they carry.
    #[command(flatten)]
    pub search: SearchArgs,
    /// How packets are printed.
    #[command(flatten)]
    pub print: PrintArgs,
}

impl CaptureArgs {
    /// Returns how much of each packet is kept.
    pub fn snap_bytes(&self) -> u32 {
        if self.snap == 0 { 262_144 } else { self.snap }
    }
}

/// Files that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// How many.
    pub files: u32,
    /// How large each may become.
    pub bytes: u64,
}

impl std::str::FromStr for Ring {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('x').and_then(|(files, bytes)| {
            let files = files.parse().ok().filter(|files| *files > 0)?;
            Some(Self { files, bytes: size(bytes).ok().filter(|bytes| *bytes > 0)? })
        });
        let why = || format!("`{text}` is not a number of files and their size such as 10x50MB");
        parts.ok_or_else(|| Error::Invalid { what: "ring", why: why() })
    }
}

/// Reads a number of bytes: bare, or with kB, MB, GB or KiB, MiB, GiB.
pub fn size(text: &str) -> Result<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => 0,
    };
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(factor));
    let why = || format!("`{text}` is not a number of bytes such as 50MB or 64MiB");
    let valid = bytes.filter(|_| factor > 0);
    valid.ok_or_else(|| Error::Invalid { what: "size", why: why() })
}

fn direction(text: &str) -> Result<Direction> {
    match text {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => {
            let why = format!("`{text}` is neither in nor out");
            Err(Error::Invalid { what: "direction", why })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let bytes = |text| size(text).ok();
        assert_eq!(bytes("50MB"), Some(50_000_000));
        assert_eq!(bytes("64MiB"), Some(64 << 20));
        assert_eq!(bytes("4096"), Some(4096));
        assert_eq!((bytes("MB"), bytes("5 apples"), bytes("99999999999GB")), (None, None, None));
        assert_eq!("3x1kB".parse::<Ring>().ok(), Some(Ring { files: 3, bytes: 1000 }));
        assert!("0x50MB".parse::<Ring>().is_err() && "50MB".parse::<Ring>().is_err());
    }
}
