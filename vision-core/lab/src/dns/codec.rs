//! The little of the DNS wire format (RFC 1035 §4, RFC 6891) that a scripted server needs.

use super::record::{Rdata, Record, Type};

pub(crate) const NOERROR: u8 = 0;
pub(crate) const FORMERR: u8 = 1;
pub(crate) const SERVFAIL: u8 = 2;
pub(crate) const NXDOMAIN: u8 = 3;
pub(crate) const REFUSED: u8 = 5;

const HEADER: usize = 12;
const OPT: u16 = 41;

/// A query as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: u16,
    flags: u16,
    /// As spelled by the client, without the final dot.
    pub(crate) name: String,
    pub(crate) kind: Type,
    question: Vec<u8>,
    /// The UDP payload size of the client's OPT record.
    pub(crate) edns: Option<u16>,
}

/// What to say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) rcode: u8,
    pub(crate) truncated: bool,
    pub(crate) answers: Vec<Record>,
    pub(crate) authority: Vec<Record>,
    pub(crate) without_edns: bool,
}

impl Request {
    /// `None` for what no server would answer: a response, no question, cut off.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let flags = u16_at(bytes, 2)?;
        let is_response = flags & 0x8000 != 0;
        if is_response || u16_at(bytes, 4)? != 1 {
            return None;
        }
        let (name, end) = name_at(bytes, HEADER)?;
        let kind = Type::from_code(u16_at(bytes, end)?);
        let question = bytes.get(HEADER..end + 4)?.to_vec();
        let count = |at| u16_at(bytes, at).map(u32::from);
        let records = count(6)? + count(8)? + count(10)?;
        let edns = find_opt(bytes, end + 4, records);
        Some(Self { id: u16_at(bytes, 0)?, flags, name, kind, question, edns })
    }
}

impl Response {
    pub(crate) fn encode(&self, request: &Request) -> Vec<u8> {
        // Answer, authoritative, recursion available; opcode and recursion desired as asked.
        let mut flags = 0x8480 | (request.flags & 0x7900) | u16::from(self.rcode);
        if self.truncated {
            flags |= 0x0200;
        }
        let opt = request.edns.is_some() && !self.without_edns;
        let counts = [1, self.answers.len(), self.authority.len(), usize::from(opt)];
        let mut out = Vec::new();
        put16(&mut out, request.id);
        put16(&mut out, flags);
        counts.iter().for_each(|&count| put16(&mut out, count as u16));
        out.extend_from_slice(&request.question);
        for record in self.answers.iter().chain(&self.authority) {
            put_record(&mut out, record, &request.name);
        }
        if opt {
            // Root, OPT, 1232 bytes, no flags, no options.
            out.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
        }
        out
    }
}

/// The same name, whatever its case and final dot.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// The name at `at` and the offset behind it.
fn name_at(bytes: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut end = None;
    // Compression pointers may form a loop; no honest name has more steps.
    for _ in 0..128 {
        let length = usize::from(*bytes.get(at)?);
        if length & 0xc0 == 0xc0 {
            end = end.or(Some(at + 2));
            at = usize::from(u16_at(bytes, at)? & 0x3fff);
        } else if length == 0 {
            return Some((labels.join("."), end.unwrap_or(at + 1)));
        } else {
            labels.push(String::from_utf8_lossy(bytes.get(at + 1..at + 1 + length)?).into_owned());
            at += 1 + length;
        }
    }
    None
}

fn find_opt(bytes: &[u8], mut at: usize, records: u32) -> Option<u16> {
    for _ in 0..records {
        let (_, end) = name_at(bytes, at)?;
        let (kind, class) = (u16_at(bytes, end)?, u16_at(bytes, end + 2)?);
        if kind == OPT {
            return Some(class);
        }
        at = end + 10 + usize::from(u16_at(bytes, end + 8)?);
    }
    None
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        assert!(label.len() < 64, "the label {label} of {name} is over 63 bytes");
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

/// Panics here, in the test, when a record cannot be written, and not later in the server.
pub(crate) fn check(record: &Record) {
    put_record(&mut Vec::new(), record, "");
}

fn put_record(out: &mut Vec<u8>, record: &Record, question: &str) {
    if same_name(&record.name, question) {
        // A pointer to the question's name, as every real server sends.
        put16(out, 0xc000 | HEADER as u16);
    } else {
        put_name(out, &record.name);
    }
    put16(out, record.data.kind().code());
    put16(out, 1);
    out.extend_from_slice(&record.ttl_seconds.to_be_bytes());
    let mut data = Vec::new();
    put_data(&mut data, &record.data);
    put16(out, data.len() as u16);
    out.extend_from_slice(&data);
}

fn put_data(out: &mut Vec<u8>, data: &Rdata) {
    match data {
        Rdata::A(ip) => out.extend_from_slice(&ip.octets()),
        Rdata::Aaaa(ip) => out.extend_from_slice(&ip.octets()),
        Rdata::Cname(name) | Rdata::Ns(name) | Rdata::Ptr(name) => put_name(out, name),
        Rdata::Txt(strings) => {
            for string in strings {
                assert!(string.len() < 256, "a TXT string is over 255 bytes");
                out.push(string.len() as u8);
                out.extend_from_slice(string.as_bytes());
            }
        }
        Rdata::Mx { preference, exchange } => {
            put16(out, *preference);
            put_name(out, exchange);
        }
        Rdata::Srv { priority, weight, port, target } => {
            [priority, weight, port].into_iter().for_each(|&value| put16(out, value));
            put_name(out, target);
        }
        Rdata::Soa { mname, rname, serial } => {
            put_name(out, mname);
            put_name(out, rname);
            for value in [*serial, 60, 60, 60, 60] {
                out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }
}
