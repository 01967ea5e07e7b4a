//! pcapng: blocks one after the other (draft-ietf-opsawg-pcapng; libpcap's sf-pcapng.c).

use super::block::Block;
use super::interface::{Interface, Resolution, Section, Statistics};
use super::options::{Options, code};
use super::pcap::{Found, end, longest, quarters};
use super::window::Window;
use super::{Endian, FileError};
use crate::capture::Direction;
use crate::wire::LinkType;

/// The longest block, as for libpcap; link types with longer packets get more.
const MAX_BLOCK: u32 = 16 << 20;
/// Interfaces of one file; beyond, memory would grow with the file.
const MAX_INTERFACES: usize = 1 << 16;
/// Type and length.
const HEAD: usize = 8;
/// Type, length, and the length again.
const FRAMING: usize = 12;

/// What was found at one place.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Packet(Found),
    /// Where the body lies, and how long it is.
    Block {
        kind: u32,
        at: usize,
        count: usize,
    },
}

/// What a pcapng file has said so far.
#[derive(Debug)]
pub(super) struct Pcapng {
    pub(super) endian: Endian,
    pub(super) interfaces: Vec<Interface>,
    pub(super) statistics: Vec<Option<Statistics>>,
    pub(super) section: Section,
    pub(super) sections: u64,
    /// What the interfaces of this section are among all.
    map: Vec<Known>,
    /// The same of the section before, whose interfaces are often repeated.
    before: Vec<Known>,
    max_block: u32,
}

/// What a packet needs to know of its interface.
#[derive(Debug, Clone, Copy)]
struct Known {
    index: u32,
    link_type: LinkType,
    resolution: Resolution,
    offset_secs: i64,
    snap_len: u32,
}

impl Pcapng {
    /// Looks at the first bytes of a file: the type of a section header and the byte order in it.
    pub(super) fn magic(head: &[u8]) -> Option<Endian> {
        let kind = Block::SECTION.to_be_bytes();
        head.starts_with(&kind).then(|| order(head)).flatten()
    }

    pub(super) fn new(endian: Endian) -> Self {
        Self {
            endian,
            interfaces: Vec::new(),
            statistics: Vec::new(),
            section: Section::default(),
            sections: 0,
            map: Vec::new(),
            before: Vec::new(),
            max_block: MAX_BLOCK,
        }
    }

    /// Finds the next block; `None` at the end of the file. After an error that comes from what
    /// is inside a block the next call goes on behind it.
    #[inline]
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Step>, FileError> {
        if !window.need(FRAMING)? {
            return end(window, "block header", FRAMING);
        }
        let kind = self.endian.u32_at(window.bytes(), 0);
        if kind == Block::SECTION {
            self.endian = order(window.bytes()).ok_or_else(|| {
                FileError::damaged(window.offset(), "a section header with an unknown byte order")
            })?;
        }
        let offset = window.offset();
        let total = self.endian.u32_at(window.bytes(), 4);
        if total < FRAMING as u32 || total > self.max_block {
            return Err(FileError::damaged(offset, format!("a block with a length of {total}")));
        }
        // Some writers leave the padding out of the length.
        let whole = (total as usize).next_multiple_of(4);
        if !window.need(whole)? {
            return end(window, "block", whole);
        }
        let trailer = self.endian.u32_at(window.bytes(), whole - 4);
        if trailer != total {
            let why = format!("a block says a length of {total} first and {trailer} last");
            return Err(FileError::damaged(offset, why));
        }
        let at = window.take(whole) + HEAD;
        let count = whole - FRAMING;
        let body = window.slice(at, count);
        let found = match kind {
            Block::ENHANCED_PACKET => self.enhanced(body),
            Block::SIMPLE_PACKET => self.simple(body),
            Block::PACKET => self.obsolete(body),
            _ => {
                let noted = self.note(Block { kind, body, endian: self.endian });
                noted.map_err(|why| FileError::damaged(offset, why))?;
                return Ok(Some(Step::Block { kind, at, count }));
            }
        };
        let mut found = found.map_err(|why| FileError::damaged(offset, why))?;
        found.at += at;
        Ok(Some(Step::Packet(found)))
    }

    #[inline]
    fn enhanced(&self, body: &[u8]) -> Result<Found, String> {
        let (head, rest) = body.split_first_chunk::<16>().ok_or_else(short)?;
        let [id, high, low, kept] = quarters(head).map(|it| self.endian.u32(it));
        let (len, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let mut found = self.packet(id, (high, low), kept, self.endian.u32(*len), rest)?;
        found.at = 20;
        let behind = rest.get(found.kept.next_multiple_of(4)..).unwrap_or_default();
        if !behind.is_empty() {
            let flags = Options::new(behind, self.endian).u32(code::EPB_FLAGS);
            found.direction = flags.and_then(direction);
        }
        Ok(found)
    }

    fn obsolete(&self, body: &[u8]) -> Result<Found, String> {
        let id = self.endian.u16_at(body, 0).into();
        let (head, rest) = body.get(4..).and_then(|b| b.split_first_chunk()).ok_or_else(short)?;
        let [high, low, kept, len] = quarters(head).map(|it| self.endian.u32(it));
        let mut found = self.packet(id, (high, low), kept, len, rest)?;
        found.at = 20;
        let behind = rest.get(found.kept.next_multiple_of(4)..).unwrap_or_default();
        let flags = Options::new(behind, self.endian).u32(code::EPB_FLAGS);
        found.direction = flags.and_then(direction);
        Ok(found)
    }

    /// A simple packet comes from the first interface and has no time; how much of it was kept
    /// follows from the snap length.
    fn simple(&self, body: &[u8]) -> Result<Found, String> {
        let (len, rest) = body.split_first_chunk::<4>().ok_or_else(short)?;
        let len = self.endian.u32(*len);
        let snap = self.map.first().map_or(u32::MAX, |known| known.snap_len);
        let there = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        let mut found = self.packet(0, (0, 0), len.min(snap).min(there), len, rest)?;
        (found.at, found.time) = (4, None);
        Ok(found)
    }

    #[inline]
    fn packet(
        &self,
        id: u32,
        (high, low): (u32, u32),
        kept: u32,
        len: u32,
        rest: &[u8],
    ) -> Result<Found, String> {
        let known = self.map.get(id as usize).ok_or_else(|| {
            format!("a packet of interface {id}, of {} in this section", self.map.len())
        })?;
        if kept as usize > rest.len() {
            return Err(format!(
                "a packet of {kept} bytes in a block with room for {}",
                rest.len()
            ));
        }
        let units = u64::from(high) << 32 | u64::from(low);
        Ok(Found {
            at: 0,
            kept: kept as usize,
            len,
            time: Some(known.resolution.time(units, known.offset_secs)),
            link_type: known.link_type,
            interface: known.index,
            direction: None,
        })
    }

    /// Remembers what packets after it need.
    fn note(&mut self, block: Block<'_>) -> Result<(), String> {
        match block.kind {
            Block::SECTION => {
                let major = self.endian.u16_at(block.body, 4);
                if block.body.len() < 16 || major != 1 {
                    return Err(format!("a section of version {major}, only 1 can be read"));
                }
                self.section = Section::read(block.body, self.endian);
                self.sections += 1;
                self.before = std::mem::take(&mut self.map);
            }
            Block::INTERFACE => {
                let interface = Interface::read(block.body, self.endian).ok_or_else(short)?;
                self.interface(interface)?;
            }
            Block::STATISTICS => {
                let id = self.endian.u32_at(block.body, 0) as usize;
                let known = self.map.get(id).map(|known| known.index as usize);
                if let Some(slot) = known.and_then(|index| self.statistics.get_mut(index)) {
                    *slot = Some(Statistics::read(&block));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Numbers an interface among all; one that the section before had in the same place stays
    /// what it was.
    fn interface(&mut self, interface: Interface) -> Result<(), String> {
        let longest = longest(interface.link_type);
        self.max_block = self.max_block.max(longest.saturating_add(64 << 10));
        let before = self.before.get(self.map.len()).map(|known| known.index);
        let same = before.filter(|at| self.interfaces.get(*at as usize) == Some(&interface));
        let index = match same {
            Some(index) => index,
            None if self.interfaces.len() < MAX_INTERFACES => {
                u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX)
            }
            None => return Err(format!("more than {MAX_INTERFACES} interfaces")),
        };
        self.map.push(Known {
            index,
            link_type: interface.link_type,
            resolution: interface.resolution,
            offset_secs: interface.offset_secs,
            snap_len: interface.snap_len.unwrap_or(u32::MAX),
        });
        if same.is_none() {
            self.interfaces.push(interface);
            self.statistics.push(None);
        }
        Ok(())
    }
}

/// Finds the byte order of a section by its byte-order magic.
fn order(head: &[u8]) -> Option<Endian> {
    let magic = *head.get(8..)?.first_chunk()?;
    [Endian::Little, Endian::Big].into_iter().find(|it| it.u32(magic) == 0x1a2b_3c4d)
}

/// The lowest two bits of epb_flags, §4.3.1.
fn direction(flags: u32) -> Option<Direction> {
    match flags & 3 {
        1 => Some(Direction::In),
        2 => Some(Direction::Out),
        _ => None,
    }
}

fn short() -> String {
    "a block too short for its kind".to_owned()
}
