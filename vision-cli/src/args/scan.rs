//! Arguments of `vision scan` and `vision udp`.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use vision_core::base::parse_duration;
use vision_core::probe::{AddrRange, Rate, UdpPayload};
use vision_core::{Endpoint, Error, Host, PortRange, Result};

/// `vision scan`
#[derive(Debug, Args)]
#[command(after_help = SCAN_HELP)]
pub struct ScanArgs {
    /// Whose ports: an address, with %IFACE if link-local, or a name
    #[arg(required_unless_present_any = ["hosts", "flood", "spoof", "decoys"])]
    pub host: Option<Host>,
    /// Which ports: 22,80,8000-8100, or - for all
    #[arg(
        short = 'p',
        long,
        value_name = "PORTS",
        default_value = "1-1024",
        allow_hyphen_values = true
    )]
    pub ports: PortList,
    /// Half-open: a SYN and no more, by a raw socket
    #[arg(long, conflicts_with_all = ["udp", "hosts"])]
    pub syn: bool,
    /// UDP ports instead of TCP ports
    #[arg(long, conflicts_with = "hosts")]
    pub udp: bool,
    /// Which hosts of a network are up, instead of ports
    #[arg(long, value_name = "CIDR", conflicts_with = "host")]
    pub hosts: Vec<AddrRange>,
    /// Show what open TCP ports say first, and whether they speak TLS
    #[arg(long, conflicts_with_all = ["udp", "hosts"])]
    pub banner: bool,
    /// Packets per second, 1000 if not said (200 for --hosts), or max
    #[arg(long, value_name = "N|max")]
    pub rate: Option<Rate>,
    /// Longest time to wait for the answer to a first probe
    #[arg(short = 'W', long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub wait: Duration,
    #[arg(long, hide = true)]
    /// Refused
    pub flood: bool,
    #[arg(long, hide = true, value_name = "ADDR")]
    /// Refused
    pub spoof: Option<String>,
    #[arg(short = 'D', long, hide = true, value_name = "ADDRS")]
    /// Refused
    pub decoys: Option<String>,
}

const SCAN_HELP: &str = "Says of each port open, closed or filtered, and what tells so. Ports that are \
alike and many are summed up; -v lists each.\nExits 0 if a port is open (a host is up), 1 if not.\n\n\
Examples:\n  vision scan 10.0.0.5 -p 1-65535 --syn\n  vision scan db -p 5432,6379 --banner\n  \
vision scan 10.0.0.5 -p 53,123,161 --udp\n  vision scan --hosts 10.0.0.0/24";

impl ScanArgs {
    /// Refuses what harms others and finds nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] saying why.
    pub fn check(&self) -> Result<()> {
        let refused = |why: &str| Err(Error::Invalid { what: "scan", why: why.to_owned() });
        if self.flood {
            return refused(
                "floods are not sent: they measure nothing and hurt whoever shares the way; \
                 --rate max is as fast as answers can be heard",
            );
        }
        if self.spoof.is_some() || self.decoys.is_some() {
            return refused(
                "forged sources are not sent: their answers go to others, who did not ask; \
                 -S takes any address of this namespace",
            );
        }
        Ok(())
    }
}

/// Ports, as `22,80,8000-8100` or `-`.
#[derive(Debug, Clone)]
pub struct PortList(Vec<PortRange>);

impl PortList {
    /// Lists every port in the order given.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(PortRange::range)
    }
}

impl FromStr for PortList {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = if text == "-" { "1-65535" } else { text };
        text.split(',').map(str::parse).collect::<Result<_>>().map(Self)
    }
}

/// `vision udp`
#[derive(Debug, Args)]
#[command(after_help = UDP_HELP)]
pub struct UdpArgs {
    /// Whom and which ports: HOST:PORT or HOST:PORT,PORT-PORT; an IPv6 address goes in brackets
    #[arg(value_name = "HOST:PORTS")]
    pub endpoint: Endpoint,
    /// What to say: dns, ntp, snmp, …, hex:0a0b or text:hello; if not said, what the port's usual
    /// service understands
    #[arg(long, value_name = "PAYLOAD")]
    pub payload: Option<UdpPayload>,
    /// Send it so many times before silence is silence
    #[arg(short = 'c', long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub count: u16,
    /// Time to wait for each answer
    #[arg(short = 'W', long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    pub wait: Duration,
}

const UDP_HELP: &str = "Silence is not openness: a service that does not understand the payload, a \
packet filter and a lost packet look the same.\nPayloads: empty, dns, mdns, ntp, snmp, stun, sip, \
tftp, netbios, memcached, coap, hex:…, text:….\nExits 0 if every port answers, 1 if one is closed \
or cannot be reached, 3 if one is silent.\n\nExamples:\n  vision udp 10.0.0.5:53 --payload dns\n  \
vision udp 10.0.0.5:123,161 -W 1s\n  vision udp [fd00::5]:9999 --payload hex:0001";
