//! `vision ns`

mod diff;
mod show;

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use vision_core::base::Op;
use vision_core::inventory::NetworkMap;
use vision_core::netns::Listing;
use vision_core::{Capability, Error, Netns, Selector, Target};

use super::Ended;
use crate::args::{NsArgs, NsVerb};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ns::NsOf;
use crate::output::{diagnose, picture};

/// Lists, identifies or enters namespaces.
pub fn run(args: NsArgs, context: &mut Context) -> Ended {
    match args.verb {
        NsVerb::Ls { all } => {
            let mut listing = listing(all, context)?;
            context.out.keep(&mut listing.namespaces)?;
            context.out.report(&listing)?;
            Ok(Outcome::Yes)
        }
        NsVerb::Map { all, svg, mermaid } => {
            let map = NetworkMap::read(&listing(all, context)?, &context.budget()?)?;
            match (svg, mermaid) {
                (true, _) => context.out.raw(|out| picture::svg(&map, out))?,
                (_, true) => context.out.raw(|out| picture::mermaid(&map, out))?,
                _ => context.out.report(&map)?,
            }
            Ok(Outcome::Yes)
        }
        NsVerb::Of { target } => of(target.as_deref(), context),
        NsVerb::Show { target, files, sysctl } => {
            let target = named(target.as_deref(), context)?;
            show::run(&target, files, &sysctl, context)
        }
        NsVerb::Snapshot { target } => {
            let target = named(target.as_deref(), context)?;
            diff::snapshot(&target, context)
        }
        NsVerb::Diff { first, second } => diff::run(&first, &second, context),
        NsVerb::Exec { new, rootless, target, command } => {
            if context.out.is_json() {
                let why = "--json has no meaning here: the output is the command's".to_owned();
                return Err(Error::Invalid { what: "flag", why }.into());
            }
            let words: Vec<_> = target.into_iter().chain(command).collect();
            match new {
                true => exec_new(rootless, &words),
                false => exec(&words, context),
            }
        }
    }
}

fn listing(all: bool, context: &Context) -> Result<Listing, Error> {
    let (lookup, budget) = (context.global.lookup()?, context.budget()?);
    match all {
        true => lookup.all_namespaces(&budget),
        false => lookup.namespaces(&budget),
    }
}

/// The target, named by an argument or by a flag.
fn named(text: Option<&str>, context: &mut Context) -> Result<Target, Error> {
    match text {
        None => context.target(),
        Some(_) if context.global.names_a_target() => {
            let why = "is named twice, by SEL and by a flag".to_owned();
            Err(Error::Invalid { what: "target", why })
        }
        Some(text) => context.resolve(&text.parse()?),
    }
}

fn of(text: Option<&str>, context: &mut Context) -> Ended {
    let target = named(text, context)?;
    let report = identity(&target, context)?;
    context.out.report(&report)?;
    Ok(Outcome::Yes)
}

/// Who a target is, and who else is in its namespace.
fn identity(target: &Target, context: &Context) -> Result<NsOf, Error> {
    let listing = context.global.lookup()?.namespaces(&context.budget()?)?;
    let known = listing.namespaces.into_iter().find(|info| info.id == target.id());
    Ok(NsOf {
        selector: target.to_string(),
        pid: target.pid(),
        id: target.id(),
        cookie: target.open()?.cookie(),
        container: target.container().cloned(),
        known,
    })
}

/// Enters the namespace on this thread, the only one there is, and becomes the command.
fn exec(words: &[OsString], context: &mut Context) -> Ended {
    let (target, command) = words.split_first().ok_or_else(no_command)?;
    let selector: Selector = target.to_string_lossy().parse()?;
    let target = context.resolve(&selector)?;
    enter(&target)?;
    become_command(command)
}

/// Leaves for a network of its own, which goes with the command.
fn exec_new(rootless: bool, command: &[OsString]) -> Ended {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    let user = if rootless { CloneFlags::CLONE_NEWUSER } else { CloneFlags::empty() };
    unshare(CloneFlags::CLONE_NEWNET | user).map_err(refused)?;
    if rootless {
        // Without this nobody but root may write the map of groups (user_namespaces(7)).
        write_own("setgroups", "deny")?;
        write_own("uid_map", &format!("0 {uid} 1"))?;
        write_own("gid_map", &format!("0 {gid} 1"))?;
    }
    become_command(command)
}

fn write_own(file: &str, text: &str) -> Result<(), Error> {
    let op = Op::EnterNamespace;
    std::fs::write(format!("/proc/self/{file}"), text).map_err(|source| Error::Sys { op, source })
}

fn become_command(command: &[OsString]) -> Ended {
    let (program, args) = command.split_first().ok_or_else(no_command)?;
    // Returns only if it failed.
    let error = Command::new(program).args(args).exec();
    diagnose(&format!("cannot run `{}`: {error}", program.to_string_lossy()), None);
    Ok(Outcome::Passed(if error.kind() == ErrorKind::NotFound { 127 } else { 126 }))
}

fn no_command() -> Error {
    Error::Invalid { what: "command", why: "none given".to_owned() }
}

fn refused(error: Errno) -> Error {
    let op = Op::EnterNamespace;
    match error {
        Errno::EPERM => Error::Permission { op, needs: Capability::SysAdmin },
        e => Error::Sys { op, source: e.into() },
    }
}

fn enter(target: &Target) -> Result<(), Error> {
    if Netns::current()?.id() == target.id() {
        return Ok(());
    }
    // Held before the namespace is opened, which checks that the process is still the same.
    let user = target.pid().and_then(|pid| File::open(format!("/proc/{pid}/ns/user")).ok());
    let netns = target.open()?;
    match (setns(&netns, CloneFlags::CLONE_NEWNET), user) {
        // A container without root belongs to a user namespace in which its owner has all rights.
        (Err(Errno::EPERM), Some(user)) => {
            setns(user, CloneFlags::CLONE_NEWUSER).map_err(|_| refused(Errno::EPERM))?;
            setns(netns, CloneFlags::CLONE_NEWNET).map_err(refused)
        }
        (entered, _) => entered.map_err(refused),
    }
}
