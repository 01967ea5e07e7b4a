//! Compares an answer with the right one.

use super::{exam::Answer, scenario::Expect};

/// What was wrong with an answer; nothing is perfect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The right cause was not the first.
    pub(super) missed: bool,
    /// A wrong cause came first, or was called proved.
    pub(super) wrong: Vec<String>,
    /// The right cause, at the wrong place.
    pub(super) misplaced: bool,
    /// A healthy network was accused, or not called healthy.
    pub(super) false_alarm: bool,
    /// What else is not as the contract has it.
    pub(super) other: Vec<String>,
}

impl Mark {
    pub(super) fn perfect(&self) -> bool {
        *self == Self::default()
    }

    /// The faults in a few words.
    pub(super) fn words(&self) -> String {
        let mut words = Vec::new();
        if self.missed {
            words.push("MISSED".to_owned());
        }
        if self.misplaced {
            words.push("WRONG PLACE".to_owned());
        }
        if self.false_alarm {
            words.push("FALSE ALARM".to_owned());
        }
        words.extend(self.wrong.iter().map(|cause| format!("WRONG {cause}")));
        words.extend(self.other.iter().cloned());
        words.join("; ")
    }
}

pub(super) fn mark(expect: Expect, answer: &Answer) -> Mark {
    let mut mark = Mark::default();
    match expect {
        Expect::Cause { slug, or, related } => {
            let right = [&[slug][..], or].concat();
            mark.wrong = wrong_causes(&[&right, related].concat(), answer);
            mark.missed = !first_cause(answer).is_some_and(|cause| right.contains(&cause));
            mark.misplaced = !mark.missed && is_misplaced(answer);
            want_verdict(&mut mark, answer, "faulty");
        }
        Expect::Healthy => {
            mark.wrong = wrong_causes(&[], answer);
            mark.false_alarm = first_cause(answer).is_some() || answer.verdict != "healthy";
        }
        Expect::Unnamed { allowed, unchecked } => {
            mark.wrong = wrong_causes(allowed, answer);
            let found = first_cause(answer).is_some_and(|cause| allowed.contains(&cause));
            mark.misplaced = found && is_misplaced(answer);
            if !found {
                want_verdict(&mut mark, answer, "inconclusive");
                want_unchecked(&mut mark, answer, unchecked);
            }
        }
    }
    let exit = match answer.verdict.as_str() {
        "healthy" => 0,
        "faulty" => 1,
        _ => 3,
    };
    if answer.exit != Some(exit) {
        mark.other.push(format!("exit {:?}, not {exit}", answer.exit));
    }
    mark
}

/// The first cause that accuses; notes do not.
pub(super) fn first_cause(answer: &Answer) -> Option<&str> {
    let first = answer.findings.iter().find(|finding| finding.accuses());
    first.map(|finding| finding.cause.as_str())
}

/// Without a namespace it is at no place that could be wrong.
fn is_misplaced(answer: &Answer) -> bool {
    let first = answer.findings.iter().find(|finding| finding.accuses());
    let netns = first.and_then(|finding| finding.netns);
    !answer.places.is_empty() && netns.is_some_and(|netns| !answer.places.contains(&netns))
}

/// A first cause or a proved one that is none of the right ones.
fn wrong_causes(right: &[&str], answer: &Answer) -> Vec<String> {
    let first = first_cause(answer);
    let accused = answer
        .findings
        .iter()
        .filter(|f| f.accuses() && (f.proved() || Some(f.cause.as_str()) == first));
    let mut wrong: Vec<String> = accused
        .map(|finding| finding.cause.clone())
        .filter(|cause| !right.contains(&cause.as_str()))
        .collect();
    wrong.dedup();
    wrong
}

fn want_verdict(mark: &mut Mark, answer: &Answer, verdict: &str) {
    if answer.verdict != verdict {
        mark.other.push(format!("verdict {}, not {verdict}", answer.verdict));
    }
}

fn want_unchecked(mark: &mut Mark, answer: &Answer, area: Option<&str>) {
    let Some(area) = area else { return };
    let below = format!("{area}.");
    if !answer.unchecked.iter().any(|what| what == area || what.starts_with(&below)) {
        mark.other.push(format!("{area} is not under unchecked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::exam::Finding;

    fn answer(verdict: &str, exit: i32, findings: &[(&str, &str, &str)]) -> Answer {
        let findings = findings.iter().map(|&(cause, severity, confidence)| Finding {
            cause: cause.into(),
            severity: severity.into(),
            confidence: confidence.into(),
            ..Finding::default()
        });
        Answer {
            verdict: verdict.into(),
            exit: Some(exit),
            findings: findings.collect(),
            ..Answer::default()
        }
    }

    const FAULT: Expect =
        Expect::Cause { slug: "link.down", or: &["link.missing"], related: &["route.none"] };

    #[test]
    fn the_right_cause_first_is_perfect_and_any_other_is_wrong() {
        let right = answer(
            "faulty",
            1,
            &[("link.down", "error", "likely"), ("route.none", "error", "proved")],
        );
        assert!(mark(FAULT, &right).perfect());
        assert!(
            mark(FAULT, &answer("faulty", 1, &[("link.missing", "error", "likely")])).perfect()
        );
        let swapped = answer(
            "faulty",
            1,
            &[("route.none", "error", "proved"), ("link.down", "error", "likely")],
        );
        let swapped = mark(FAULT, &swapped);
        assert!(swapped.missed && swapped.wrong.is_empty());
        let extra = answer(
            "faulty",
            1,
            &[("link.down", "error", "proved"), ("dns.nxdomain", "warning", "proved")],
        );
        assert_eq!(mark(FAULT, &extra).wrong, ["dns.nxdomain"]);
        assert!(mark(FAULT, &answer("inconclusive", 3, &[])).missed);
        let exit = mark(FAULT, &answer("faulty", 0, &[("link.down", "error", "proved")]));
        assert_eq!(exit.words(), "exit Some(0), not 1");
    }

    #[test]
    fn the_right_cause_elsewhere_is_at_the_wrong_place() {
        let mut found = answer("faulty", 1, &[("link.down", "error", "proved")]);
        found.places = vec![7, 8];
        assert!(mark(FAULT, &found).perfect(), "no namespace was named");
        found.findings[0].netns = Some(8);
        assert!(mark(FAULT, &found).perfect());
        found.findings[0].netns = Some(9);
        assert_eq!(mark(FAULT, &found).words(), "WRONG PLACE");
    }

    #[test]
    fn a_healthy_network_bears_notes_only() {
        let healthy = |findings: &[_]| mark(Expect::Healthy, &answer("healthy", 0, findings));
        assert!(healthy(&[("route.blackhole", "note", "likely")]).perfect());
        assert!(healthy(&[("route.blackhole", "warning", "likely")]).false_alarm);
        assert!(mark(Expect::Healthy, &answer("inconclusive", 3, &[])).false_alarm);
    }

    #[test]
    fn what_cannot_be_seen_is_said_and_nothing_else_is_blamed() {
        let expect =
            Expect::Unnamed { allowed: &["firewall.rule-drop"], unchecked: Some("firewall") };
        let mut silent = answer("inconclusive", 3, &[]);
        assert_eq!(mark(expect, &silent).words(), "firewall is not under unchecked");
        silent.unchecked = vec!["firewall.remote".into()];
        assert!(mark(expect, &silent).perfect());
        assert!(
            mark(expect, &answer("faulty", 1, &[("firewall.rule-drop", "error", "proved")]))
                .perfect()
        );
        let blamed =
            mark(expect, &answer("faulty", 1, &[("socket.no-listener", "error", "likely")]));
        assert_eq!(blamed.wrong, ["socket.no-listener"]);
    }
}
