//! Arguments of `vision dns`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vision_core::Prefix;
use vision_core::base::parse_duration;

/// `vision dns`
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct DnsArgs {
    /// The name, and in any order a type such as AAAA and servers such as @10.96.0.10; several
    /// servers are compared
    #[arg(value_name = "NAME [TYPE] [@SERVER]", required_unless_present_any = ["from", "wire_in"], num_args = 1..=12)]
    pub words: Vec<String>,
    /// NAME is an address: ask for its name
    #[arg(short = 'x', long)]
    pub reverse: bool,
    /// The data of the answer only
    #[arg(long)]
    pub short: bool,
    /// Ask over TCP
    #[arg(long)]
    pub tcp: bool,
    /// Resolve as the target's programs would: hosts file, search list, all servers
    #[arg(long, group = "mode")]
    pub search: bool,
    /// With --search, the C library whose way is taken
    #[arg(long, value_name = "LIBC", requires = "search", default_value = "glibc")]
    pub libc: LibcArg,
    /// Follow the delegations from the root
    #[arg(long, group = "mode")]
    pub trace: bool,
    /// With --trace, start at this server, not at the thirteen roots; may be repeated
    #[arg(long, value_name = "ADDR", requires = "trace")]
    pub root: Vec<String>,
    /// Validate the answer from the root's keys down, whatever the server says of it
    #[arg(long, group = "mode")]
    pub validate: bool,
    /// With --validate, trust the DS or DNSKEY records in this file instead of the root's; may be
    /// repeated
    #[arg(long, value_name = "FILE", requires = "validate")]
    pub anchor: Vec<PathBuf>,
    /// Ask every server of the zone NAME which version it holds
    #[arg(short = 'C', long = "check-soa", group = "mode")]
    pub check_soa: bool,
    /// Ask for every name of this file, one `NAME [TYPE]` a line, many at a time; - reads standard
    /// input
    #[arg(long, value_name = "FILE", group = "mode")]
    pub from: Option<PathBuf>,
    /// With --from, keep so many questions under way
    #[arg(long, value_name = "N", requires = "from", default_value_t = 256,
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub window: u16,
    /// With --from, send at most so many questions a second
    #[arg(long, value_name = "N", requires = "from", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// With --from, ask round and round for so long and only count
    #[arg(long = "for", value_name = "TIME", requires = "from", value_parser = parse_duration)]
    pub lasting: Option<Duration>,
    /// Time to wait for each answer
    #[arg(short = 'W', long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub wait: Duration,
    /// Ask each server so many times
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    pub tries: u8,
    /// Write the bytes of the answer to this file
    #[arg(long, alias = "save-wire", value_name = "FILE")]
    pub wire_out: Option<PathBuf>,
    /// Show the message in this file, raw or in hexadecimal, instead of asking
    #[arg(
        long,
        alias = "read-wire",
        value_name = "FILE",
        group = "mode",
        conflicts_with = "words"
    )]
    pub wire_in: Option<PathBuf>,
    /// How connections are secured.
    #[command(flatten)]
    pub secure: DnsTlsArgs,
    /// What the question and its extensions carry.
    #[command(flatten)]
    pub query: DnsQueryArgs,
}

impl DnsArgs {
    /// Tells whether a whole zone is asked for.
    pub fn is_transfer(&self) -> bool {
        self.words.iter().any(|word| word.eq_ignore_ascii_case("AXFR"))
    }

    /// Returns the schema of its JSON.
    pub fn schema(&self) -> &'static str {
        let servers = self.words.iter().filter(|word| word.starts_with('@')).count();
        match () {
            () if self.lasting.is_some() => "vision/dns-load@1",
            () if self.from.is_some() => "vision/dns-bulk@1",
            () if self.wire_in.is_some() => "vision/dns-message@1",
            () if self.is_transfer() => "vision/dns-axfr@1",
            () if self.search && self.libc == LibcArg::Both => "vision/dns-searches@1",
            () if self.search => "vision/dns-search@1",
            () if self.validate => "vision/dns-validate@1",
            () if self.trace => "vision/dns-trace@1",
            () if self.check_soa => "vision/dns-soa@1",
            () if servers > 1 => "vision/dns-compare@1",
            () => "vision/dns@1",
        }
    }
}

/// What the question and its extensions carry.
#[derive(Debug, Args)]
#[command(next_help_heading = "Query")]
pub struct DnsQueryArgs {
    /// Ask for signatures too (DO bit)
    #[arg(long)]
    pub dnssec: bool,
    /// Ask for data that fails validation too (CD bit)
    #[arg(long)]
    pub cd: bool,
    /// Do not ask for recursion
    #[arg(long)]
    pub norec: bool,
    /// Largest datagram to ask for, in bytes
    #[arg(long, value_name = "BYTES", conflicts_with = "noedns")]
    pub bufsize: Option<u16>,
    /// Ask without extensions (EDNS)
    #[arg(long)]
    pub noedns: bool,
    /// Ask the server who it is (NSID)
    #[arg(long)]
    pub nsid: bool,
    /// Ask on behalf of this network (client subnet), such as 192.0.2.0/24
    #[arg(long, value_name = "NET")]
    pub subnet: Option<Prefix>,
    /// Send a cookie and believe no reply with another
    #[arg(long)]
    pub cookie: bool,
    /// Write the name as given, not in random letters
    #[arg(long)]
    pub plain_case: bool,
    /// Class: IN, CH or HS
    #[arg(long, value_name = "CLASS", default_value = "IN")]
    pub class: vision_core::wire::dns::Class,
}

/// How connections are secured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Secured connections")]
pub struct DnsTlsArgs {
    /// Ask over TLS, at port 853 unless told
    #[arg(long, conflicts_with = "tcp")]
    pub tls: bool,
    /// Ask over HTTPS (HTTP/2) at this path, at port 443 unless told
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true,
          default_missing_value = "/dns-query", conflicts_with_all = ["tls", "tcp"])]
    pub https: Option<String>,
    /// Expect this name in the server's certificate, not its address
    #[arg(long, value_name = "NAME")]
    pub tls_name: Option<String>,
    /// Trust the authorities in this PEM file, not those of browsers
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Take any certificate
    #[arg(long, conflicts_with = "tls_ca")]
    pub tls_unverified: bool,
}

impl DnsTlsArgs {
    /// Returns the port servers are asked at unless told.
    pub fn port(&self) -> u16 {
        match &self.https {
            Some(_) => 443,
            None if self.tls => 853,
            None => 53,
        }
    }
}

/// Whose way through the search list is taken.
// closed: the two C libraries of Linux, or both side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LibcArg {
    /// GNU
    Glibc,
    /// Alpine
    Musl,
    /// One after the other
    Both,
}

const HELP: &str = "Exits 0 if there is an answer (or the servers agree, or the zone is in step), \
else 1.\n\nExamples:\n  vision dns example.com AAAA @10.96.0.10\n  \
vision --in pid:4242 dns -x 10.0.0.9 --short\n  vision dns db MX @10.0.0.1 @10.0.0.2\n  \
vision dns www.example.com --trace\n  vision dns example.com --check-soa\n  \
vision dns www.example.com --validate -v\n  \
vision dns example.com @9.9.9.9 --tls --tls-name dns.quad9.net\n  \
vision dns example.com @1.1.1.1 --https\n  vision dns --from names.txt @10.96.0.10 --short\n  \
vision dns --from names.txt @10.96.0.10 --for 10s";
