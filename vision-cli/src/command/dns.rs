//! `vision dns`

use std::net::{IpAddr, SocketAddr};

use vision_core::probe::{DnsQuery, Probe, ResolveOutcome, Transport};
use vision_core::wire::dns::{Name, Rcode, RecordType};
use vision_core::{Budget, Endpoint, Error, Family, Host, Result, Target};

use super::resolver::Files;
use super::{Ended, destination};
use crate::args::DnsArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::dns::Answered;

/// What the words of the command line mean.
struct Words<'a> {
    name: &'a str,
    rtype: Option<RecordType>,
    server: Option<&'a str>,
}

/// Asks a server, or resolves as the target would.
pub fn run(args: &DnsArgs, context: &mut Context) -> Ended {
    let words = sort(&args.words)?;
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    match args.search {
        true => search(args, &words, &target, &budget, context),
        false => ask(args, &words, &target, &budget, context),
    }
}

fn ask(
    args: &DnsArgs,
    words: &Words<'_>,
    target: &Target,
    budget: &Budget,
    context: &mut Context,
) -> Ended {
    let (name, default) = match args.reverse {
        true => (Name::reverse(address(words.name)?), RecordType::Ptr),
        false => (words.name.parse()?, RecordType::A),
    };
    let transport = if args.tcp { Transport::Tcp } else { Transport::Auto };
    let query = DnsQuery::new(name, words.rtype.unwrap_or(default));
    let mut query = query.transport(transport).timeout(args.wait);
    for server in servers(words, target, budget, context)? {
        query = query.server(server);
    }
    if let Some(name) = &context.global.interface {
        query = query.interface(name);
    }
    if let Some(source) = context.global.source {
        query = query.source(SocketAddr::new(source, 0));
    }
    let report = query.run(target, budget)?;
    let found = report.answer().is_some_and(|message| {
        message.header.rcode == Rcode::NoError && !message.answers.is_empty()
    });
    context.out.report(&Answered { report: &report, short: args.short })?;
    Ok(if found { Outcome::Yes } else { Outcome::No })
}

fn search(
    args: &DnsArgs,
    words: &Words<'_>,
    target: &Target,
    budget: &Budget,
    context: &mut Context,
) -> Ended {
    let refuse = |why: &str| Err(Error::Invalid { what: "flag", why: why.to_owned() }.into());
    let family = match words.rtype {
        _ if args.reverse || args.tcp || words.server.is_some() => {
            return refuse("--search asks as the target would: without -x, --tcp and @SERVER");
        }
        None => context.family()?,
        Some(RecordType::A) => Some(Family::V4),
        Some(RecordType::Aaaa) => Some(Family::V6),
        Some(_) => return refuse("--search looks for addresses: A or AAAA"),
    };
    let found = Files::read(target, budget)?.resolve(words.name, family, target, budget)?;
    context.out.report(&Answered { report: &found, short: args.short })?;
    match found.outcome {
        ResolveOutcome::Found => Ok(Outcome::Yes),
        ResolveOutcome::Unfinished => Ok(Outcome::Unknown),
        _ => Ok(Outcome::No),
    }
}

/// A name, and in any order a type and a server; `MX example.com` is taken as well.
fn sort(words: &[String]) -> Result<Words<'_>> {
    let too_many = || Error::Invalid {
        what: "arguments",
        why: format!("`{}`: give NAME, at most one TYPE and one @SERVER", words.join(" ")),
    };
    let (servers, rest): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.starts_with('@'));
    let server = match servers.as_slice() {
        [] => None,
        [server] => server.strip_prefix('@'),
        _ => return Err(too_many()),
    };
    let is_type = |word: &str| word.parse::<RecordType>().is_ok();
    let (name, rtype) = match rest.as_slice() {
        [name] => (*name, None),
        [rtype, name] if is_type(rtype) && !is_type(name) => (*name, Some(rtype.parse()?)),
        [name, rtype] => (*name, Some(rtype.parse()?)),
        _ => return Err(too_many()),
    };
    Ok(Words { name, rtype, server })
}

fn address(text: &str) -> Result<IpAddr> {
    let why = || format!("`{text}` is no address; -x asks for the name of one");
    text.parse().map_err(|_| Error::Invalid { what: "address", why: why() })
}

/// Servers that are asked, as in every libc: MAXNS of resolv.h.
const ASKED: usize = 3;

/// The server named, or the first of the target's `resolv.conf`.
fn servers(
    words: &Words<'_>,
    target: &Target,
    budget: &Budget,
    context: &mut Context,
) -> Result<Vec<SocketAddr>> {
    let Some(text) = words.server else {
        let mut servers = Files::read(target, budget)?.config.servers;
        let family = context.family()?;
        servers.retain(|server| family.is_none_or(|f| f == Family::of(server.ip())));
        if servers.is_empty() {
            let what = "nameserver of that family in the target's resolv.conf";
            return Err(Error::NotFound(what.to_owned()));
        }
        servers.truncate(ASKED);
        return Ok(servers);
    };
    let (host, port) = match text.parse::<Host>() {
        Ok(host) => (host, 53),
        Err(_) => {
            let endpoint: Endpoint = text.parse()?;
            let several = || Error::Invalid { what: "server", why: format!("`@{text}`: one port") };
            (endpoint.host.clone(), endpoint.single_port().ok_or_else(several)?)
        }
    };
    let to = destination::find(&host, context, target, budget)?;
    Ok(vec![match to.addr {
        IpAddr::V4(addr) => SocketAddr::from((addr, port)),
        IpAddr::V6(addr) => std::net::SocketAddrV6::new(addr, port, 0, to.scope).into(),
    }])
}
