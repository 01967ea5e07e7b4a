use std::net::IpAddr;

use crate::base::Untrusted;
use crate::netns::FileOrigin;

/// How names are resolved, by a `resolv.conf` (resolv.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Resolver {
    /// Servers in order; the C library asks the first three only.
    pub nameservers: Vec<Nameserver>,
    /// Suffixes to try, of the last `search` or `domain` line.
    pub search: Vec<Untrusted>,
    /// Options, within the C library's limits.
    pub options: ResolverOptions,
    /// Lines that are neither empty, a comment nor readable.
    pub bad_lines: u32,
    /// Where it was read.
    pub origin: Option<FileOrigin>,
}

/// A server of a `resolv.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Nameserver {
    /// Its address.
    pub addr: IpAddr,
    /// Interface, name or number, of a link-local address (`fe80::1%eth0`).
    pub scope: Option<Untrusted>,
}

/// Options of a `resolv.conf`; defaults are the C library's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ResolverOptions {
    /// Names with at least so many dots are tried as they are first; at most 15.
    pub ndots: u8,
    /// Seconds to wait for a server; at most 30.
    pub timeout_s: u8,
    /// Rounds over the servers; at most 5.
    pub attempts: u8,
    /// Servers take turns.
    pub rotate: bool,
    /// TCP only.
    pub use_vc: bool,
    /// EDNS.
    pub edns0: bool,
    /// The two addresses are asked for one after the other.
    pub single_request: bool,
    /// The second of two questions uses another port when the first had no answer.
    pub single_request_reopen: bool,
    /// Single names are not tried as they are.
    pub no_tld_query: bool,
    /// The server's word about validation is taken.
    pub trust_ad: bool,
    /// IPv6 addresses are not asked for.
    pub no_aaaa: bool,
    /// Options not known here.
    pub other: Vec<Untrusted>,
}

impl Default for ResolverOptions {
    fn default() -> Self {
        Self {
            ndots: 1,
            timeout_s: 5,
            attempts: 2,
            rotate: false,
            use_vc: false,
            edns0: false,
            single_request: false,
            single_request_reopen: false,
            no_tld_query: false,
            trust_ad: false,
            no_aaaa: false,
            other: Vec::new(),
        }
    }
}

impl Resolver {
    /// Reads a `resolv.conf`; junk is counted, never fatal. Of a long file the first 64 KiB count.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut resolver = Self::default();
        for line in lines(bytes) {
            let mut words = words(line, b"#;");
            let Some(key) = words.next() else { continue };
            match key {
                b"nameserver" => match words.next().and_then(addr) {
                    Some((addr, scope)) => resolver.nameservers.push(Nameserver { addr, scope }),
                    None => resolver.bad_lines += 1,
                },
                b"search" | b"domain" => {
                    let most = if key == b"domain" { 1 } else { usize::MAX };
                    resolver.search = words.take(most).map(suffix).collect();
                }
                b"options" => words.for_each(|word| resolver.options.take(word)),
                b"sortlist" | b"lookup" | b"family" => {}
                _ => resolver.bad_lines += 1,
            }
        }
        resolver
    }
}

impl ResolverOptions {
    fn take(&mut self, word: &[u8]) {
        let limited = |text: &[u8], most: u8| {
            let number = std::str::from_utf8(text).ok()?.parse::<u32>().ok()?;
            Some(u8::try_from(number).unwrap_or(u8::MAX).min(most))
        };
        let (key, value) = match word.iter().position(|b| *b == b':') {
            Some(at) => (word.get(..at), word.get(at + 1..)),
            None => (Some(word), None),
        };
        match (key.unwrap_or_default(), value) {
            (b"ndots", Some(v)) => self.ndots = limited(v, 15).unwrap_or(self.ndots),
            (b"timeout", Some(v)) => self.timeout_s = limited(v, 30).unwrap_or(self.timeout_s),
            (b"attempts", Some(v)) => self.attempts = limited(v, 5).unwrap_or(self.attempts),
            (b"rotate", _) => self.rotate = true,
            (b"use-vc" | b"usevc", _) => self.use_vc = true,
            (b"edns0", _) => self.edns0 = true,
            (b"single-request", _) => self.single_request = true,
            (b"single-request-reopen", _) => self.single_request_reopen = true,
            (b"no-tld-query", _) => self.no_tld_query = true,
            (b"trust-ad", _) => self.trust_ad = true,
            (b"no-aaaa", _) => self.no_aaaa = true,
            _ => self.other.push(Untrusted::from(word)),
        }
    }
}

/// Lines of a file, of its first 64 KiB.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.get(..LIMIT).unwrap_or(bytes).split(|b| *b == b'\n')
}

/// Words of a line up to a comment.
pub(super) fn words<'a>(line: &'a [u8], comment: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let text = line.split(|b| comment.contains(b)).next().unwrap_or_default();
    text.split(|b| b.is_ascii_whitespace() || *b == 0).filter(|word| !word.is_empty())
}

/// An address, with a scope where it is an IPv6 one.
pub(super) fn addr(word: &[u8]) -> Option<(IpAddr, Option<Untrusted>)> {
    let (addr, scope) = match word.iter().position(|b| *b == b'%') {
        Some(at) => (word.get(..at)?, Some(word.get(at + 1..)?)),
        None => (word, None),
    };
    let addr: IpAddr = std::str::from_utf8(addr).ok()?.parse().ok()?;
    match (addr, scope) {
        (IpAddr::V4(_), Some(_)) | (_, Some([])) => None,
        _ => Some((addr, scope.map(Untrusted::from))),
    }
}

/// A suffix without its final dot; the root alone keeps it.
fn suffix(word: &[u8]) -> Untrusted {
    match word.strip_suffix(b".") {
        Some(rest) if !rest.is_empty() => Untrusted::from(rest),
        _ => Untrusted::from(word),
    }
}

/// More than this is read of no file.
const LIMIT: usize = 64 * 1024;

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn a_pods_file_is_read_whole() {
        let text = b"search ns.svc.cluster.local svc.cluster.local. cluster.local\n\
            nameserver 10.96.0.10\nnameserver fe80::1%eth0 # router\n; c\n\
            options ndots:5 timeout:99 attempts:9 rotate edns0 frob:1\n";
        let resolver = Resolver::parse(text);
        assert_eq!(resolver.bad_lines, 0);
        assert_eq!(resolver.search.len(), 3);
        assert_eq!(resolver.search[1], *"svc.cluster.local");
        assert_eq!(resolver.nameservers[1].scope, Some(Untrusted::from("eth0")));
        let options = &resolver.options;
        assert_eq!((options.ndots, options.timeout_s, options.attempts), (5, 30, 5));
        assert!(options.rotate && options.edns0 && !options.use_vc);
        assert_eq!(options.other, [Untrusted::from("frob:1")]);
    }

    #[test]
    fn limits_hold_and_the_last_list_wins() {
        let resolver =
            Resolver::parse(b"domain a.b c.d\nsearch x\nsearch y z\noptions ndots:16 ndots:x\n");
        assert_eq!(resolver.search, [Untrusted::from("y"), Untrusted::from("z")]);
        assert_eq!(resolver.options.ndots, 15);
        assert_eq!(Resolver::parse(b"domain a.b c.d").search.len(), 1);
    }

    #[test]
    fn junk_is_counted_and_never_fatal() {
        let resolver = Resolver::parse(b"nameserver\nnameserver 1.2.3\nnameserver 1.2.3.4%x\n\xff\xfe x\nhello\nnameserver 9.9.9.9");
        assert_eq!(resolver.bad_lines, 5);
        assert_eq!(resolver.nameservers.len(), 1);
        let all: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let _ = Resolver::parse(&all);
    }

    #[test]
    fn what_lies_behind_64_kib_is_not_read() {
        let mut text = vec![b'#'; LIMIT];
        text.extend(b"\nnameserver 9.9.9.9\n");
        assert!(Resolver::parse(&text).nameservers.is_empty());
    }
}
