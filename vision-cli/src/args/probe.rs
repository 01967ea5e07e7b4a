//! Arguments of the verbs that ask the network, and of the doctor.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vision_core::base::parse_duration;
use vision_core::doctor::Question;
use vision_core::probe::Payload;
use vision_core::{Endpoint, Host};

use super::sweep::SweepArgs;
use super::value::{number, percent, seconds};

/// `vision ping`
#[derive(Debug, Args)]
#[command(after_help = PING_HELP)]
pub struct PingArgs {
    /// Whom: addresses, with %IFACE if link-local, or names
    #[arg(value_name = "HOST", required_unless_present_any = ["sweep", "from"])]
    pub hosts: Vec<Host>,
    /// Many targets at once.
    #[command(flatten)]
    pub many: SweepArgs,
    /// Round-trip times that these shares of the answers stay under, such as 50,95,99
    #[arg(long, value_name = "PERCENT,…", value_delimiter = ',', value_parser = percent)]
    pub pct: Vec<f64>,
    /// Stop after so many requests
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub count: Option<u16>,
    /// Time between two requests, in seconds or as 200ms
    #[arg(short = 'i', long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub interval: Duration,
    /// Time to wait for each reply, in seconds or as 200ms
    #[arg(short = 'W', long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub wait: Duration,
    /// Payload bytes
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 56)]
    pub size: usize,
    /// Time to live, or hop limit
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Forbid fragmentation
    #[arg(long)]
    pub df: bool,
    /// Differentiated services code point, 0 to 63
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..64))]
    pub dscp: Option<u8>,
    /// Packet mark that routing rules see, such as 0x10
    #[arg(long, value_name = "N", value_parser = number)]
    pub mark: Option<u32>,
    /// Compare the host's clock with ours by ICMP timestamps, five times if not said
    #[arg(long, conflicts_with_all = ["size", "df", "dscp", "mark", "pct", "sweep", "from", "alive",
          "unreachable", "need", "rate", "tries"])]
    pub clock: bool,
}

const PING_HELP: &str = "One host is asked until Ctrl-C, -w or -c; several, or a whole network, \
until they answer, at most twice, or exactly -c times. Several are sent 200 packets a second in \
all unless --rate says otherwise.\nExits 0 if everybody answered (or --need many), 1 if not, 3 if a \
name was not resolved.\n\nExamples:\n  vision ping 10.0.0.1 -c 4 -i 200ms\n  \
vision --in pid:4242 ping -6 -I eth0 fe80::1\n  vision ping --sweep 10.0.0.0/24 --alive\n  \
vision ping db cache fd00::9 -c 5 -q\n  vision ping --from hosts.txt --rate 1000 --pct 50,99\n  \
vision ping ntp1 --clock";

/// `vision tcp`
#[derive(Debug, Args)]
#[command(after_help = TCP_HELP)]
pub struct TcpArgs {
    /// Whom and which ports: HOST:PORT or HOST:PORT,PORT-PORT; an IPv6 address goes in brackets
    #[arg(value_name = "HOST:PORTS")]
    pub endpoint: Endpoint,
    /// Time to wait for each connection, and for what comes over it
    #[arg(short = 'W', long, value_name = "TIME", default_value = "2s", value_parser = parse_duration)]
    pub wait: Duration,
    /// Connect from this address and port
    #[arg(long, value_name = "ADDR:PORT")]
    pub source: Option<SocketAddr>,
    /// Show the first bytes the peer sends
    #[arg(long)]
    pub banner: bool,
    /// Send this, with escapes as in C: 'PING\r\n'
    #[arg(long, value_name = "TEXT")]
    pub send: Option<Payload>,
    /// Succeed only if this comes, with escapes as in C
    #[arg(long, value_name = "TEXT")]
    pub expect: Option<Payload>,
    /// Try every port so many times
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub count: Option<u16>,
    /// Try again after so long, a second if not said; without -c until Ctrl-C or -w
    #[arg(short = 'i', long = "every", value_name = "TIME", value_parser = parse_duration)]
    pub every: Option<Duration>,
    /// Go on until all ports are open, or none is
    #[arg(long, value_name = "STATE", conflicts_with = "count")]
    pub until: Option<UntilArg>,
    /// Give up waiting after so long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub deadline: Option<Duration>,
    /// Send only the SYN and show the segment that answers; no connection comes about
    #[arg(long, conflicts_with_all = ["banner", "send", "expect", "until", "source"])]
    pub syn: bool,
}

/// What to wait for.
// closed: the library knows these two.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum UntilArg {
    /// All ports are open
    Open,
    /// No port is open
    Closed,
}

const TCP_HELP: &str = "Exits 0 if all ports are open (and answered as expected), or reached the \
state waited for; else 1.\n\nExamples:\n  vision tcp db:5432\n  \
vision --in pid:4242 tcp 10.0.0.2:80,8000-8010 -W 500ms\n  \
vision tcp redis:6379 --send 'PING\\r\\n' --expect PONG\n  \
vision tcp db:5432 --every 1s --until open --deadline 60s\n  \
vision tcp 10.0.0.2:443 --syn -c 3";

/// `vision arp`
#[derive(Debug, Args)]
#[command(
    after_help = "Exits 0 if somebody answers, else 1; with --dup 1 if somebody else has the \
                  address, else 0.\n\nExamples:\n  vision arp 10.0.0.1 -I eth0\n  \
                  vision arp fe80::1 -I eth0 -c 2\n  vision arp --dup 10.0.0.5 -I eth0"
)]
pub struct ArpArgs {
    /// The address to ask for
    pub ip: IpAddr,
    /// Search for others who have the address
    #[arg(long)]
    pub dup: bool,
    /// How many questions
    #[arg(short = 'c', long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub count: u16,
    /// Time between two questions
    #[arg(short = 'i', long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub interval: Duration,
    /// Time to wait for each answer
    #[arg(short = 'W', long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub wait: Duration,
}

/// `vision doctor`
#[derive(Debug, Args)]
#[command(
    after_help = "Exits 0 if healthy, 1 if a cause was found, 3 if it could not tell, 4 if not \
                        permitted.\n\nExamples:\n  vision doctor db:5432\n  \
                        vision --in pid:4242 doctor --save case.json"
)]
pub struct DoctorArgs {
    /// What cannot be reached: HOST, HOST:PORT, udp:HOST:PORT, tls:HOST:PORT, a URL
    #[arg(value_name = "DEST")]
    pub question: Option<Question>,
    /// Keep all that was seen in a new file
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Judge a kept case instead of looking
    #[arg(long, value_name = "FILE", conflicts_with_all = ["save", "no_probe", "question"])]
    pub from: Option<PathBuf>,
    /// Send no packet
    #[arg(long)]
    pub no_probe: bool,
}

/// `vision explain`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision explain\n  vision explain neigh.gateway-no-answer")]
pub struct ExplainArgs {
    /// The cause, as the doctor names it
    #[arg(value_name = "CAUSE")]
    pub cause: Option<String>,
}
