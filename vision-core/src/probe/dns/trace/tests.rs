use std::net::SocketAddr;
use std::time::Duration;

use super::super::nonce::Nonces;
use super::super::plan::PlanMachine;
use super::super::sim::{React, Sent, ms, place, run};
use super::super::{DnsQuery, Letters};
use super::*;
use crate::wire::dns::RecordType;

/// A message made from a query: result, flag of authority, and records of three sections.
fn message(sent: &Sent, rcode: u8, aa: bool, sections: [&[(&str, &str)]; 3]) -> Vec<u8> {
    let mut out = sent.reply(rcode, &[]);
    out[2] = 0x80 | if aa { 4 } else { 0 };
    for (n, section) in sections.iter().enumerate() {
        out[7 + 2 * n] = section.len() as u8;
        for (owner, data) in *section {
            let owner: Name = owner.parse().expect("a name");
            out.extend_from_slice(owner.as_wire());
            let (kind, bytes) = match data.parse::<std::net::Ipv4Addr>() {
                Ok(addr) => (1, addr.octets().to_vec()),
                Err(_) if *data == "SOA" => (6, [&[0, 0][..], &[0; 20]].concat()),
                Err(_) => (2, data.parse::<Name>().expect("a name").as_wire().to_vec()),
            };
            out.extend([0, kind, 0, 1, 0, 0, 0, 9, 0, bytes.len() as u8]);
            out.extend(bytes);
        }
    }
    out
}

/// A root at 10.0.0.1, `test` at 10.0.0.2, `ns.other` without glue at 10.0.0.3.
fn internet(sent: &Sent) -> Vec<(Duration, React)> {
    let name = sent.question().name.to_string();
    let bytes = match sent.to.ip().to_string().as_str() {
        "10.0.0.1" if name.ends_with("test.") => {
            message(sent, 0, false, [&[], &[("test", "ns.test")], &[("ns.test", "10.0.0.2")]])
        }
        "10.0.0.1" => {
            message(sent, 0, false, [&[], &[("other", "ns.other")], &[("ns.other", "10.0.0.4")]])
        }
        // Nobody knows the address of the first server.
        "10.0.0.2" if name == "www.far.test." => message(
            sent,
            0,
            false,
            [&[], &[("far.test", "x.none.test"), ("far.test", "ns.other")], &[]],
        ),
        "10.0.0.2" if name == "www.loop.test." => {
            message(sent, 0, false, [&[], &[("loop.test", "ns.loop.test")], &[]])
        }
        "10.0.0.2" if name == "up.test." => message(sent, 0, false, [&[], &[(".", "a.root")], &[]]),
        "10.0.0.2" if name == "ns.loop.test." => {
            message(sent, 0, false, [&[], &[("loop.test", "ns.loop.test")], &[]])
        }
        "10.0.0.2" if name == "silent.test." => return Vec::new(),
        "10.0.0.2" => message(sent, 3, true, [&[], &[("test", "SOA")], &[]]),
        "10.0.0.4" if name == "ns.other." => {
            message(sent, 0, true, [&[("ns.other", "10.0.0.3")], &[], &[]])
        }
        "10.0.0.3" => message(sent, 0, true, [&[("www.far.test", "192.0.2.7")], &[], &[]]),
        _ => return vec![(ms(1), React::Fail(nix::libc::ENETUNREACH))],
    };
    vec![(ms(1), React::Reply(bytes))]
}

fn trace(name: &str) -> (TraceReport, Vec<Sent>) {
    let query = DnsQuery::new(name.parse().expect("a name"), RecordType::A);
    let query = query.letters(Letters::AsGiven).tries(1).timeout(ms(50));
    let trace = Trace::new(query).root(SocketAddr::from(([10, 0, 0, 1], 53)));
    let draw = |n| Ok(Nonces::scripted((0..n as u16).map(|n| n + 7)));
    run(PlanMachine::new(trace.walk(), draw, place()), ms(600_000), internet)
}

#[test]
fn a_server_without_address_is_looked_for_from_the_root() {
    let (report, sent) = trace("www.far.test");
    assert_eq!(report.end, TraceEnd::Answered, "{report:?}");
    let steps: Vec<_> = report
        .steps
        .iter()
        .map(|s| (s.zone.to_string(), s.depth, s.report.question.name.to_string()))
        .collect();
    let asked = |zone: &str, depth, name: &str| (zone.to_owned(), depth, name.to_owned());
    assert_eq!(
        steps,
        [
            asked(".", 0, "www.far.test."),
            asked("test.", 0, "www.far.test."),
            asked(".", 1, "x.none.test."),
            asked("test.", 1, "x.none.test."),
            asked(".", 1, "ns.other."),
            asked("other.", 1, "ns.other."),
            asked("far.test.", 0, "www.far.test."),
        ]
    );
    assert!(sent.iter().all(|sent| !sent.message().header.flags.rd), "nobody is to recurse");
    assert_eq!(
        report.last().and_then(|s| s.server_name.as_ref()).map(Name::to_string).as_deref(),
        Some("ns.other.")
    );
}

#[test]
fn a_loop_and_a_silent_zone_end_in_a_dead_end() {
    for (name, zone) in
        [("www.loop.test", "loop.test."), ("silent.test", "test."), ("up.test", "test.")]
    {
        let (report, _) = trace(name);
        assert_eq!(report.end, TraceEnd::DeadEnd { zone: zone.parse().expect("a name") }, "{name}");
        assert!(report.steps.len() < MAX_EXPECTED, "{} steps for {name}", report.steps.len());
    }
    let (report, _) = trace("up.test");
    assert_eq!(report.last().map(|step| step.result.clone()), Some(TraceResult::Lame));
}

/// A loop is left after a few rounds.
const MAX_EXPECTED: usize = 30;

#[test]
fn a_name_that_is_not_ends_the_trace() {
    let (report, _) = trace("nothing.test");
    assert_eq!((report.end.clone(), report.steps.len()), (TraceEnd::NoSuchName, 2));
    let json = serde_json::to_string(&report).expect("serialises");
    assert_eq!(serde_json::from_str::<TraceReport>(&json).ok(), Some(report));
}
