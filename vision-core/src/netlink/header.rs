//! The 16-byte message header (linux/netlink.h) and a walk over the messages of one datagram.

use super::attr::read;

pub(crate) const NLMSG_NOOP: u16 = 1;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLMSG_DONE: u16 = 3;

pub(crate) const NLM_F_REQUEST: u16 = 0x1;
pub(crate) const NLM_F_MULTI: u16 = 0x2;
/// In a request: say when it is done.
pub(crate) const NLM_F_ACK: u16 = 0x4;
pub(crate) const NLM_F_DUMP_INTR: u16 = 0x10;
pub(crate) const NLM_F_DUMP: u16 = 0x300;
/// In an error: the request's payload was left out.
pub(crate) const NLM_F_CAPPED: u16 = 0x100;
/// In an error or at the end of a dump: attributes follow.
pub(crate) const NLM_F_ACK_TLVS: u16 = 0x200;

pub(crate) const HEADER_LEN: usize = 16;

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    pub(crate) seq: u32,
    pub(crate) port: u32,
    pub(crate) body: &'a [u8],
}

/// Walks a datagram; ends at the first header that cannot be true.
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(crate) fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let from = self.rest;
        let len = u32::from_ne_bytes(read(from, 0)?) as usize;
        let message = Message {
            kind: u16::from_ne_bytes(read(from, 4)?),
            flags: u16::from_ne_bytes(read(from, 6)?),
            seq: u32::from_ne_bytes(read(from, 8)?),
            port: u32::from_ne_bytes(read(from, 12)?),
            body: from.get(HEADER_LEN..len)?,
        };
        // The padding of the last message may be missing.
        self.rest = from.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend([3, 0, 2, 0, 9, 0, 0, 0, 7, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn two_messages_are_walked_and_padding_is_skipped() {
        let mut bytes = message(17, &[5, 0, 0, 0]);
        bytes.extend(message(16, &[]));
        let bodies: Vec<_> = Messages::new(&bytes).map(|m| (m.kind, m.body.to_vec())).collect();
        assert_eq!(bodies, [(3, vec![5]), (3, vec![])]);
    }

    #[test]
    fn lengths_that_lie_end_the_walk() {
        for len in [0, 15, 18, u32::MAX] {
            assert_eq!(Messages::new(&message(len, &[1])).count(), 0, "{len}");
        }
    }
}
