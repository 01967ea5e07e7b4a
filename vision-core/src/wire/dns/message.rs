use std::fmt;

use super::cursor::Cursor;
use super::{Class, Edns, Name, Opcode, RData, Rcode, RecordType};
use crate::base::DecodeError;

/// Records and questions read from one message at most.
const MAX_RECORDS: usize = 4096;

/// A DNS message; what could be read of it stands even where the rest is bad.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Message {
    /// Identifier, kind, result and flags.
    pub header: Header,
    /// What was asked.
    pub questions: Vec<Question>,
    /// The answers.
    pub answers: Vec<Record>,
    /// Who has authority.
    pub authorities: Vec<Record>,
    /// What else may help; the extension record is under `edns`.
    pub additionals: Vec<Record>,
    /// The extension record (RFC 6891).
    pub edns: Option<Edns>,
    /// Length of the whole message.
    pub size_bytes: usize,
    /// Why and where reading stopped before the end of the sections.
    pub stopped: Option<DecodeError>,
}

/// The header (RFC 1035 §4.1.1, RFC 4035 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Header {
    /// The identifier.
    pub id: u16,
    /// The kind of request.
    pub opcode: Opcode,
    /// The result, with the upper bits of the extension record.
    pub rcode: Rcode,
    /// The flags.
    pub flags: Flags,
    /// Entries each section announces: question, answer, authority, additional (with OPT).
    pub counts: [u16; 4],
}

/// The flags of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Flags {
    /// This is a response.
    pub qr: bool,
    /// The server has authority over the name.
    pub aa: bool,
    /// The message was cut to fit.
    pub tc: bool,
    /// Recursion is wanted.
    pub rd: bool,
    /// Recursion is on offer.
    pub ra: bool,
    /// Reserved.
    pub z: bool,
    /// The data was validated (RFC 4035 §3.2.3).
    pub ad: bool,
    /// Validation is not wanted (RFC 4035 §3.2.2).
    pub cd: bool,
}

/// One entry of the question section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Question {
    /// The name asked for.
    pub name: Name,
    /// The type asked for.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub rtype: RecordType,
    /// The class asked for.
    pub class: Class,
}

/// A resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize))]
#[non_exhaustive]
pub struct Record {
    /// Whose record it is.
    pub name: Name,
    /// Its type.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub rtype: RecordType,
    /// Its class.
    pub class: Class,
    /// How long it may be kept.
    pub ttl_s: u32,
    /// Its data.
    pub data: RData,
}

impl Message {
    /// Reads a message; the reading ends quietly in [`Message::stopped`] at the first fault that
    /// leaves the place of the next record unknown.
    ///
    /// # Errors
    /// [`DecodeError`] when not even the twelve bytes of the header are there.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::new(bytes);
        let mut message = Self::read_header(&mut cursor)?;
        message.stopped = message.read_sections(&mut cursor).err();
        message.size_bytes = bytes.len();
        Ok(message)
    }

    /// Returns the only question, as nearly every message has exactly one.
    pub fn question(&self) -> Option<&Question> {
        self.questions.first().filter(|_| self.questions.len() == 1)
    }

    fn read_header(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let (id, bits) = (cursor.u16()?, cursor.u16()?);
        let counts = [cursor.u16()?, cursor.u16()?, cursor.u16()?, cursor.u16()?];
        let header = Header {
            id,
            opcode: Opcode::from_raw((bits >> 11 & 15) as u8),
            rcode: Rcode::from_raw(bits & 15),
            flags: Flags::from_bits(bits),
            counts,
        };
        Ok(Self {
            header,
            questions: Vec::new(),
            answers: Vec::new(),
            authorities: Vec::new(),
            additionals: Vec::new(),
            edns: None,
            size_bytes: 0,
            stopped: None,
        })
    }

    fn read_sections(&mut self, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        let [questions, answers, authorities, additionals] = self.header.counts;
        let mut room = MAX_RECORDS;
        for _ in 0..questions {
            take_one(&mut room, cursor)?;
            self.questions.push(Question::read(cursor)?);
        }
        let sections = [
            (answers, &mut self.answers),
            (authorities, &mut self.authorities),
            (additionals, &mut self.additionals),
        ];
        for (count, section) in sections {
            for _ in 0..count {
                take_one(&mut room, cursor)?;
                match RawRecord::read(cursor)? {
                    opt if opt.rtype == RecordType::Opt && self.edns.is_none() => {
                        self.edns = Some(Edns::decode(opt.class, opt.ttl_s, opt.data));
                        self.header.rcode = opt.extend(self.header.rcode);
                    }
                    record => section.push(record.finish()),
                }
            }
        }
        Ok(())
    }
}

fn take_one(room: &mut usize, cursor: &Cursor<'_>) -> Result<(), DecodeError> {
    let full = || DecodeError::malformed(crate::base::Layer::Dns, cursor.position());
    *room = room.checked_sub(1).ok_or_else(full)?;
    Ok(())
}

/// A record before its data is understood.
struct RawRecord<'a> {
    name: Name,
    rtype: RecordType,
    class: u16,
    ttl_s: u32,
    data: Cursor<'a>,
}

impl<'a> RawRecord<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self, DecodeError> {
        let name = cursor.name()?;
        let rtype = RecordType::from_raw(cursor.u16()?);
        let (class, ttl_s, length) = (cursor.u16()?, cursor.u32()?, cursor.u16()?);
        let data = cursor.part(usize::from(length))?;
        Ok(Self { name, rtype, class, ttl_s, data })
    }

    fn finish(self) -> Record {
        let class = Class::from_raw(self.class);
        let data = RData::decode(self.data, self.rtype, class);
        Record { name: self.name, rtype: self.rtype, class, ttl_s: self.ttl_s, data }
    }

    /// The upper eight bits of the result are the first byte of the TTL (RFC 6891 §6.1.3).
    fn extend(&self, rcode: Rcode) -> Rcode {
        let high = (self.ttl_s >> 24) as u16;
        Rcode::from_raw(high << 4 | rcode.raw())
    }
}

impl Flags {
    /// Reads the flags out of the second word of the header.
    pub fn from_bits(bits: u16) -> Self {
        let bit = |n: u16| bits & (1 << n) != 0;
        Self {
            qr: bit(15),
            aa: bit(10),
            tc: bit(9),
            rd: bit(8),
            ra: bit(7),
            z: bit(6),
            ad: bit(5),
            cd: bit(4),
        }
    }

    /// Puts the flags where the header has them; kind and result are zero.
    pub fn to_bits(self) -> u16 {
        let places = [
            (self.qr, 15),
            (self.aa, 10),
            (self.tc, 9),
            (self.rd, 8),
            (self.ra, 7),
            (self.z, 6),
            (self.ad, 5),
            (self.cd, 4),
        ];
        places.iter().fold(0, |bits, (set, n)| bits | u16::from(*set) << n)
    }
}

impl fmt::Display for Flags {
    /// Lower-case names in the order of `dig`, separated by blanks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (self.qr, "qr"),
            (self.aa, "aa"),
            (self.tc, "tc"),
            (self.rd, "rd"),
            (self.ra, "ra"),
            (self.ad, "ad"),
            (self.cd, "cd"),
        ];
        let set: Vec<_> = named.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        f.pad(&set.join(" "))
    }
}

impl Question {
    /// Asks for a type of record in the Internet class.
    pub fn new(name: Name, rtype: RecordType) -> Self {
        Self { name, rtype, class: Class::In }
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let name = cursor.name()?;
        let rtype = RecordType::from_raw(cursor.u16()?);
        Ok(Self { name, rtype, class: Class::from_raw(cursor.u16()?) })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.name, self.class, self.rtype)
    }
}

impl fmt::Display for Record {
    /// One line of a zone file: name, TTL, class, type, data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, ttl_s, class, rtype, data } = self;
        write!(f, "{name}\t{ttl_s}\t{class}\t{rtype}\t{data}")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Record {
    /// Adds `text`, the data as in a zone file, which reading ignores.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;

        let mut record = serializer.serialize_struct("Record", 6)?;
        record.serialize_field("name", &self.name)?;
        record.serialize_field("type", &self.rtype)?;
        record.serialize_field("class", &self.class)?;
        record.serialize_field("ttl_s", &self.ttl_s)?;
        record.serialize_field("data", &self.data)?;
        record.serialize_field("text", &self.data.to_string())?;
        record.end()
    }
}
