//! `vision dns`

mod bulk;
mod transfer;
mod wire;
mod words;

use std::net::{IpAddr, SocketAddr};

use vision_core::probe::{
    Checking, DnsCompare, DnsQuery, DnsTls, DnssecOk, Letters, Libc, Probe, Recursion, Resolve,
    ResolveOutcome, Trace, TraceEnd, Transport, TrustAnchor, Validate, Validity, ZoneCheck,
};
use vision_core::wire::dns::{EdnsOption, Name, Rcode, RecordType};
use vision_core::{Budget, Error, EventSource, Family, Result, Target};

use self::words::Words;
use super::Ended;
use super::resolver::Files;
use crate::args::{DnsArgs, DnsQueryArgs, DnsTlsArgs, LibcArg};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::dns::Answered;
use crate::output::human::resolution::Walks;

/// Where one `vision dns` runs.
struct Place<'a> {
    target: &'a Target,
    budget: &'a Budget,
}

/// Asks a server, or resolves as the target would.
pub fn run(args: &DnsArgs, context: &mut Context) -> Ended {
    if let Some(path) = &args.wire_in {
        return wire::show(path, context);
    }
    let words = Words::sort(&args.words, args.from.is_some())?;
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let place = Place { target: &target, budget: &budget };
    match () {
        () if args.from.is_some() => bulk::run(args, &words, &place, context),
        () if args.search => search(args, &words, &place, context),
        () if args.validate => validate(args, &words, &place, context),
        () if args.trace => trace(args, &words, &place, context),
        () if words.rtype == Some(RecordType::Axfr) => transfer::run(args, &words, &place, context),
        () if args.check_soa => check_soa(args, &words, &place, context),
        () if words.servers.len() > 1 => compare(args, &words, &place, context),
        () => ask(args, &words, &place, context),
    }
}

/// What a command line asks, still without servers.
fn question(args: &DnsArgs, words: &Words<'_>, context: &Context) -> Result<DnsQuery> {
    let (name, default) = match args.reverse {
        true => (Name::reverse(address(words.name())?), RecordType::Ptr),
        false => (words.name().parse()?, RecordType::A),
    };
    let query = DnsQuery::new(name, words.rtype.unwrap_or(default));
    dress(query, args, context)
}

fn dress(query: DnsQuery, args: &DnsArgs, context: &Context) -> Result<DnsQuery> {
    let transport = if args.tcp { Transport::Tcp } else { Transport::Auto };
    let DnsQueryArgs { dnssec, cd, norec, bufsize, noedns, plain_case, class, .. } = &args.query;
    let edns = if *noedns { None } else { Some(bufsize.unwrap_or(1232)) };
    let mut query = query
        .transport(transport)
        .timeout(args.wait)
        .tries(args.tries)
        .class(*class)
        .edns(edns)
        .dnssec_ok(if *dnssec { DnssecOk::Set } else { DnssecOk::Unset })
        .checking(if *cd { Checking::Disabled } else { Checking::Enabled })
        .recursion(if *norec { Recursion::Unwanted } else { Recursion::Desired })
        .letters(if *plain_case { Letters::AsGiven } else { Letters::Mixed });
    if args.query.nsid {
        query = query.option(EdnsOption::nsid());
    }
    if let Some(net) = args.query.subnet {
        query = query.option(EdnsOption::subnet(net));
    }
    if args.query.cookie {
        query = query.cookies();
    }
    if args.wire_out.is_some() {
        query = query.keep_wire();
    }
    if let Some(tls) = secured(&args.secure)? {
        query = query.tls(tls);
    }
    if let Some(name) = &context.global.interface {
        query = query.interface(name);
    }
    if let Some(source) = context.global.source {
        query = query.source(SocketAddr::new(source, 0));
    }
    Ok(query)
}

fn secured(args: &DnsTlsArgs) -> Result<Option<DnsTls>> {
    if !args.tls && args.https.is_none() {
        return Ok(None);
    }
    let mut tls = DnsTls::new();
    if let Some(path) = &args.https {
        tls = tls.https(path);
    }
    if let Some(name) = &args.tls_name {
        tls = tls.name(name);
    }
    if let Some(path) = &args.tls_ca {
        let pem = std::fs::read(path).map_err(|source| {
            let why = format!("`{}`: {source}", path.display());
            Error::Invalid { what: "certificate authorities", why }
        })?;
        tls = tls.authorities(&pem)?;
    }
    Ok(Some(if args.tls_unverified { tls.unverified() } else { tls }))
}

/// The same with the servers of the command line, or those of the target.
fn addressed(
    args: &DnsArgs,
    words: &Words<'_>,
    place: &Place<'_>,
    context: &mut Context,
) -> Result<DnsQuery> {
    let query = question(args, words, context)?;
    let servers = words.addresses(args.secure.port(), place.target, place.budget, context)?;
    Ok(servers.into_iter().fold(query, DnsQuery::server))
}

fn ask(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let query = addressed(args, words, place, context)?;
    let report = query.run(place.target, place.budget)?;
    if let Some(path) = &args.wire_out {
        wire::save(path, &report)?;
    }
    let found = report.answer().is_some_and(|message| {
        message.header.rcode == Rcode::NoError && !message.answers.is_empty()
    });
    context.out.report(&Answered { report: &report, short: args.short })?;
    Ok(if found { Outcome::Yes } else { Outcome::No })
}

fn compare(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let query = addressed(args, words, place, context)?;
    let report = DnsCompare::new(query).run(place.target, place.budget)?;
    context.out.report(&Answered { report: &report, short: args.short })?;
    Ok(if report.agrees() { Outcome::Yes } else { Outcome::No })
}

fn trace(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    if let Some(server) = words.servers.first() {
        let why = format!("`@{server}`: --trace starts at the root; name one with --root {server}");
        return Err(Error::Invalid { what: "server", why }.into());
    }
    let mut trace = Trace::new(question(args, words, context)?);
    for text in &args.root {
        let root = words::server(text, 53, place.target, place.budget, context)?;
        trace = trace.root(root).port(root.port());
    }
    if let Some(family) = context.family()? {
        trace = trace.family(family);
    }
    let report = trace.run(place.target, place.budget)?;
    context.out.report(&Answered { report: &report, short: args.short })?;
    Ok(match report.end {
        TraceEnd::Answered => Outcome::Yes,
        TraceEnd::Unfinished => Outcome::Unknown,
        _ => Outcome::No,
    })
}

fn validate(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let mut validate = Validate::new(addressed(args, words, place, context)?);
    for path in &args.anchor {
        let text = std::fs::read_to_string(path).map_err(|source| {
            let why = format!("`{}`: {source}", path.display());
            Error::Invalid { what: "trust anchor", why }
        })?;
        for anchor in TrustAnchor::read_all(&text)? {
            validate = validate.anchor(anchor);
        }
    }
    let report = validate.run(place.target, place.budget)?;
    context.out.report(&Answered { report: &report, short: args.short })?;
    Ok(match report.validity {
        Validity::Secure => Outcome::Yes,
        Validity::Indeterminate => Outcome::Unknown,
        _ => Outcome::No,
    })
}

fn check_soa(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let query = addressed(args, words, place, context)?;
    let report = ZoneCheck::from_query(query).run(place.target, place.budget)?;
    context.out.report(&Answered { report: &report, short: args.short })?;
    Ok(if report.agrees() { Outcome::Yes } else { Outcome::No })
}

fn search(args: &DnsArgs, words: &Words<'_>, place: &Place<'_>, context: &mut Context) -> Ended {
    let refuse = |why: &str| Err(Error::Invalid { what: "flag", why: why.to_owned() }.into());
    let family = match words.rtype {
        _ if args.reverse || args.tcp || !words.servers.is_empty() => {
            return refuse("--search asks as the target would: without -x, --tcp and @SERVER");
        }
        None => context.family()?,
        Some(RecordType::A) => Some(Family::V4),
        Some(RecordType::Aaaa) => Some(Family::V6),
        Some(_) => return refuse("--search looks for addresses: A or AAAA"),
    };
    let files = Files::read(place.target, place.budget)?;
    let resolve = |libc| {
        let resolve = Resolve::new(words.name()).libc(libc);
        let resolve = family.into_iter().fold(resolve, Resolve::family);
        files.run(&resolve, place.target, place.budget)
    };
    let found = match args.libc {
        LibcArg::Glibc => vec![resolve(Libc::Glibc)?],
        LibcArg::Musl => vec![resolve(Libc::Musl)?],
        LibcArg::Both => vec![resolve(Libc::Glibc)?, resolve(Libc::Musl)?],
    };
    match found.as_slice() {
        [only] => context.out.report(&Answered { report: only, short: args.short })?,
        _ => context.out.report(&Walks { walks: &found, short: args.short })?,
    }
    let ended = |outcome| found.iter().all(|walk| walk.outcome == outcome);
    Ok(match () {
        () if ended(ResolveOutcome::Found) => Outcome::Yes,
        () if found.iter().any(|w| w.outcome == ResolveOutcome::Unfinished) => Outcome::Unknown,
        () => Outcome::No,
    })
}

/// Waits for the next event; the budget ends even a stream that never pauses.
fn next<S: EventSource>(source: &mut S, place: &Place<'_>) -> Result<Option<S::Event>> {
    place.budget.remaining()?;
    source.recv(place.budget)
}

fn address(text: &str) -> Result<IpAddr> {
    let why = || format!("`{text}` is no address; -x asks for the name of one");
    text.parse().map_err(|_| Error::Invalid { what: "address", why: why() })
}
