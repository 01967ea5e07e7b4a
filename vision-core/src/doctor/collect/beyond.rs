//! What speaks behind an open port, TLS or HTTP, and the proxy that programs are told to use.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::probes::Prober;
#[cfg(feature = "tls")]
use crate::base::Error;
use crate::base::{Host, Prefix, Result, Timestamp, Untrusted};
use crate::doctor::case::{ProbeRecord, Probing, Vantage};
use crate::doctor::greeting::was_answered;
use crate::doctor::{ProxyRecord, Service, SmallSegments};
#[cfg(feature = "tls")]
use crate::probe::{Authorities, TlsProbe, TlsReport};
use crate::probe::{Probe, ResolveOutcome, TcpExchange, TcpProbe, TcpReport, TlsOutcome};

/// How long a handshake may take.
#[cfg(feature = "tls")]
const TLS_WAIT: Duration = Duration::from_secs(3);
/// How long the answer to a request may take.
const HTTP_WAIT: Duration = Duration::from_secs(4);
/// How long an answer in small segments may take.
const LESS_WAIT: Duration = Duration::from_secs(2);
/// Addresses of a proxy that are tried.
const PROXIES: usize = 4;
/// Bytes of an answer's first line that are kept.
const LINE: usize = 160;
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

/// Where they keep them one by one, which OpenSSL and others look at as well.
#[cfg(feature = "tls")]
const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
/// What the gap is called when authorities could not be read.
#[cfg(feature = "tls")]
const UNREAD: &str = crate::doctor::greeting::AUTHORITIES;

impl Prober<'_> {
    /// Says the first words to what has taken a connection.
    pub(super) fn converse(&mut self, addr: IpAddr, service: Service, host: &Host) -> Result<()> {
        match service {
            Service::Tls(port) | Service::Https(port) => self.tls(addr, port, host)?,
            Service::Http(port) => self.http(addr, port, host)?,
            Service::Host | Service::Tcp(_) | Service::Udp(_) => {}
        }
        match service.tcp_port() {
            Some(port) if self.is_unanswered(addr) => {
                let to = SocketAddr::new(addr, port);
                self.ask_for_less_at_once(to, service, host)
            }
            _ => Ok(()),
        }
    }

    /// Tells whether what was said last found no answer, for the first time.
    fn is_unanswered(&self, addr: IpAddr) -> bool {
        let last = self.records.last().and_then(|probe| was_answered(probe, addr));
        last == Some(false) && !self.speechless.contains(&addr)
    }

    /// Says the same once more, and has the peer answer in segments that every link takes: an answer too large for
    /// the way back is lost there, and no error comes of it at this end.
    fn ask_for_less_at_once(
        &mut self,
        to: SocketAddr,
        service: Service,
        host: &Host,
    ) -> Result<()> {
        // What remains of the least that every path carries (RFC 791, 8200) behind the headers.
        let segment_bytes = if to.is_ipv6() { 1220 } else { 536 };
        let first_byte = match service {
            #[cfg(feature = "tls")]
            Service::Tls(_) | Service::Https(_) => {
                let probe = TlsProbe::new(to).name(host.clone()).scope(self.scope);
                let probe = probe.wait(LESS_WAIT).segment_bytes(segment_bytes);
                // One that began and did not go on is no answer.
                let heard = |report: TlsReport| {
                    report.first_byte.filter(|_| report.outcome != TlsOutcome::Stalled)
                };
                probe.run(&self.site.target, self.budget).map(heard)
            }
            _ => {
                let probe = TcpProbe::new(to.ip(), [to.port()]).scope(self.scope).wait(LESS_WAIT);
                let probe = probe.send(request(host, to.port())).segment_bytes(segment_bytes);
                let heard = |report: TcpReport| {
                    report.attempts.into_iter().find_map(|it| it.exchange?.first_byte)
                };
                probe.run(&self.site.target, self.budget).map(heard)
            }
        };
        match first_byte {
            Ok(first_byte) => {
                self.sent += 1;
                let small = SmallSegments { at: Timestamp::now(), to, segment_bytes, first_byte };
                self.records.push(ProbeRecord::SmallSegments(small));
                Ok(())
            }
            Err(e) => self.survive("small segments", e),
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
        // Who was given all the time there is and did not say a word, will not now.
        let wait = if self.speechless.contains(&addr) { TLS_WAIT / 3 } else { TLS_WAIT };
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

    /// The authorities that programs of the target trust: the file and the folder that OpenSSL looks at.
    #[cfg(feature = "tls")]
    fn authorities(&mut self) -> Result<Authorities> {
        let named = match self.site.target.variables(&["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
            Ok(variables) => variables.found,
            Err(e) => {
                self.survive("environment", e)?;
                Vec::new()
            }
        };
        let value = |name| named.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let files = match value("SSL_CERT_FILE") {
            Some(file) => vec![file],
            None => AUTHORITIES.map(str::to_owned).to_vec(),
        };
        let folders = match value("SSL_CERT_DIR") {
            Some(folders) => folders.split(':').map(str::to_owned).collect(),
            None => FOLDERS.map(str::to_owned).to_vec(),
        };
        let (mut pem, mut origins) = (Vec::new(), Vec::new());
        for path in files {
            let file = self.site.target.read_large_file(&path, self.budget);
            if let Some(bytes) = self.found(file.map(|file| file.bytes))? {
                pem.extend(bytes);
                origins.push(path);
                break;
            }
        }
        for folder in folders {
            let listed = self.site.target.list_folder(&folder, self.budget);
            let Some(names) = self.found(listed)? else { continue };
            let before = pem.len();
            for name in names {
                let file = self.site.target.read_file(&format!("{folder}/{name}"), self.budget);
                match file {
                    Ok(file) => pem.extend(file.bytes),
                    // The bundle is there as well, and larger.
                    Err(Error::Invalid { .. }) => {}
                    Err(e) => drop(self.found::<()>(Err(e))?),
                }
                pem.push(b'\n');
            }
            if pem.len() > before {
                origins.push(folder);
            }
        }
        Authorities::from_pem(origins.join(", "), &pem).or_else(|_| {
            let why = "the target has none; the certificate was judged by those of browsers";
            self.note_gap(UNREAD, why);
            Ok(Authorities::built_in())
        })
    }

    /// What was read; what is not there is nothing, and anything else leaves a gap.
    #[cfg(feature = "tls")]
    fn found<T>(&mut self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(found) => Ok(Some(found)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(e) => self.survive(UNREAD, e).map(|()| None),
        }
    }

    fn http(&mut self, addr: IpAddr, port: u16, host: &Host) -> Result<()> {
        let wait = if self.speechless.contains(&addr) { HTTP_WAIT / 3 } else { HTTP_WAIT };
        let probe = TcpProbe::new(addr, [port]).scope(self.scope).wait(wait);
        match probe.send(request(host, port)).run(&self.site.target, self.budget) {
            Ok(mut report) => {
                self.sent += 1;
                let exchanges = report.attempts.iter_mut().filter_map(|a| a.exchange.as_mut());
                exchanges.for_each(forget_the_page);
                self.records.push(ProbeRecord::Http(report));
                Ok(())
            }
            Err(e) => self.survive("http", e),
        }
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
        let environment = match self.site.target.variables(&[names, &exempt].concat()) {
            Ok(environment) => environment,
            Err(e) => return self.survive("environment", e),
        };
        let value = |name: &&str| {
            let found = environment.found.iter().find(|(variable, _)| variable == name);
            found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
        };
        let port = service.tcp_port().unwrap_or_default();
        if exempt.iter().filter_map(value).any(|list| is_exempt((host, port), list)) {
            return Ok(());
        }
        let named = names.iter().find_map(|name| value(name).map(|value| (*name, value)));
        let Some((variable, value)) = named else { return Ok(()) };
        let Some((proxy, port)) = endpoint(value) else {
            self.note_gap("http", &format!("`{variable}` does not name a host and a port"));
            return Ok(());
        };
        let Some(addrs) = self.addresses_of(&proxy)? else {
            self.note_gap("http", &format!("the proxy that {variable} names was not found out"));
            return Ok(());
        };
        let mut record = ProxyRecord {
            variable: variable.to_owned(),
            pid: environment.pid,
            host: proxy.to_string(),
            port,
            connects: Vec::new(),
        };
        for addr in addrs.iter().take(PROXIES) {
            let probe = TcpProbe::new(*addr, [port]).wait(PROXY_WAIT);
            match probe.run(&self.site.target, self.budget) {
                Ok(report) => {
                    self.sent += 1;
                    record.connects.push(report);
                }
                Err(e) => return self.survive("http", e),
            }
            if !record.is_dead() {
                break;
            }
        }
        if record.is_dead() && addrs.len() > PROXIES {
            self.note_gap("http", &format!("not all addresses of {proxy} were tried"));
            return Ok(());
        }
        self.records.push(ProbeRecord::Proxy(record));
        Ok(())
    }

    /// The addresses of a host, none if it is known to have none; nothing if that could not be found out.
    fn addresses_of(&mut self, host: &Host) -> Result<Option<Vec<IpAddr>>> {
        let name = match host {
            Host::Addr(addr, _) => return Ok(Some(vec![*addr])),
            Host::Name(name) => name,
        };
        let settled =
            [ResolveOutcome::Found, ResolveOutcome::NoSuchName, ResolveOutcome::NoAddress];
        let found = self.look_name_up(name)?.filter(|found| settled.contains(&found.outcome));
        Ok(found.map(|found| found.addresses))
    }
}

/// Keeps of an answer its first line; the rest is nobody's business.
fn forget_the_page(exchange: &mut TcpExchange) {
    let bytes = exchange.received.as_bytes();
    let line = bytes.split(|byte| [b'\r', b'\n'].contains(byte)).next().unwrap_or_default();
    exchange.received = Untrusted::from(line.get(..LINE.min(line.len())).unwrap_or_default());
    exchange.received_hex = exchange.received.hex_unless_utf8();
}

/// Host and port of a proxy's URL; the scheme may be missing, and who asks is no business of anybody's. Without a
/// port, programs differ on which is meant.
fn endpoint(url: &str) -> Option<(Host, u16)> {
    let (_, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A password may have any letter: what is left of one is no host.
    if rest.get(authority.len()..).is_some_and(|path| path.contains('@')) {
        return None;
    }
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'))?;
    Some((host.parse().ok()?, port.parse().ok()?))
}

/// Tells whether a list such as `localhost,.svc,10.0.0.0/8` has a host; `*` has all.
fn is_exempt((host, port): (&Host, u16), list: &str) -> bool {
    let port = format!(":{port}");
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.strip_suffix(&port).unwrap_or(entry);
        match host {
            _ if entry == "*" => true,
            Host::Addr(addr, _) => {
                entry.parse::<Prefix>().is_ok_and(|prefix| prefix.contains(*addr))
                    || entry.parse::<IpAddr>().is_ok_and(|entry| entry == *addr)
            }
            Host::Name(name) => {
                let entry = entry.strip_prefix('*').unwrap_or(entry).trim_start_matches('.');
                is_below(name.trim_end_matches('.'), entry)
            }
        }
    })
}

/// The request for the root of what a host serves.
fn request(host: &Host, port: u16) -> Vec<u8> {
    let authority = match (host, port) {
        (Host::Addr(IpAddr::V6(addr), _), 80) => format!("[{addr}]"),
        (Host::Addr(IpAddr::V6(addr), _), port) => format!("[{addr}]:{port}"),
        (Host::Addr(addr, _), 80) => addr.to_string(),
        (Host::Name(name), 80) => name.clone(),
        (Host::Addr(addr, _), port) => format!("{addr}:{port}"),
        (Host::Name(name), port) => format!("{name}:{port}"),
    };
    format!(
        "GET / HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: vision\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n"
    )
    .into_bytes()
}

/// Tells whether a name is a domain or below it.
fn is_below(name: &str, domain: &str) -> bool {
    let head = name.len().checked_sub(domain.len());
    let Some((head, tail)) = head.and_then(|at| name.split_at_checked(at)) else { return false };
    tail.eq_ignore_ascii_case(domain) && (head.is_empty() || head.ends_with('.'))
}

/// Who took a connection in earlier rounds and did not say a word over it.
pub(super) fn speechless_so_far(vantage: &Vantage) -> Vec<IpAddr> {
    let speechless = vantage.probes().filter_map(|probe| match probe {
        ProbeRecord::Tls(report) if report.outcome == TlsOutcome::Silent => Some(report.to.ip()),
        ProbeRecord::Http(report) => {
            let mut exchanges = report.attempts.iter().filter_map(|a| a.exchange.as_ref());
            exchanges.any(|exchange| exchange.first_byte.is_none()).then_some(report.to)
        }
        _ => None,
    });
    speechless.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_programs_read_them() {
        for (url, host, port) in [
            ("http://proxy.test:3128/", "proxy.test", 3128),
            ("user:secret@10.0.0.1:8080", "10.0.0.1", 8080),
            ("socks5://[fd00::1]:1080", "fd00::1", 1080),
        ] {
            let (found, number) = endpoint(url).expect(url);
            assert_eq!((found.to_string(), number), (host.to_owned(), port), "{url}");
        }
        for unclear in ["http://p:x", "", "http://p", "http://bob:7/secret@proxy:3128", "[::1]"] {
            assert!(endpoint(unclear).is_none(), "{unclear}");
        }
    }

    #[test]
    fn exempt_hosts_go_without_the_proxy() {
        let list = "localhost, .svc.test,10.0.0.0/8,192.0.2.1,*.lab.test,api.test:80,x.test:81";
        for (host, exempt) in [
            ("localhost", true),
            ("db.svc.test", true),
            ("svc.test", true),
            ("dbsvc.test", false),
            ("10.9.9.9", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("a.lab.test", true),
            ("api.test", true),
            ("x.test", false),
        ] {
            let asked = host.parse().expect(host);
            assert_eq!(is_exempt((&asked, 80), list), exempt, "{host}");
        }
        assert!(is_exempt((&"x".parse().expect("a name"), 1), "*"));
    }
}
