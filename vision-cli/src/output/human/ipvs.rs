use std::io::{self, Write};
use std::net::SocketAddr;

use serde::Serialize;
use vision_core::firewall::ipvs::{IpvsService, IpvsStats};

use crate::output::{Human, Style};

/// Virtual services and their real servers.
#[derive(Debug, Serialize)]
pub struct Services {
    /// The services.
    pub services: Vec<IpvsService>,
    /// Whether what was counted is shown instead of what is set.
    #[serde(skip)]
    pub stats: bool,
}

impl Human for Services {
    fn human(&self, out: &mut dyn Write, _: &Style) -> io::Result<()> {
        let title = |words: [&str; 5]| {
            let [a, b, c, d, e] = words;
            format!("{a:>8} {b:>8} {c:>8} {d:>10} {e:>10}")
        };
        match self.stats {
            true => {
                let words = title(["Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"]);
                writeln!(out, "{:<42}{words}", "Prot LocalAddress:Port")?;
                writeln!(out, "  -> RemoteAddress:Port")?;
            }
            false => {
                writeln!(out, "Prot LocalAddress:Port Scheduler Flags")?;
                let address = "  -> RemoteAddress:Port";
                writeln!(out, "{address:<42}Forward Weight ActiveConn InActConn")?;
            }
        }
        self.services.iter().try_for_each(|service| self.service(service, out))
    }
}

impl Services {
    fn service(&self, service: &IpvsService, out: &mut dyn Write) -> io::Result<()> {
        let name = name(service);
        if self.stats {
            writeln!(out, "{name:<42}{}", counted(&service.stats))?;
        } else {
            write!(out, "{name} {}", service.scheduler.escaped())?;
            if service.flags & 1 != 0 {
                write!(out, " persistent {}", service.timeout)?;
            }
            if service.flags & 4 != 0 {
                write!(out, " ops")?;
            }
            writeln!(out)?;
        }
        for server in &service.servers {
            let place = format!("  -> {}", SocketAddr::new(server.address, server.port));
            if self.stats {
                writeln!(out, "{place:<42}{}", counted(&server.stats))?;
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

fn counted(stats: &IpvsStats) -> String {
    format!(
        "{:>8} {:>8} {:>8} {:>10} {:>10}",
        stats.connections, stats.in_packets, stats.out_packets, stats.in_bytes, stats.out_bytes
    )
}
