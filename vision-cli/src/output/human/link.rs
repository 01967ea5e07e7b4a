use std::io::{self, Write};

use serde::Serialize;
use vision_core::inventory::{
    Addr, AddrFlags, Consistency, Ethtool, EthtoolParts, Inventory, Lifetime, Link, LinkFlags,
    LinkKind, LinkPeer, LinkRole, LinkStats, OperState, RouteProtocol,
};
use vision_core::{Budget, Family, Result, Untrusted};

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
    /// Whether a person sees what driver and master tell.
    #[serde(skip)]
    pub details: bool,
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
    /// The other end, if that is in another namespace that could be found; with details only.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<LinkPeer>,
    /// What its driver answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    ethtool: Option<Ethtool>,
    /// What driver and master tell, for a person.
    #[serde(skip)]
    told: [Vec<(&'static str, String)>; 2],
}

impl LinkRow {
    /// Gathers what belongs to `link`.
    pub fn new(link: &Link, links: &[Link], addrs: &[Addr], peers: &[LinkPeer]) -> Self {
        let told = [
            link.info.as_ref().map(LinkKind::fields).unwrap_or_default(),
            link.role.as_ref().map(LinkRole::fields).unwrap_or_default(),
        ];
        let name = |index: u32| links.iter().find(|l| l.ifindex == index).map(|l| l.name.clone());
        let here = link.link_ifindex.filter(|_| link.link_netnsid.is_none());
        Self {
            master: link.master_ifindex.and_then(name),
            lower: here.and_then(name),
            addrs: addrs.iter().filter(|a| a.ifindex == link.ifindex).cloned().collect(),
            peer: peers.iter().find(|peer| peer.ifindex == link.ifindex).cloned(),
            ethtool: None,
            told: told.map(|told| named(told, name)),
            link: link.clone(),
        }
    }
}

impl Human for LinkReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for row in &self.links {
            row.first_line(out, style)?;
            row.link_line(out)?;
            row.told(out, self.details)?;
            for addr in &row.addrs {
                write_addr(addr, out, style)?;
            }
            if let Some(told) = &row.ethtool {
                super::ethtool::write(told, out, style)?;
            }
            if let Some(stats) = row.link.stats.filter(|_| self.show_stats) {
                write_stats(&stats, out)?;
            }
        }
        Ok(())
    }
}

impl LinkRow {
    /// Asks the driver; an interface that has gone meanwhile has none.
    ///
    /// # Errors
    /// As [`Inventory::ethtool`].
    pub fn ask_driver(
        &mut self,
        inventory: &mut Inventory,
        parts: EthtoolParts,
        budget: &Budget,
    ) -> Result<()> {
        self.ethtool = match inventory.ethtool(&self.link, parts, budget) {
            Err(e) if e.errno() == Some(ENODEV) => None,
            told => Some(told?),
        };
        Ok(())
    }

    /// What the driver and the master tell.
    fn told(&self, out: &mut dyn Write, details: bool) -> io::Result<()> {
        if !details {
            return Ok(());
        }
        let link = &self.link;
        if let Some(peer) = &self.peer {
            write!(out, "    peer ")?;
            match &peer.peer {
                Some(name) => write!(out, "{}", name.escaped())?,
                None => write!(out, "if{}", peer.peer_ifindex)?,
            }
            match &peer.namespace {
                Some(called) => write!(out, " in {}", esc(called))?,
                None => write!(out, " in another namespace")?,
            }
            writeln!(out, " ({})", peer.netns)?;
        }
        let numbers = [
            ("minmtu", link.min_mtu_bytes),
            ("maxmtu", link.max_mtu_bytes),
            ("numtxqueues", link.tx_queues),
            ("numrxqueues", link.rx_queues),
            ("promiscuity", link.promiscuity),
        ];
        let told = numbers.into_iter().filter_map(|(word, n)| Some((word, n?.to_string())));
        fields(out, &told.collect::<Vec<_>>(), "    ")?;
        let [driver, master] = &self.told;
        if !driver.is_empty() {
            writeln!(out, "    {}:", esc(link.kind.as_deref().unwrap_or_default()))?;
            fields(out, driver, "        ")?;
        }
        if !master.is_empty() {
            writeln!(out, "    {} port:", esc(link.slave_kind.as_deref().unwrap_or_default()))?;
            fields(out, master, "        ")?;
        }
        Ok(())
    }

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

/// Gives interfaces that are told by number their name.
fn named(
    mut told: Vec<(&'static str, String)>,
    name: impl Fn(u32) -> Option<Untrusted>,
) -> Vec<(&'static str, String)> {
    for (field, value) in told.iter_mut().filter(|(field, _)| field.ends_with("_ifindex")) {
        if let Some(name) = value.parse().ok().and_then(&name) {
            *field = field.trim_end_matches("_ifindex");
            *value = name.escaped().to_string();
        }
    }
    told
}

/// Names and values in lines of a bearable length.
pub(super) fn fields(
    out: &mut dyn Write,
    told: &[(&'static str, String)],
    indent: &str,
) -> io::Result<()> {
    let mut width = 0;
    for (name, value) in told {
        let word = format!("{name} {}", esc(value));
        match width {
            0 => write!(out, "{indent}{word}")?,
            _ if width + word.len() > 90 => {
                write!(out, "\n{indent}{word}")?;
                width = 0;
            }
            _ => write!(out, "  {word}")?,
        }
        width += word.len() + 2;
    }
    if told.is_empty() { Ok(()) } else { writeln!(out) }
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

/// The interface has gone.
const ENODEV: i32 = 19;
