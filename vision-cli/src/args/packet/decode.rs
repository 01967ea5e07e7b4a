use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::args::Span;

/// `vision decode`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision decode out.pcapng 'udp port 53 and host 10.0.0.2'\n  \
                        vision decode trace.pcap 'tcp[tcpflags] & tcp-syn != 0' --count")]
pub struct DecodeArgs {
    /// The capture file; - is standard input
    pub file: PathBuf,
    /// Write the packets to this file instead; - is standard output
    #[arg(id = "global-budget", short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<OsString>,
    /// Limit the whole run, such as 10s
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Span>,
}
