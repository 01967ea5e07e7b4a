//! What was said over a connection once it stood: TLS handshakes and answers to HTTP. Pure.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::case::{FullSizeRecord, ProbeRecord};
use super::scene::{Flow, Hop, Outcome, Purpose, Scene};
use super::{Cause, Class, Service};
use crate::base::{Escaped, Host, Timestamp, Untrusted};
use crate::probe::{
    CertificateFault, ExchangeEnd, TcpAttempt, TcpExchange, TcpOutcome, TcpReport, TlsOutcome,
    TlsReport,
};

/// A proxy, and whether it can be connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ProxyRecord {
    /// The environment variable that names it, such as `http_proxy`.
    pub variable: String,
    /// The process that has it in its environment, if it is another than the one that asked.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pid: Option<u32>,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// A connect to each of its addresses; none if its name has none.
    pub connects: Vec<TcpReport>,
}

impl ProxyRecord {
    /// Tells whether no address of it takes a connection.
    pub(crate) fn is_dead(&self) -> bool {
        let mut attempts = self.connects.iter().flat_map(|report| &report.attempts);
        !attempts.any(|attempt| attempt.outcome.is_open())
    }
}

/// What had found no answer, said once more over a connection with small segments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SmallSegments {
    /// When.
    pub at: Timestamp,
    /// Who was asked.
    pub to: SocketAddr,
    /// The largest segment that either side sent, in bytes.
    pub segment_bytes: u16,
    /// From the question to the first byte back; none if nothing came.
    pub first_byte: Option<Duration>,
}

/// What a destination said only in small segments, and how often it had said nothing in larger ones.
pub(super) fn small_only<'a>(
    scene: &Scene<'a>,
    flow: &Flow<'_>,
) -> Option<(&'a SmallSegments, usize)> {
    let small = scene.target.probes().find_map(|probe| match probe {
        ProbeRecord::SmallSegments(small) if small.to.ip() == flow.dst => Some(small),
        _ => None,
    });
    let small = small.filter(|small| small.first_byte.is_some())?;
    let is_small = |probe: &&ProbeRecord| matches!(probe, ProbeRecord::SmallSegments(_));
    let heard = |probe| was_answered(probe, flow.dst);
    let before = || scene.target.probes().take_while(|probe| !is_small(probe)).filter_map(heard);
    let later = || scene.target.probes().skip_while(|probe| !is_small(probe)).filter_map(heard);
    // What the large echo request learned of the way there, the connections that follow offer for the way back.
    let learned = scene.target.full_size(flow.dst).is_some_and(FullSizeRecord::was_told);
    let silent = before().all(|answered| !answered) && (learned || later().all(|it| !it));
    silent.then(|| (small, before().chain(later()).filter(|it| !it).count()))
}

/// Whether a destination answered what was said over an open connection; none if nothing was.
pub(super) fn was_answered(probe: &ProbeRecord, dst: IpAddr) -> Option<bool> {
    match probe {
        ProbeRecord::Tls(report) if report.to.ip() == dst => match report.outcome {
            TlsOutcome::Silent | TlsOutcome::Stalled => Some(false),
            TlsOutcome::Cut | TlsOutcome::Unconnected => None,
            _ => Some(true),
        },
        ProbeRecord::Http(report) if report.to == dst => {
            let mut exchanges = report.attempts.iter().filter_map(|it| it.exchange.as_ref());
            let exchange = exchanges.next()?;
            match exchange.end {
                ExchangeEnd::Cut => None,
                ExchangeEnd::TimedOut => Some(exchange.first_byte.is_some()),
                _ => Some(true),
            }
        }
        _ => None,
    }
}

/// How an exchange over an open connection went.
pub(super) enum Greeting {
    /// None was tried.
    Unasked,
    /// As it should; in words.
    Good(String),
    /// Not as it should; in words.
    Bad(String),
}

/// Tells whether a cause is about what is said over connections, not about whether they come about.
pub(super) fn is_beyond(cause: Cause) -> bool {
    matches!(cause.class(), Class::Tls | Class::Http | Class::App)
}

/// The latest handshake with a destination.
pub(super) fn handshake<'a>(scene: &Scene<'a>, flow: &Flow<'_>) -> Option<&'a TlsReport> {
    let asked = matches!(flow.purpose, Purpose::Destination(Service::Tls(_) | Service::Https(_)));
    let mut records = scene.target.probes().rev().filter(|_| asked);
    records.find_map(|probe| match probe {
        ProbeRecord::Tls(report) if report.to.ip() == flow.dst => Some(report),
        _ => None,
    })
}

/// What the gap is called when the target's certificate authorities could not be read.
pub(super) const AUTHORITIES: &str = "certificate authorities";
/// Another connection came about just before.
const UNCONNECTED: &str = "another connection did not come about";

fn asked_by_http<'a>(scene: &Scene<'a>, flow: &Flow<'_>) -> Option<&'a TcpReport> {
    let asked = matches!(flow.purpose, Purpose::Destination(Service::Http(_)));
    let mut records = scene.target.probes().rev().filter(|_| asked);
    records.find_map(|probe| match probe {
        ProbeRecord::Http(report) if report.to == flow.dst => Some(report),
        _ => None,
    })
}

/// What could not be judged of a certificate.
fn unjudged(report: &TlsReport) -> Option<&str> {
    report.certificate.as_ref()?.faults.iter().find_map(|fault| match fault {
        CertificateFault::Other { why } => Some(why.as_str()),
        _ => None,
    })
}

/// The latest request to a destination, how long the connect took, and what came of it.
pub(super) fn request<'a>(
    scene: &Scene<'a>,
    flow: &Flow<'_>,
) -> Option<(&'a TcpReport, Duration, &'a TcpExchange)> {
    let report = asked_by_http(scene, flow)?;
    report.attempts.iter().find_map(|attempt| match (&attempt.outcome, &attempt.exchange) {
        (TcpOutcome::Open { rtt, .. }, Some(exchange)) => Some((report, *rtt, exchange)),
        _ => None,
    })
}

/// What is kept from running waits for the next period of its control group, of 100 ms unless set.
const LATE: Duration = Duration::from_millis(50);

/// How long a service took for its first byte; none if it did not come.
pub(super) struct Wait {
    pub(super) at: Timestamp,
    pub(super) port: u16,
    pub(super) asked: &'static str,
    pub(super) connect: Duration,
    pub(super) first_byte: Option<Duration>,
}

impl Wait {
    pub(super) fn text(&self) -> String {
        self.first_byte.map_or_else(
            || "no answer".to_owned(),
            |first| format!("first byte after {}", millis(first)),
        )
    }

    /// Tells whether the service kept its client waiting, for a moment at least, and not the way to it.
    pub(super) fn is_late(&self) -> bool {
        self.first_byte.is_some_and(|first| first >= LATE && first > self.connect * 5)
    }
}

/// Reads how long the service asked about took to answer; none if it was asked nothing, or did not come to it.
pub(super) fn wait_of(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Wait> {
    if let Some(report) = handshake(scene, flow) {
        let TcpOutcome::Open { rtt, .. } = report.connection else { return None };
        // One that did not come to an end is another matter.
        let completed = report.outcome == TlsOutcome::Completed;
        return report.first_byte.filter(|_| completed).map(|first| Wait {
            at: report.at,
            port: report.to.port(),
            asked: "TLS ClientHello",
            connect: rtt,
            first_byte: Some(first),
        });
    }
    let (report, connect, exchange) = request(scene, flow)?;
    let attempt = report.attempts.first()?;
    let over = exchange.first_byte.is_some() || exchange.end == ExchangeEnd::TimedOut;
    over.then_some(Wait {
        at: attempt.started_at.unwrap_or(flow.at),
        port: attempt.port,
        asked: "GET / of HTTP/1.1",
        connect,
        first_byte: exchange.first_byte,
    })
}

/// The proxy that programs of the target are told to use.
pub(super) fn proxy<'a>(scene: &Scene<'a>) -> Option<&'a ProxyRecord> {
    scene.target.probes().rev().find_map(|probe| match probe {
        ProbeRecord::Proxy(record) => Some(record),
        _ => None,
    })
}

/// Tells whether packets of any size pass both ways, as far as this end can see: it had to send nothing again,
/// nothing came out of order, and large packets were answered, if there is a network in between.
pub(super) fn lost_nothing(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let still = |group, name| scene.target.moved(group, name) == Some(0);
    let whole = scene.target.full_size(flow.dst).is_some_and(|it| it.large.summary().received > 0);
    let near = flow.hops.first().is_some_and(Hop::is_local) || flow.dst.is_loopback();
    still("Tcp", "RetransSegs") && still("TcpExt", "TCPOFOQueue") && (whole || near)
}

/// How the exchange over a flow's connection went, as far as one was asked for.
pub(super) fn greeting(scene: &Scene<'_>, flow: &Flow<'_>) -> Greeting {
    if flow.outcome != Outcome::Works {
        return Greeting::Unasked;
    }
    if let Some(report) = handshake(scene, flow) {
        return match &report.outcome {
            TlsOutcome::Completed => match unjudged(report) {
                None => Greeting::Good(shaken(report)),
                Some(why) => Greeting::Bad(format!("the certificate could not be judged: {why}")),
            },
            TlsOutcome::Cut => Greeting::Unasked,
            TlsOutcome::Unconnected => Greeting::Bad(UNCONNECTED.to_owned()),
            _ => Greeting::Bad(outcome(report)),
        };
    }
    let Some(record) = asked_by_http(scene, flow) else { return Greeting::Unasked };
    let Some((_, _, exchange)) = request(scene, flow) else {
        let pending = |it: &TcpAttempt| it.outcome == TcpOutcome::Pending;
        return match record.attempts.iter().all(pending) {
            true => Greeting::Unasked,
            false => Greeting::Bad(UNCONNECTED.to_owned()),
        };
    };
    let (line, first) = (first_line(&exchange.received), exchange.first_byte.map(millis));
    match (first, exchange.end) {
        (Some(after), _) if line.starts_with("HTTP/") => {
            Greeting::Good(format!("{line} after {after}"))
        }
        (Some(_), _) => Greeting::Bad(format!("the answer is no HTTP: {line}")),
        (None, ExchangeEnd::Cut) => Greeting::Unasked,
        (None, ExchangeEnd::Closed | ExchangeEnd::Broken(_)) => {
            Greeting::Bad("the connection was closed without an answer".to_owned())
        }
        (None, _) => Greeting::Bad("the request was not answered".to_owned()),
    }
}

/// What a completed handshake agreed on, and with whom.
pub(super) fn shaken(report: &TlsReport) -> String {
    let version = report.version.as_deref().unwrap_or("TLS");
    let Some(certificate) = &report.certificate else { return version.to_owned() };
    let name = |name: &Option<Untrusted>| match name {
        Some(name) => name.escaped().to_string(),
        None => "an unnamed subject".to_owned(),
    };
    let signer = match certificate.self_signed {
        true => "itself".to_owned(),
        false => name(&certificate.issuer),
    };
    format!("{version}, certificate of {} signed by {signer}", name(&certificate.subject))
}

/// How a handshake that was not completed ended.
pub(super) fn outcome(report: &TlsReport) -> String {
    match &report.outcome {
        TlsOutcome::Completed => "completed".to_owned(),
        TlsOutcome::NotTls => "the answer is no TLS".to_owned(),
        TlsOutcome::Silent => "not a byte came back".to_owned(),
        TlsOutcome::Stalled => "it began and did not go on".to_owned(),
        TlsOutcome::Alert { name } => format!("the server refused with the alert {name}"),
        TlsOutcome::Closed { reason: None } => "the server closed the connection".to_owned(),
        TlsOutcome::Closed { reason: Some(reason) } => format!("the connection broke: {reason}"),
        TlsOutcome::Failed { why } => format!("it failed: {why}"),
        _ => "it was not tried to the end".to_owned(),
    }
}

/// A fault of a certificate in words.
pub(super) fn fault(fault: &CertificateFault) -> String {
    match fault {
        CertificateFault::Expired { not_after, now } => {
            format!("valid until {not_after}; this host's clock says {now}")
        }
        CertificateFault::NotYetValid { not_before, now } => {
            format!("valid from {not_before}; this host's clock says {now}")
        }
        CertificateFault::ChainExpired { name, not_after, now } => {
            let name =
                name.as_ref().map_or_else(String::new, |name| format!(" of {}", name.escaped()));
            format!(
                "rests on a certificate{name} valid until {not_after}; this host's clock says {now}"
            )
        }
        CertificateFault::CommonNameOnly => {
            "for its subject's common name only, which not all clients take".to_owned()
        }
        CertificateFault::WrongName { presented } => {
            let names: Vec<_> = presented.iter().map(|n| n.escaped().to_string()).collect();
            match names.is_empty() {
                true => "for no name at all".to_owned(),
                false => format!("for {}", names.join(", ")),
            }
        }
        CertificateFault::Untrusted => "signed by nobody who is trusted".to_owned(),
        CertificateFault::Other { why } => why.clone(),
    }
}

/// The first line of an answer.
pub(super) fn first_line(received: &Untrusted) -> String {
    let line = received.as_bytes().split(|byte| [b'\r', b'\n'].contains(byte)).next();
    let line = line.unwrap_or_default();
    let shown = line.get(..80.min(line.len())).unwrap_or_default();
    Escaped::new(shown).to_string()
}

pub(super) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Tells whether the user asked by address: certificates of the inside rarely have one.
pub(super) fn by_address(scene: &Scene<'_>) -> bool {
    matches!(&scene.case.question, super::Question::Reach { host: Host::Addr(..), .. })
}
