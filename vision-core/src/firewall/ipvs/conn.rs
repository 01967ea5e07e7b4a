use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::Untrusted;

/// A connection that IPVS forwards (net/netfilter/ipvs/ip_vs_conn.c).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpvsConnection {
    /// The protocol by name: `TCP`, `UDP`, `SCTP`, and `IP` for what a packet mark chose.
    pub protocol: Untrusted,
    /// Who asks; port 0 stands for all connections of a client that stays with its server.
    pub client: SocketAddr,
    /// What it asks: the virtual service.
    pub service: SocketAddr,
    /// Who answers.
    pub server: SocketAddr,
    /// The state by name, such as `ESTABLISHED`.
    pub state: Untrusted,
    /// Seconds until it is forgotten.
    pub expires_s: u64,
}

/// Reads the file, whose first line is a heading; lines that are not understood are left out.
pub(super) fn read(text: &[u8]) -> Vec<IpvsConnection> {
    text.split(|byte| *byte == b'\n').filter_map(line).collect()
}

fn line(line: &[u8]) -> Option<IpvsConnection> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let protocol = words.next()?.into();
    let mut end = || {
        let (addr, port) = (address(words.next()?)?, number(words.next()?, 16)?);
        Some(SocketAddr::new(addr, u16::try_from(port).ok()?))
    };
    let (client, service, server) = (end()?, end()?, end()?);
    let state = words.next()?.into();
    let expires_s = number(words.next()?, 10)?;
    Some(IpvsConnection { protocol, client, service, server, state, expires_s })
}

/// Eight hexadecimal digits, or an IPv6 address with all its zeros.
fn address(word: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(word).ok()?;
    match text.contains(':') {
        true => text.parse().ok(),
        false => {
            let bits = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 8)?;
            Some(Ipv4Addr::from_bits(bits).into())
        }
    }
}

fn number(word: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(word).ok()?, radix).ok()
}
