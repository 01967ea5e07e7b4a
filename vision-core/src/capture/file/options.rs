use super::Endian;

/// The options of a pcapng block, in order; ends at the first that does not fit.
///
/// Codes are those of draft-ietf-opsawg-pcapng §3.5 and of the block they stand in; text is as
/// it was written, which need not be UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options<'a> {
    bytes: &'a [u8],
    endian: Endian,
}

impl<'a> Options<'a> {
    /// Takes the end of a block, from its first option on.
    pub fn new(bytes: &'a [u8], endian: Endian) -> Self {
        Self { bytes, endian }
    }

    /// Returns the value of the first option of that code.
    pub fn value(mut self, code: u16) -> Option<&'a [u8]> {
        self.find(|(it, _)| *it == code).map(|(_, value)| value)
    }

    /// Returns the value of the first option of that code as a number of 64 bits.
    pub(super) fn u64(self, code: u16) -> Option<u64> {
        let bytes = *self.value(code)?.first_chunk()?;
        Some(match self.endian {
            Endian::Little => u64::from_le_bytes(bytes),
            Endian::Big => u64::from_be_bytes(bytes),
        })
    }

    /// As [`Options::u64`], for 32 bits.
    pub(super) fn u32(self, code: u16) -> Option<u32> {
        Some(self.endian.u32(*self.value(code)?.first_chunk()?))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        let [a, b, c, d] = *head;
        let code = self.endian.u16([a, b]);
        let length = usize::from(self.endian.u16([c, d]));
        // opt_endofopt
        let value = rest.get(..length).filter(|_| code != 0);
        self.bytes = match value {
            Some(_) => rest.get(length.next_multiple_of(4)..).unwrap_or_default(),
            None => &[],
        };
        value.map(|value| (code, value))
    }
}

/// Option codes, by the block they belong to.
pub(super) mod code {
    pub(in super::super) const COMMENT: u16 = 1;
    pub(in super::super) const SHB_HARDWARE: u16 = 2;
    pub(in super::super) const SHB_OS: u16 = 3;
    pub(in super::super) const SHB_USERAPPL: u16 = 4;
    pub(in super::super) const IF_NAME: u16 = 2;
    pub(in super::super) const IF_DESCRIPTION: u16 = 3;
    pub(in super::super) const IF_TSRESOL: u16 = 9;
    pub(in super::super) const IF_TSOFFSET: u16 = 14;
    pub(in super::super) const EPB_FLAGS: u16 = 2;
    pub(in super::super) const ISB_IFRECV: u16 = 4;
    pub(in super::super) const ISB_IFDROP: u16 = 5;
    pub(in super::super) const ISB_FILTERACCEPT: u16 = 6;
    pub(in super::super) const ISB_OSDROP: u16 = 7;
    pub(in super::super) const ISB_USRDELIV: u16 = 8;
}
