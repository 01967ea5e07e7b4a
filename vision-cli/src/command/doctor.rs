//! `vision doctor`

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use vision_core::doctor::{CaseFile, Probing, Question, Vantages, Verdict, diagnose, judge};
use vision_core::{Error, Result};

use super::Ended;
use crate::args::DoctorArgs;
use crate::context::Context;
use crate::exit::Outcome;

/// Finds out why the network does not work, or judges a kept case again.
pub fn run(args: &DoctorArgs, context: &mut Context) -> Ended {
    let diagnosis = match &args.from {
        Some(path) => judge(&CaseFile::from_json(&read(path)?)?),
        None => {
            let target = context.target()?;
            let budget = context.probing_budget(Some(LIMIT))?;
            // Said before the work rather than after it.
            args.save.as_deref().map_or(Ok(()), refuse_existing)?;
            let (case, diagnosis) =
                diagnose(case(args, context)?, &Vantages::of(&target), &budget)?;
            args.save.as_deref().map_or(Ok(()), |path| save(path, &case))?;
            diagnosis
        }
    };
    context.out.report(&diagnosis)?;
    Ok(match diagnosis.verdict {
        Verdict::Healthy => Outcome::Yes,
        Verdict::Faulty => Outcome::No,
        Verdict::Inconclusive => Outcome::Unknown,
    })
}

/// A second look at everything takes three seconds; more than this means that something hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// What a case may weigh; those of large namespaces are a few megabytes.
const CASE_BYTES: u64 = 256 * 1024 * 1024;

fn case(args: &DoctorArgs, context: &Context) -> Result<CaseFile> {
    let question = args.question.clone().unwrap_or(Question::Health);
    let case = CaseFile::new(question);
    let case = context.family()?.into_iter().fold(case, CaseFile::family);
    Ok(match args.no_probe {
        true => case.probing(Probing::Passive),
        false => case,
    })
}

fn refuse_existing(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(_) => {
            let why = format!("`{}` exists; name a new one", path.display());
            Err(Error::Invalid { what: "file", why })
        }
    }
}

/// Never over a file that is there already, and for the owner only: a case holds what a
/// namespace looked like.
fn save(path: &Path, case: &CaseFile) -> Result<()> {
    let mut options = File::options();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|e| unusable(path, &e))?;
    let written = file.write_all(case.to_json()?.as_bytes());
    written.map_err(|e| {
        // Half a case is of no use to anybody.
        let _ = std::fs::remove_file(path);
        unusable(path, &e)
    })
}

fn read(path: &Path) -> Result<String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|e| unusable(path, &e))?;
    let read = file.take(CASE_BYTES).read_to_string(&mut text);
    read.map_err(|e| unusable(path, &e))?;
    Ok(text)
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::NotFound(format!("file `{}`", path.display())),
        _ => Error::Invalid { what: "file", why: format!("`{}`: {error}", path.display()) },
    }
}
