//! Link types of which a part is known: 802.11 frames, signalling links, token buses.

use super::layer::{Kind, Place, carried};
use super::{Builder, Compare};
use crate::capture::filter::cond::Cond;
use crate::capture::filter::error::Checked;
use crate::capture::filter::tree::{Relation, Way};
use crate::capture::filter::value::{Id, Op, Size};
use crate::wire::LinkType;

const PPI: LinkType = LinkType(192);

impl Builder<'_> {
    /// 802.11 behind a header that says its own length: radiotap and PPI in bytes 2 and 3, little
    /// endian, AVS in a word.
    pub(super) fn find_header(&mut self) {
        let length = match self.request.link_type {
            LinkType(127) | PPI => {
                let high = self.load(Place::at(0), 3, Size::Byte);
                let eight = self.values.constant(8);
                let high = self.values.of(Op::Shl, high, eight);
                let low = self.load(Place::at(0), 2, Size::Byte);
                self.values.of(Op::Or, high, low)
            }
            LinkType(163) => self.load(Place::at(0), 4, Size::Word),
            _ => return,
        };
        self.layer.header = Place::behind(length);
    }

    /// Bits of the frame control field (IEEE 802.11 §9.2.4.1).
    pub(super) fn frame_control(&mut self, at: u32, value: u32, mask: u32) -> Checked<Cond> {
        if self.layer.kind != Kind::Wireless {
            return self.fail("types and directions of frames are for 802.11 only");
        }
        let cond = self.masked(self.layer.header, at, Size::Byte, value, mask);
        Ok(match self.request.link_type {
            // What is inside says a word, little endian.
            PPI => self.equal(Place::at(0), 4, Size::Word, 0x6900_0000).and(cond),
            _ => cond,
        })
    }

    /// Which of the kinds of units a signalling link carries (ITU-T Q.703 §2.2), by the length
    /// they indicate.
    pub(super) fn signal_unit(&mut self, word: &str, only: &str) -> Checked<Cond> {
        let Some(base) = self.signalling() else {
            return self
                .fail(format!("`{word}` is for {only}, not for {}", self.request.link_type));
        };
        let (fast, kind) = match word.strip_prefix('h') {
            Some(kind) => (true, kind),
            None => (false, word),
        };
        let (at, size, mask, two) = match fast {
            true => (base + 4, Size::Half, 0xff80, 0x0100),
            false => (base + 2, Size::Byte, 0x3f, 2),
        };
        let length = self.bits(at, size, mask);
        Ok(match kind {
            "fisu" => self.compare(Compare::Equal, length, 0),
            "lssu" | "lsu" => {
                let some = self.compare(Compare::Greater, length, 0);
                some.and(self.compare(Compare::Greater, length, two).not())
            }
            "msu" => self.compare(Compare::Greater, length, two),
            _ => return self.fail(format!("`{word}` is not known")),
        })
    }

    /// Fields of the routing label (ITU-T Q.704 §2.2), whose bits lie apart.
    pub(super) fn routing(&mut self, word: &str, asked: &[(Relation, u32)]) -> Checked<Cond> {
        let Some(base) = self.signalling() else {
            let link = self.request.link_type;
            return self.fail(format!("`{word}` is for SS7 links, not for {link}"));
        };
        let (base, field) = match word.strip_prefix('h') {
            Some(field) => (base + 3, field),
            None => (base, word),
        };
        let (at, size, mask, most) = match field {
            "sio" => (3, Size::Byte, 0xff, 0xff),
            "dpc" => (4, Size::Half, 0xff3f, 0x3fff),
            "opc" => (4, Size::Word, 0x00c0_ff0f, 0x3fff),
            _ => (7, Size::Byte, 0xf0, 0x0f),
        };
        let mut any = Vec::new();
        for (relation, value) in asked.iter().copied() {
            if value > most {
                return self.fail(format!("`{word}` is at most {most}, not {value}"));
            }
            let laid = match field {
                "sio" => value,
                "dpc" => u32::from((value as u16).swap_bytes()),
                "opc" => ((value & 0x3) << 22) | ((value & 0x3fc) << 6) | (value >> 10),
                _ => value << 4,
            };
            let found = self.bits(base + at, size, mask);
            any.push(match relation {
                Relation::Equal => self.compare(Compare::Equal, found, laid),
                Relation::Differ => self.compare(Compare::Equal, found, laid).not(),
                Relation::Greater => self.compare(Compare::Greater, found, laid),
                Relation::LessOrEqual => self.compare(Compare::Greater, found, laid).not(),
                Relation::GreaterOrEqual => self.compare(Compare::AtLeast, found, laid),
                Relation::Less => self.compare(Compare::AtLeast, found, laid).not(),
            });
        }
        Ok(Cond::Any(any))
    }

    /// Where MTP2 begins.
    fn signalling(&self) -> Option<u32> {
        match self.request.link_type {
            LinkType(140) => Some(0),
            LinkType(139) => Some(4),
            _ => None,
        }
    }

    fn bits(&mut self, at: u32, size: Size, mask: u32) -> Id {
        let value = self.load(Place::at(0), at, size);
        let mask = self.values.constant(mask);
        self.values.of(Op::And, value, mask)
    }

    /// Stations with an address of one byte.
    pub(super) fn station(&mut self, address: u8, way: Option<Way>) -> Checked<Cond> {
        let Some((src, dst, _)) = self.stations() else {
            return self.fail("an address of one byte goes with ARCnet and BACnet only");
        };
        if let Some(Way::Wireless(word)) = way {
            return self.wireless(word);
        }
        let src = self.equal(Place::at(0), src, Size::Byte, address.into());
        let dst = self.equal(Place::at(0), dst, Size::Byte, address.into());
        Ok(super::host::directed(way, src, dst))
    }

    /// Where the addresses of stations are, and the one of all of them.
    pub(super) fn stations(&self) -> Option<(u32, u32, u8)> {
        match self.layer.kind {
            Kind::Arcnet => Some((0, 1, 0)),
            Kind::Token => Some((4, 3, 0xff)),
            _ => None,
        }
    }

    /// Protocols of ARCnet, the old numbers of IP and ARP too (RFC 1201 §3, RFC 1051).
    pub(super) fn arcnet(&mut self, number: u32) -> Cond {
        let numbers: &[u32] = match number {
            carried::IP => &[212, 240],
            carried::ARP => &[213, 241],
            carried::IP6 => &[196],
            carried::RARP => &[214],
            carried::ATALK => &[221],
            _ => return Cond::Always(false),
        };
        let any = numbers.iter().map(|it| self.equal(self.layer.kind_at, 0, Size::Byte, *it));
        let any = any.collect();
        Cond::Any(any)
    }
}
