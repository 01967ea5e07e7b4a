//! What took long, changed until it is no fault or that of another place.

use std::time::Duration;

use vision_core::doctor::{
    CaseFile, Confidence, Diagnosis, ProbeRecord, Severity, Throttled, Verdict, judge,
};
use vision_core::probe::{EchoOutcome, PingReport};

use super::recorded;

/// Changes how long answers took: those of the destination, and those of the routers.
fn timed(
    case: &CaseFile,
    destination: impl Fn(Duration) -> Duration,
    router: impl Fn(Duration) -> Duration,
) -> Diagnosis {
    let mut case = case.clone();
    let change = |report: &mut PingReport, by: &dyn Fn(Duration) -> Duration| {
        for echo in &mut report.echoes {
            if let EchoOutcome::Reply { rtt, .. } = &mut echo.outcome {
                *rtt = by(*rtt);
            }
        }
    };
    let rounds = case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds);
    for probe in rounds.flat_map(|round| &mut round.probes) {
        if let ProbeRecord::Train(train) = probe {
            train.echoes.iter_mut().for_each(|report| change(report, &destination));
            train.routers.iter_mut().for_each(|report| change(report, &router));
        }
    }
    judge(&case)
}

#[test]
fn only_a_long_time_at_one_place_is_a_fault() {
    let case = recorded("latency.hop");
    let same = |time| time;
    let said = |diagnosis: &Diagnosis| {
        let finding = diagnosis.findings.iter().find(|it| it.cause.slug() == "latency.hop");
        finding.map(|finding| (finding.severity, finding.confidence))
    };
    let whole = timed(&case, same, same);
    assert_eq!(said(&whole), Some((Severity::Warning, Confidence::Proved)), "{whole:#?}");
    // Half as long may be the distance, and breaks nothing.
    let half = timed(&case, |time| time / 2, |time| time / 2);
    assert_eq!(said(&half), Some((Severity::Note, Confidence::Proved)), "{half:#?}");
    assert_eq!(half.verdict, Verdict::Healthy);
    // As much before the router as behind it: that is the way as a whole.
    let spread = timed(&case, same, |time| time / 2);
    assert_eq!(said(&spread), None, "{spread:#?}");
    // The router answers at once: the destination alone is late, and nothing confirms it.
    let alone = timed(&case, same, |_| Duration::from_micros(100));
    assert_eq!(said(&alone), Some((Severity::Warning, Confidence::Likely)), "{alone:#?}");
    // No router answers: that the time is spent on the way says nothing.
    let mut blind = case.clone();
    let rounds = blind.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds);
    for probe in rounds.flat_map(|round| &mut round.probes) {
        if let ProbeRecord::Train(train) = probe {
            train.routers.clear();
        }
    }
    let blind = judge(&blind);
    assert_eq!((said(&blind), blind.verdict), (None, Verdict::Healthy), "{blind:#?}");
    assert!(blind.unchecked.iter().any(|it| it.what == "latency.hop"), "{blind:#?}");
    // Quick answers need no place.
    let quick = timed(&case, |_| Duration::from_millis(2), |_| Duration::from_millis(1));
    assert_eq!((said(&quick), quick.verdict), (None, Verdict::Healthy), "{quick:#?}");
}

#[test]
fn a_service_that_stood_still_is_the_reason_only_if_its_answer_was_as_late() {
    let case = recorded("latency.cpu-throttled");
    let change = |by: &dyn Fn(&mut Throttled)| {
        let mut case = case.clone();
        let rounds = case.vantages.iter_mut().flat_map(|vantage| &mut vantage.rounds);
        rounds.flat_map(|round| &mut round.throttled).for_each(by);
        judge(&case)
    };
    let first = |diagnosis: &Diagnosis| {
        let finding = diagnosis.findings.first()?;
        Some((finding.cause.slug(), finding.severity, finding.confidence))
    };
    let whole = change(&|_| {});
    let slug = "latency.cpu-throttled";
    assert_eq!(first(&whole), Some((slug, Severity::Warning, Confidence::Proved)), "{whole:#?}");
    let subject = &whole.findings[0].subject;
    assert_ne!(subject.netns, Some(case.vantages[0].netns), "the service's, not the client's");
    // Whether the group is the service's could not be told; then that it is not.
    let unknown = change(&|held| held.serves = None);
    assert_eq!(first(&unknown), Some((slug, Severity::Warning, Confidence::Likely)));
    let other = change(&|held| held.serves = Some(false));
    assert_eq!((first(&other), other.verdict), (None, Verdict::Healthy), "{other:#?}");
    // It waited, and for much less than the answer took.
    let little = change(&|held| held.waited /= 50);
    assert_eq!(first(&little), Some((slug, Severity::Note, Confidence::Likely)), "{little:#?}");
    assert_eq!(little.verdict, Verdict::Healthy);
}
