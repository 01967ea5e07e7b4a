//! `cargo xtask completions` and `cargo xtask man`: made from the command line itself.

use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

use crate::{Result, target_dir};

/// Where a task writes: the folder named, or one below the target folder.
fn folder(args: &[String], default: &str) -> Result<PathBuf> {
    let folder = match args {
        [] => target_dir().join(default),
        [one] => PathBuf::from(one),
        _ => return Err("one folder at most".into()),
    };
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

pub(crate) fn run(task: &str, args: &[String]) -> Result<bool> {
    let folder = folder(args, task)?;
    match task {
        "man" => man(&folder),
        _ => completions(&folder),
    }
}

fn completions(folder: &Path) -> Result<bool> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut command = vision_cli::command_line();
        let path = clap_complete::generate_to(shell, &mut command, "vision", folder)?;
        println!("{}", path.display());
    }
    Ok(true)
}

fn man(folder: &Path) -> Result<bool> {
    clap_mangen::generate_to(vision_cli::command_line(), folder)?;
    for entry in fs::read_dir(folder)? {
        println!("{}", entry?.path().display());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_is_completed() {
        let folder = std::env::temp_dir().join(format!("vision-pages-{}", std::process::id()));
        let args = [folder.display().to_string()];
        assert!(run("completions", &args).expect("written"));
        assert!(run("man", &args).expect("written"));
        let bash = fs::read_to_string(folder.join("vision.bash")).expect("completions");
        let pages: Vec<_> = fs::read_dir(&folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        for verb in ["doctor", "ping", "route", "dns"] {
            assert!(bash.contains(verb), "{verb}");
            assert!(pages.contains(&format!("vision-{verb}.1")), "{pages:?}");
        }
        fs::remove_dir_all(folder).expect("cleaned up");
    }
}
