//! Solaris snoop, RFC 1761: always big-endian.

use super::pcap::{Found, end, quarters};
use super::window::Window;
use super::{Endian, FileError};
use crate::base::Timestamp;
use crate::wire::LinkType;

/// Bytes of the header of a file.
pub(super) const HEADER: usize = 16;
/// What a file begins with.
pub(super) const MAGIC: [u8; 8] = *b"snoop\0\0\0";
const RECORD: usize = 24;
const MAX_RECORD: u32 = 262_144 + 64;

/// What the header of a snoop file says.
#[derive(Debug, Clone)]
pub(super) struct Snoop {
    pub(super) link_type: LinkType,
}

impl Snoop {
    pub(super) fn open(head: &[u8]) -> Result<Self, FileError> {
        let raw = Endian::Big.u32_at(head, 12);
        // RFC 1761 table 1; the numbers of the registry stand beside.
        let link_type = match raw {
            0 | 4 => LinkType::ETHERNET,
            2 => LinkType(6),
            8 => LinkType(10),
            26 => LinkType::IPV4,
            _ => {
                let why = format!("snoop data link type {raw} has no link type");
                return Err(FileError::damaged(12, why));
            }
        };
        Ok(Self { link_type })
    }

    pub(super) fn next(&self, window: &mut Window) -> Result<Option<Found>, FileError> {
        if !window.need(RECORD)? {
            return end(window, "packet header", RECORD);
        }
        let head = window.bytes();
        let [len, kept, record, _drops] = match head.first_chunk() {
            Some(first) => quarters(first).map(u32::from_be_bytes),
            None => return Ok(None),
        };
        let (secs, micros) = (Endian::Big.u32_at(head, 16), Endian::Big.u32_at(head, 20));
        let fits = record.checked_sub(RECORD as u32).is_some_and(|room| kept <= room);
        if record > MAX_RECORD || !fits {
            let why = format!("a record of {record} bytes with {kept} bytes of packet");
            return Err(FileError::damaged(window.offset(), why));
        }
        let whole = record as usize;
        if !window.need(whole)? {
            return end(window, "packet", whole);
        }
        let nanos = i64::from(secs) * 1_000_000_000 + i64::from(micros) * 1000;
        Ok(Some(Found {
            at: window.take(whole) + RECORD,
            kept: kept as usize,
            len,
            time: Some(Timestamp::from_unix_nanos(nanos)),
            link_type: self.link_type,
            interface: 0,
            direction: None,
        }))
    }
}
