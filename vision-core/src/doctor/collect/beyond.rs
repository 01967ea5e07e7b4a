//! What speaks behind an open port, TLS or HTTP, and the proxy that programs are told to use.

use std::net::IpAddr;
#[cfg(feature = "tls")]
use std::net::SocketAddr;
use std::time::Duration;

use super::probes::Prober;
use crate::base::{Host, Prefix, Result};
use crate::doctor::Service;
use crate::doctor::case::{ProbeRecord, Probing, ProxyRecord};
#[cfg(feature = "tls")]
use crate::probe::{Authorities, TlsProbe};
use crate::probe::{Probe, TcpProbe};

/// How long a handshake may take.
#[cfg(feature = "tls")]
const TLS_WAIT: Duration = Duration::from_secs(3);
/// How long the answer to a request may take.
const HTTP_WAIT: Duration = Duration::from_secs(4);
/// How long a proxy may take for a connect.
const PROXY_WAIT: Duration = Duration::from_millis(1300);

/// Where distributions keep the authorities that programs trust: Debian and Alpine, Fedora, openSUSE, and what
/// OpenSSL itself looks for.
#[cfg(feature = "tls")]
const AUTHORITIES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Prober<'_> {
    /// Says the first words to what has taken a connection.
    pub(super) fn converse(&mut self, addr: IpAddr, service: Service, host: &Host) -> Result<()> {
        match service {
            Service::Tls(port) | Service::Https(port) => self.tls(addr, port, host),
            Service::Http(port) => self.http(addr, port, host),
            Service::Host | Service::Tcp(_) | Service::Udp(_) => Ok(()),
        }
    }

    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unnecessary_wraps, reason = "as it is with the feature")]
    fn tls(&mut self, _: IpAddr, _: u16, _: &Host) -> Result<()> {
        self.note_gap("tls", "this build cannot: it lacks the feature `tls`");
        Ok(())
    }

    #[cfg(feature = "tls")]
    fn tls(&mut self, addr: IpAddr, port: u16, host: &Host) -> Result<()> {
        let wait = if self.has_waited() { TLS_WAIT / 3 } else { TLS_WAIT };
        let authorities = self.authorities()?;
        let probe = TlsProbe::new(SocketAddr::new(addr, port)).scope(self.scope).wait(wait);
        let probe = probe.name(host.clone()).authorities(authorities);
        match probe.run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += 1;
                self.records.push(ProbeRecord::Tls(report));
                Ok(())
            }
            Err(e) => self.survive("tls", e),
        }
    }

    /// The authorities that programs of the target trust, as OpenSSL finds them.
    #[cfg(feature = "tls")]
    fn authorities(&mut self) -> Result<Authorities> {
        let named = match self.site.target.variables(&["SSL_CERT_FILE"]) {
            Ok(variables) => variables.into_iter().map(|(_, file)| file).collect(),
            Err(e) => {
                self.survive("environment", e)?;
                Vec::new()
            }
        };
        let usual = AUTHORITIES.map(str::to_owned);
        for path in named.into_iter().chain(usual) {
            let Ok(file) = self.site.target.read_large_file(&path, self.budget) else { continue };
            if let Ok(authorities) = Authorities::from_pem(path, &file.bytes) {
                return Ok(authorities);
            }
        }
        Ok(Authorities::built_in())
    }

    fn http(&mut self, addr: IpAddr, port: u16, host: &Host) -> Result<()> {
        let authority = match (host, port) {
            (Host::Addr(IpAddr::V6(addr), _), 80) => format!("[{addr}]"),
            (Host::Addr(IpAddr::V6(addr), _), port) => format!("[{addr}]:{port}"),
            (Host::Addr(addr, _), 80) => addr.to_string(),
            (Host::Name(name), 80) => name.clone(),
            (Host::Addr(addr, _), port) => format!("{addr}:{port}"),
            (Host::Name(name), port) => format!("{name}:{port}"),
        };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: vision\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        let wait = if self.has_waited() { HTTP_WAIT / 3 } else { HTTP_WAIT };
        let probe = TcpProbe::new(addr, [port]).scope(self.scope).wait(wait);
        match probe.send(request.into_bytes()).run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += 1;
                self.records.push(ProbeRecord::Http(report));
                Ok(())
            }
            Err(e) => self.survive("http", e),
        }
    }

    /// Tells whether somebody was given all the time there is and did not say a word: in a round before, or by
    /// another address of the same name.
    fn has_waited(&self) -> bool {
        self.again
            || self.records.iter().any(|record| match record {
                ProbeRecord::Tls(report) => report.first_byte.is_none(),
                ProbeRecord::Http(report) => report
                    .attempts
                    .iter()
                    .any(|a| a.exchange.as_ref().is_some_and(|e| e.first_byte.is_none())),
                _ => false,
            })
    }

    /// Connects to the proxy that the environment names for the destination, if it names one.
    pub(super) fn proxy(&mut self, host: &Host, service: Service) -> Result<()> {
        let names: &[&str] = match service {
            Service::Http(_) => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
            Service::Https(_) => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            _ => return Ok(()),
        };
        if self.probing == Probing::Passive {
            return Ok(());
        }
        let exempt = ["no_proxy", "NO_PROXY"];
        let variables = match self.site.target.variables(&[names, &exempt].concat()) {
            Ok(variables) => variables,
            Err(e) => return self.survive("environment", e),
        };
        let value = |name: &&str| {
            let found = variables.iter().find(|(variable, _)| variable == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        if exempt.iter().filter_map(value).any(|list| is_exempt(host, list)) {
            return Ok(());
        }
        let named = names.iter().find_map(|name| value(name).map(|value| (*name, value)));
        let Some((variable, value)) = named else { return Ok(()) };
        let Some((proxy, port)) = endpoint(value) else {
            self.note_gap("http", &format!("`{variable}` does not name a host and a port"));
            return Ok(());
        };
        let addrs = match &proxy {
            Host::Addr(addr, _) => vec![*addr],
            Host::Name(name) => {
                self.look_name_up(name)?.map(|found| found.addresses).unwrap_or_default()
            }
        };
        let pid = self.site.target.pid();
        let mut record = ProxyRecord {
            variable: variable.to_owned(),
            pid,
            host: proxy.to_string(),
            port,
            connects: Vec::new(),
        };
        for addr in addrs.into_iter().take(2) {
            let probe = TcpProbe::new(addr, [port]).wait(PROXY_WAIT);
            match probe.run(&self.site.target, self.budget) {
                Ok(report) => {
                    self.sent += 1;
                    record.connects.push(report);
                }
                Err(e) => return self.survive("http", e),
            }
        }
        self.records.push(ProbeRecord::Proxy(record));
        Ok(())
    }
}

/// Host and port of a proxy's URL; the scheme may be missing, and who asks is no business of anybody's.
fn endpoint(url: &str) -> Option<(Host, u16)> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    };
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
    match port {
        Some((host, port)) => Some((host.parse().ok()?, port.parse().ok()?)),
        None => Some((authority.parse().ok()?, usual)),
    }
}

/// Tells whether a list such as `localhost,.svc,10.0.0.0/8` has a host; `*` has all.
fn is_exempt(host: &Host, list: &str) -> bool {
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(
        |entry| match host {
            _ if entry == "*" => true,
            Host::Addr(addr, _) => {
                entry.parse::<Prefix>().is_ok_and(|prefix| prefix.contains(*addr))
                    || entry.parse::<IpAddr>().is_ok_and(|entry| entry == *addr)
            }
            Host::Name(name) => {
                let (name, entry) = (name.trim_end_matches('.'), entry.trim_start_matches('.'));
                let head = name.len().checked_sub(entry.len());
                let tail = head.and_then(|at| name.get(at..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(entry))
                    && head.is_some_and(|at| {
                        at == 0 || name.get(..at).is_some_and(|h| h.ends_with('.'))
                    })
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_curl_reads_them() {
        for (url, host, port) in [
            ("http://proxy.test:3128/", "proxy.test", 3128),
            ("user:secret@10.0.0.1:8080", "10.0.0.1", 8080),
            ("socks5://[fd00::1]", "fd00::1", 1080),
            ("https://p", "p", 443),
        ] {
            let (found, number) = endpoint(url).expect(url);
            assert_eq!((found.to_string(), number), (host.to_owned(), port), "{url}");
        }
        assert!(endpoint("http://p:x").is_none() && endpoint("").is_none());
    }

    #[test]
    fn exempt_hosts_go_without_the_proxy() {
        let list = "localhost, .svc.test,10.0.0.0/8,192.0.2.1";
        for (host, exempt) in [
            ("localhost", true),
            ("db.svc.test", true),
            ("svc.test", true),
            ("dbsvc.test", false),
            ("10.9.9.9", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
        ] {
            assert_eq!(is_exempt(&host.parse().expect(host), list), exempt, "{host}");
        }
        assert!(is_exempt(&"x".parse().expect("a name"), "*"));
    }
}
