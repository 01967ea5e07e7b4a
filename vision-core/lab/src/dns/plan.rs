//! From a query to the replies to send: pure.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use super::{
    codec::{FORMERR, NOERROR, NXDOMAIN, REFUSED, Request, Response, SERVFAIL},
    record::Rdata,
    script::{Behaviour, DnsScript, Forgery},
    server::Transport,
};

/// One message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) after: Duration,
    pub(crate) from_other_port: bool,
    pub(crate) bytes: Vec<u8>,
}

/// What to send, given how often this name and type was asked before.
pub(crate) fn replies(
    script: &DnsScript,
    request: &Request,
    transport: Transport,
    before: usize,
) -> Vec<Reply> {
    let now = |bytes| vec![Reply { after: Duration::ZERO, from_other_port: false, bytes }];
    let truth = || fit(truth(script, request), request, transport);
    let negative = |rcode| {
        let authority = vec![script.soa(&request.name)];
        now(Response { rcode, authority, ..Response::default() }.encode(request))
    };
    let bare = |rcode| now(Response { rcode, ..Response::default() }.encode(request));
    match script.behaviour(&request.name, request.kind) {
        Behaviour::Silent => Vec::new(),
        Behaviour::SilentFirst(n) if before < *n => Vec::new(),
        Behaviour::ServFailFirst(n) if before < *n => bare(SERVFAIL),
        Behaviour::Answer | Behaviour::SilentFirst(_) | Behaviour::ServFailFirst(_) => now(truth()),
        Behaviour::NxDomain => negative(NXDOMAIN),
        Behaviour::NoData => negative(NOERROR),
        Behaviour::ServFail => bare(SERVFAIL),
        Behaviour::Refused => bare(REFUSED),
        Behaviour::Slow(after) => {
            vec![Reply { after: *after, from_other_port: false, bytes: truth() }]
        }
        Behaviour::Truncate if transport == Transport::Udp => now(truncated(request)),
        Behaviour::Truncate => now(truth()),
        Behaviour::Forged(forgery) => vec![forge(script, request, transport, *forgery)],
        Behaviour::ForgedFirst(forgery) => {
            let late =
                Reply { after: Duration::from_millis(20), from_other_port: false, bytes: truth() };
            vec![forge(script, request, transport, *forgery), late]
        }
        Behaviour::Garbage => now(garbage(request)),
        Behaviour::FormErrOnEdns if request.edns.is_some() => {
            now(Response { rcode: FORMERR, without_edns: true, ..Response::default() }
                .encode(request))
        }
        Behaviour::FormErrOnEdns => now(truth()),
    }
}

fn truth(script: &DnsScript, request: &Request) -> Response {
    let found = script.look_up(&request.name, request.kind);
    let rcode = if found.is_some() { NOERROR } else { NXDOMAIN };
    let answers = found.unwrap_or_default();
    let authority = if answers.is_empty() { vec![script.soa(&request.name)] } else { Vec::new() };
    Response { rcode, answers, authority, ..Response::default() }
}

/// Over UDP, what does not fit the client's limit is cut off: 512 bytes, or what its OPT record says.
fn fit(response: Response, request: &Request, transport: Transport) -> Vec<u8> {
    let bytes = response.encode(request);
    let limit = usize::from(request.edns.unwrap_or(512).max(512));
    if transport == Transport::Udp && bytes.len() > limit { truncated(request) } else { bytes }
}

fn truncated(request: &Request) -> Vec<u8> {
    Response { truncated: true, ..Response::default() }.encode(request)
}

fn garbage(request: &Request) -> Vec<u8> {
    let mut bytes = request.id.to_be_bytes().to_vec();
    bytes.extend([0xff; 38]);
    bytes
}

fn forge(script: &DnsScript, request: &Request, transport: Transport, forgery: Forgery) -> Reply {
    let mut response = truth(script, request);
    if forgery == Forgery::Address {
        for record in &mut response.answers {
            match &mut record.data {
                Rdata::A(ip) => *ip = Ipv4Addr::new(192, 0, 2, 66),
                Rdata::Aaaa(ip) => *ip = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x66),
                _ => {}
            }
        }
    }
    let mut bytes = fit(response, request, transport);
    match forgery {
        Forgery::Id => bytes[1] ^= 1,
        Forgery::Case => each_letter(&mut bytes, |letter| letter ^ 0x20),
        Forgery::Name => {
            each_letter(&mut bytes, |letter| if letter == b'z' { b'a' } else { letter + 1 })
        }
        Forgery::Source | Forgery::Address => {}
    }
    Reply { after: Duration::ZERO, from_other_port: forgery == Forgery::Source, bytes }
}

/// Changes the letters of the question's name, which begins behind the header of 12 bytes.
fn each_letter(bytes: &mut [u8], change: impl Fn(u8) -> u8) {
    let mut at = 12;
    // Neither the final zero nor a compression pointer.
    while (1..64).contains(&bytes[at]) {
        let label = at + 1..at + 1 + usize::from(bytes[at]);
        at = label.end;
        for byte in bytes[label].iter_mut().filter(|byte| byte.is_ascii_alphabetic()) {
            *byte = change(*byte);
        }
    }
}
