//! Raw sockets of kernels without `raw_diag`, which answer with an empty list.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::libc;

use super::dump::Plan;
use super::sock::{self, Sock, SockProtocol, SockState};
use super::{Inventory, SocketFilter};
use crate::base::{Budget, Family, Result};
use crate::netlink::{Protocol, sock_diag};

impl Inventory {
    /// Raw sockets, if they are asked for; `/proc` knows them where `sock_diag` does not.
    pub(super) fn raw_sockets(
        &mut self,
        filter: &SocketFilter,
        budget: &Budget,
    ) -> Result<Vec<Sock>> {
        let queries = filter.raw_queries();
        if queries.is_empty() {
            return Ok(Vec::new());
        }
        let plan = Plan::over(Protocol::SockDiag, sock::read);
        let plan = queries.iter().fold(plan, |p, (query, of)| p.ask(sock_diag::dump(query), *of));
        let told = match self.reader.list(&plan, budget) {
            Ok(dump) => dump.items,
            Err(e) if e.errno() == Some(libc::ENOENT) => Vec::new(),
            Err(e) => return Err(e),
        };
        match told.is_empty() {
            true => self.netns().run(|| read(filter.family)),
            false => Ok(told),
        }
    }
}

/// Reads the files of the calling thread's namespace; one that is missing has no sockets.
pub(super) fn read(family: Option<Family>) -> Vec<Sock> {
    let mut all = Vec::new();
    for (name, of) in [("raw", Family::V4), ("raw6", Family::V6)] {
        if family.is_none_or(|family| family == of) {
            let text = fs::read_to_string(format!("/proc/thread-self/net/{name}"));
            let text = text.unwrap_or_default();
            all.extend(text.lines().skip(1).filter_map(|line| row(line, of)));
        }
    }
    all
}

/// One line (net/ipv4/raw.c `raw_sock_seq_show`).
fn row(line: &str, family: Family) -> Option<Sock> {
    let words: Vec<_> = line.split_whitespace().collect();
    let word = |n: usize| words.get(n).copied();
    let (local, local_port) = endpoint(word(1)?, family)?;
    let (remote, _) = endpoint(word(2)?, family)?;
    let (send_q, recv_q) = word(4)?.split_once(':')?;
    let hex = |text| u32::from_str_radix(text, 16).ok();
    Some(Sock {
        protocol: SockProtocol::Raw,
        family,
        state: SockState::from_raw(u8::try_from(hex(word(3)?)?).ok()?),
        local,
        local_port,
        remote,
        remote_port: 0,
        ifindex: None,
        uid: word(7)?.parse().ok()?,
        inode: word(9)?.parse().ok()?,
        recv_q: hex(recv_q)?,
        send_q: hex(send_q)?,
        v6only: None,
        retransmits: 0,
        mark: None,
        cookie: 0,
        details: None,
    })
}

/// Words of the host's byte order, in hexadecimal; the port is the number of the IP protocol.
fn endpoint(text: &str, family: Family) -> Option<(IpAddr, u16)> {
    let (addr, port) = text.split_once(':')?;
    let word = |n: usize| {
        let digits = addr.get(8 * n..8 * n + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let addr = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        Family::V6 => {
            let mut bytes = [0; 16];
            for (n, place) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *place = word(n)?;
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
    };
    Some((addr, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_versions_are_read() {
        let line = "    1: 0100007F:0001 00000000:0000 07 00000000:00000300 00:00000000 00000000     5        0 4711 2 0 0";
        let sock = row(line, Family::V4).expect("a row");
        assert_eq!((sock.local, sock.local_port), ("127.0.0.1".parse().expect("an address"), 1));
        assert_eq!((sock.uid, sock.inode, sock.recv_q, sock.send_q), (5, 4711, 0x300, 0));
        assert_eq!(sock.state, SockState::Unconnected);
        let line = "   58: 00000000000000000000000001000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 77 2 0 0";
        let sock = row(line, Family::V6).expect("a row");
        assert_eq!((sock.local, sock.local_port), ("::1".parse().expect("an address"), 58));
        for end in 0..line.len() - 20 {
            let _ = row(&line[..end], Family::V6);
        }
    }
}
