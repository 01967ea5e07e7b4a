//! ICMP timestamp messages (RFC 792).

/// Milliseconds in a day.
pub(crate) const DAY_MS: u32 = 86_400_000;

const BYTES: usize = 20;
const REQUEST: u8 = 13;
const REPLY: u8 = 14;

/// A timestamp reply without its IP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampMessage {
    pub(crate) id: u16,
    pub(crate) seq: u16,
    /// What the request said, in milliseconds since midnight UTC.
    pub(crate) originate_ms: u32,
    /// As sent; the highest bit marks a time in another unit or from another moment.
    pub(crate) receive: u32,
    pub(crate) transmit: u32,
}

impl TimestampMessage {
    /// Writes a request.
    pub(crate) fn request(id: u16, seq: u16, originate_ms: u32) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let parts: [&[u8]; 4] = [
            &[REQUEST, 0, 0, 0],
            &id.to_be_bytes(),
            &seq.to_be_bytes(),
            &originate_ms.to_be_bytes(),
        ];
        bytes.iter_mut().zip(parts.iter().copied().flatten()).for_each(|(old, new)| *old = *new);
        let [high, low] = super::checksum(&bytes).to_be_bytes();
        (bytes[2], bytes[3]) = (high, low);
        bytes
    }

    /// Reads a reply; `None` for any other message and for a truncated one.
    pub(crate) fn reply(bytes: &[u8]) -> Option<Self> {
        let (head, times) = bytes.split_first_chunk::<8>()?;
        let [kind, code, _, _, id_high, id_low, seq_high, seq_low] = *head;
        let word = |at: usize| {
            let bytes = times.get(at..)?.first_chunk::<4>()?;
            Some(u32::from_be_bytes(*bytes))
        };
        let (originate_ms, receive, transmit) = (word(0)?, word(4)?, word(8)?);
        (kind == REPLY && code == 0).then_some(Self {
            id: u16::from_be_bytes([id_high, id_low]),
            seq: u16::from_be_bytes([seq_high, seq_low]),
            originate_ms,
            receive,
            transmit,
        })
    }

    /// Reads id and sequence number of the request quoted in an error.
    pub(crate) fn quoted_request(bytes: &[u8]) -> Option<(u16, u16)> {
        let [kind, _, _, _, id_high, id_low, seq_high, seq_low] = *bytes.first_chunk::<8>()?;
        let (id, seq) = ([id_high, id_low], [seq_high, seq_low]);
        (kind == REQUEST).then_some((u16::from_be_bytes(id), u16::from_be_bytes(seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_sums_up_and_its_reply_is_read() {
        let mut bytes = TimestampMessage::request(0x1234, 7, 86_399_999);
        assert_eq!(super::super::checksum(&bytes), 0);
        assert_eq!(TimestampMessage::quoted_request(&bytes[..8]), Some((0x1234, 7)));
        assert_eq!(TimestampMessage::reply(&bytes), None);
        bytes[0] = REPLY;
        bytes[15] = 9;
        bytes[16] = 0x80;
        let reply = TimestampMessage::reply(&bytes).expect("a reply");
        assert_eq!((reply.id, reply.seq, reply.originate_ms), (0x1234, 7, 86_399_999));
        assert_eq!((reply.receive, reply.transmit), (9, 1 << 31));
        for end in 0..bytes.len() {
            assert_eq!(TimestampMessage::reply(&bytes[..end]), None);
        }
        assert_eq!(TimestampMessage::quoted_request(&bytes), None);
    }
}
