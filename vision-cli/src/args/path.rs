//! Arguments of `vision path`.

use std::time::Duration;

use clap::Args;
use vision_core::Host;
use vision_core::probe::ProbeFlags;

use super::value::{number, seconds};

/// `vision path`
#[derive(Debug, Args)]
#[command(after_help = PATH_HELP)]
pub struct PathArgs {
    /// Whom: an address, with %IFACE if link-local, or a name
    pub host: Host,
    /// Ask every hop so many times: 3, with --report 10
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub count: Option<u32>,
    /// Statistics per hop, as mtr's report has them
    #[arg(long)]
    pub report: bool,
    /// The same on a screen that changes, until -c rounds are over or q is pressed
    #[arg(long, conflicts_with_all = ["report", "global-json"])]
    pub live: bool,
    /// Probe by UDP instead of ICMP, to --port
    #[arg(long, conflicts_with = "tcp")]
    pub udp: bool,
    /// Probe by TCP SYNs to this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub tcp: Option<u16>,
    /// Destination port of UDP probes
    #[arg(long, value_name = "PORT", requires = "udp", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// First hop asked
    #[arg(short = 'f', long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..))]
    pub first_ttl: u8,
    /// Last hop asked
    #[arg(short = 'm', long, value_name = "N", default_value_t = 30,
          value_parser = clap::value_parser!(u8).range(1..))]
    pub max_ttl: u8,
    /// Time between two rounds: none up to 10 rounds, else or with --report a second
    #[arg(short = 'i', long, value_name = "TIME", value_parser = seconds)]
    pub interval: Option<Duration>,
    /// Time to wait for each answer, in seconds or as 200ms
    #[arg(short = 'W', long, value_name = "TIME", default_value = "2s", value_parser = seconds)]
    pub wait: Duration,
    /// Probes under way at once while the length of the path is unknown
    #[arg(short = 'N', long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub window: u16,
    /// Let so many flows take turns, to show the branches of balanced paths
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=32))]
    pub flows: u16,
    /// Length of the IP packets in bytes
    #[arg(short = 's', long, value_name = "BYTES")]
    pub size: Option<u16>,
    /// Flags of TCP probes: S, A or SE
    #[arg(long, value_name = "FLAGS", requires = "tcp")]
    pub flags: Option<ProbeFlags>,
    /// Send from this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub sport: Option<u16>,
    /// Find the largest packet that passes, --size at most, and who or what stops larger ones
    #[arg(long)]
    pub mtu: bool,
    /// Say also that no address translation was seen
    #[arg(long)]
    pub nat: bool,
    /// Differentiated services code point, 0 to 63
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..64))]
    pub dscp: Option<u8>,
    /// Packet mark that routing rules see, such as 0x10
    #[arg(long, value_name = "N", value_parser = number)]
    pub mark: Option<u32>,
    /// Probes a second, in place of 200 with bursts of 64
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,
}

const PATH_HELP: &str = "Exits 0 if the destination answers, else 1.\n\nExamples:\n  \
vision path 10.0.5.9\n  vision path 10.0.5.9 -c 10 --report\n  \
vision --in pid:4242 path db --tcp 5432\n  vision path 10.0.5.9 --udp --flows 8 -c 8\n  vision path 10.0.5.9 --mtu";
