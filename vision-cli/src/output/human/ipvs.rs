use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;
use vision_core::firewall::ipvs::{IpvsConnection, IpvsRates, IpvsService, IpvsStats};

use crate::output::{Human, Style};

/// Virtual services and their real servers.
#[derive(Debug, Serialize)]
pub struct Services {
    /// The services.
    pub services: Vec<IpvsService>,
    /// What is shown of them.
    #[serde(skip)]
    pub shown: Shown,
}

/// What is shown of services and servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// What is set.
    Settings,
    /// What was counted.
    Stats,
    /// How fast that grows.
    Rates,
}

/// Connections that are forwarded.
#[derive(Debug, Serialize)]
pub struct Connections {
    /// The connections.
    pub connections: Vec<IpvsConnection>,
}

impl Human for Connections {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        writeln!(out, "pro expire state       source             virtual            destination")?;
        for it in &self.connections {
            let [protocol, state] =
                [&it.protocol, &it.state].map(|text| text.escaped().to_string());
            let (minutes, seconds) = (it.expires_s / 60, it.expires_s % 60);
            let [client, service, server] =
                [it.client, it.service, it.server].map(|at| at.to_string());
            write!(out, "{protocol:<3} {minutes:02}:{seconds:02}  {state:<11} {client:<18} ")?;
            writeln!(out, "{service:<18} {server}")?;
        }
        Ok(())
    }
}

impl Human for Services {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        let title = |words: [&str; 5]| {
            let [a, b, c, d, e] = words;
            format!("{a:>8} {b:>8} {c:>8} {d:>10} {e:>10}")
        };
        let words = match self.shown {
            Shown::Stats => ["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"],
            Shown::Rates => ["CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"],
            Shown::Settings => {
                writeln!(out, "Prot LocalAddress:Port Scheduler Flags")?;
                let address = "  -> RemoteAddress:Port";
                writeln!(out, "{address:<42}Forward Weight ActiveConn InActConn")?;
                return self.services.iter().try_for_each(|service| self.service(service, out));
            }
        };
        writeln!(out, "{:<42}{}", "Prot LocalAddress:Port", title(words))?;
        writeln!(out, "  -> RemoteAddress:Port")?;
        self.services.iter().try_for_each(|service| self.service(service, out))
    }
}

impl Services {
    /// The five figures asked for, if any were.
    fn figures(&self, stats: &IpvsStats, rates: &IpvsRates) -> Option<String> {
        let [a, b, c, d, e] = match self.shown {
            Shown::Settings => return None,
            Shown::Stats => {
                let IpvsStats { connections, in_packets, out_packets, in_bytes, out_bytes, .. } =
                    stats;
                [connections, in_packets, out_packets, in_bytes, out_bytes]
            }
            Shown::Rates => {
                let IpvsRates { connections, in_packets, out_packets, in_bytes, out_bytes, .. } =
                    rates;
                [connections, in_packets, out_packets, in_bytes, out_bytes]
            }
        };
        Some(format!("{a:>8} {b:>8} {c:>8} {d:>10} {e:>10}"))
    }

    fn service(&self, service: &IpvsService, out: &mut dyn Write) -> io::Result<()> {
        let name = name(service);
        match self.figures(&service.stats, &service.rates) {
            Some(figures) => writeln!(out, "{name:<42}{figures}")?,
            None => writeln!(out, "{name} {}{}", service.scheduler.escaped(), flags(service))?,
        }
        for server in &service.servers {
            let place = format!("  -> {}", SocketAddr::new(server.address, server.port));
            if let Some(figures) = self.figures(&server.stats, &server.rates) {
                writeln!(out, "{place:<42}{figures}")?;
                continue;
            }
            let (how, weight) = (server.forwarding.to_string(), server.weight);
            let (active, inactive) = (server.active, server.inactive);
            writeln!(out, "{place:<42}{how:<7} {weight:<6} {active:<10} {inactive}")?;
        }
        Ok(())
    }
}

fn name(service: &IpvsService) -> String {
    let protocol = match service.protocol {
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        132 => "SCTP".to_owned(),
        other => other.to_string(),
    };
    match (service.mark, service.address) {
        (Some(mark), _) if mark != 0 => format!("FWM  {mark}"),
        (_, Some(address)) => format!("{protocol:<4} {}", SocketAddr::new(address, service.port)),
        (_, None) => protocol,
    }
}

/// As ipvsadm says them: persistence, one packet a connection, and those of the scheduler.
fn flags(service: &IpvsService) -> String {
    let mut out = String::new();
    if service.flags & 1 != 0 {
        out.push_str(&format!(" persistent {}", service.timeout));
        match service.address {
            Some(IpAddr::V6(_)) if service.netmask < 128 => {
                out.push_str(&format!(" mask {}", service.netmask));
            }
            Some(IpAddr::V4(_)) | None if service.netmask != u32::MAX => {
                out.push_str(&format!(" mask {}", Ipv4Addr::from_bits(service.netmask)));
            }
            _ => {}
        }
    }
    if service.flags & 4 != 0 {
        out.push_str(" ops");
    }
    let names = match service.scheduler.as_bytes() {
        b"sh" => ["sh-fallback", "sh-port", "flag-3"],
        b"mh" => ["mh-fallback", "mh-port", "flag-3"],
        _ => ["flag-1", "flag-2", "flag-3"],
    };
    let set = names.iter().zip([8, 16, 32]).filter(|(_, bit)| service.flags & bit != 0);
    let set: Vec<_> = set.map(|(name, _)| *name).collect();
    if !set.is_empty() {
        out.push_str(&format!(" ({})", set.join(",")));
    }
    out
}
