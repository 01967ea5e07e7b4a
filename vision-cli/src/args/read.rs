//! Arguments of the verbs that read tables.

use std::net::IpAddr;
use std::time::Duration;

use clap::{Args, Subcommand};
use vision_core::Prefix;
use vision_core::firewall::Flow;
use vision_core::inventory::{CtProtocol, EthtoolParts, SockState};

use super::value::{number, protocol, seconds, sock_state};

/// `vision link`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision link\n  vision --in pid:4242 link eth0 --stats\n  \
                        vision link eth0 --features --nic-stats -d")]
pub struct LinkArgs {
    /// Only this interface
    pub iface: Option<String>,
    /// Show counters as well
    #[arg(short = 's', long)]
    pub stats: bool,
    /// Show what the driver and the master tell, and in which namespace a peer is
    #[arg(short = 'd', long)]
    pub details: bool,
    /// What to ask drivers.
    #[command(flatten)]
    pub driver: DriverArgs,
}

/// What `vision link` asks drivers.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Ask the driver")]
pub struct DriverArgs {
    /// Speed, duplex, whether there is a link
    #[arg(long)]
    pub phy: bool,
    /// Its name, version and place on the bus
    #[arg(long)]
    pub driver: bool,
    /// Offloads: checksums, segmentation, receive merging
    #[arg(long)]
    pub features: bool,
    /// Its own statistics
    #[arg(long)]
    pub nic_stats: bool,
    /// Sizes of rings
    #[arg(long)]
    pub rings: bool,
    /// Numbers of queues
    #[arg(long)]
    pub channels: bool,
    /// When the card interrupts
    #[arg(long)]
    pub coalesce: bool,
    /// Whether a full link stops its sender
    #[arg(long)]
    pub pause: bool,
    /// Who can tell when a packet passed
    #[arg(long)]
    pub timestamping: bool,
}

impl DriverArgs {
    /// Returns all that was asked for.
    pub fn parts(self) -> EthtoolParts {
        let asked = [
            (self.phy, EthtoolParts::PHY),
            (self.driver, EthtoolParts::DRIVER),
            (self.features, EthtoolParts::FEATURES),
            (self.nic_stats, EthtoolParts::NIC_STATS),
            (self.rings, EthtoolParts::RINGS),
            (self.channels, EthtoolParts::CHANNELS),
            (self.coalesce, EthtoolParts::COALESCE),
            (self.pause, EthtoolParts::PAUSE),
            (self.timestamping, EthtoolParts::TIMESTAMPING),
        ];
        let asked = asked.into_iter().filter(|(asked, _)| *asked);
        asked.fold(EthtoolParts::default(), |all, (_, part)| all | part)
    }
}

/// `vision route`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  vision route --all\n  vision route get 10.0.0.9 --mark 0x10")]
pub struct RouteArgs {
    /// Ask the kernel instead of listing
    #[command(subcommand)]
    pub verb: Option<RouteVerb>,
    /// Routes of all tables, the local one included
    #[arg(long)]
    pub all: bool,
    /// The policy rules that choose the table
    #[arg(long, conflicts_with = "all")]
    pub rules: bool,
}

/// What to ask the kernel about routes.
#[derive(Debug, Subcommand)]
pub enum RouteVerb {
    /// Ask which route packets to an address take
    #[command(after_help = "Examples:\n  vision route get 10.0.0.9\n  \
                            vision route get 10.0.0.9 --from 10.1.0.2 --iif eth1")]
    Get(RouteGet),
}

/// `vision route get`
#[derive(Debug, Args)]
pub struct RouteGet {
    /// The destination
    #[arg(value_name = "ADDR")]
    pub to: IpAddr,
    /// As if sent from this address
    #[arg(long, value_name = "ADDR")]
    pub from: Option<IpAddr>,
    /// As if it had come in through this interface
    #[arg(long, value_name = "IFACE")]
    pub iif: Option<String>,
    /// With this packet mark
    #[arg(long, value_name = "MARK", value_parser = number)]
    pub mark: Option<u32>,
}

/// `vision neigh`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision neigh\n  vision --in pid:4242 neigh -4 -I eth0")]
pub struct NeighArgs {
    /// Entries that need no answer as well
    #[arg(long)]
    pub all: bool,
}

/// `vision sock`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision sock -l\n  vision --in pid:4242 sock -t -a -p\n  \
                        vision sock -t --info --state established --dport 443\n  vision sock --summary")]
pub struct SockArgs {
    /// Sockets that wait for anybody
    #[arg(short = 'l', long, conflicts_with = "all")]
    pub listening: bool,
    /// TCP
    #[arg(short = 't', long)]
    pub tcp: bool,
    /// UDP
    #[arg(short = 'u', long)]
    pub udp: bool,
    /// Sockets with a peer and without; by default only those with a peer
    #[arg(short = 'a', long)]
    pub all: bool,
    /// The processes that hold them as well
    #[arg(short = 'p', long)]
    pub processes: bool,
    /// Unix sockets
    #[arg(short = 'x', long)]
    pub unix: bool,
    /// Packet sockets: somebody captures
    #[arg(short = '0', long)]
    pub packet: bool,
    /// Raw IP sockets
    #[arg(long)]
    pub raw: bool,
    /// MPTCP
    #[arg(short = 'M', long)]
    pub mptcp: bool,
    /// The same as the flag of that name; may be given again
    #[arg(short = 'f', long, value_name = "KIND")]
    pub family: Vec<SockFamily>,
    /// TCP's own figures: round trips, windows, what was sent again
    #[arg(short = 'i', long)]
    pub info: bool,
    /// Memory, limits and drops
    #[arg(short = 'm', long)]
    pub mem: bool,
    /// Timers, cookie, mark, type of service
    #[arg(short = 'e', long)]
    pub ext: bool,
    /// Only this state, such as established or time-wait; may be given again
    #[arg(long, value_name = "STATE", value_parser = sock_state)]
    pub state: Vec<SockState>,
    /// Only this local port
    #[arg(long, value_name = "N")]
    pub sport: Option<u16>,
    /// Only this remote port
    #[arg(long, value_name = "N")]
    pub dport: Option<u16>,
    /// How many there are of each kind
    #[arg(short = 's', long)]
    pub summary: bool,
}

/// Kinds of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SockFamily {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Raw IP.
    Raw,
    /// MPTCP.
    Mptcp,
    /// Unix sockets.
    Unix,
    /// Packet sockets.
    Packet,
}

impl SockArgs {
    /// Returns the kinds asked for.
    pub fn kinds(&self) -> Vec<SockFamily> {
        let flags = [
            (self.tcp, SockFamily::Tcp),
            (self.udp, SockFamily::Udp),
            (self.raw, SockFamily::Raw),
            (self.mptcp, SockFamily::Mptcp),
            (self.unix, SockFamily::Unix),
            (self.packet, SockFamily::Packet),
        ];
        let asked = flags.into_iter().filter(|(asked, _)| *asked).map(|(_, kind)| kind);
        asked.chain(self.family.iter().copied()).collect()
    }
}

/// `vision ct`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Addresses and ports are those of the first packet. Needs CAP_NET_ADMIN.\n\n\
                        Examples:\n  vision ct --proto tcp --src 10.0.0.7 --dport 443\n  \
                        vision --in pid:4242 ct --count\n  vision ct --nat --proto udp --dport 53\n  \
                        vision ct --follow"
)]
pub struct CtArgs {
    /// Only this protocol: tcp, udp, icmp, icmpv6, sctp, dccp, gre, udplite or a number
    #[arg(long, value_name = "PROTO", value_parser = protocol)]
    pub proto: Option<CtProtocol>,
    /// Only connections to this address or network
    #[arg(long, value_name = "ADDR[/BITS]")]
    pub dst: Option<Prefix>,
    /// Only connections from this port
    #[arg(long, value_name = "N")]
    pub sport: Option<u16>,
    /// Only connections to this port
    #[arg(long, value_name = "N")]
    pub dport: Option<u16>,
    /// Only connections whose addresses or ports are translated, with what becomes of them
    #[arg(long)]
    pub nat: bool,
    /// How many there are and may be
    #[arg(long, conflicts_with_all = ["proto", "dst", "sport", "dport", "nat"])]
    pub count: bool,
    /// What each processor did: failed insertions, drops
    #[arg(long, conflicts_with_all = ["proto", "dst", "sport", "dport", "nat", "count"])]
    pub stats: bool,
    /// Print changes as they happen, until Ctrl-C or the budget
    #[arg(long, conflicts_with_all = ["count", "stats"])]
    pub follow: bool,
    /// Another table
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["count", "stats", "follow"])]
    pub table: Option<CtTableArg>,
    /// One connection instead.
    #[command(subcommand)]
    pub verb: Option<CtVerb>,
}

/// Tables of connection tracking beside the usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum CtTableArg {
    /// Connections that ended and whose end is still to be told.
    Dying,
    /// Connections whose first packet is still on its way through the host.
    Unconfirmed,
    /// Connections that helpers have announced.
    Expect,
}

/// One connection.
#[derive(Debug, Subcommand)]
pub enum CtVerb {
    /// The connection that begins with such a packet; exit code 1 if there is none
    #[command(after_help = "Examples:\n  vision ct get '10.0.0.7:40000 -> 10.0.1.9:443/tcp'\n  \
                            vision ct get '10.0.0.7:5353 -> 10.0.1.9:53/udp' --zone 7")]
    Get {
        /// The first packet
        #[arg(value_name = "SRC:PORT -> DST:PORT/PROTO")]
        flow: Flow,
        /// In this zone
        #[arg(long, value_name = "N")]
        zone: Option<u16>,
    },
}

impl CtArgs {
    /// Tells whether rows of a table are shown.
    pub fn is_table(&self) -> bool {
        self.verb.is_none() && !self.count && !self.stats && !self.follow
    }

    /// Returns the schema of its JSON.
    pub fn schema(&self) -> &'static str {
        match self {
            Self { verb: Some(_), .. } => "vision/ct-get@1",
            Self { count: true, .. } => "vision/ct-count@1",
            Self { stats: true, .. } => "vision/ct-stats@1",
            Self { follow: true, .. } => "vision/ct-event@1",
            Self { table: Some(CtTableArg::Expect), .. } => "vision/ct-expect@1",
            _ => "vision/ct@1",
        }
    }
}

/// `vision bridge`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision bridge\n  vision --in pid:4242 bridge fdb -I eth0")]
pub struct BridgeArgs {
    /// What to show; the ports if nothing is said.
    #[command(subcommand)]
    pub verb: Option<BridgeVerb>,
}

/// What to show of bridges.
#[derive(Debug, Subcommand)]
pub enum BridgeVerb {
    /// Bridges and their ports: spanning tree, isolation, hairpin; -v shows every setting
    #[command(after_help = "Examples:\n  vision bridge link\n  vision bridge link -v")]
    Link,
    /// Which port or tunnel end leads to which link-layer address
    #[command(after_help = "Examples:\n  vision bridge fdb\n  vision bridge fdb -I vxlan0 --json")]
    Fdb,
    /// Which VLANs pass at which port, with counters
    #[command(after_help = "Examples:\n  vision bridge vlan\n  vision bridge vlan --json")]
    Vlan,
    /// Who wants which multicast group
    #[command(after_help = "Examples:\n  vision bridge mdb\n  vision bridge mdb --json")]
    Mdb,
}

impl BridgeArgs {
    /// Returns the schema of its JSON.
    pub fn schema(&self) -> &'static str {
        match self.verb {
            None | Some(BridgeVerb::Link) => "vision/bridge@1",
            Some(BridgeVerb::Fdb) => "vision/bridge-fdb@1",
            Some(BridgeVerb::Vlan) => "vision/bridge-vlan@1",
            Some(BridgeVerb::Mdb) => "vision/bridge-mdb@1",
        }
    }
}

/// `vision qdisc`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vision qdisc\n  vision --in pid:4242 qdisc eth0 --classes --filters"
)]
pub struct QdiscArgs {
    /// Only this interface
    pub iface: Option<String>,
    /// Their classes as well
    #[arg(short = 'c', long)]
    pub classes: bool,
    /// Their filters as well, those of ingress and clsact included
    #[arg(short = 'f', long)]
    pub filters: bool,
}

/// `vision stat`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  vision stat --explain\n  vision --in pid:4242 stat --delta 5s Tcp"
)]
pub struct StatArgs {
    /// Only counters whose name, as nstat writes it, begins like this; case does not matter
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Those that are zero as well
    #[arg(short = 'a', long)]
    pub all: bool,
    /// Only those that tell of a fault, each with one sentence
    #[arg(short = 'e', long)]
    pub explain: bool,
    /// What changes within this time, such as 5s
    #[arg(short = 'd', long, value_name = "TIME", value_parser = seconds)]
    pub delta: Option<Duration>,
}

/// `vision fw`
#[derive(Debug, Args)]
#[command(
    after_help = "What it prints, nft reads back as the same rules. Needs CAP_NET_ADMIN.\n\n\
                        Examples:\n  vision fw\n  vision --in pid:4242 fw --counters\n  \
                        vision fw sets --json\n  vision fw --why '10.0.0.7:40000 -> 10.0.1.9:443/tcp'"
)]
pub struct FwArgs {
    /// A part of the firewall.
    #[command(subcommand)]
    pub verb: Option<FwVerb>,
    /// Only what counts: packets and bytes of rules, chains and named counters
    #[arg(long)]
    pub counters: bool,
    /// The tables of iptables and ip6tables inside nf_tables, as iptables-save -c writes them
    #[arg(long, conflicts_with = "counters")]
    pub iptables: bool,
    /// The tables of legacy iptables and ip6tables, which exist beside nf_tables, as
    /// iptables-legacy-save -c writes them
    #[arg(long, conflicts_with_all = ["counters", "iptables"])]
    pub legacy: bool,
    /// Which rules the first packet of a connection would meet, on paper: nothing is sent
    #[arg(long, value_name = "SRC:PORT -> DST:PORT/PROTO", conflicts_with_all = ["counters", "iptables", "legacy"])]
    pub why: Option<Flow>,
    /// With --why: the interface the packet comes in by
    #[arg(long, value_name = "IFACE", requires = "why")]
    pub iif: Option<String>,
    /// With --why: the interface the packet goes out by
    #[arg(long, value_name = "IFACE", requires = "why")]
    pub oif: Option<String>,
}

/// `vision ipvs`
#[derive(Debug, Args)]
#[command(after_help = "Needs CAP_NET_ADMIN, but for --conns.\n\nExamples:\n  vision ipvs\n  \
                  vision --host ipvs --stats\n  vision --host ipvs --conns --where state==ESTABLISHED")]
pub struct IpvsArgs {
    /// What was counted instead of what is set
    #[arg(long)]
    pub stats: bool,
    /// How fast that grows, in units per second
    #[arg(long, conflicts_with = "stats")]
    pub rate: bool,
    /// The connections that are forwarded, instead of the services
    #[arg(long, conflicts_with_all = ["stats", "rate"])]
    pub conns: bool,
}

/// A part of the firewall.
#[derive(Debug, Subcommand)]
pub enum FwVerb {
    /// Only sets and maps, with their elements
    #[command(after_help = "Examples:\n  vision fw sets\n  vision fw sets --ipset --terse\n  \
                            vision fw sets test blocked 10.0.0.1,tcp:80")]
    Sets(SetsArgs),
}

/// `vision fw sets`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SetsArgs {
    /// A question about one set.
    #[command(subcommand)]
    pub verb: Option<SetsVerb>,
    /// The sets of ipset instead of those of nf_tables
    #[arg(long)]
    pub ipset: bool,
    /// With --ipset: without the elements
    #[arg(short = 't', long, requires = "ipset")]
    pub terse: bool,
    /// With --ipset: only this set
    #[arg(long, value_name = "SET", requires = "ipset")]
    pub name: Option<String>,
}

/// A question about one set of ipset.
#[derive(Debug, Subcommand)]
pub enum SetsVerb {
    /// Ask the kernel whether a set of ipset holds an element; exit code 1 if not
    #[command(after_help = "Examples:\n  vision fw sets test blocked 10.0.0.1\n  \
                            vision fw sets test services 10.0.0.1,tcp:80")]
    Test {
        /// The set
        set: String,
        /// The element, as ipset writes it
        #[arg(value_name = "ELEM")]
        element: String,
    },
}
