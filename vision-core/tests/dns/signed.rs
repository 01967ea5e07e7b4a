//! Validation against unbound's and delv's of the same zones.

#![cfg(feature = "dnssec")]

use std::time::Duration;

use vision_core::Budget;
use vision_core::probe::{DnsQuery, Probe, TrustAnchor, Validate, Validity, ValidityReport};
use vision_core::wire::dns::RecordType;

use crate::internet::Internet;

fn validate(internet: &Internet, name: &str, rtype: &str) -> ValidityReport {
    let rtype: RecordType = rtype.parse().expect("a type");
    let query = DnsQuery::new(name.parse().expect("a name"), rtype);
    let mut validate = Validate::new(query.server("127.2.0.1:53".parse().expect("an address")));
    for anchor in TrustAnchor::read_all(&internet.anchor()).expect("the root's key") {
        validate = validate.anchor(anchor);
    }
    let budget = Budget::within(Duration::from_secs(30));
    validate.run(&internet.net.target(), &budget).expect("could be asked")
}

/// What delv says in the words used here.
fn delv(internet: &Internet, name: &str, rtype: &str) -> Option<Validity> {
    let anchors = internet.anchor_for_delv();
    let anchors = anchors.to_str().expect("UTF-8");
    let args = ["@127.2.0.1", "-a", anchors, "+root=.", name, rtype];
    let run = || std::process::Command::new("delv").args(args).output();
    let output = internet.net.netns.run(run).expect("entered").ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    Some(match () {
        () if text.contains("fully validated") => Validity::Secure,
        () if text.contains("unsigned answer") => Validity::Insecure,
        () if text.contains("resolution failed") => Validity::Bogus,
        () => panic!("{name} {rtype}: {text}"),
    })
}

const QUESTIONS: &[(&str, &str, Validity)] = &[
    ("www.example.test", "A", Validity::Secure),
    ("www.example.test", "AAAA", Validity::Secure),
    ("www.example.test", "MX", Validity::Secure),
    ("alias.example.test", "A", Validity::Secure),
    ("nothing.example.test", "A", Validity::Secure),
    ("deep.example.test", "A", Validity::Secure),
    ("foo.wild.example.test", "TXT", Validity::Secure),
    ("foo.wild.example.test", "A", Validity::Secure),
    ("example.test", "DS", Validity::Secure),
    ("example.test", "DNSKEY", Validity::Secure),
    ("www.three.test", "A", Validity::Secure),
    ("nothing.three.test", "A", Validity::Secure),
    ("www.three.test", "MX", Validity::Secure),
    ("foo.wild.three.test", "TXT", Validity::Secure),
    ("nothing.test", "A", Validity::Secure),
    ("www.unsigned.test", "A", Validity::Insecure),
    ("nothing.bare.test", "A", Validity::Insecure),
    ("www.expired.test", "A", Validity::Bogus),
    ("www.broken.test", "A", Validity::Bogus),
    ("www.stripped.test", "A", Validity::Bogus),
];

#[test]
fn verdicts_are_those_of_delv() {
    let Some(internet) = Internet::start("signed") else { return };
    let mut compared = 0;
    for (name, rtype, expected) in QUESTIONS {
        let report = validate(&internet, name, rtype);
        assert_eq!(
            report.validity, *expected,
            "{name} {rtype}: {:?} {:?}",
            report.reason, report.chain
        );
        if let Some(theirs) =
            delv(&internet, name, rtype).filter(|_| *expected != Validity::Insecure)
        {
            assert_eq!(report.validity, theirs, "{name} {rtype}: {:?}", report.reason);
            compared += 1;
        }
    }
    println!("{compared} verdicts agree with delv");
}

#[test]
fn a_bogus_answer_comes_with_its_reason_and_the_chain() {
    let Some(internet) = Internet::start("bogus") else { return };
    for (name, part) in [
        ("www.expired.test", "expired at 20200201"),
        ("www.broken.test", "does not hold"),
        ("www.stripped.test", "has no keys"),
    ] {
        let report = validate(&internet, name, "A");
        let reason = report.reason.clone().expect("a reason");
        assert!(reason.contains(part), "{name}: {reason}");
        assert_eq!(report.chain[0].zone.to_string(), ".");
        assert_eq!(report.chain[1].validity, Validity::Secure, "{:?}", report.chain);
        assert!(report.chain[1].keys.iter().any(|key| key.entry));
    }
    let json = serde_json::to_string(&validate(&internet, "www.example.test", "A"));
    let json = json.expect("serialises");
    assert!(serde_json::from_str::<ValidityReport>(&json).is_ok());
}

#[test]
fn another_key_of_the_root_is_not_trusted() {
    let Some(internet) = Internet::start("anchor") else { return };
    let query = DnsQuery::new("www.example.test".parse().expect("a name"), RecordType::A);
    let query = query.server("127.2.0.1:53".parse().expect("an address"));
    let budget = Budget::within(Duration::from_secs(30));
    let report = Validate::new(query.clone()).run(&internet.net.target(), &budget).expect("asked");
    assert_eq!(report.validity, Validity::Bogus);
    assert!(report.reason.expect("a reason").contains("trust anchor"));
    let elsewhere = "example.com. DS 1 13 2 00".parse().expect("an anchor");
    let report = Validate::new(query).anchor(elsewhere).run(&internet.net.target(), &budget);
    assert_eq!(report.expect("asked").validity, Validity::Indeterminate);
}
