use std::io::{self, Write};

use serde::Serialize;
use vision_core::Untrusted;
use vision_core::inventory::kind::{Bridge, BridgePort, PortState};
use vision_core::inventory::{
    Consistency, Dump, FdbEntry, Link, LinkKind, LinkRole, Mdb, MdbMember, NeighState, PortVlan,
    PortVlans, RouterPort,
};

use crate::command::names::Names;
use crate::output::json::Object;
use crate::output::text::Put;
use crate::output::{Human, Row, Style, esc};

/// Bridges with their ports.
#[derive(Debug, Serialize)]
pub struct BridgeReport {
    /// One for each bridge.
    pub bridges: Vec<BridgeRow>,
    consistent: Consistency,
}

/// A bridge and its ports.
#[derive(Debug, Serialize)]
pub struct BridgeRow {
    ifindex: u32,
    name: Untrusted,
    up: bool,
    #[serde(flatten)]
    bridge: Bridge,
    ports: Vec<PortRow>,
}

#[derive(Debug, Serialize)]
struct PortRow {
    ifindex: u32,
    name: Untrusted,
    up: bool,
    carrier: bool,
    kind: Option<String>,
    #[serde(flatten)]
    port: BridgePort,
    backup_port: Option<Untrusted>,
}

impl BridgeReport {
    /// Gathers bridges and ports from all interfaces, or those that have to do with one.
    pub fn new(links: &Dump<Link>, names: &Names, only: Option<u32>) -> Self {
        let bridges = links.items.iter().filter_map(|link| {
            let Some(LinkKind::Bridge(bridge)) = &link.info else { return None };
            let whole = only.is_none_or(|index| index == link.ifindex);
            let of_it = links.items.iter().filter(|p| p.master_ifindex == Some(link.ifindex));
            let wanted = of_it.filter(|p| whole || only == Some(p.ifindex));
            let ports: Vec<_> = wanted.filter_map(|p| PortRow::new(p, names)).collect();
            (whole || !ports.is_empty()).then(|| BridgeRow {
                ifindex: link.ifindex,
                name: link.name.clone(),
                up: link.is_up(),
                bridge: (**bridge).clone(),
                ports,
            })
        });
        Self { bridges: bridges.collect(), consistent: links.consistent }
    }
}

impl PortRow {
    fn new(link: &Link, names: &Names) -> Option<Self> {
        let Some(LinkRole::BridgePort(port)) = &link.role else { return None };
        Some(Self {
            ifindex: link.ifindex,
            name: link.name.clone(),
            up: link.is_up(),
            carrier: link.has_carrier(),
            kind: link.kind.clone(),
            backup_port: names.get(port.backup_port_ifindex).cloned(),
            port: (**port).clone(),
        })
    }

    /// What is not as it usually is.
    fn unusual(&self) -> Vec<&'static str> {
        let port = &self.port;
        let on = |set: Option<bool>, word| set.filter(|on| *on).map(|_| word);
        let off = |set: Option<bool>, word| set.filter(|on| !on).map(|_| word);
        let words = [
            on(port.hairpin, "hairpin"),
            on(port.isolated, "isolated"),
            on(port.guard, "bpdu-guard"),
            on(port.root_block, "root-block"),
            on(port.fastleave, "fastleave"),
            on(port.neigh_suppress, "neigh-suppress"),
            on(port.vlan_tunnel, "vlan-tunnel"),
            on(port.mcast_to_unicast, "mcast-to-unicast"),
            on(port.proxy_arp, "proxy-arp"),
            on(port.locked, "locked"),
            on(port.mab, "mab"),
            off(port.learning, "no-learning"),
            off(port.flood, "no-flood"),
            off(port.mcast_flood, "no-mcast-flood"),
            off(port.bcast_flood, "no-bcast-flood"),
        ];
        words.into_iter().flatten().collect()
    }
}

impl Human for BridgeReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { name, bad, dim, .. } = style;
        for row in &self.bridges {
            let bridge = &row.bridge;
            write!(out, "{}: {name}{}{name:#}", row.ifindex, row.name.escaped())?;
            if let Some(id) = &bridge.bridge_id {
                write!(out, " id {}", esc(id))?;
            }
            match bridge.stp_state {
                Some(0) => write!(out, " stp off")?,
                Some(_) => {
                    write!(out, " stp on")?;
                    match (bridge.root_port, &bridge.root_id) {
                        (Some(0), _) => write!(out, " is the root")?,
                        (Some(port), Some(root)) => {
                            write!(out, " root {} by port {port}", esc(root))?;
                        }
                        _ => {}
                    }
                }
                None => {}
            }
            let vlans = bridge.vlan_filtering == Some(true);
            write!(out, " vlan-filtering {}", if vlans { "on" } else { "off" })?;
            let snooping = bridge.mcast_snooping == Some(true);
            write!(out, " mcast-snooping {}", if snooping { "on" } else { "off" })?;
            if let Some(ageing) = bridge.ageing_time_ms {
                write!(out, " ageing {}s", ageing / 1000)?;
            }
            if !row.up {
                write!(out, " {bad}DOWN{bad:#}")?;
            }
            writeln!(out)?;
            if style.verbose > 0 {
                super::link::fields(out, &bridge.fields(), "    ")?;
            }
            for port in &row.ports {
                write_port(port, out, style)?;
            }
            if row.ports.is_empty() {
                writeln!(out, "    {dim}no ports{dim:#}")?;
            }
        }
        Ok(())
    }
}

fn write_port(row: &PortRow, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { name, good, bad, warn, .. } = style;
    let port = &row.port;
    write!(out, "    {}: {name}{}{name:#}", row.ifindex, row.name.escaped())?;
    if let Some(state) = port.state {
        let paint = match state {
            PortState::Forwarding => good,
            PortState::Disabled => bad,
            _ => warn,
        };
        write!(out, " {paint}{state}{paint:#}")?;
    }
    for (word, value) in [("priority", port.priority.map(u32::from)), ("cost", port.cost)] {
        if let Some(value) = value {
            write!(out, " {word} {value}")?;
        }
    }
    for word in row.unusual() {
        write!(out, " {word}")?;
    }
    if let Some(backup) = &row.backup_port {
        write!(out, " backup {}", backup.escaped())?;
    }
    match (row.up, row.carrier) {
        (false, _) => writeln!(out, " {bad}DOWN{bad:#}")?,
        (true, false) => writeln!(out, " {bad}NO-CARRIER{bad:#}")?,
        (true, true) => writeln!(out)?,
    }
    match style.verbose {
        0 => Ok(()),
        _ => super::link::fields(out, &port.fields(), "        "),
    }
}

/// A forwarding entry with the names of its interfaces.
#[derive(Debug)]
pub struct FdbRow<'n> {
    entry: &'n FdbEntry,
    dev: Option<&'n Untrusted>,
    master: Option<&'n Untrusted>,
    via: Option<&'n Untrusted>,
}

impl<'n> FdbRow<'n> {
    /// Adds names.
    pub fn new(entry: &'n FdbEntry, names: &'n Names) -> Self {
        let here = entry.via_ifindex.filter(|_| entry.link_netnsid.is_none());
        Self {
            dev: names.get(Some(entry.ifindex)),
            master: names.get(entry.master_ifindex),
            via: names.get(here),
            entry,
        }
    }
}

impl Row for FdbRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let entry = self.entry;
        out.mac(entry.lladdr);
        super::dev(out, self.dev, Some(entry.ifindex), style)?;
        if let Some(dst) = entry.dst {
            write!(out, " dst {dst}")?;
        }
        let numbers = [
            ("vlan", entry.vlan.map(u32::from)),
            ("port", entry.dst_port.map(u32::from)),
            ("vni", entry.vni),
            ("src_vni", entry.src_vni),
            ("nhid", entry.nexthop_id),
        ];
        for (word, value) in numbers {
            if let Some(value) = value {
                write!(out, " {word} {value}")?;
            }
        }
        if let (Some(index), via) = (entry.via_ifindex, self.via) {
            match via {
                Some(via) => write!(out, " via {}", via.escaped())?,
                None => write!(out, " via if{index}")?,
            }
        }
        if style.verbose > 0
            && let Some((used, updated)) = entry.used_ms.zip(entry.updated_ms)
        {
            write!(out, " used {}/{}", used / 1000, updated / 1000)?;
        }
        for flag in entry.flags.names().filter(|flag| *flag != "master") {
            write!(out, " {flag}")?;
        }
        if let Some(index) = entry.master_ifindex {
            match self.master {
                Some(master) => write!(out, " master {}", master.escaped())?,
                None => write!(out, " master if{index}")?,
            }
        }
        match entry.state {
            // Learnt: the usual case.
            NeighState::Reachable => {}
            NeighState::NoArp => out.put(" static"),
            NeighState::Permanent => out.put(" permanent"),
            NeighState::Stale => out.put(" stale"),
            other => write!(out, " state {other}")?,
        }
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.members(self.entry)?;
        object.member("dev", &self.dev)?;
        object.member("master", &self.master)?;
        object.member("via", &self.via)
    }
}

/// VLANs by port.
#[derive(Debug, Serialize)]
pub struct VlanReport {
    /// One for each port.
    pub ports: Vec<VlanRow>,
    consistent: Consistency,
}

/// The VLANs of a port.
#[derive(Debug, Serialize)]
pub struct VlanRow {
    dev: Option<Untrusted>,
    #[serde(flatten)]
    port: PortVlans,
}

impl VlanReport {
    /// Adds names.
    pub fn new(vlans: &Dump<PortVlans>, names: &Names, only: Option<u32>) -> Self {
        let wanted = vlans.items.iter().filter(|p| only.is_none_or(|dev| dev == p.ifindex));
        let row = |port: &PortVlans| VlanRow {
            dev: names.get(Some(port.ifindex)).cloned(),
            port: port.clone(),
        };
        Self { ports: wanted.map(row).collect(), consistent: vlans.consistent }
    }
}

impl Human for VlanReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let name = style.name;
        for row in &self.ports {
            let dev = row.dev.as_ref().map(|dev| dev.escaped().to_string());
            let dev = dev.unwrap_or_else(|| format!("if{}", row.port.ifindex));
            writeln!(out, "{name}{dev}{name:#}")?;
            for vlan in &row.port.vlans {
                write_vlan(vlan, out)?;
            }
        }
        Ok(())
    }
}

fn write_vlan(vlan: &PortVlan, out: &mut dyn Write) -> io::Result<()> {
    match vlan.vid == vlan.vid_end {
        true => write!(out, "    {}", vlan.vid)?,
        false => write!(out, "    {}-{}", vlan.vid, vlan.vid_end)?,
    }
    for flag in vlan.flags.names().filter(|flag| *flag != "brentry") {
        write!(out, " {flag}")?;
    }
    if let Some(state) = vlan.state {
        write!(out, " state {state}")?;
    }
    let counters =
        [("rx", vlan.rx_bytes.zip(vlan.rx_packets)), ("tx", vlan.tx_bytes.zip(vlan.tx_packets))];
    for (word, counted) in counters {
        if let Some((bytes, packets)) = counted {
            write!(out, " {word} {bytes} bytes {packets} packets")?;
        }
    }
    writeln!(out)
}

/// Multicast groups by bridge.
#[derive(Debug, Serialize)]
pub struct MdbReport {
    /// One for each bridge.
    pub bridges: Vec<MdbRow>,
    consistent: Consistency,
}

/// The groups of a bridge.
#[derive(Debug, Serialize)]
pub struct MdbRow {
    ifindex: u32,
    dev: Option<Untrusted>,
    members: Vec<MemberRow<MdbMember>>,
    routers: Vec<MemberRow<RouterPort>>,
}

#[derive(Debug, Serialize)]
struct MemberRow<T> {
    port: Option<Untrusted>,
    #[serde(flatten)]
    member: T,
}

impl MdbReport {
    /// Adds names.
    pub fn new(mdb: &Dump<Mdb>, names: &Names, only: Option<u32>) -> Self {
        let bridges = mdb.items.iter().map(|bridge| {
            let wanted = |port| only.is_none_or(|dev| dev == bridge.ifindex || dev == port);
            let name = |port| names.get(Some(port)).cloned();
            let members = bridge.members.iter().filter(|m| wanted(m.port_ifindex));
            let routers = bridge.routers.iter().filter(|r| wanted(r.port_ifindex));
            MdbRow {
                ifindex: bridge.ifindex,
                dev: name(bridge.ifindex),
                members: members
                    .map(|m| MemberRow { port: name(m.port_ifindex), member: m.clone() })
                    .collect(),
                routers: routers
                    .map(|r| MemberRow { port: name(r.port_ifindex), member: r.clone() })
                    .collect(),
            }
        });
        let told = bridges.filter(|row| {
            only.is_none_or(|dev| dev == row.ifindex)
                || !row.members.is_empty()
                || !row.routers.is_empty()
        });
        Self { bridges: told.collect(), consistent: mdb.consistent }
    }
}

impl Human for MdbReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for row in &self.bridges {
            let mut line = Vec::new();
            for member in &row.members {
                write_member(row, member, &mut line, style)?;
            }
            for MemberRow { port, member } in &row.routers {
                line.put("router on");
                named(&mut line, port.as_ref(), member.port_ifindex)?;
                bridge(&mut line, row, style)?;
                if let Some(timer) = member.timer_ms.filter(|timer| *timer != 0) {
                    write!(line, " for {}.{:02}s", timer / 1000, timer % 1000 / 10)?;
                }
                line.put("\n");
            }
            out.write_all(&line)?;
        }
        Ok(())
    }
}

fn bridge(out: &mut Vec<u8>, row: &MdbRow, style: &Style) -> io::Result<()> {
    super::dev(out, row.dev.as_ref(), Some(row.ifindex), style)
}

fn named(out: &mut Vec<u8>, name: Option<&Untrusted>, ifindex: u32) -> io::Result<()> {
    match name {
        Some(name) => write!(out, " {}", name.escaped()),
        None => write!(out, " if{ifindex}"),
    }
}

fn write_member(
    row: &MdbRow,
    MemberRow { port, member }: &MemberRow<MdbMember>,
    out: &mut Vec<u8>,
    style: &Style,
) -> io::Result<()> {
    match (member.group, member.group_lladdr) {
        (Some(group), _) => write!(out, "{group}")?,
        (None, Some(group)) => write!(out, "{group}")?,
        (None, None) => out.put("?"),
    }
    if let Some(source) = member.source {
        write!(out, " from {source}")?;
    }
    out.put(" port");
    named(out, port.as_ref(), member.port_ifindex)?;
    bridge(out, row, style)?;
    if let Some(vlan) = member.vlan {
        write!(out, " vlan {vlan}")?;
    }
    write!(out, " {}", member.state)?;
    if let Some(mode) = member.filter_mode {
        write!(out, " {mode}")?;
    }
    for flag in member.flags.names() {
        write!(out, " {flag}")?;
    }
    if let Some(timer) = member.timer_ms.filter(|timer| *timer != 0) {
        write!(out, " for {}.{:02}s", timer / 1000, timer % 1000 / 10)?;
    }
    out.put("\n");
    Ok(())
}
