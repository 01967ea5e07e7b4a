//! The examination's result as a table and as JSON.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use super::{
    Examined,
    mark::first_cause,
    scenario::{Expect, Scenario, Sight},
};

/// The figures that count.
#[derive(Debug, Default)]
pub(super) struct Summary {
    scenarios: usize,
    /// Faults with a cause to name, and those where it came first.
    faults: usize,
    named: usize,
    misplaced: usize,
    healthy: usize,
    false_alarms: usize,
    wrong_causes: usize,
    imperfect: usize,
    /// Scenarios without an answer.
    broken: usize,
    median_ms: u64,
    max_ms: u64,
    /// Per cause: how often it came first where it should, and how often it should.
    recall: BTreeMap<&'static str, (usize, usize)>,
}

impl Summary {
    pub(super) fn of(results: &[Examined]) -> Self {
        let mut summary = Self { scenarios: results.len(), ..Self::default() };
        let mut times = Vec::new();
        for Examined { scenario, outcome } in results {
            let fault = matches!(scenario.expect, Expect::Cause { .. });
            summary.faults += usize::from(fault);
            let named = outcome.as_ref().is_ok_and(|(_, mark)| !mark.missed);
            if fault {
                let recall = summary.recall.entry(expected(scenario.expect)).or_default();
                *recall = (recall.0 + usize::from(named), recall.1 + 1);
            }
            summary.healthy += usize::from(scenario.expect == Expect::Healthy);
            let Ok((answer, mark)) = outcome else {
                summary.broken += 1;
                continue;
            };
            times.push(answer.elapsed_ms);
            summary.named += usize::from(fault && named);
            summary.misplaced += usize::from(mark.misplaced);
            summary.false_alarms += usize::from(mark.false_alarm);
            summary.wrong_causes += mark.wrong.len();
            summary.imperfect += usize::from(!mark.perfect());
        }
        times.sort_unstable();
        summary.median_ms = times.get(times.len() / 2).copied().unwrap_or(0);
        summary.max_ms = times.last().copied().unwrap_or(0);
        summary
    }

    pub(super) fn perfect(&self) -> bool {
        self.imperfect == 0 && self.broken == 0
    }

    /// The right cause first in 95 of 100 faults, hardly ever a wrong one, never a false alarm.
    pub(super) fn meets_bars(&self) -> bool {
        self.named * 100 >= self.faults * 95
            && self.wrong_causes * 100 <= self.scenarios * 3
            && self.broken * 100 <= self.scenarios
            && self.false_alarms == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let good = self.scenarios - self.imperfect - self.broken;
        for (cause, (named, all)) in &self.recall {
            writeln!(
                f,
                "   {cause:<33} {named:>2} of {all:>2}{}",
                if named < all { "  !!" } else { "" }
            )?;
        }
        writeln!(f, "right cause first   {} of {}", self.named, self.faults)?;
        writeln!(f, "wrong causes        {}", self.wrong_causes)?;
        writeln!(f, "wrong places        {}", self.misplaced)?;
        writeln!(f, "false alarms        {} of {} healthy", self.false_alarms, self.healthy)?;
        writeln!(f, "without an answer   {}", self.broken)?;
        writeln!(
            f,
            "time                median {} ms, longest {} ms",
            self.median_ms, self.max_ms
        )?;
        write!(f, "perfect answers     {good} of {}", self.scenarios)
    }
}

/// What was to be said, in a word.
pub(super) fn expected(expect: Expect) -> &'static str {
    match expect {
        Expect::Cause { slug, .. } => slug,
        Expect::Healthy => "healthy",
        Expect::Unnamed { .. } => "(cannot tell)",
    }
}

/// What the scenario is called, and whether everything in it can be seen.
pub(super) fn name(scenario: &Scenario) -> String {
    match scenario.sight {
        Sight::Own => scenario.name.to_owned(),
        Sight::All => format!("{} (all seen)", scenario.name),
    }
}

pub(super) fn print(results: &[Examined], summary: &Summary) {
    println!(
        "   {:<25} {:<62} {:<13} {:<25} {:<8} {:>6}",
        "expected", "scenario", "verdict", "first cause", "", "ms"
    );
    for Examined { scenario, outcome } in results {
        let (sign, line) = match outcome {
            Ok((answer, mark)) => {
                let cause = first_cause(answer).unwrap_or("-");
                let confidence = answer.findings.iter().find(|f| f.cause == cause);
                let confidence = confidence.map_or("", |f| f.confidence.as_str());
                let sign = if mark.perfect() { "ok" } else { "!!" };
                let line = format!(
                    "{:<13} {cause:<25} {confidence:<8} {:>6}  {}",
                    answer.verdict,
                    answer.elapsed_ms,
                    mark.words()
                );
                (sign, line)
            }
            Err(error) => ("!!", format!("NO ANSWER: {error}")),
        };
        let line =
            format!("{sign} {:<25} {:<62} {line}", expected(scenario.expect), name(scenario));
        println!("{}", line.trim_end());
    }
    println!("\n{summary}");
}

pub(super) fn json(results: &[Examined], summary: &Summary) -> Value {
    let rows =
        results.iter().map(|Examined { scenario, outcome }| {
            let mut row =
                json!({"scenario": name(scenario), "expected": expected(scenario.expect)});
            match outcome {
                Ok((answer, mark)) => {
                    let causes: Vec<_> = answer.findings.iter().map(|f| {
                    json!({"cause": f.cause, "severity": f.severity, "confidence": f.confidence,
                           "summary": f.summary})
                }).collect();
                    row["verdict"] = json!(answer.verdict);
                    row["findings"] = json!(causes);
                    row["unchecked"] = json!(answer.unchecked);
                    row["elapsed_ms"] = json!(answer.elapsed_ms);
                    row["exit"] = json!(answer.exit);
                    row["perfect"] = json!(mark.perfect());
                    row["fault"] = json!(mark.words());
                }
                Err(error) => row["no_answer"] = json!(error.to_string()),
            }
            row
        });
    let recall: BTreeMap<_, _> = summary
        .recall
        .iter()
        .map(|(cause, (named, all))| (cause, json!({"named": named, "of": all})))
        .collect();
    json!({
        "recall": recall, "wrong_places": summary.misplaced,
        "scenarios": rows.collect::<Vec<_>>(),
        "right_cause_first": summary.named, "faults": summary.faults,
        "wrong_causes": summary.wrong_causes,
        "false_alarms": summary.false_alarms, "healthy": summary.healthy,
        "no_answer": summary.broken, "perfect": summary.perfect(),
        "median_ms": summary.median_ms, "max_ms": summary.max_ms,
    })
}
