use std::io::{self, Write};

use serde::Serialize;
use vision_core::Family;
use vision_core::Untrusted;
use vision_core::inventory::{
    Addr, AddrFlags, Consistency, Lifetime, Link, LinkFlags, LinkStats, OperState, RouteProtocol,
};

use crate::output::{Human, Style, esc};

/// Interfaces with their addresses.
#[derive(Debug, Serialize)]
pub struct LinkReport {
    /// In the kernel's order.
    pub links: Vec<LinkRow>,
    /// Whether the interfaces are one state of the kernel.
    pub links_consistent: Consistency,
    /// Whether the addresses are.
    pub addrs_consistent: Consistency,
    /// Rows that could not be read.
    pub unreadable: u64,
    /// Whether a person sees the counters.
    #[serde(skip)]
    pub show_stats: bool,
}

/// An interface with what belongs to it.
#[derive(Debug, Serialize)]
pub struct LinkRow {
    #[serde(flatten)]
    link: Link,
    master: Option<Untrusted>,
    /// The name of `link_ifindex`, if that is in this namespace.
    lower: Option<Untrusted>,
    addrs: Vec<Addr>,
}

impl LinkRow {
    /// Gathers what belongs to `link`.
    pub fn new(link: &Link, links: &[Link], addrs: &[Addr]) -> Self {
        let name = |index: u32| links.iter().find(|l| l.ifindex == index).map(|l| l.name.clone());
        let here = link.link_ifindex.filter(|_| link.link_netnsid.is_none());
        Self {
            master: link.master_ifindex.and_then(name),
            lower: here.and_then(name),
            addrs: addrs.iter().filter(|a| a.ifindex == link.ifindex).cloned().collect(),
            link: link.clone(),
        }
    }
}

impl Human for LinkReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for row in &self.links {
            row.first_line(out, style)?;
            row.link_line(out)?;
            for addr in &row.addrs {
                write_addr(addr, out, style)?;
            }
            if let Some(stats) = row.link.stats.filter(|_| self.show_stats) {
                write_stats(&stats, out)?;
            }
        }
        Ok(())
    }
}

impl LinkRow {
    fn first_line(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { name, good, bad, .. } = style;
        let link = &self.link;
        write!(out, "{}: {name}{}{name:#}", link.ifindex, link.name.escaped())?;
        match (&self.lower, link.link_ifindex) {
            (Some(lower), _) => write!(out, "@{}", lower.escaped())?,
            (None, Some(index)) => write!(out, "@if{index}")?,
            (None, None) if link.link_netnsid.is_some() => write!(out, "@NONE")?,
            (None, None) => {}
        }
        write!(out, ": <{}>", flags(link.flags))?;
        if let Some(mtu) = link.mtu_bytes {
            write!(out, " mtu {mtu}")?;
        }
        if let Some(qdisc) = &link.qdisc {
            write!(out, " qdisc {}", esc(qdisc))?;
        }
        if let Some(master) = &self.master {
            write!(out, " master {}", master.escaped())?;
        }
        match link.operstate {
            Some(state @ OperState::Up) => write!(out, " state {good}{state}{good:#}")?,
            Some(state @ (OperState::Down | OperState::LowerLayerDown)) => {
                write!(out, " state {bad}{state}{bad:#}")?;
            }
            Some(state) => write!(out, " state {state}")?,
            None => {}
        }
        match link.group {
            Some(0) => write!(out, " group default")?,
            Some(group) => write!(out, " group {group}")?,
            None => {}
        }
        match link.txqlen_packets {
            Some(qlen) if qlen > 0 => writeln!(out, " qlen {qlen}"),
            _ => writeln!(out),
        }
    }

    fn link_line(&self, out: &mut dyn Write) -> io::Result<()> {
        let link = &self.link;
        write!(out, "    link/{}", link.link_type)?;
        if let Some(address) = link.address {
            write!(out, " {address}")?;
        }
        if let Some(broadcast) = link.broadcast {
            let far = link.flags.contains(LinkFlags::POINTOPOINT);
            write!(out, " {} {broadcast}", if far { "peer" } else { "brd" })?;
        }
        if let Some(netnsid) = link.link_netnsid {
            write!(out, " link-netnsid {netnsid}")?;
        }
        if let Some(kind) = &link.kind {
            write!(out, " kind {}", esc(kind))?;
        }
        writeln!(out)?;
        if let Some(alias) = &link.alias {
            writeln!(out, "    alias {}", alias.escaped())?;
        }
        link.altnames.iter().try_for_each(|alt| writeln!(out, "    altname {}", alt.escaped()))
    }
}

/// As `ip` prints them: a missing carrier instead of a running interface.
fn flags(flags: LinkFlags) -> String {
    let no_carrier = flags.contains(LinkFlags::UP) && !flags.contains(LinkFlags::RUNNING);
    let mut names: Vec<String> = Vec::new();
    names.extend(no_carrier.then(|| "NO-CARRIER".to_owned()));
    names.extend(flags.names().filter(|name| *name != "RUNNING").map(str::to_owned));
    match flags.unknown_bits() {
        0 => {}
        bits => names.push(format!("{bits:#x}")),
    }
    names.join(",")
}

fn write_addr(addr: &Addr, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, bad, .. } = style;
    let family = match addr.family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    };
    write!(out, "    {family} {bold}{}", addr.local)?;
    match addr.peer {
        Some(peer) => write!(out, "{bold:#} peer {peer}/{}", addr.prefix_bits)?,
        None => write!(out, "/{}{bold:#}", addr.prefix_bits)?,
    }
    if let Some(broadcast) = addr.broadcast {
        write!(out, " brd {broadcast}")?;
    }
    write!(out, " scope {}", addr.scope)?;
    for flag in addr.flags.names().filter(|name| *name != "permanent") {
        match flag {
            "tentative" | "dadfailed" => write!(out, " {bad}{flag}{bad:#}")?,
            flag => write!(out, " {flag}")?,
        }
    }
    if !addr.flags.contains(AddrFlags::PERMANENT) {
        write!(out, " dynamic")?;
    }
    if let Some(label) = &addr.label {
        write!(out, " {}", label.escaped())?;
    }
    match addr.protocol {
        None | Some(RouteProtocol::Unspec) => writeln!(out)?,
        Some(protocol) => writeln!(out, " proto {}", origin(protocol))?,
    }
    let (valid, preferred) = (lifetime(addr.valid), lifetime(addr.preferred));
    writeln!(out, "       valid_lft {valid} preferred_lft {preferred}")
}

/// Addresses have a numbering of their own (linux/if_addr.h `IFAPROT_*`).
fn origin(protocol: RouteProtocol) -> String {
    match protocol.raw() {
        1 => "kernel_lo".to_owned(),
        2 => "kernel_ra".to_owned(),
        3 => "kernel_ll".to_owned(),
        other => other.to_string(),
    }
}

fn lifetime(lifetime: Lifetime) -> String {
    match lifetime {
        Lifetime::Forever => "forever".to_owned(),
        Lifetime::Seconds(seconds) => format!("{seconds}sec"),
    }
}

fn write_stats(stats: &LinkStats, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "    RX: {} bytes {} packets {} errors {} dropped {} missed {} mcast {} otherhost",
        stats.rx_bytes,
        stats.rx_packets,
        stats.rx_errors,
        stats.rx_dropped,
        stats.rx_missed_errors,
        stats.multicast,
        stats.rx_otherhost_dropped
    )?;
    writeln!(
        out,
        "    TX: {} bytes {} packets {} errors {} dropped {} carrier {} collsns",
        stats.tx_bytes,
        stats.tx_packets,
        stats.tx_errors,
        stats.tx_dropped,
        stats.tx_carrier_errors,
        stats.collisions
    )
}
