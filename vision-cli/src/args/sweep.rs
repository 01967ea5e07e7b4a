//! Arguments of a ping with many targets.

use clap::{Args, ValueEnum};
use vision_core::probe::{AddrRange, Rate};

use super::PingArgs;

/// Who is asked, how fast, and who is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Many targets")]
pub struct SweepArgs {
    /// Ask all hosts of a network or range: 10.0.0.0/24, 10.0.0.5-10.0.0.9; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub sweep: Vec<AddrRange>,
    /// Take targets from a file, one per line, or from standard input
    #[arg(long, value_name = "FILE|-")]
    pub from: Option<String>,
    /// Show who answers and nothing else
    #[arg(long, conflicts_with = "unreachable")]
    pub alive: bool,
    /// Show who does not answer and nothing else
    #[arg(long)]
    pub unreachable: bool,
    /// Succeed if so many answer; all of them if not said
    #[arg(long, value_name = "N")]
    pub need: Option<usize>,
    /// Packets per second over all targets, 200 if not said, or max
    #[arg(long, value_name = "N|max")]
    pub rate: Option<Rate>,
    /// Ask each target so often before it counts as silent, 2 if not said
    #[arg(long, value_name = "N", conflicts_with = "count",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub tries: Option<u16>,
    /// Show targets in the order they were given, or as they are decided
    #[arg(long, value_name = "ORDER", default_value = "input")]
    pub order: Order,
}

/// In which order targets are shown.
// closed: theirs or ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As they were given
    Input,
    /// As they are decided
    Decided,
}

impl PingArgs {
    /// Tells whether there may be many targets.
    pub fn is_sweep(&self) -> bool {
        let SweepArgs { sweep, from, alive, unreachable, need, rate, tries, .. } = &self.many;
        self.hosts.len() > 1
            || !sweep.is_empty()
            || from.is_some()
            || *alive
            || *unreachable
            || need.is_some()
            || rate.is_some()
            || tries.is_some()
    }
}
