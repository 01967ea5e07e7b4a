use std::net::IpAddr;

use crate::base::Untrusted;
use crate::netns::FileOrigin;

/// A hosts file (hosts(5)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Hosts {
    /// Its lines.
    pub entries: Vec<HostEntry>,
    /// Lines that are neither empty nor readable.
    pub bad_lines: u32,
    /// Where it was read.
    pub origin: Option<FileOrigin>,
}

/// One line of a hosts file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HostEntry {
    /// Line in the file, from 1.
    pub line: u32,
    /// The address.
    pub addr: IpAddr,
    /// Its names, the canonical one first.
    pub names: Vec<Untrusted>,
}

impl Hosts {
    /// Reads a hosts file; junk is counted, never fatal. Of a long file the first 64 KiB count.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut hosts = Self::default();
        for (n, line) in (1..).zip(super::resolver::lines(bytes)) {
            let mut words = super::resolver::words(line, b"#");
            let Some(first) = words.next() else { continue };
            let names: Vec<_> = words.map(Untrusted::from).collect();
            match super::resolver::addr(first) {
                // A scope has no meaning for others.
                Some((addr, _)) if !names.is_empty() => {
                    hosts.entries.push(HostEntry { line: n, addr, names });
                }
                _ => hosts.bad_lines += 1,
            }
        }
        hosts
    }

    /// Returns the addresses of a name in the file's order; case and a final dot do not matter.
    pub fn lookup(&self, name: &str) -> Vec<IpAddr> {
        let wanted = name.strip_suffix('.').unwrap_or(name).as_bytes();
        let is_it = |n: &Untrusted| n.as_bytes().eq_ignore_ascii_case(wanted);
        let lines = self.entries.iter().filter(|entry| entry.names.iter().any(is_it));
        lines.map(|entry| entry.addr).collect()
    }

    /// Returns the canonical name of an address.
    pub fn reverse(&self, addr: IpAddr) -> Option<&Untrusted> {
        self.entries.iter().find(|entry| entry.addr == addr)?.names.first()
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        let hosts = Hosts::parse(
            b"# managed\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n\n10.0.0.7 Db.Local db # x\nnonsense here\n10.0.0.8\n",
        );
        assert_eq!(hosts.entries.len(), 3);
        assert_eq!(hosts.bad_lines, 2);
        assert_eq!(hosts.lookup("LOCALHOST.").len(), 2);
        assert_eq!(hosts.lookup("db.local"), ["10.0.0.7".parse::<IpAddr>().expect("address")]);
        assert_eq!(hosts.lookup("x"), Vec::<IpAddr>::new());
        assert_eq!(hosts.entries[2].line, 5);
        let db = "10.0.0.7".parse().expect("address");
        assert_eq!(hosts.reverse(db).map(Untrusted::as_bytes), Some(&b"Db.Local"[..]));
    }

    #[test]
    fn bytes_of_any_kind_are_survived() {
        let all: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let _ = Hosts::parse(&all);
    }
}
