//! Cases recorded from real namespaces, judged again without any: the tests of the doctor write new ones if
//! `RECORD_CASES` names a folder, the smallest of each cause.

mod late;
mod lost;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use vision_core::Gap;
use vision_core::doctor::{
    CaseFile, Confidence, Diagnosis, ProbeRecord, Round, Verdict, judge, plan,
};
use vision_core::inventory::Sections;
use vision_core::probe::{IdleOutcome, TlsOutcome};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cases");

/// One case by the name of its file.
pub fn recorded(name: &str) -> CaseFile {
    let path = Path::new(FOLDER).join(format!("{name}.json"));
    CaseFile::from_json(&std::fs::read_to_string(path).expect("a file")).expect("a case")
}

/// Every recorded case with the slug, `healthy` or `inconclusive` that it is called by.
fn cases() -> &'static [(String, CaseFile)] {
    static CASES: LazyLock<Vec<(String, CaseFile)>> = LazyLock::new(read_cases);
    &CASES
}

/// The first case of a cause.
fn case_of(cause: &str) -> &'static CaseFile {
    &cases().iter().find(|(name, _)| name == cause).expect(cause).1
}

fn read_cases() -> Vec<(String, CaseFile)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(FOLDER)
        .expect("recorded cases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        // Behind an underscore: which of several cases of the same cause.
        let name = stem.split('_').next().unwrap_or_default().to_owned();
        let text = std::fs::read_to_string(path).expect("a file");
        (name, CaseFile::from_json(&text).expect("a case"))
    };
    paths.iter().map(read).collect()
}

fn called(diagnosis: &Diagnosis) -> String {
    match (diagnosis.findings.first(), diagnosis.verdict) {
        (Some(finding), _) => finding.cause.slug().to_owned(),
        (None, Verdict::Healthy) => "healthy".to_owned(),
        (None, _) => "inconclusive".to_owned(),
    }
}

#[test]
fn every_recorded_case_is_judged_as_it_was_live() {
    let cases = cases();
    assert!(cases.len() > 30, "{} cases", cases.len());
    for (name, case) in cases {
        let diagnosis = judge(case);
        assert_eq!(called(&diagnosis), *name, "{diagnosis:#?}");
        assert_eq!(judge(case), diagnosis, "judging is pure");
        assert_eq!(plan(case), plan(case), "planning is pure");
    }
}

#[test]
fn a_rule_fires_in_its_own_case_and_is_silent_in_a_healthy_one() {
    let cases = cases();
    assert!(judge(case_of("healthy")).findings.is_empty());
    let known: Vec<_> = cases.iter().map(|(name, _)| name.as_str()).collect();
    for cause in vision_core::doctor::Cause::ALL {
        let rare = [
            "conntrack.table-full",
            "addr.tentative",
            "link.missing",
            "neigh.no-answer",
            "dns.reply-wrong-source",
            // Said beside the missing listener.
            "socket.port-in-time-wait",
        ];
        let recorded = known.contains(&cause.slug()) || rare.contains(&cause.slug());
        assert!(recorded, "no recorded case of {cause}");
    }
}

/// A case in which a filter stopped the probes, with its rules taken out.
fn without_rules() -> CaseFile {
    let mut case = case_of("firewall.ct-invalid").clone();
    for round in case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        if let Some(walls) = &mut round.walls {
            walls.met.clear();
        }
    }
    case
}

/// Sets the fill of every connection table, and how many packets found no room.
fn filled(mut case: CaseFile, drops: u64) -> Diagnosis {
    for round in case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        let tracking = round.walls.as_mut().and_then(|walls| walls.tracking.as_mut());
        if let Some(tracking) = tracking {
            (tracking.before.count, tracking.before.max) = (4096, 4096);
            (tracking.after.count, tracking.after.max) = (4096, 4096);
            tracking.after.drop = tracking.before.drop + drops;
        }
    }
    judge(&case)
}

#[test]
fn a_full_connection_table_is_a_fault_only_if_it_dropped_packets() {
    assert_eq!(called(&filled(without_rules(), 3)), "conntrack.table-full");
    assert_ne!(called(&filled(without_rules(), 0)), "conntrack.table-full");
}

#[test]
fn a_drop_rule_whose_counter_stays_still_is_not_blamed() {
    let case = case_of("firewall.rule-drop");
    let mut still = case.clone();
    for round in still.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        for rule in round.walls.iter_mut().flat_map(|walls| &mut walls.met) {
            rule.packets = rule.packets.map(|[before, _]| [before, before]);
        }
    }
    let diagnosis = judge(&still);
    let firewall = |f: &vision_core::doctor::Finding| f.cause.slug().starts_with("firewall.");
    assert!(!diagnosis.findings.iter().any(firewall), "{diagnosis:#?}");
}

/// Makes the handshakes and answers of a round as they should be.
fn flawless(round: &mut Round) {
    for probe in &mut round.probes {
        match probe {
            ProbeRecord::Tls(report) => {
                report.outcome = TlsOutcome::Completed;
                report.certificate.iter_mut().for_each(|it| it.faults.clear());
            }
            ProbeRecord::Http(report) => {
                for exchange in report.attempts.iter_mut().filter_map(|a| a.exchange.as_mut()) {
                    exchange.first_byte = Some(Duration::from_millis(900));
                }
            }
            _ => {}
        }
    }
}

#[test]
fn a_certificate_that_never_came_rules_nothing_out() {
    for (case, ruled_out) in [("tls.silent", false), ("tls.not-tls", false), ("healthy_tls", true)]
    {
        let path = Path::new(FOLDER).join(format!("{case}.json"));
        let text = std::fs::read_to_string(path).expect("a recorded case");
        let diagnosis = judge(&CaseFile::from_json(&text).expect("a case"));
        let said = |slug: &str| diagnosis.ruled_out.iter().any(|it| it.cause.slug() == slug);
        for slug in ["tls.expired", "tls.name-mismatch", "tls.untrusted"] {
            assert_eq!(said(slug), ruled_out, "{case}: {slug}");
        }
    }
}

#[test]
fn what_may_have_been_lost_on_the_way_is_only_likely() {
    for cause in ["tls.silent", "app.slow"] {
        let case = case_of(cause);
        assert_eq!(judge(case).findings[0].confidence, Confidence::Proved, "{cause}");
        let text = case.to_json().expect("written");
        let mut case: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let again =
            &mut case["vantages"][0]["rounds"][0]["after"]["counters"]["Tcp"]["RetransSegs"];
        *again = (again.as_i64().expect("a counter") + 3).into();
        let diagnosis = judge(&CaseFile::from_json(&case.to_string()).expect("a case"));
        assert_eq!(called(&diagnosis), cause);
        assert_eq!(diagnosis.findings[0].confidence, Confidence::Likely, "{cause}");
    }
}

/// A change of a round that takes the proof of a cause away.
type Change = fn(&mut Round);

#[test]
fn without_what_proves_it_a_cause_is_not_named() {
    let changes: &[(&str, Change)] = &[
        ("socket.not-reading", |round| {
            for sock in round.traffic.iter_mut().flat_map(|traffic| &mut traffic.unsent) {
                let tcp = sock.details.as_mut().and_then(|details| details.tcp.as_mut());
                tcp.expect("details").last_data_sent_ms = Some(20);
            }
        }),
        ("socket.fd-limit", |round| {
            for holder in round.traffic.iter_mut().flat_map(|traffic| &mut traffic.holders) {
                holder.limit += 1;
            }
        }),
        ("socket.ports-exhausted", |round| {
            for crowd in round.traffic.iter_mut().flat_map(|traffic| &mut traffic.crowds) {
                crowd.ports -= 1;
            }
        }),
        ("socket.receive-buffer-full", |round| {
            if let Some(after) = &mut round.after {
                after.counters.clone_from(&round.before.counters);
            }
        }),
        ("conntrack.stale-nat", |round| {
            if let Some(traffic) = &mut round.traffic {
                traffic.senders.clear();
            }
        }),
        ("nat.port-exhaustion", |round| {
            let tracking = round.walls.as_mut().and_then(|walls| walls.tracking.as_mut());
            if let Some(pool) = tracking.and_then(|tracking| tracking.pool.as_mut()) {
                pool.used /= 2;
            }
        }),
        ("firewall.fragment-drop", |round| {
            for rule in round.walls.iter_mut().flat_map(|walls| &mut walls.met) {
                rule.packets = rule.packets.map(|[before, _]| [before, before]);
            }
        }),
        ("neigh.table-full", |round| round.overflowed.clear()),
        ("tls.expired", flawless),
        ("tls.name-mismatch", flawless),
        ("tls.untrusted", flawless),
        ("tls.silent", flawless),
        ("tls.not-tls", flawless),
        ("app.slow", flawless),
        ("http.proxy-dead", |round| {
            let connected = round.probes.iter().find_map(|probe| match probe {
                ProbeRecord::Tcp(report) => Some(report.attempts.clone()),
                _ => None,
            });
            for probe in &mut round.probes {
                if let ProbeRecord::Proxy(record) = probe {
                    record.connects[0].attempts = connected.clone().expect("a connect");
                }
            }
        }),
        ("bridge.hairpin-off", |round| {
            if let Some(walls) = &mut round.walls {
                walls.bridge_calls = Some(false);
            }
        }),
        ("service.bridge-nf-off", |round| {
            if let Some(walls) = &mut round.walls {
                walls.bridge_calls = Some(true);
            }
        }),
    ];
    for (cause, change) in changes {
        let mut case = case_of(cause).clone();
        case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds).for_each(change);
        let diagnosis = judge(&case);
        let named = diagnosis.findings.iter().any(|finding| finding.cause.slug() == *cause);
        assert!(!named, "{cause}: {diagnosis:#?}");
    }
}

/// Takes one table out of a case, as if it could not have been read.
fn without(case: &CaseFile, section: &str) -> CaseFile {
    let mut case = case.clone();
    for round in case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        let snapshots = [Some(&mut round.before), round.after.as_mut()];
        for snapshot in snapshots.into_iter().flatten() {
            match section {
                "links" => snapshot.links = None,
                "addrs" => snapshot.addrs = None,
                "routes" => snapshot.routes = None,
                "rules" => snapshot.rules = None,
                "neighbours" => snapshot.neighbours = None,
                "sockets" => snapshot.sockets = None,
                "counters" => snapshot.counters = None,
                "sysctls" => snapshot.sysctls = None,
                "resolver" => snapshot.resolver = None,
                _ => snapshot.hosts = None,
            }
            snapshot.gaps.push(Gap::new(section, "not permitted"));
        }
    }
    case
}

#[test]
fn a_table_that_could_not_be_read_never_makes_a_fault_healthy() {
    for (name, case) in cases().iter().filter(|(name, _)| name != "healthy") {
        for section in Sections::ALL.names() {
            let diagnosis = judge(&without(case, section));
            let said = called(&diagnosis);
            let warned = [
                "mtu.overlay-overhead",
                "app.slow",
                "loss.path",
                "latency.cpu-throttled",
                "latency.hop",
                "latency.queue",
                "latency.syn-retry",
                "conntrack.timeout-too-short",
                "neigh.queue-full",
                "dns.slow",
                "dns.search-amplification",
                "dns.first-server-dead",
                "neigh.stale-mac",
                "socket.not-reading",
                "socket.fd-limit",
                "conntrack.stale-nat",
                "firewall.fragment-drop",
                "mtu.bridge-too-small",
                "mtu.stale-exception",
                // The other end asked for us meanwhile, which taught both.
                "neigh.answer-filtered",
            ];
            let admits = diagnosis.unchecked.iter().any(|u| u.why.contains("not permitted"));
            // What only slows a destination down, or mended itself, leaves it reachable.
            let fair = said != "healthy" || warned.contains(&name.as_str()) && admits;
            assert!(fair, "{name} without {section}: {diagnosis:#?}");
        }
    }
}

#[test]
fn a_forwarding_table_that_could_not_be_read_is_not_an_empty_one() {
    let mut case = case_of("overlay.no-fdb").clone();
    for step in case.wires.iter_mut().flat_map(|wire| wire.way.iter_mut().chain(&mut wire.owner)) {
        step.fdb_unread = true;
    }
    let diagnosis = judge(&case);
    assert_ne!(called(&diagnosis), "overlay.no-fdb", "{diagnosis:#?}");
    assert_ne!(called(&diagnosis), "healthy", "{diagnosis:#?}");
}

#[test]
fn what_holds_a_port_is_said_beside_the_missing_listener() {
    let case = recorded("socket.no-listener_time-wait");
    let causes = |case: &CaseFile| -> Vec<&'static str> {
        judge(case).findings.iter().map(|finding| finding.cause.slug()).collect()
    };
    assert_eq!(causes(&case), ["socket.no-listener", "socket.port-in-time-wait"]);
    let mut gone = case;
    for round in gone.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        round.traffic = None;
    }
    assert_eq!(causes(&gone), ["socket.no-listener"]);
}

/// Changes what became of the connection that was left alone.
fn left_alone(mut case: CaseFile, outcome: &IdleOutcome) -> CaseFile {
    let rounds = case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds);
    for probe in rounds.flat_map(|round| &mut round.probes) {
        if let ProbeRecord::Idle(report) = probe {
            report.outcome = outcome.clone();
        }
    }
    case
}

#[test]
fn an_idle_connection_is_called_forgotten_only_if_it_was_lost_and_something_counted_it() {
    let case = recorded("conntrack.timeout-too-short");
    let first =
        |case: &CaseFile| judge(case).findings.first().map(|f| (f.cause.slug(), f.confidence));
    assert_eq!(first(&case), Some(("conntrack.timeout-too-short", Confidence::Proved)));
    let alive = left_alone(case.clone(), &IdleOutcome::Alive);
    assert_eq!((first(&alive), judge(&alive).verdict), (None, Verdict::Healthy));
    let closed = left_alone(case.clone(), &IdleOutcome::Closed { after: Duration::from_secs(1) });
    assert_eq!(first(&closed), None);
    let said = judge(&closed).unchecked;
    assert!(said.iter().any(|it| it.what == "conntrack.timeout-too-short"), "{said:#?}");
    let mut uncounted = case;
    for round in uncounted.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        round.walls = None;
    }
    assert_eq!(first(&uncounted), Some(("conntrack.timeout-too-short", Confidence::Likely)));
}
