//! Words for 802.11 and for signalling links.

use super::Parser;
use crate::capture::filter::error::{Checked, FilterError};
use crate::capture::filter::token::Token;
use crate::capture::filter::tree::{Primitive, Relation};
use crate::capture::filter::words::Word;

const TYPE: u32 = 0x0c;
const SUBTYPE: u32 = 0xf0;

impl Parser {
    /// What a word of another link type begins; it has been taken.
    pub(super) fn foreign(&mut self, word: &'static str, only: &'static str) -> Checked<Primitive> {
        match word {
            "type" => {
                let kind = self.named("a type of frames: mgt, ctl or data", types)?;
                let next = Token::Word(Word::Foreign("subtype", only));
                if *self.peek() != next {
                    return Ok(Primitive::Control { at: 0, value: kind, mask: TYPE });
                }
                self.next += 1;
                let of_kind = |name: &str| subtype(name).filter(|it| it & TYPE == kind);
                let sub = self.named("a subtype of that type", of_kind)?;
                Ok(Primitive::Control { at: 0, value: kind | sub, mask: TYPE | SUBTYPE })
            }
            "subtype" if matches!(self.peek(), Token::Name(_)) => {
                let value = self.named("a subtype of frames such as beacon", subtype)?;
                Ok(Primitive::Control { at: 0, value, mask: TYPE | SUBTYPE })
            }
            "subtype" => Err(self.expected("a subtype of frames such as beacon")),
            "dir" | "direction" => {
                let value = self.named("nods, tods, fromds or dstods", direction)?;
                Ok(Primitive::Control { at: 1, value, mask: 0x03 })
            }
            "sio" | "opc" | "dpc" | "sls" | "hsio" | "hopc" | "hdpc" | "hsls" => {
                Ok(Primitive::Routing(word, self.values()?))
            }
            _ => Ok(Primitive::Foreign(word, only)),
        }
    }

    fn named(&mut self, what: &str, known: impl Fn(&str) -> Option<u32>) -> Checked<u32> {
        let span = self.span();
        match self.take() {
            Token::Number(value) => Ok(value),
            Token::Name(name) => known(&name.to_ascii_lowercase())
                .ok_or_else(|| FilterError::new(span, format!("expected {what}"))),
            _ => {
                self.next = self.next.saturating_sub(1);
                Err(self.expected(what))
            }
        }
    }

    /// One number, perhaps compared otherwise, or several in parentheses.
    fn values(&mut self) -> Checked<Vec<(Relation, u32)>> {
        if let Some(relation) = self.relation() {
            return Ok(vec![(relation, self.number("a number")?)]);
        }
        if let Some(value) = self.maybe_number_alone()? {
            return Ok(vec![(Relation::Equal, value)]);
        }
        if !self.sign("(") {
            return Err(self.expected("a number or a comparison"));
        }
        let mut values = vec![(Relation::Equal, self.number("a number")?)];
        while self.word(Word::Or) || self.sign("||") {
            values.push((Relation::Equal, self.number("a number")?));
        }
        match self.sign(")") {
            true => Ok(values),
            false => Err(self.expected("`or` or `)`")),
        }
    }

    fn maybe_number_alone(&mut self) -> Checked<Option<u32>> {
        let list = matches!(self.ahead(1), Token::Number(_))
            && matches!(self.ahead(2), Token::Word(Word::Or) | Token::Sign("||"));
        if *self.peek() == Token::Sign("(") && list {
            return Ok(None);
        }
        self.maybe_number()
    }
}

/// Types of frames (IEEE 802.11 §9.2.4.1.3).
fn types(name: &str) -> Option<u32> {
    Some(match name {
        "mgt" | "management" => 0x00,
        "ctl" | "control" => 0x04,
        "data" => 0x08,
        _ => return None,
    })
}

/// Subtypes with their type.
fn subtype(name: &str) -> Option<u32> {
    Some(match name {
        "assocreq" | "assoc-req" => 0x00,
        "assocresp" | "assoc-resp" => 0x10,
        "reassocreq" | "reassoc-req" => 0x20,
        "reassocresp" | "reassoc-resp" => 0x30,
        "probereq" | "probe-req" => 0x40,
        "proberesp" | "probe-resp" => 0x50,
        "beacon" => 0x80,
        "atim" => 0x90,
        "disassoc" | "disassociation" => 0xa0,
        "auth" | "authentication" => 0xb0,
        "deauth" | "deauthentication" => 0xc0,
        "bar" => 0x84,
        "ba" => 0x94,
        "ps-poll" => 0xa4,
        "rts" => 0xb4,
        "cts" => 0xc4,
        "ack" => 0xd4,
        "cf-end" => 0xe4,
        "cf-end-ack" => 0xf4,
        "data" => 0x08,
        "data-cf-ack" => 0x18,
        "data-cf-poll" => 0x28,
        "data-cf-ack-poll" => 0x38,
        "null" => 0x48,
        "cf-ack" => 0x58,
        "cf-poll" => 0x68,
        "cf-ack-poll" => 0x78,
        "qos-data" => 0x88,
        "qos-data-cf-ack" => 0x98,
        "qos-data-cf-poll" => 0xa8,
        "qos-data-cf-ack-poll" => 0xb8,
        "qos" => 0xc8,
        "qos-cf-poll" => 0xe8,
        "qos-cf-ack-poll" => 0xf8,
        _ => return None,
    })
}

fn direction(name: &str) -> Option<u32> {
    ["nods", "tods", "fromds", "dstods"].iter().zip(0..).find(|it| *it.0 == name).map(|it| it.1)
}
