//! Arguments of the verbs that follow events.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use vision_core::watch::Table;

use super::Span;

/// `vision watch`
#[derive(Debug, Args)]
#[command(
    after_help = "Tables: link, addr, route, rule, neigh, ct (needs CAP_NET_ADMIN), ns, all. \
                        Ctrl-C ends it and sums up. The exit code is 1 when fewer events came \
                        than -c asks for.\n\nExamples:\n  vision watch link,route\n  \
                        vision --in ctr:web watch ct -w 10s --json\n  vision watch neigh -I eth0 -c 1 --for 1m"
)]
pub struct WatchArgs {
    /// What to follow, separated by commas
    #[arg(value_name = "TABLE,...", value_delimiter = ',', value_parser = table)]
    #[arg(default_values = ["link", "addr", "route", "rule", "neigh"])]
    pub tables: Vec<Tables>,
    /// Stop after this many events
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How long.
    #[command(flatten)]
    pub time: For,
}

/// How long events are followed.
#[derive(Debug, Args)]
pub struct For {
    /// How long to look, such as 10s; until Ctrl-C if not given
    #[arg(long = "for", value_name = "TIME")]
    length: Option<Span>,
}

impl For {
    /// Returns the time, if there is one.
    ///
    /// # Errors
    /// [`vision_core::Error::Invalid`] when it has no unit.
    pub fn length(&self) -> Result<Option<Duration>, vision_core::Error> {
        self.length.as_ref().map(Span::strict).transpose()
    }
}

/// One word of the list.
#[derive(Debug, Clone, Copy)]
pub enum Tables {
    /// Every table.
    All,
    /// This one.
    One(Table),
}

fn table(text: &str) -> Result<Tables, vision_core::Error> {
    match text {
        "all" => Ok(Tables::All),
        text => text.parse().map(Tables::One),
    }
}

impl WatchArgs {
    /// Returns the tables, `all` spelled out.
    pub fn wanted(&self) -> Vec<Table> {
        let of = |tables: &Tables| match tables {
            Tables::All => Table::ALL.to_vec(),
            Tables::One(table) => vec![*table],
        };
        self.tables.iter().flat_map(of).collect()
    }
}

/// `vision drops`
#[derive(Debug, Args)]
#[command(
    after_help = "It sees the whole machine: the kernel does not say which namespace a packet \
                        belongs to. Needs CAP_PERFMON, and CAP_SYS_ADMIN where tracefs is not \
                        mounted. The exit code is 1 when packets were dropped that should not be.\n\n\
                        Examples:\n  vision drops --for 10s\n  vision drops --for 1m --all --json\n  \
                        vision drops --each\n  vision drops -- vision --in ctr:web ping 10.0.0.9 -c 3"
)]
pub struct DropsArgs {
    /// How long.
    #[command(flatten)]
    pub time: For,
    /// Print each drop as it happens
    #[arg(long)]
    pub each: bool,
    /// With those that every healthy machine has
    #[arg(long)]
    pub all: bool,
    /// Look while this command runs, and count what it caused apart; it prints to standard error
    #[arg(value_name = "CMD", last = true)]
    pub command: Vec<OsString>,
}
