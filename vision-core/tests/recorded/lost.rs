//! What was lost or kept waiting, changed until it shows no fault or another.

use std::time::Duration;

use vision_core::doctor::{CaseFile, Confidence, ProbeRecord, Severity, TrainRecord, judge};
use vision_core::probe::{EchoOutcome, PingReport, TcpOutcome};

use super::recorded;

/// The trains of a case.
fn trains(case: &mut CaseFile) -> impl Iterator<Item = &mut TrainRecord> {
    let probes = case.vantages.iter_mut().flat_map(|v| &mut v.rounds).flat_map(|r| &mut r.probes);
    probes.filter_map(|probe| match probe {
        ProbeRecord::Train(train) => Some(train),
        _ => None,
    })
}

fn says_loss(case: &CaseFile) -> bool {
    judge(case).findings.iter().any(|finding| finding.cause.slug() == "loss.path")
}

#[test]
fn a_few_lost_packets_or_connects_that_all_came_through_show_no_loss() {
    let case = recorded("loss.path_out-of-sight");
    let diagnosis = judge(&case);
    let finding = &diagnosis.findings[0];
    assert_eq!((finding.cause.slug(), finding.severity), ("loss.path", Severity::Warning));
    assert_eq!(finding.confidence, Confidence::Likely, "nothing counted them");

    // Two of a hundred may have any reason.
    let mut few = case.clone();
    for train in trains(&mut few) {
        let echoes = train.echoes.iter_mut().flat_map(|report| &mut report.echoes);
        let lost = echoes.filter(|echo| matches!(echo.outcome, EchoOutcome::Lost { late: None }));
        for echo in lost.skip(2) {
            echo.outcome = EchoOutcome::Lost { late: Some(Duration::from_millis(300)) };
        }
    }
    assert!(!says_loss(&few), "{:#?}", judge(&few).findings);

    // Who limits answers to echo requests takes every connect.
    let mut limited = case;
    for train in trains(&mut limited) {
        for attempt in train.connects.iter_mut().flat_map(|report| &mut report.attempts) {
            attempt.outcome =
                TcpOutcome::Refused { rtt: Duration::from_millis(1), icmp: None, ttl: None };
        }
    }
    assert!(!says_loss(&limited), "{:#?}", judge(&limited).findings);
}

#[test]
fn a_rule_that_draws_no_lots_may_have_counted_what_others_sent() {
    let mut case = recorded("loss.path");
    assert_eq!(judge(&case).findings[0].confidence, Confidence::Proved);
    let walls = case.vantages.iter_mut().flat_map(|v| &mut v.rounds).flat_map(|r| &mut r.walls);
    for rule in walls.flat_map(|walls| &mut walls.met) {
        rule.parts.retain(|part| part != "numgen");
    }
    let finding = &judge(&case).findings[0];
    assert_eq!((finding.cause.slug(), finding.confidence), ("loss.path", Confidence::Likely));
}

#[test]
fn a_full_queue_is_told_by_how_long_it_takes_to_empty() {
    let mut case = recorded("latency.queue");
    let said = judge(&case);
    assert_eq!(said.findings[0].confidence, Confidence::Proved);
    let rounds = |case: &mut CaseFile, change: fn(&mut vision_core::doctor::QueueRecord)| {
        let rounds = case.vantages.iter_mut().flat_map(|v| &mut v.rounds);
        rounds.flat_map(|round| &mut round.queues).for_each(change);
    };
    let says_queue = |case: &CaseFile| {
        judge(case).findings.iter().any(|finding| finding.cause.slug() == "latency.queue")
    };
    // On a busy host a few packets wait, whoever answers late.
    let mut busy = case.clone();
    rounds(&mut busy, |queue| {
        (queue.after.stats.backlog_packets, queue.after.stats.backlog_bytes) = (2, 2428);
    });
    assert!(!says_queue(&busy));
    // Without a rate only what it drops shows that it is full.
    rounds(&mut case, |queue| queue.after.options = None);
    assert_eq!(judge(&case).findings[0].confidence, Confidence::Likely);
    rounds(&mut case, |queue| queue.before.drops = queue.after.stats.drops);
    assert!(!says_queue(&case));
}

#[test]
fn a_link_that_counts_what_is_lost_is_named_and_one_that_counts_less_is_not() {
    for (by, named) in [(200, true), (2, false)] {
        let mut case = recorded("loss.path_out-of-sight");
        let last = case.vantages[0].rounds.last_mut().expect("a round");
        let links = last.after.as_mut().and_then(|after| after.links.as_mut()).expect("links");
        for stats in links.items.iter_mut().filter_map(|link| link.stats.as_mut()) {
            stats.rx_errors += by;
        }
        let finding = &judge(&case).findings[0];
        assert_eq!(finding.cause.slug(), "loss.path");
        assert_eq!(finding.confidence == Confidence::Proved, named, "{finding:?}");
        let is_link = matches!(finding.subject.kind, vision_core::doctor::SubjectKind::Link { .. });
        assert_eq!(is_link, named, "{finding:?}");
    }
}

#[test]
fn a_queue_without_room_for_full_size_packets_is_no_narrow_link() {
    let mut full = recorded("latency.queue");
    // Small ones pass, none of them waits, and no large one comes through.
    let passing = trains(&mut full)
        .flat_map(|train| &mut train.echoes)
        .flat_map(|report| &mut report.echoes)
        .find_map(|echo| match &mut echo.outcome {
            EchoOutcome::Reply { rtt, .. } => {
                *rtt = Duration::from_millis(1);
                Some(echo.outcome.clone())
            }
            _ => None,
        })
        .expect("one was answered");
    for round in full.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        for probe in &mut round.probes {
            let (small, large) = match probe {
                ProbeRecord::Train(train) => (train.echoes.as_mut(), None),
                ProbeRecord::FullSize(record) => (record.small.as_mut(), Some(&mut record.large)),
                _ => continue,
            };
            let each = |report: Option<&mut PingReport>, outcome: &EchoOutcome| {
                for echo in report.into_iter().flat_map(|report| &mut report.echoes) {
                    echo.outcome = outcome.clone();
                }
            };
            each(small, &passing);
            each(large, &EchoOutcome::Lost { late: None });
        }
        round.queues.iter_mut().for_each(|queue| queue.after.stats.backlog_packets = 0);
    }
    let first =
        |case: &CaseFile| judge(case).findings.first().map(|it| (it.cause.slug(), it.confidence));
    assert_eq!(first(&full), Some(("loss.path", Confidence::Proved)), "{:#?}", judge(&full));
    // The same without a queue that dropped any.
    for round in full.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds) {
        round.queues.clear();
    }
    assert_eq!(first(&full), Some(("mtu.black-hole", Confidence::Likely)), "{:#?}", judge(&full));
}

#[test]
fn answers_are_too_large_only_where_small_ones_alone_came() {
    let case = recorded("mtu.black-hole_way-back");
    let first = |case: &CaseFile| judge(case).findings.first().map(|it| it.cause.slug());
    let changed = |change: fn(&mut ProbeRecord)| {
        let mut case = case.clone();
        let rounds = case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds);
        rounds.flat_map(|round| &mut round.probes).for_each(change);
        first(&case)
    };
    assert_eq!(first(&case), Some("mtu.black-hole"));
    // Nor was it heard in small segments: it does not answer.
    let silent = changed(|probe| {
        if let ProbeRecord::SmallSegments(small) = probe {
            small.first_byte = None;
        }
    });
    assert_eq!(silent, Some("app.slow"));
    // It answered before, over an ordinary connection: then it is slow now and then.
    let mut once = case.clone();
    let mut probes =
        once.vantages.iter_mut().flat_map(|v| &mut v.rounds).flat_map(|r| &mut r.probes);
    let exchange = probes.find_map(|probe| match probe {
        ProbeRecord::Http(report) => report.attempts[0].exchange.as_mut(),
        _ => None,
    });
    exchange.expect("a request").first_byte = Some(Duration::from_millis(3));
    drop(probes);
    assert_ne!(first(&once), Some("mtu.black-hole"));
}
