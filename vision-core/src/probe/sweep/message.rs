//! The echo requests of a sweep: which target and which round, proved by a secret.

use crate::base::Family;
use crate::probe::Method;
use crate::wire::icmp::{EchoMessage, HEADER_BYTES};

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

    /// The identifier of requests through a raw socket; a datagram socket has its own.
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.payload.len()
    }

    pub(crate) fn message_bytes(&self) -> usize {
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
