//! The format of libpcap, in its variants (libpcap's sf-pcap.c).

use super::window::Window;
use super::{Endian, FileError, Format, Precision};
use crate::base::Timestamp;
use crate::capture::Direction;
use crate::sys::prefetch;
use crate::wire::LinkType;

/// Bytes of the header of a file.
pub(super) const HEADER: usize = 24;
/// The longest packet of most link types; libpcap and Wireshark agree.
const MAX_PACKET: u32 = 262_144;
/// The longest packet of link types that carry whole transfers.
const MAX_TRANSFER: u32 = 128 << 20;

/// A packet that was found: where its bytes lie in the window, and all else by value.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) kept: usize,
    pub(super) len: u32,
    pub(super) time: Option<Timestamp>,
    pub(super) link_type: LinkType,
    pub(super) interface: u32,
    pub(super) direction: Option<Direction>,
}

/// What the header of a pcap file says.
#[derive(Debug, Clone)]
pub(super) struct Pcap {
    pub(super) endian: Endian,
    pub(super) precision: Precision,
    pub(super) modified: bool,
    pub(super) link_type: LinkType,
    pub(super) snap_len: u32,
    pub(super) version: (u16, u16),
    lengths: Lengths,
    nanos_per_unit: i64,
    record: usize,
    ahead: Ahead,
}

/// Packets found to be in memory as a whole, before they are asked for: how many bytes of each
/// were kept. Finding many at once has their headers on the way to the processor together.
#[derive(Debug, Clone)]
struct Ahead {
    kept: [u32; AHEAD],
    next: usize,
    count: usize,
}

/// Packets to look ahead: few enough that the first level of caches holds their headers.
const AHEAD: usize = 32;

/// Which of the two lengths of a record comes first: the captured one, but older writers differed.
#[derive(Debug, Clone, Copy)]
enum Lengths {
    CapturedFirst,
    WireFirst,
    /// The smaller is the captured one.
    Either,
}

impl Pcap {
    /// Looks at the first bytes of a file.
    pub(super) fn magic(head: &[u8]) -> Option<(Endian, Precision, bool)> {
        let magic = *head.first_chunk::<4>()?;
        [Endian::Little, Endian::Big].into_iter().find_map(|endian| {
            let (precision, modified) = match endian.u32(magic) {
                0xa1b2_c3d4 => (Precision::Micro, false),
                0xa1b2_3c4d => (Precision::Nano, false),
                0xa1b2_cd34 => (Precision::Micro, true),
                // Navtel's, with time stamps that libpcap takes as they are.
                0xa12b_3c4d => (Precision::Micro, false),
                _ => return None,
            };
            Some((endian, precision, modified))
        })
    }

    /// Reads the header of a file whose first bytes were looked at.
    pub(super) fn open(head: &[u8], read: (Endian, Precision, bool)) -> Result<Self, FileError> {
        let (endian, precision, modified) = read;
        let version = (endian.u16_at(head, 4), endian.u16_at(head, 6));
        let lengths = match version {
            (2, 0..=2) | (543, 0) => Lengths::WireFirst,
            (2, 3) => Lengths::Either,
            (2, 4) => Lengths::CapturedFirst,
            (major, minor) => return Err(FileError::Version { major, minor }),
        };
        let (nanos_per_unit, record) = match (precision, modified) {
            (_, true) => (1000, 24),
            (Precision::Micro, false) => (1000, 16),
            (Precision::Nano, false) => (1, 16),
        };
        Ok(Self {
            endian,
            precision,
            modified,
            link_type: link_type(endian.u32_at(head, 20)),
            snap_len: endian.u32_at(head, 16),
            version,
            lengths,
            nanos_per_unit,
            record,
            ahead: Ahead { kept: [0; AHEAD], next: 0, count: 0 },
        })
    }

    pub(super) fn format(&self) -> Format {
        if self.modified { Format::PcapModified } else { Format::Pcap }
    }

    /// Finds the next packet; `None` at the end of the file.
    #[inline]
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Found>, FileError> {
        if self.ahead.next == self.ahead.count {
            self.look_ahead(window);
        }
        match self.ahead.kept.get(self.ahead.next..self.ahead.count) {
            Some([kept, ..]) => {
                let kept = *kept as usize;
                self.ahead.next += 1;
                Ok(self.found(window, kept))
            }
            _ => self.search(window),
        }
    }

    /// Steps over packets that are in memory already, at most `limit`, and says how many those were.
    pub(super) fn skip(&mut self, window: &mut Window, limit: u64) -> u64 {
        let known = self.ahead.kept.get(self.ahead.next..self.ahead.count).unwrap_or_default();
        if limit == 0 || !known.is_empty() {
            return 0;
        }
        let (mut count, mut end) = (0, 0);
        let bytes = window.bytes();
        while let Some(kept) = self.whole(bytes, end)
            && count < limit
        {
            end += self.record + kept as usize;
            count += 1;
        }
        window.take(end);
        count
    }

    /// Forgets what was found ahead, for the window is elsewhere now.
    pub(super) fn restart(&mut self) {
        (self.ahead.next, self.ahead.count) = (0, 0);
    }

    /// Finds packets that lie in the window as a whole.
    fn look_ahead(&mut self, window: &Window) {
        let bytes = window.bytes();
        let (mut at, mut count) = (0, 0);
        let mut kept = [0; AHEAD];
        for room in &mut kept {
            let Some(length) = self.whole(bytes, at) else { break };
            prefetch::headers(bytes.get(at + self.record..).unwrap_or_default());
            *room = length;
            at += self.record + length as usize;
            count += 1;
        }
        self.ahead = Ahead { kept, next: 0, count };
    }

    /// Returns how much was kept of the packet whose record begins there; `None` unless all of it
    /// is there, and also of those that need a closer look.
    #[inline]
    pub(super) fn whole(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let kept = self.claims(bytes, at)?;
        (bytes.len() - at >= self.record + kept as usize).then_some(kept)
    }

    /// Returns how much a record says was kept, unless that cannot be.
    #[inline]
    pub(super) fn claims(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let field = match self.lengths {
            Lengths::CapturedFirst => at + 8,
            Lengths::WireFirst => at + 12,
            Lengths::Either => return None,
        };
        let kept = self.endian.u32(*bytes.get(field..field + 4)?.first_chunk()?);
        (kept <= MAX_PACKET).then_some(kept)
    }

    /// Takes a packet that is in the window.
    #[inline]
    fn found(&self, window: &mut Window, kept: usize) -> Option<Found> {
        let mut found = self.read(window.bytes(), kept)?;
        found.at += window.take(self.record + kept);
        Some(found)
    }

    /// Reads a record at the beginning of these bytes, which is where the place counts from.
    #[inline]
    pub(super) fn read(&self, record: &[u8], kept: usize) -> Option<Found> {
        let [a, b, c, d] = quarters(record.first_chunk::<16>()?).map(|it| self.endian.u32(it));
        let len = match self.lengths {
            Lengths::CapturedFirst => d,
            Lengths::WireFirst => c,
            Lengths::Either => c.max(d),
        };
        let nanos = i64::from(a) * 1_000_000_000 + i64::from(b) * self.nanos_per_unit;
        Some(Found {
            at: self.record,
            kept,
            len,
            time: Some(Timestamp::from_unix_nanos(nanos)),
            link_type: self.link_type,
            interface: 0,
            direction: if self.modified { direction(record) } else { None },
        })
    }

    /// Tells whether all records are laid out in the way of today.
    pub(super) fn is_even(&self) -> bool {
        !matches!(self.lengths, Lengths::Either)
    }

    /// Returns how many bytes come before each packet.
    pub(super) fn record(&self) -> usize {
        self.record
    }

    /// Finds the next packet where more has to be read for it, or where something is wrong.
    #[inline(never)]
    fn search(&self, window: &mut Window) -> Result<Option<Found>, FileError> {
        if !window.need(self.record)? {
            return end(window, "packet header", self.record);
        }
        let Some(head) = window.bytes().first_chunk::<16>() else { return Ok(None) };
        let [_, _, c, d] = quarters(head).map(|it| self.endian.u32(it));
        let kept = match self.lengths {
            Lengths::CapturedFirst => c,
            Lengths::WireFirst => d,
            Lengths::Either => c.min(d),
        };
        if kept > MAX_PACKET && kept > longest(self.link_type) {
            let why = format!("a packet of {kept} bytes, more than any of its kind can have");
            return Err(FileError::damaged(window.offset(), why));
        }
        let whole = self.record + kept as usize;
        if !window.need(whole)? {
            return end(window, "packet", whole);
        }
        Ok(self.found(window, kept as usize))
    }
}

/// The packet type of a modified record, as packet(7) numbers them: 4 is outgoing.
fn direction(record: &[u8]) -> Option<Direction> {
    match record.get(22) {
        Some(4) => Some(Direction::Out),
        Some(0..=3) => Some(Direction::In),
        _ => None,
    }
}

/// Takes the link type out of its field, whose upper bits are about frame check sequences, and
/// brings numbers that some systems wrote for their own to those of the registry.
pub(super) fn link_type(field: u32) -> LinkType {
    match field as u16 {
        // DLT_RAW as most systems number it.
        12 => LinkType::RAW,
        other => LinkType(other),
    }
}

/// Returns the longest packet a link type can have, in bytes.
pub(super) fn longest(link_type: LinkType) -> u32 {
    match link_type.0 {
        // USB_LINUX, USB_LINUX_MMAPPED, DBUS, USBPCAP, EBHSCR
        189 | 220 | 231 | 249 | 279 => MAX_TRANSFER,
        _ => MAX_PACKET,
    }
}

/// The end of the stream: a clean one where nothing is left.
#[cold]
pub(super) fn end<T>(
    window: &Window,
    what: &'static str,
    need: usize,
) -> Result<Option<T>, FileError> {
    match window.bytes().len() {
        0 => Ok(None),
        have => Err(FileError::Truncated {
            what,
            offset: window.offset(),
            need: need as u64,
            have: have as u64,
        }),
    }
}

#[inline]
pub(super) fn quarters(bytes: &[u8; 16]) -> [[u8; 4]; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l], [m, n, o, p]]
}
