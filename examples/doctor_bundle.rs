//! Saves a case where the trouble is, and judges it somewhere else.
//!
//! ```sh
//! cargo run -p vision-examples --example doctor_bundle -- save case.json db:5432
//! cargo run -p vision-examples --example doctor_bundle -- judge case.json
//! ```
//!
//! Judging sends nothing and needs no rights: the same file gives the same diagnosis on any
//! machine. A case holds addresses and names of the network it was taken in; treat it so.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use vision_core::doctor::{CaseFile, Diagnosis, Question, Vantages, diagnose, explain, judge};
use vision_core::{Budget, Selector, Target};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["save", file] => save(file, Question::Health),
        ["save", file, question] => save(file, question.parse()?),
        ["judge", file] => {
            let case = CaseFile::from_json(&std::fs::read_to_string(file)?)?;
            show(&judge(&case));
            Ok(())
        }
        _ => Err("usage: doctor_bundle save FILE [DEST] | judge FILE".into()),
    }
}

fn save(file: &str, question: Question) -> Result<(), Box<dyn Error>> {
    let budget = Budget::within(Duration::from_secs(15));
    let target = Target::resolve(&Selector::Current, &budget)?;
    let (case, diagnosis) = diagnose(CaseFile::new(question), &Vantages::of(&target), &budget)?;
    // Never over a file that is there already, and for the owner's eyes only.
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(case.to_json()?.as_bytes())?;
    show(&diagnosis);
    println!("the case is in {file}");
    Ok(())
}

fn show(diagnosis: &Diagnosis) {
    println!("{:?}, {} packets sent", diagnosis.verdict, diagnosis.probes_sent);
    for finding in &diagnosis.findings {
        println!("{}: {}", finding.cause, finding.summary);
        for line in explain(finding.cause).lines().take(1) {
            println!("    {line}");
        }
    }
    for unchecked in &diagnosis.unchecked {
        println!("not checked: {}: {}", unchecked.what, unchecked.why);
    }
}
