//! Records of a perf ring (uapi/linux/perf_event.h `enum perf_event_type`).

/// One record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// An event.
    Sample {
        /// The process that ran, which need not be the one the packet belongs to.
        pid: u32,
        /// Monotonic time in nanoseconds.
        time: u64,
        /// The processor.
        cpu: u32,
        /// What the trace point wrote.
        raw: &'a [u8],
    },
    /// So many events found no room.
    Lost(u64),
    /// Something else.
    Other,
}

/// Walks over records; ends at the first length that cannot be true.
pub(super) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        // struct perf_event_header: type, misc, size.
        let kind = u32::from_ne_bytes(read(self.rest, 0)?);
        let size = u16::from_ne_bytes(read(self.rest, 6)?);
        let body = self.rest.get(8..size.into())?;
        self.rest = self.rest.get(size.into()..)?;
        let record = match kind {
            LOST => read(body, 8).map(u64::from_ne_bytes).map(Record::Lost),
            SAMPLE => sample(body),
            _ => None,
        };
        Some(record.unwrap_or(Record::Other))
    }
}

/// The parts asked for, in the order in which the kernel puts them: TID, TIME, CPU, RAW.
fn sample(body: &[u8]) -> Option<Record<'_>> {
    let len = u32::from_ne_bytes(read(body, 24)?) as usize;
    Some(Record::Sample {
        pid: u32::from_ne_bytes(read(body, 0)?),
        time: u64::from_ne_bytes(read(body, 8)?),
        cpu: u32::from_ne_bytes(read(body, 16)?),
        raw: body.get(28..)?.get(..len)?,
    })
}

fn read<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

const LOST: u32 = 2;
const SAMPLE: u32 = 9;
