//! Walks through the small internet, compared with what other tools find there.

use std::net::SocketAddr;
use std::time::Duration;

use vision_core::Budget;
use vision_core::probe::{
    DnsBulk, DnsCompare, DnsQuery, Letters, Probe, Trace, TraceEnd, TransferEnd, ZoneCheck,
    ZoneTransfer,
};
use vision_core::wire::dns::{EdnsOption, Question, RecordType};

use crate::internet::Internet;

fn at(addr: &str) -> SocketAddr {
    format!("{addr}:53").parse().expect("an address")
}

fn query(name: &str, rtype: RecordType) -> DnsQuery {
    DnsQuery::new(name.parse().expect("a name"), rtype)
}

fn run<P: Probe>(internet: &Internet, probe: &P) -> P::Report {
    let budget = Budget::within(Duration::from_secs(30));
    probe.run(&internet.net.target(), &budget).expect("could be asked")
}

#[test]
fn the_delegations_are_those_that_dig_follows() {
    let Some(internet) = Internet::start("trace") else { return };
    let trace = Trace::new(query("www.example.test", RecordType::A)).root(at("127.1.0.1"));
    let report = run(&internet, &trace);
    assert_eq!(report.end, TraceEnd::Answered);
    let zones: Vec<_> = report.steps.iter().map(|step| step.zone.to_string()).collect();
    assert_eq!(zones, [".", "test.", "example.test."]);
    let answer = report.last().and_then(|step| step.report.answer()).expect("an answer");
    assert_eq!(answer.answers[0].data.to_string(), "192.0.2.1");
    // dig looks the servers' names up by the machine's own resolver, so it is asked step by step.
    for step in &report.steps {
        let server = step.report.attempts[0].server.ip();
        let args = [&format!("@{server}"), "www.example.test", "+norec", "+nocookie", "+nodnssec"];
        let Some(dig) = internet.net.output("dig", &args) else { break };
        let message = step.report.answer().expect("an answer");
        let records = message.answers.iter().chain(&message.authorities);
        for record in records.chain(&message.additionals) {
            let line = normal(&record.to_string());
            assert!(
                dig.lines().any(|theirs| normal(theirs) == line),
                "{line} is missing in\n{dig}"
            );
        }
    }
    let missing = Trace::new(query("no.example.test", RecordType::A)).root(at("127.1.0.1"));
    assert_eq!(run(&internet, &missing).end, TraceEnd::NoSuchName);
}

#[test]
fn a_server_with_an_old_version_is_found_as_host_finds_it() {
    let Some(internet) = Internet::start("soa") else { return };
    let zone = |name: &str| ZoneCheck::new(name.parse().expect("a name")).resolver(at("127.2.0.1"));
    let report = run(&internet, &zone("example.test"));
    let mut serials = report.serials();
    serials.sort_unstable();
    assert_eq!((serials, report.agrees()), (vec![6, 7], false), "{report:?}");
    // `host -C` looks the servers' names up by the machine's own resolver: one by one instead.
    for server in &report.servers {
        let addr = server.addr.to_string();
        let args = ["-t", "SOA", "example.test", &addr];
        let Some(host) = internet.net.output("host", &args) else { break };
        let serial = server.serial.expect("a serial");
        assert!(host.contains(&format!("h.example.test. {serial} ")), "{serial}: {host}");
    }
    let report = run(&internet, &zone("test"));
    assert!(report.agrees() && report.servers.len() == 2, "{report:?}");
}

#[test]
fn servers_that_differ_are_told_apart() {
    let Some(internet) = Internet::start("compare") else { return };
    let both = query("example.test", RecordType::Soa);
    let both = both.server(at("127.1.0.4")).server(at("127.1.0.5")).server(at("127.2.0.1"));
    let report = run(&internet, &DnsCompare::new(both));
    assert_eq!((report.reports.len(), report.groups.len(), report.agrees()), (3, 2, false));
    let same = query("www.example.test", RecordType::A);
    let same = same.server(at("127.1.0.4")).server(at("127.1.0.5"));
    assert!(run(&internet, &DnsCompare::new(same)).agrees());
}

#[test]
fn a_transferred_zone_has_the_records_that_dig_gets() {
    let Some(internet) = Internet::start("axfr") else { return };
    let zone = query("example.test", RecordType::Axfr).server(at("127.1.0.4"));
    let mut transfer = ZoneTransfer::new(zone).start(&internet.net.target()).expect("started");
    let budget = Budget::within(Duration::from_secs(30));
    let mut ours = Vec::new();
    while let Some(records) = vision_core::EventSource::recv(&mut transfer, &budget).expect("read")
    {
        ours.extend(records.iter().map(|record| normal(&record.to_string())));
    }
    let report = transfer.finish();
    assert_eq!((report.end, report.records as usize), (TransferEnd::Complete, ours.len()));
    let args = ["@127.1.0.4", "example.test", "AXFR", "+nosplit", "+nocookie"];
    if let Some(dig) = internet.net.output("dig", &args) {
        let mut theirs: Vec<_> =
            dig.lines().filter(|l| !l.is_empty() && !l.starts_with(';')).map(normal).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs);
    }
    let other = query("example.test", RecordType::Axfr).server(at("127.1.0.6"));
    let refused = run(&internet, &ZoneTransfer::new(other)).end;
    assert!(matches!(refused, TransferEnd::Refused { .. }), "{refused:?}");
}

fn normal(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_server_says_its_name_and_gives_a_cookie() {
    let Some(internet) = Internet::start("edns") else { return };
    let net = "192.0.2.129/25".parse().expect("a network");
    let query = query("www.example.test", RecordType::A).server(at("127.1.0.4"));
    let query = query.option(EdnsOption::nsid()).option(EdnsOption::subnet(net)).cookies();
    let report = run(&internet, &query);
    let sent = report.attempts[0].query.edns.as_ref().expect("an extension record");
    let sent: Vec<_> = sent.options.iter().map(ToString::to_string).collect();
    assert_eq!(sent[1], "CLIENT-SUBNET: 192.0.2.128/25/0");
    let edns = report.answer().and_then(|m| m.edns.clone()).expect("an extension record");
    let options: Vec<_> = edns.options.iter().map(ToString::to_string).collect();
    assert!(options.iter().any(|o| o.contains("(\"127.1.0.4\")")), "{options:?}");
    let cookie = edns.options.iter().find(|o| o.code == 10).expect("a cookie");
    assert_eq!(cookie.data.as_bytes().len(), 24);
}

#[test]
fn two_thousand_names_each_get_their_own_answer() {
    let Some(internet) = Internet::start("bulk") else { return };
    let names =
        ["www.example.test", "alias.example.test", "no.example.test", "x.wild.example.test"];
    let question = |n: usize| {
        let rtype = if n % 8 < 4 { RecordType::A } else { RecordType::Txt };
        Question::new(names[n % 4].parse().expect("a name"), rtype)
    };
    let questions: Vec<_> = (0..2000).map(question).collect();
    let query = query("x.test", RecordType::A).server(at("127.1.0.4"));
    let one = |question: &Question| {
        let query = DnsQuery::new(question.name.clone(), question.rtype);
        let report = run(&internet, &query.server(at("127.1.0.4")).letters(Letters::AsGiven));
        let message = report.answer().expect("an answer").clone();
        (message.header.rcode, message.answers)
    };
    let expected: Vec<_> = questions[..8].iter().map(one).collect();
    let bulk = DnsBulk::new(query, questions.clone()).window(300);
    let mut session = bulk.start(&internet.net.target()).expect("started");
    let budget = Budget::within(Duration::from_secs(30));
    let mut seen = vec![false; questions.len()];
    while let Some(answer) = vision_core::EventSource::recv(&mut session, &budget).expect("read") {
        let vision_core::probe::DnsOutcome::Answer { message, .. } = &answer.outcome else {
            panic!("{answer:?}");
        };
        let got = (message.header.rcode, message.answers.clone());
        assert_eq!(got, expected[answer.index % 8], "question {}", answer.index);
        assert!(!std::mem::replace(&mut seen[answer.index], true), "{} came twice", answer.index);
    }
    let report = session.finish();
    assert!(seen.iter().all(|seen| *seen));
    assert_eq!((report.answered, report.ignored.total()), (2000, 0), "{report:?}");
}
