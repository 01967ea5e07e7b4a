//! `vision ns show`

use vision_core::inventory::{Inventory, NetworkMap};
use vision_core::{Error, Gap, Target};

use crate::command::Ended;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ns::show::{NsShow, ShownFile};

/// Shows one namespace and whatever else was asked for.
pub fn run(target: &Target, files: bool, sysctl: &[String], context: &mut Context) -> Ended {
    let budget = context.budget()?;
    let listing = context.global.lookup()?.all_namespaces(&budget)?;
    let map = NetworkMap::read(&listing, &budget)?;
    let identity = super::identity(target, context)?;
    let mut inventory = Inventory::open(target)?;
    let mut settings = Vec::new();
    for prefix in sysctl {
        settings.extend(inventory.settings(prefix, &budget)?);
    }
    let (mut shown, mut gaps) = (Vec::new(), Vec::new());
    for path in FILES.iter().filter(|_| files) {
        match target.read_file(path, &budget) {
            Ok(file) => shown.push(ShownFile::new(path, &file)),
            Err(Error::NotFound(_)) => gaps.push(Gap::new(*path, "there is no such file")),
            Err(e) => gaps.push(Gap::because(*path, &e)),
        }
    }
    let namespace = map.get(target.id()).cloned();
    let report = NsShow { identity, namespace, files: shown, settings, gaps, map };
    context.out.report(&report)?;
    Ok(Outcome::Yes)
}

const FILES: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/hostname"];
