//! `vision ns`

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sched::{CloneFlags, setns};
use vision_core::base::Op;
use vision_core::{Capability, Error, Netns, Selector, Target};

use super::Ended;
use crate::args::{NsArgs, NsVerb};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::diagnose;
use crate::output::human::ns::NsOf;

/// Lists, identifies or enters namespaces.
pub fn run(args: NsArgs, context: &mut Context) -> Ended {
    match args.verb {
        NsVerb::Ls => {
            let listing = context.global.lookup()?.namespaces(&context.budget()?)?;
            context.out.report(&listing)?;
            Ok(Outcome::Yes)
        }
        NsVerb::Of { target } => of(target.as_deref(), context),
        NsVerb::Exec { target, command } => exec(&target, &command, context),
    }
}

fn of(text: Option<&str>, context: &mut Context) -> Ended {
    let target = match text {
        None => context.target()?,
        Some(_) if context.global.names_a_target() => {
            let why = "is named twice, by SEL and by a flag".to_owned();
            return Err(Error::Invalid { what: "target", why }.into());
        }
        Some(text) => context.resolve(&text.parse()?)?,
    };
    let listing = context.global.lookup()?.namespaces(&context.budget()?)?;
    let known = listing.namespaces.into_iter().find(|info| info.id == target.id());
    let report = NsOf {
        selector: target.to_string(),
        pid: target.pid(),
        id: target.id(),
        cookie: target.open()?.cookie(),
        container: target.container().cloned(),
        known,
    };
    context.out.report(&report)?;
    Ok(Outcome::Yes)
}

/// Enters the namespace on this thread, the only one there is, and becomes the command.
fn exec(target: &str, command: &[OsString], context: &mut Context) -> Ended {
    if context.out.is_json() {
        let why = "--json has no meaning here: the output is the command's".to_owned();
        return Err(Error::Invalid { what: "flag", why }.into());
    }
    let selector: Selector = target.parse()?;
    let target = context.resolve(&selector)?;
    enter(&target)?;
    let (program, args) = command
        .split_first()
        .ok_or(Error::Invalid { what: "command", why: "none given".to_owned() })?;
    // Returns only if it failed.
    let error = Command::new(program).args(args).exec();
    diagnose(&format!("cannot run `{}`: {error}", program.to_string_lossy()), None);
    Ok(Outcome::Passed(if error.kind() == ErrorKind::NotFound { 127 } else { 126 }))
}

fn enter(target: &Target) -> Result<(), Error> {
    if Netns::current()?.id() == target.id() {
        return Ok(());
    }
    let op = Op::EnterNamespace;
    setns(target.open()?, CloneFlags::CLONE_NEWNET).map_err(|e| match e {
        nix::errno::Errno::EPERM => Error::Permission { op, needs: Capability::SysAdmin },
        e => Error::Sys { op, source: e.into() },
    })
}
