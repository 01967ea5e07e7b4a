//! Who is to be asked: arguments, networks, a file, standard input.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::IpAddr;

use vision_core::probe::AddrRange;
use vision_core::{Budget, Error, Family, Host, Result, Target};

use super::destination;
use crate::args::PingArgs;
use crate::context::Context;
use crate::output::human::sweep::Unresolved;

/// One entry of the list.
pub enum Listed {
    /// An address or a name.
    Host(Host),
    /// A network.
    Range(AddrRange),
}

/// Addresses, and what they were called.
pub struct Found {
    /// Everybody to be asked.
    pub addrs: Vec<IpAddr>,
    /// The interface of link-local addresses, by index; else zero.
    pub scope: u32,
    /// Names by address.
    pub names: HashMap<IpAddr, String>,
    /// What has no address.
    pub unresolved: Vec<Unresolved>,
}

/// A file of targets longer than this is no such file.
const MOST_BYTES: u64 = 64 << 20;

/// Lists the targets in the order given: arguments, networks, file.
///
/// # Errors
/// [`Error::Invalid`] naming the file and the line, or a network of the wrong family.
pub fn gather(args: &PingArgs, family: Option<Family>) -> Result<Vec<Listed>> {
    let mut listed: Vec<_> = args.hosts.iter().cloned().map(Listed::Host).collect();
    for range in &args.many.sweep {
        if let Some(first) = range.iter().next() {
            destination::check_family(first, family)?;
        }
        listed.push(Listed::Range(*range));
    }
    if let Some(name) = &args.many.from {
        read(name, &mut listed)?;
    }
    match listed.is_empty() {
        false => Ok(listed),
        true => {
            let name = args.many.from.as_deref().unwrap_or("-");
            Err(Error::Invalid { what: "targets", why: format!("`{name}` lists none") })
        }
    }
}

fn read(name: &str, listed: &mut Vec<Listed>) -> Result<()> {
    let failed = |e: io::Error| Error::Invalid {
        what: "targets",
        why: format!("cannot read `{name}`: {e}"),
    };
    let source: Box<dyn Read> = match name {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(File::open(path).map_err(failed)?),
    };
    let mut lines = BufReader::new(source.take(MOST_BYTES));
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        number += 1;
        let refused = |why: String| Error::Invalid {
            what: "targets",
            why: format!("line {number} of `{name}`: {why}"),
        };
        let text = std::str::from_utf8(&line).map_err(|_| refused("it is no text".to_owned()))?;
        // As in a hosts file, the rest of the line is a remark.
        let bare = text.split('#').next().unwrap_or_default();
        let mut words = bare.split_whitespace();
        if let Some(word) = words.next() {
            if words.next().is_some() {
                return Err(refused("one target a line, then a remark behind #".to_owned()));
            }
            listed.push(entry(word).map_err(|e| refused(e.to_string()))?);
        }
    }
}

fn entry(word: &str) -> Result<Listed> {
    let is_range = word.contains('/') || word.split('-').all(|end| end.parse::<IpAddr>().is_ok());
    match is_range && word.parse::<IpAddr>().is_err() {
        true => word.parse().map(Listed::Range),
        false => word.parse().map(Listed::Host),
    }
}

/// Finds the address of every target as the target namespace would; what has none is kept aside.
///
/// # Errors
/// [`Error::Invalid`] when nobody is left to ask or link-local addresses name two interfaces, and
/// whatever keeps every name from being resolved.
pub fn resolve(
    listed: Vec<Listed>,
    context: &mut Context,
    target: &Target,
    budget: &Budget,
) -> Result<Found> {
    let mut found =
        Found { addrs: Vec::new(), scope: 0, names: HashMap::new(), unresolved: Vec::new() };
    for entry in listed {
        let host = match entry {
            Listed::Range(range) => {
                found.addrs.extend(range.iter());
                continue;
            }
            Listed::Host(host) => host,
        };
        match destination::find(&host, context, target, budget) {
            Ok(to) => found.add(&host, &to)?,
            Err(error @ (Error::NotFound(_) | Error::Invalid { .. })) => {
                found
                    .unresolved
                    .push(Unresolved { name: host.to_string(), why: error.to_string() });
                crate::output::diagnose(&error.to_string(), None);
            }
            Err(error) => return Err(error),
        }
    }
    match found.addrs.is_empty() {
        false => Ok(found),
        true => Err(Error::NotFound("an address of any of these targets".to_owned())),
    }
}

impl Found {
    fn add(&mut self, host: &Host, to: &destination::Destination) -> Result<()> {
        if to.scope != 0 && self.scope != 0 && to.scope != self.scope {
            let why = format!("`{host}` is on another interface than those before; take two runs");
            return Err(Error::Invalid { what: "targets", why });
        }
        self.scope = self.scope.max(to.scope);
        if let Host::Name(name) = host {
            self.names.entry(to.addr).or_insert_with(|| name.clone());
        }
        self.addrs.push(to.addr);
        Ok(())
    }
}
