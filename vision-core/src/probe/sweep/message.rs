//! Echo requests: which target and which round, proved by a secret.

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4RecvTtl, Ipv6RecvHopLimit};
use socket2::{SockAddr, SockFilter, Socket};

use super::channel::Voice;
use super::machine::{Ask, Heard};
use crate::base::{Error, Family, Op, Result};
use crate::probe::Method;
use crate::probe::ping::open_icmp;
use crate::socket::{self, Options};
use crate::sys::batch::Arrived;
use crate::wire::icmp::{EchoMessage, HEADER_BYTES, strip_ipv4};

/// Secret, target and round stand at the beginning of the payload.
pub(crate) const LEAST_BYTES: usize = 14;

/// What is asked.
#[derive(Debug)]
pub(crate) struct Question {
    cookie: [u8; 8],
    id: u16,
    payload: Vec<u8>,
}

impl Question {
    /// `size_bytes` is at least [`LEAST_BYTES`].
    pub(crate) fn new(cookie: [u8; 8], size_bytes: usize) -> Self {
        let mut payload: Vec<u8> = cookie.into_iter().chain([0; 6]).collect();
        payload.extend((0x10..=u8::MAX).cycle().take(size_bytes.saturating_sub(LEAST_BYTES)));
        let [.., high, low] = cookie;
        Self { cookie, id: u16::from_be_bytes([high, low]), payload }
    }

    fn message_bytes(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Appends request `round` of a target.
    pub(crate) fn write(&mut self, family: Family, host: u32, round: u16, out: &mut Vec<u8>) {
        let [a, b, c, d] = host.to_be_bytes();
        let [e, f] = round.to_be_bytes();
        let place = self.payload.iter_mut().skip(self.cookie.len());
        place.zip([a, b, c, d, e, f]).for_each(|(old, new)| *old = new);
        let echo = EchoMessage { id: self.id, seq: round.wrapping_add(1), payload: &self.payload };
        echo.append_request(family, out);
    }

    /// Reads a reply: `None` if it is none of this socket's, `Some(None)` if it only looks like one.
    pub(crate) fn read(
        &self,
        family: Family,
        method: Method,
        bytes: &[u8],
    ) -> Option<Option<(u32, u16)>> {
        let reply = EchoMessage::reply(family, bytes).ok().flatten()?;
        if method == Method::Raw && reply.id != self.id {
            return None;
        }
        Some(self.read_payload(&reply))
    }

    fn read_payload(&self, reply: &EchoMessage<'_>) -> Option<(u32, u16)> {
        let rest = reply.payload.strip_prefix(&self.cookie)?;
        let (host, rest) = rest.split_first_chunk::<4>()?;
        let round = u16::from_be_bytes(*rest.first_chunk::<2>()?);
        let whole = reply.payload.len() == self.payload.len();
        let same = whole && reply.seq == round.wrapping_add(1);
        same.then(|| (u32::from_be_bytes(*host), round))
    }

    /// Reads the round of a request quoted in an error.
    pub(crate) fn read_quoted(&self, family: Family, method: Method, quoted: &[u8]) -> Option<u16> {
        let (id, seq) = EchoMessage::quoted_request(family, quoted)?;
        (method != Method::Raw || id == self.id).then(|| seq.wrapping_sub(1))
    }
}

/// A socket that asks by echo requests.
pub(crate) struct EchoVoice {
    socket: Socket,
    family: Family,
    method: Method,
    scope: u32,
    question: Question,
}

/// The longest IPv4 header.
const IP_BYTES: usize = 60;

impl EchoVoice {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(
        family: Family,
        scope: u32,
        options: &Options,
        question: Question,
    ) -> Result<Self> {
        let (socket, method) = open_icmp(family, options)?;
        if method == Method::Raw {
            // The identifier of a datagram socket is the kernel's choice.
            let filter = replies_to(family, question.id);
            socket.attach_filter(&filter).map_err(|e| Error::sys(Op::SetOption, e))?;
        }
        // Nobody looks at it, and the kernel writes it for every packet.
        let _ = match family {
            Family::V4 => setsockopt(&socket, Ipv4RecvTtl, &false),
            Family::V6 => setsockopt(&socket, Ipv6RecvHopLimit, &false),
        };
        Ok(Self { socket, family, method, scope, question })
    }
}

impl Voice for EchoVoice {
    fn family(&self) -> Family {
        self.family
    }

    fn method(&self) -> Method {
        self.method
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn room(&self) -> usize {
        IP_BYTES + self.question.message_bytes()
    }

    fn compose(&mut self, ask: &Ask, out: &mut Vec<u8>) -> SockAddr {
        self.question.write(self.family, ask.host, ask.round, out);
        socket::with_scope(ask.to, 0, self.scope).into()
    }

    fn read(&self, got: &Arrived<'_>) -> Option<Option<Heard>> {
        let from = got.from?.ip();
        let bytes = match (self.method, self.family) {
            (Method::Raw, Family::V4) => strip_ipv4(got.bytes).ok()?.1,
            _ => got.bytes,
        };
        let known = self.question.read(self.family, self.method, bytes)?;
        Some(known.map(|(host, round)| Heard {
            from,
            host: Some(host),
            round: Some(round),
            lladdr: None,
        }))
    }

    fn quoted(&self, bytes: &[u8]) -> Option<u16> {
        self.question.read_quoted(self.family, self.method, bytes)
    }
}

/// A classic BPF program that lets echo replies with an identifier through: a raw socket would
/// otherwise hear every ICMP message of the namespace (linux/bpf_common.h).
fn replies_to(family: Family, id: u16) -> Vec<SockFilter> {
    let reply = match family {
        Family::V4 => 0,
        Family::V6 => 129,
    };
    let accept = SockFilter::new(0x06, 0, 0, u32::MAX);
    let drop = SockFilter::new(0x06, 0, 0, 0);
    let is_reply = SockFilter::new(0x15, 0, 3, reply);
    let is_ours = SockFilter::new(0x15, 0, 1, id.into());
    // X is the length of the IP header, which IPv6 sockets do not deliver.
    let (head, load_type, load_id) = match family {
        Family::V4 => (vec![SockFilter::new(0xb1, 0, 0, 0)], 0x50, 0x48),
        Family::V6 => (Vec::new(), 0x30, 0x28),
    };
    let load = |code, at| SockFilter::new(code, 0, 0, at);
    let rest = [load(load_type, 0), is_reply, load(load_id, 4), is_ours, accept, drop];
    head.into_iter().chain(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_whose_it_is_and_a_forged_one_does_not() {
        let mut question = Question::new([1, 2, 3, 4, 5, 6, 7, 8], 56);
        let mut bytes = Vec::new();
        question.write(Family::V4, 70_000, 3, &mut bytes);
        assert_eq!(crate::wire::checksum(&bytes), 0);
        assert_eq!(question.read_quoted(Family::V4, Method::Raw, &bytes), Some(3));
        bytes[0] = 0;
        let read = |bytes: &[u8]| question.read(Family::V4, Method::Raw, bytes);
        assert_eq!(read(&bytes), Some(Some((70_000, 3))));
        for at in [7, 8, 15, 21] {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(read(&forged), Some(None), "byte {at}");
        }
        let mut other = bytes.clone();
        other[5] ^= 1;
        assert_eq!(read(&other), None);
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end]).flatten(), None);
        }
    }
}
