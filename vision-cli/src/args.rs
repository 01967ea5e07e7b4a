//! The command line as types.

mod dns;
mod event;
mod ns;
mod packet;
mod path;
mod probe;
mod quick;
mod read;
mod scan;
mod sweep;
mod value;

use std::ffi::OsString;
use std::net::IpAddr;

use clap::{ArgAction, Args, Parser, Subcommand};
use vision_core::netns::Lookup;
use vision_core::{Error, Result, Selector};

pub use self::dns::{DnsArgs, DnsQueryArgs, DnsTlsArgs, LibcArg};
pub use self::event::{DropsArgs, WatchArgs};
pub use self::ns::{NsArgs, NsVerb};
pub use self::packet::{CaptureArgs, DecodeArgs, FilterArgs, SearchArgs, WriteFormat};
pub use self::path::PathArgs;
pub use self::probe::{ArpArgs, DoctorArgs, ExplainArgs, PingArgs, TcpArgs, UntilArg};
pub use self::read::{
    BridgeArgs, BridgeVerb, CtArgs, CtTableArg, CtVerb, FwArgs, FwVerb, IpvsArgs, LinkArgs,
    NeighArgs, QdiscArgs, RouteArgs, RouteGet, RouteVerb, SetsArgs, SetsVerb, SockArgs, SockFamily,
    StatArgs,
};
pub use self::scan::{ScanArgs, UdpArgs};
pub use self::sweep::Order;
pub use self::value::Span;
use crate::output::When;
use crate::output::only::Condition;

/// Network troubleshooting for containers: look into any network namespace, probe from inside it,
/// and name what is wrong.
#[derive(Debug, Parser)]
#[command(name = "vision", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// Flags that mean the same in every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const EXIT_CODES: &str = "Targets: self (default), host, pid:N, netns:NAME, path:FILE, \
ctr:NAME|ID, pod:[NS/]NAME, or a bare name.\nExit codes: 0 asked and yes, 1 asked and no, 2 usage, 3 could not ask, 4 not permitted, \
5 not in this kernel.\n\nExamples:\n  vision doctor db:5432\n  vision --in ctr:web link\n  vision --in pod:shop/cart doctor db:5432";

/// Flags accepted before and after every verb.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Look from inside this target: self, host, pid:N, netns:NAME, path:FILE, ctr:NAME|ID,
    /// pod:[NS/]NAME
    #[arg(id = "global-target", long = "in", value_name = "SEL", global = true, action = ArgAction::Append)]
    pub target: Vec<String>,
    /// The same as --in netns:NAME or path:PATH
    #[arg(id = "global-netns", long = "netns", value_name = "NAME|PATH", global = true, action = ArgAction::Append)]
    pub netns: Vec<String>,
    /// The same as --in pid:N
    #[arg(id = "global-pid", long = "pid", value_name = "N", global = true, action = ArgAction::Append)]
    pub pid: Vec<u32>,
    /// The same as --in ctr:ID or ctr:NAME
    #[arg(id = "global-container", long = "container", value_name = "ID|NAME", global = true, action = ArgAction::Append)]
    pub container: Vec<String>,
    /// The same as --in pod:NAME or pod:NS/NAME
    #[arg(id = "global-pod", long = "pod", value_name = "[NS/]NAME", global = true, action = ArgAction::Append)]
    pub pod: Vec<String>,
    /// Ask this engine's unix socket about containers, or none
    #[arg(id = "global-engine", long = "engine", value_name = "SOCKET|none", global = true)]
    pub engine: Option<String>,
    /// The same as --in host
    #[arg(id = "global-host", long = "host", global = true)]
    pub host: bool,
    /// Write JSON
    #[arg(id = "global-json", long = "json", global = true)]
    pub json: bool,
    /// Write what this filter, in the language of jq, makes of the JSON; strings bare
    #[arg(id = "global-query", long = "query", value_name = "FILTER", global = true)]
    pub query: Option<String>,
    /// Show only rows of a list that meet this, such as state==FAILED; also != < > <= >= and =~
    #[arg(id = "global-where", long = "where", value_name = "COND", global = true, action = ArgAction::Append)]
    pub only: Vec<Condition>,
    /// Limit the whole run, such as 10s
    // Text, because the verbs that write files give `-w` that meaning: an argument of theirs with
    // this id takes its place.
    #[arg(id = "global-budget", short = 'w', long = "budget", value_name = "TIME", global = true)]
    pub budget: Option<OsString>,
    /// IPv4 only
    #[arg(id = "global-v4", short = '4', global = true)]
    pub v4: bool,
    /// IPv6 only
    #[arg(id = "global-v6", short = '6', global = true)]
    pub v6: bool,
    /// Use this interface only
    #[arg(
        id = "global-interface",
        short = 'I',
        long = "interface",
        value_name = "IFACE",
        global = true
    )]
    pub interface: Option<String>,
    /// Send from this address
    #[arg(id = "global-source", short = 'S', long = "src", value_name = "ADDR", global = true)]
    pub source: Option<IpAddr>,
    /// Say more
    #[arg(id = "global-verbose", short = 'v', long = "verbose", global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Say the summary only
    #[arg(id = "global-quiet", short = 'q', long = "quiet", global = true)]
    pub quiet: bool,
    /// When to use colour
    #[arg(
        id = "global-color",
        long = "color",
        value_name = "WHEN",
        global = true,
        default_value = "auto"
    )]
    pub color: When,
}

impl Cli {
    /// Reads a command line.
    ///
    /// # Errors
    /// clap's, with help or what is wrong.
    pub fn read(words: &[OsString]) -> std::result::Result<Self, clap::Error> {
        if let Some(version) = quick::version(words) {
            return Err(version);
        }
        quick::parse(words).map_or_else(|| Self::try_parse_from(words), Ok)
    }
}

impl Global {
    /// Returns the one target named, or the own namespace.
    ///
    /// # Errors
    /// [`Error::Invalid`] when none of that form exists or several were named.
    pub fn selector(&self) -> Result<Selector> {
        let mut named: Vec<Selector> = Vec::new();
        for text in &self.target {
            named.push(text.parse()?);
        }
        for text in &self.netns {
            let kind = if text.contains('/') { "path" } else { "netns" };
            named.push(format!("{kind}:{text}").parse()?);
        }
        named.extend(self.pid.iter().map(|pid| Selector::Pid(*pid)));
        for (kind, texts) in [("ctr", &self.container), ("pod", &self.pod)] {
            for text in texts {
                named.push(format!("{kind}:{text}").parse()?);
            }
        }
        named.extend(self.host.then_some(Selector::Host));
        match named.as_slice() {
            [] => Ok(Selector::Current),
            [one] => Ok(one.clone()),
            several => {
                let names: Vec<_> = several.iter().map(|s| format!("`{s}`")).collect();
                let why = format!("{} were named; this verb takes one", names.join(" and "));
                Err(Error::Invalid { what: "target", why })
            }
        }
    }

    /// Tells whether a target was named at all.
    pub fn names_a_target(&self) -> bool {
        let lists = [&self.target, &self.netns, &self.container, &self.pod];
        lists.iter().any(|list| !list.is_empty()) || !self.pid.is_empty() || self.host
    }

    /// Returns where containers are looked for.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the socket is no path.
    pub fn lookup(&self) -> Result<Lookup> {
        let lookup = Lookup::default();
        match self.engine.as_deref() {
            None => Ok(lookup),
            Some("none") => Ok(lookup.without_engines()),
            Some(text) => {
                let path = text.strip_prefix("unix://").unwrap_or(text);
                if !path.starts_with('/') {
                    let why = format!("`{text}` is no path: give a unix socket's file, or none");
                    return Err(Error::Invalid { what: "engine", why });
                }
                Ok(lookup.engine(path))
            }
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Find out why the network does not work and name the cause
    Doctor(DoctorArgs),
    /// Say what a cause means and how to fix it
    Explain(ExplainArgs),
    /// List network namespaces, identify one, or run a command inside
    Ns(NsArgs),
    /// Show interfaces and their addresses
    Link(LinkArgs),
    /// Show routes and rules, or ask which route an address takes
    Route(RouteArgs),
    /// Show the ARP and neighbour discovery tables
    Neigh(NeighArgs),
    /// Show TCP and UDP sockets
    Sock(SockArgs),
    /// Show tracked connections, or how full their table is
    Ct(CtArgs),
    /// Show bridges and their ports, forwarding entries, VLANs and multicast groups
    Bridge(BridgeArgs),
    /// Show what waits before it is sent, and what is dropped: disciplines, classes, filters
    Qdisc(QdiscArgs),
    /// Show the counters of protocols, sockets and processors, and what they mean
    Stat(StatArgs),
    /// Show the firewall's rules, sets and counters
    Fw(FwArgs),
    /// Show the virtual services of IPVS and their real servers
    Ipvs(IpvsArgs),
    /// Send ICMP echo requests
    Ping(PingArgs),
    /// Follow the way to a host, hop by hop
    Path(PathArgs),
    /// Try TCP connections
    Tcp(TcpArgs),
    /// Say which ports of a host are open, or which hosts of a network are up
    Scan(ScanArgs),
    /// Send UDP datagrams: answered, refused or met with silence
    Udp(UdpArgs),
    /// Ask on the link who has an address (ARP, neighbour discovery)
    Arp(ArpArgs),
    /// Ask a nameserver, or resolve as the target would
    Dns(DnsArgs),
    /// Take packets from an interface and print or write them
    Capture(CaptureArgs),
    /// Read a capture file and print, count or copy its packets
    Decode(DecodeArgs),
    /// Compile a packet filter and show the program
    Filter(FilterArgs),
    /// Follow what changes: links, addresses, routes, rules, neighbours, connections, namespaces
    Watch(WatchArgs),
    /// See which packets the kernel drops, why, and what that means
    Drops(DropsArgs),
    /// Show what this process may do and what it lacks
    #[command(after_help = CAPS_EXAMPLES)]
    Caps,
}

const CAPS_EXAMPLES: &str = "Examples:\n  vision caps\n  vision caps --json";

impl Verb {
    /// Returns the schema of its JSON.
    pub fn schema(&self) -> &'static str {
        match self {
            Self::Doctor(_) => "vision/doctor@1",
            Self::Explain(_) => "vision/explain@1",
            Self::Ns(NsArgs { verb: NsVerb::Ls { .. } }) => "vision/ns@1",
            Self::Ns(NsArgs { verb: NsVerb::Map { .. } }) => "vision/ns-map@1",
            Self::Ns(NsArgs { verb: NsVerb::Of { .. } }) => "vision/ns-of@1",
            Self::Ns(NsArgs { verb: NsVerb::Show { .. } }) => "vision/ns-show@1",
            Self::Ns(NsArgs { verb: NsVerb::Snapshot { .. } }) => "vision/ns-snapshot@1",
            Self::Ns(NsArgs { verb: NsVerb::Diff { .. } }) => "vision/ns-diff@1",
            Self::Ns(NsArgs { verb: NsVerb::Exec { .. } }) => "vision/ns-exec@1",
            Self::Link(_) => "vision/link@1",
            Self::Route(RouteArgs { verb: Some(_), .. }) => "vision/route-get@1",
            Self::Route(RouteArgs { rules: true, .. }) => "vision/rule@1",
            Self::Route(_) => "vision/route@1",
            Self::Neigh(_) => "vision/neigh@1",
            Self::Sock(SockArgs { summary: true, .. }) => "vision/sock-summary@1",
            Self::Sock(_) => "vision/sock@1",
            Self::Ct(args) => args.schema(),
            Self::Fw(args) if args.legacy => "vision/fw-legacy@1",
            Self::Fw(FwArgs { verb: Some(FwVerb::Sets(args)), .. }) => match args {
                SetsArgs { verb: Some(SetsVerb::Test { .. }), .. } => "vision/fw-sets-test@1",
                SetsArgs { ipset: true, .. } => "vision/fw-ipset@1",
                SetsArgs { .. } => "vision/fw-sets@1",
            },
            Self::Fw(FwArgs { counters: true, .. }) => "vision/fw-counters@1",
            Self::Fw(FwArgs { iptables: true, .. }) => "vision/fw-iptables@1",
            Self::Fw(FwArgs { why: Some(_), .. }) => "vision/fw-why@1",
            Self::Fw(_) => "vision/fw@1",
            Self::Ipvs(args) if args.conns => "vision/ipvs-conns@1",
            Self::Ipvs(_) => "vision/ipvs@1",
            Self::Bridge(args) => args.schema(),
            Self::Qdisc(_) => "vision/qdisc@1",
            Self::Stat(_) => "vision/stat@1",
            Self::Ping(args) if args.is_sweep() => "vision/sweep@1",
            Self::Ping(args) if args.clock => "vision/ping-clock@1",
            Self::Ping(_) => "vision/ping@1",
            Self::Path(_) => "vision/path@1",
            Self::Tcp(args) if args.syn => "vision/tcp-syn@1",
            Self::Tcp(_) => "vision/tcp@1",
            Self::Scan(args) if !args.hosts.is_empty() => "vision/scan-hosts@1",
            Self::Scan(_) => "vision/scan@1",
            Self::Udp(_) => "vision/udp@1",
            Self::Arp(_) => "vision/arp@1",
            Self::Dns(args) => args.schema(),
            Self::Capture(_) => "vision/capture@1",
            Self::Decode(_) => "vision/decode@1",
            Self::Filter(_) => "vision/filter@1",
            Self::Watch(_) => "vision/watch@1",
            Self::Drops(_) => "vision/drops@1",
            Self::Caps => "vision/caps@1",
        }
    }

    fn flags(&self) -> Flags {
        let (target, family, interface, source) = match self {
            Self::Explain(_) | Self::Caps | Self::Decode(_) | Self::Filter(_) | Self::Drops(_) => {
                (false, false, false, false)
            }
            Self::Capture(_) => (true, false, true, false),
            Self::Ns(NsArgs {
                verb: NsVerb::Of { .. } | NsVerb::Show { .. } | NsVerb::Snapshot { .. },
            }) => (true, false, false, false),
            Self::Ns(_) => (false, false, false, false),
            Self::Link(_) | Self::Route(_) | Self::Neigh(_) | Self::Sock(_) | Self::Watch(_) => {
                (true, true, true, false)
            }
            Self::Ct(
                CtArgs { count: true, .. }
                | CtArgs { stats: true, .. }
                | CtArgs { verb: Some(_), .. },
            )
            | Self::Fw(_)
            | Self::Ipvs(_) => (true, false, false, false),
            Self::Stat(_) => (true, false, false, false),
            Self::Ct(_) => (true, true, false, true),
            Self::Bridge(_) | Self::Qdisc(_) => (true, false, true, false),
            Self::Ping(_)
            | Self::Path(_)
            | Self::Tcp(_)
            | Self::Scan(_)
            | Self::Udp(_)
            | Self::Arp(_)
            | Self::Dns(_) => (true, true, true, true),
            Self::Doctor(_) => (true, true, false, false),
        };
        Flags { target, family, interface, source }
    }

    /// Tells whether it shows rows, which conditions can be put to.
    fn is_list(&self) -> bool {
        match self {
            Self::Ns(NsArgs { verb: NsVerb::Ls { .. } }) => true,
            Self::Route(args) => args.verb.is_none(),
            Self::Sock(args) => !args.summary,
            Self::Ct(args) => args.is_table(),
            Self::Fw(args) => args.counters,
            Self::Link(_) | Self::Neigh(_) | Self::Bridge(_) | Self::Qdisc(_) | Self::Stat(_) => {
                true
            }
            Self::Ipvs(_) => true,
            _ => false,
        }
    }

    /// Refuses global flags that would do nothing, rather than pass over them in silence.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the flag.
    pub fn check(&self, global: &Global) -> Result<()> {
        let flags = self.flags();
        let given = [
            ("--in", global.names_a_target(), flags.target),
            ("-4 and -6", global.v4 || global.v6, flags.family),
            ("-I", global.interface.is_some(), flags.interface),
            ("-S", global.source.is_some(), flags.source),
            ("--where", !global.only.is_empty(), self.is_list()),
        ];
        match given.into_iter().find(|(_, given, taken)| *given && !taken) {
            None => Ok(()),
            Some((flag, ..)) => {
                let why = format!("{flag} has no meaning for this verb");
                Err(Error::Invalid { what: "flag", why })
            }
        }
    }
}

/// Which global flags a verb understands.
struct Flags {
    target: bool,
    family: bool,
    interface: bool,
    source: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_verb_has_two_examples() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        command.build();
        for verb in command.get_subcommands_mut() {
            let help = verb.render_help().to_string();
            let examples = help.matches("\n  vision ").count();
            assert!(examples >= 2, "{} has {examples} examples", verb.get_name());
        }
    }

    #[test]
    fn global_flags_stand_before_and_after_the_verb() {
        for line in ["vision --in pid:7 --json ping ::1", "vision ping ::1 --json --in pid:7"] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert!(cli.global.json);
            assert_eq!(cli.global.selector().expect("one target"), Selector::Pid(7));
        }
    }

    #[test]
    fn two_targets_are_one_too_many() {
        let line = "vision link --pid 1 --host".split(' ');
        let cli = Cli::try_parse_from(line).expect("parses");
        let error = cli.global.selector().expect_err("two targets").to_string();
        assert!(error.contains("`pid:1` and `host`"), "{error}");
    }
}
