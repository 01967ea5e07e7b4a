//! What open ports say, and whether they speak TLS.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Budget, Gap, Pacer, Result, Untrusted, fill_random};
use crate::netns::{NetnsId, Target};
use crate::probe::{Probe, TcpExchange, TcpProbe, TcpReport};

/// Listens to open TCP ports, says hello in TLS to those that stay silent, and asks the rest as a
/// browser would: three connections to a port at most, each closed at once.
///
/// Needs no capability.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{Greet, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let greet = Greet::new("127.0.0.1".parse().expect("address"), [22, 443]);
/// for port in greet.run(&target, &Budget::within(Duration::from_secs(9)))?.ports {
///     println!("{} {:?} {}", port.port, port.tls, port.says.escaped());
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Greet {
    to: IpAddr,
    scope: u32,
    ports: Vec<u16>,
    wait: Duration,
    source: Option<SocketAddr>,
    interface: Option<String>,
}

/// What ports said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GreetReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// One entry per port, in the order given.
    pub ports: Vec<Greeted>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Greeted {
    /// Its number.
    pub port: u16,
    /// Whether it speaks TLS.
    pub tls: SpeaksTls,
    /// The first bytes it sent in the clear, by itself or when asked for a web page; at most 512.
    pub says: Untrusted,
    /// The same in hexadecimal when it is not UTF-8.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub says_hex: Option<String>,
}

/// Whether a port speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SpeaksTls {
    /// It answered a hello with one of its own, or with an alert.
    Yes,
    /// It spoke first, or answered something else.
    No,
    /// It could not be told: no answer, or no connection.
    Unknown,
}

/// How much of what is said is kept.
const KEPT_BYTES: usize = 512;
/// Connections that are started in a second.
const RATE: u32 = 100;
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nUser-Agent: vision\r\nAccept: */*\r\n\r\n";

impl Greet {
    /// Waits a second for each port to speak.
    pub fn new(to: IpAddr, ports: impl IntoIterator<Item = u16>) -> Self {
        let (ports, wait) = (ports.into_iter().collect(), Duration::from_secs(1));
        Self { to, scope: 0, ports, wait, source: None, interface: None }
    }

    /// Waits this long for a port to speak.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }

    /// Connects from this address.
    pub fn source(self, source: IpAddr) -> Self {
        Self { source: Some(SocketAddr::new(source, 0)), ..self }
    }

    /// Connects through this interface only.
    pub fn interface(self, name: impl Into<String>) -> Self {
        Self { interface: Some(name.into()), ..self }
    }

    fn probe(&self, ports: &[u16]) -> TcpProbe {
        let mut probe = TcpProbe::new(self.to, ports.iter().copied()).scope(self.scope);
        probe = probe.wait(self.wait).pacer(&Pacer::per_second(RATE, 64));
        if let Some(source) = self.source {
            probe = probe.source(source);
        }
        match &self.interface {
            Some(name) => probe.interface(name),
            None => probe,
        }
    }
}

impl Probe for Greet {
    type Report = GreetReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<GreetReport> {
        let blank = |port: &u16| Greeted {
            port: *port,
            tls: SpeaksTls::Unknown,
            says: Untrusted::from(&[][..]),
            says_hex: None,
        };
        let mut ports: Vec<Greeted> = self.ports.iter().map(blank).collect();
        let hello = hello()?;
        let mut gaps = Vec::new();
        for round in [Round::Listen, Round::Hello, Round::Page] {
            let wanted = ports.iter().filter(|port| round.wants(port)).map(|port| port.port);
            let wanted: Vec<u16> = wanted.collect();
            if wanted.is_empty() {
                continue;
            }
            if budget.remaining().is_err() {
                gaps.push(Gap::new("greetings", "the run ended before all ports were heard"));
                break;
            }
            let probe = self.probe(&wanted);
            let probe = match round {
                Round::Listen => probe.banner(),
                Round::Hello => probe.send(hello.clone()),
                Round::Page => probe.send(REQUEST.to_vec()),
            };
            round.learn(&probe.run(target, budget)?, &mut ports);
        }
        Ok(GreetReport { netns: target.id(), ports, gaps })
    }
}

/// What is tried, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Listen,
    Hello,
    Page,
}

impl Round {
    fn wants(self, port: &Greeted) -> bool {
        let silent = port.says.as_bytes().is_empty();
        silent && port.tls != SpeaksTls::Yes
    }

    fn learn(self, report: &TcpReport, ports: &mut [Greeted]) {
        for attempt in &report.attempts {
            let port = ports.iter_mut().find(|port| port.port == attempt.port);
            if let (Some(port), Some(exchange)) = (port, &attempt.exchange) {
                self.heard(exchange, port);
            }
        }
    }

    fn heard(self, exchange: &TcpExchange, port: &mut Greeted) {
        let bytes = exchange.received.as_bytes();
        if bytes.is_empty() {
            return;
        }
        // A record of type handshake or alert, of any version 3 (RFC 8446 §5.1).
        if self == Self::Hello && matches!(bytes, [0x15 | 0x16, 3, ..]) {
            port.tls = SpeaksTls::Yes;
            return;
        }
        port.tls = SpeaksTls::No;
        port.says = Untrusted::from(bytes.get(..KEPT_BYTES).unwrap_or(bytes));
        port.says_hex = port.says.hex_unless_utf8();
    }
}

/// A hello that offers TLS 1.2 and 1.3 (RFC 8446 §4.1.2).
fn hello() -> Result<Vec<u8>> {
    const SUITES: &[u8] =
        b"\x13\x01\x13\x02\x13\x03\xc0\x2b\xc0\x2f\xc0\x2c\xc0\x30\xcc\xa9\xcc\xa8\x00\x9c\x00\x2f";
    let extension = |kind: u8, data: &[u8]| {
        let mut bytes = vec![0, kind];
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
        bytes
    };
    let extensions = [
        // Groups, point formats, signature schemes, versions, and no key share: the server asks.
        extension(10, b"\x00\x04\x00\x1d\x00\x17"),
        extension(11, b"\x01\x00"),
        extension(13, b"\x00\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01"),
        extension(43, b"\x04\x03\x04\x03\x03"),
        extension(51, b"\x00\x00"),
    ]
    .concat();
    let mut random = [0; 32];
    fill_random(&mut random)?;
    let mut body = vec![3, 3];
    body.extend(random);
    body.push(0);
    body.extend((SUITES.len() as u16).to_be_bytes());
    body.extend(SUITES);
    body.extend([1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![0x16, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_of_a_hello_are_true() {
        let hello = hello().expect("random bytes");
        let record = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        let body = usize::from(u16::from_be_bytes([hello[7], hello[8]]));
        assert_eq!((record, body), (hello.len() - 5, hello.len() - 9));
        let extensions = 9 + 2 + 32 + 1 + 2 + 22 + 2;
        let length = u16::from_be_bytes([hello[extensions], hello[extensions + 1]]);
        assert_eq!(usize::from(length), hello.len() - extensions - 2);
    }
}
