use std::time::{Duration, Instant};

use super::machine::TlsMachine;
use super::{TlsOutcome, TlsProbe, TlsReport};
use crate::base::Reason;
use crate::netns::Netns;
use crate::probe::machine::{Machine, Step};
use crate::probe::tcp::{TcpCommand, TcpInput};
use crate::probe::{Anchor, TcpOutcome};

/// A machine whose connection stands, the time, and what it has sent.
fn connected() -> (TlsMachine, Instant, Vec<u8>) {
    let probe = TlsProbe::new("192.0.2.1:443".parse().expect("an address"));
    let probe = probe.name("db.test".parse().expect("a name")).wait(Duration::from_secs(2));
    let netns = Netns::current().expect("own").id();
    let now = Instant::now();
    let mut machine = TlsMachine::new(&probe, netns, Anchor::now(), now);
    assert!(matches!(machine.poll(now), Step::Do(TcpCommand::Connect { .. })));
    machine.handle(TcpInput::Connecting { slot: 0 }, now);
    let now = now + Duration::from_millis(1);
    machine.handle(TcpInput::Connected { slot: 0, local: None }, now);
    let Step::Do(TcpCommand::Send { bytes, .. }) = machine.poll(now) else {
        panic!("a ClientHello");
    };
    (machine, now, bytes)
}

/// Polls until nothing is left to do; whether the connection was closed.
fn rest(machine: &mut TlsMachine, now: Instant) -> bool {
    let mut closed = false;
    loop {
        match machine.poll(now) {
            Step::Do(command) => closed |= matches!(command, TcpCommand::Close { .. }),
            Step::Done => return closed,
            Step::WaitUntil(_) => panic!("it still waits"),
        }
    }
}

fn told(bytes: &[u8]) -> TlsReport {
    let (mut machine, now, _) = connected();
    let now = now + Duration::from_millis(7);
    machine.handle(TcpInput::Data { slot: 0, bytes }, now);
    assert!(rest(&mut machine, now));
    let report = machine.finish(now);
    assert_eq!(report.first_byte, Some(Duration::from_millis(7)));
    assert!(matches!(report.connection, TcpOutcome::Open { .. }));
    report
}

#[test]
fn the_first_words_name_the_server() {
    let (_, _, hello) = connected();
    assert_eq!(hello[..3], [22, 3, 1], "a handshake record");
    assert!(hello.windows(7).any(|part| part == b"db.test"), "server_name");
}

#[test]
fn what_is_no_tls_is_shown() {
    let report = told(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    assert_eq!(report.outcome, TlsOutcome::NotTls);
    assert!(report.received.expect("bytes").as_bytes().starts_with(b"HTTP/1.1 400"));
    let long = told(&[b'x'; 4000]);
    assert_eq!(long.received.expect("bytes").as_bytes().len(), 64);
}

#[test]
fn an_alert_is_named() {
    let report = told(&[21, 3, 3, 0, 2, 2, 40]);
    assert_eq!(report.outcome, TlsOutcome::Alert { name: "HandshakeFailure".to_owned() });
    let unknown = told(&[21, 3, 3, 0, 2, 2, 112]);
    assert_eq!(unknown.outcome, TlsOutcome::Alert { name: "UnrecognisedName".to_owned() });
}

#[test]
fn a_record_that_makes_no_sense_breaks_the_protocol() {
    let report = told(&[22, 3, 3, 0, 4, 99, 0, 0, 0]);
    assert!(matches!(report.outcome, TlsOutcome::Failed { .. }), "{:?}", report.outcome);
}

#[test]
fn silence_and_a_stall_are_told_apart() {
    let (mut machine, now, _) = connected();
    let Step::WaitUntil(at) = machine.poll(now) else { panic!("it waits") };
    assert_eq!(at, now + Duration::from_secs(2));
    assert!(rest(&mut machine, at));
    let report = machine.finish(at);
    assert_eq!((report.outcome, report.first_byte), (TlsOutcome::Silent, None));

    let (mut machine, now, _) = connected();
    machine.handle(TcpInput::Data { slot: 0, bytes: &[22, 3] }, now);
    assert!(rest(&mut machine, now + Duration::from_secs(2)));
    assert_eq!(machine.finish(now).outcome, TlsOutcome::Stalled);
}

#[test]
fn an_end_says_how() {
    let reset = Some(Reason::from(std::io::Error::from_raw_os_error(nix::libc::ECONNRESET)));
    for reason in [None, reset] {
        let (mut machine, now, _) = connected();
        machine.handle(TcpInput::Ended { slot: 0, reason }, now);
        assert!(rest(&mut machine, now));
        // What comes after the end changes nothing.
        machine.handle(TcpInput::Data { slot: 0, bytes: b"late" }, now);
        assert_eq!(machine.finish(now).outcome, TlsOutcome::Closed { reason });
    }
    let (machine, now, _) = connected();
    assert_eq!(machine.finish(now).outcome, TlsOutcome::Cut);
}

#[test]
fn without_a_connection_there_is_no_handshake() {
    let probe = TlsProbe::new("192.0.2.1:443".parse().expect("an address"));
    let netns = Netns::current().expect("own").id();
    let now = Instant::now();
    let mut machine = TlsMachine::new(&probe, netns, Anchor::now(), now);
    assert!(matches!(machine.poll(now), Step::Do(TcpCommand::Connect { .. })));
    let reason = Reason::from(std::io::Error::from_raw_os_error(nix::libc::ECONNREFUSED));
    machine.handle(TcpInput::Failed { slot: 0, reason, icmp: None, ttl: None }, now);
    assert!(rest(&mut machine, now));
    let report = machine.finish(now);
    assert_eq!(report.outcome, TlsOutcome::Unconnected);
    assert!(matches!(report.connection, TcpOutcome::Refused { .. }));
}
