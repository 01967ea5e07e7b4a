use std::ffi::OsString;

use clap::Args;

use crate::args::Span;

/// `vision capture`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision capture -i eth0 -c 1 -vv -X 'tcp port 9999'\n  \
                        vision --in netns:blue capture -i any -w out.pcapng --ring 10x50MB")]
pub struct CaptureArgs {
    /// Write the packets to this file; - is standard output
    #[arg(id = "global-budget", short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<OsString>,
    /// Limit the whole run, such as 10s
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Span>,
}
