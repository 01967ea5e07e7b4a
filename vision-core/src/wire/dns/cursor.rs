use super::Name;
use crate::base::{DecodeError, Layer};

/// Pointers followed in one name at most; a name of 255 bytes cannot use more.
const MAX_HOPS: usize = 126;

/// A place in a message; it only moves forward and never past its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    message: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0, end: message.len() }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    pub(super) fn message(&self) -> &'a [u8] {
        self.message
    }

    /// Cuts off the next `len` bytes as a cursor of their own; names in it may point outside.
    pub(super) fn part(&mut self, len: usize) -> Result<Self, DecodeError> {
        let start = self.at;
        self.bytes(len)?;
        Ok(Self { message: self.message, at: start, end: self.at })
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let short = DecodeError::short(Layer::Dns, self.at, len, self.left());
        let end = self.at.checked_add(len).filter(|end| *end <= self.end);
        let end = end.ok_or_else(|| short.clone())?;
        let bytes = self.message.get(self.at..end).ok_or(short)?;
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.bytes(self.left()).unwrap_or_default()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let at = self.at;
        self.bytes(N)?.try_into().map_err(|_| DecodeError::malformed(Layer::Dns, at))
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads bytes preceded by their number in one byte.
    pub(super) fn counted(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u8()?;
        self.bytes(usize::from(len))
    }

    /// Reads a name, following pointers that lead strictly backwards (RFC 1035 §4.1.4).
    pub(super) fn name(&mut self) -> Result<Name, DecodeError> {
        let mut wire = Vec::new();
        // The part before the first pointer is read here, the rest from copies further back.
        let mut reader = *self;
        let mut segment_start = self.at;
        let mut after = None;
        for _ in 0..=MAX_HOPS {
            let pointer = reader.labels(&mut wire)?;
            after.get_or_insert(reader.at);
            match pointer {
                None => {
                    self.at = after.unwrap_or(reader.at);
                    return Ok(Name::from_wire_unchecked(wire));
                }
                Some(target) if target < segment_start => {
                    segment_start = target;
                    reader = Self { message: self.message, at: target, end: self.message.len() };
                }
                Some(_) => return Err(DecodeError::malformed(Layer::Dns, reader.at - 2)),
            }
        }
        Err(DecodeError::malformed(Layer::Dns, segment_start))
    }

    /// Appends labels until the root (`None`) or a pointer.
    fn labels(&mut self, wire: &mut Vec<u8>) -> Result<Option<usize>, DecodeError> {
        loop {
            let at = self.at;
            let length = self.u8()?;
            match length >> 6 {
                0 => {
                    let label = self.bytes(usize::from(length))?;
                    wire.push(length);
                    wire.extend_from_slice(label);
                    if wire.len() > Name::MAX_LEN {
                        return Err(DecodeError::malformed(Layer::Dns, at));
                    }
                    if length == 0 {
                        return Ok(None);
                    }
                }
                3 => {
                    let low = self.u8()?;
                    return Ok(Some(usize::from(length & 0x3f) << 8 | usize::from(low)));
                }
                // 01 was for extended labels (RFC 6891 §5 retires them), 10 was never used.
                _ => return Err(DecodeError::malformed(Layer::Dns, at)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8], at: usize) -> Result<(String, usize), DecodeError> {
        let mut cursor = Cursor::new(message);
        cursor.bytes(at)?;
        cursor.name().map(|name| (name.to_string(), cursor.position()))
    }

    #[test]
    fn a_compressed_name_ends_after_its_first_pointer() {
        let message = b"\x03com\x00\x01b\xc0\x00\x01a\xc0\x05!";
        assert_eq!(read(message, 9), Ok(("a.b.com.".to_owned(), 13)));
    }

    #[test]
    fn loops_forward_pointers_and_odd_labels_are_refused() {
        for (message, at) in [
            (&b"\xc0\x00"[..], 0),
            (b"\xc0\x02\xc0\x00", 0),
            (b"\xc0\x02\xc0\x00", 2),
            (b"\x01a\xc0\x00", 0),
            (b"\x41abc\x00", 0),
            (b"\x80\x00", 0),
            (b"\x05ab", 0),
            (b"\xc0", 0),
            (b"", 0),
        ] {
            assert!(read(message, at).is_err(), "{message:x?} at {at}");
        }
    }

    #[test]
    fn names_up_to_255_bytes_pass_and_longer_ones_do_not() {
        let label = [&[63][..], &[b'x'; 63]].concat();
        let fits = [&label.repeat(3)[..], &[61], &[b'x'; 61], &[0]].concat();
        assert_eq!(fits.len(), 255);
        assert!(read(&fits, 0).is_ok());
        let long = [&label.repeat(3)[..], &[62], &[b'x'; 62], &[0]].concat();
        assert!(read(&long, 0).is_err());
    }

    #[test]
    fn a_chain_of_pointers_is_followed_126_times_and_no_further() {
        let mut message = vec![0];
        for n in 0..200_u16 {
            let target = if n == 0 { 0 } else { 1 + 2 * (n - 1) };
            message.extend((0xc000 | target).to_be_bytes());
        }
        assert!(read(&message, 1 + 2 * 125).is_ok());
        assert!(read(&message, 1 + 2 * 126).is_err());
    }
}
