//! How long files and functions may be. Tests do not count.

mod code;
mod mask;

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Result, root};

/// One kind of thing with a length.
struct Ceiling {
    what: &'static str,
    aim: usize,
    most: usize,
}

const FILE: Ceiling = Ceiling { what: "file", aim: 350, most: 500 };
const FUNCTION: Ceiling = Ceiling { what: "function", aim: 40, most: 70 };

/// Folders whose Rust files are looked at.
const MEMBERS: &[&str] = &["vision-core", "vision-cli", "xtask", "examples", "benches", "fuzz"];

pub(crate) fn run(args: &[String]) -> Result<bool> {
    let show_aims = args.iter().any(|arg| arg == "--aims");
    let mut exceptions = Exceptions::read(&root().join("xtask/ceilings.txt"))?;
    let mut lengths = Vec::new();
    let mut files = 0;
    for member in MEMBERS {
        for path in rust_files(&root().join(member))? {
            files += 1;
            lengths.extend(measure(&path)?);
        }
    }
    lengths.sort_by_key(|length| std::cmp::Reverse(length.lines));
    let mut good = true;
    let mut over_aim = 0;
    for length in &lengths {
        let Ceiling { what, aim, most } = *length.ceiling;
        if length.lines > most && !exceptions.covers(&length.place) {
            good = false;
            println!("{what} of {} lines (at most {most}): {}", length.lines, length.place);
        } else if length.lines > aim {
            over_aim += 1;
            if show_aims {
                println!("{what} of {} lines (aim {aim}): {}", length.lines, length.place);
            }
        }
    }
    for stale in exceptions.unused() {
        good = false;
        println!("exception without need: {stale}");
    }
    println!("{files} files, {over_aim} things over their aim");
    Ok(good)
}

struct Length {
    ceiling: &'static Ceiling,
    /// `path`, or `path:function`.
    place: String,
    lines: usize,
}

fn measure(path: &Path) -> Result<Vec<Length>> {
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    let source = code::Source::new(&fs::read_to_string(path)?);
    let functions = source.functions().into_iter().map(|function| Length {
        ceiling: &FUNCTION,
        place: format!("{shown}:{}", function.name),
        lines: function.lines,
    });
    let mut lengths: Vec<_> = functions.collect();
    lengths.push(Length { ceiling: &FILE, lines: source.lines(), place: shown });
    Ok(lengths)
}

/// All Rust files below a folder but those of tests and of what cargo built.
fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if !folder.exists() {
        return Ok(found);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "target", "corpus", "artifacts"].contains(&name.as_str()) {
                found.extend(rust_files(&path)?);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    Ok(found)
}

/// What may be longer, each with a reason: `path[:function]  reason`, one a line.
struct Exceptions(Vec<Exception>);

struct Exception {
    place: String,
    used: bool,
}

impl Exceptions {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|line| match line.split_once(char::is_whitespace) {
            Some((place, reason)) if !reason.trim().is_empty() => {
                Ok(Exception { place: place.into(), used: false })
            }
            _ => Err(format!("{}: no reason given for {line}", path.display()).into()),
        });
        parsed.collect::<Result<_>>().map(Self)
    }

    fn covers(&mut self, place: &str) -> bool {
        let found = self.0.iter_mut().find(|exception| exception.place == place);
        found.map(|exception| exception.used = true).is_some()
    }

    fn unused(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|e| !e.used).map(|e| e.place.as_str())
    }
}
