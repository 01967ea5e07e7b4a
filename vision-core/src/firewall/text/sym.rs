//! What a register holds, in nft's words.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::super::proto::{self, EXTENSIONS, Field};
use super::super::types::{self, INTEGER, IPV4, IPV6, Part, Type};

/// Where a value was loaded from, for a mask that picks bits of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A header at a base.
    Header(u64),
    /// An extension header or option: operation and number.
    Extension(u64, u64),
}

/// Words for a place; those of a field of a header need no memory of their own.
#[derive(Debug, Clone)]
pub(super) enum Phrase {
    Word(&'static str),
    /// A header and its field.
    Field(&'static str, &'static str),
    Own(String),
}

impl Phrase {
    /// Tells whether it says just this.
    pub(super) fn is(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => *word == text,
            Self::Field(header, field) => {
                text.strip_prefix(header).and_then(|rest| rest.strip_prefix(' ')) == Some(field)
            }
            Self::Own(own) => own == text,
        }
    }

    /// Puts it at the end of a text, without the machinery of formatting.
    pub(super) fn put(&self, out: &mut String) {
        match self {
            Self::Word(word) => out.push_str(word),
            Self::Field(header, field) => {
                out.push_str(header);
                out.push(' ');
                out.push_str(field);
            }
            Self::Own(own) => out.push_str(own),
        }
    }

    pub(super) fn into_string(self) -> String {
        match self {
            Self::Own(own) => own,
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Field(header, field) => write!(f, "{header} {field}"),
            Self::Own(own) => f.write_str(own),
        }
    }
}

impl From<&'static str> for Phrase {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}

impl From<String> for Phrase {
    fn from(own: String) -> Self {
        Self::Own(own)
    }
}

/// The parts of a key: nearly always one.
#[derive(Debug, Clone)]
pub(super) enum Parts {
    One(Part),
    Many(Vec<Part>),
}

impl Deref for Parts {
    type Target = [Part];

    fn deref(&self) -> &[Part] {
        match self {
            Self::One(part) => std::slice::from_ref(part),
            Self::Many(parts) => parts,
        }
    }
}

impl DerefMut for Parts {
    fn deref_mut(&mut self) -> &mut [Part] {
        match self {
            Self::One(part) => std::slice::from_mut(part),
            Self::Many(parts) => parts,
        }
    }
}

impl FromIterator<Part> for Parts {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Self::Many(parts.into_iter().collect())
    }
}

/// The content of a register.
#[derive(Debug, Clone)]
pub(super) struct Sym {
    pub(super) text: Phrase,
    /// One, or those of a concatenation or of fields loaded at once.
    pub(super) parts: Parts,
    /// Names of fields that were loaded at once.
    pub(super) merged: Vec<String>,
    pub(super) at: Option<(Place, u32)>,
    /// Whether the place has a name of its own.
    pub(super) named: bool,
    /// A pure mask, not yet put into words.
    pub(super) mask: Option<Vec<u8>>,
    /// The first bytes only of an address.
    pub(super) prefix: Option<u32>,
    pub(super) constant: Option<Vec<u8>>,
    /// Mask and bits of a change, for what writes a field back.
    pub(super) change: Option<(Vec<u8>, Vec<u8>)>,
    /// Bytes it takes.
    pub(super) len: usize,
}

impl Sym {
    pub(super) fn new(text: impl Into<Phrase>, kind: Type, bits: u32) -> Self {
        Self {
            text: text.into(),
            parts: Parts::One(Part::of(kind, bits)),
            merged: Vec::new(),
            at: None,
            named: true,
            mask: None,
            prefix: None,
            constant: None,
            change: None,
            len: bits.div_ceil(8) as usize,
        }
    }

    pub(super) fn immediate(bytes: &[u8]) -> Self {
        let bits = u32::try_from(bytes.len() * 8).unwrap_or(0);
        Self { constant: Some(bytes.to_vec()), ..Self::new("", INTEGER, bits) }
    }

    pub(super) fn part(&self) -> Part {
        self.parts.first().copied().unwrap_or(Part::of(INTEGER, 32))
    }

    /// Writes it as a value of a type, for one that is constant.
    pub(super) fn value(&self, kind: Type) -> String {
        match &self.constant {
            Some(bytes) => types::constant(bytes, kind, types::is_host(kind)),
            None => self.settled().text.into_string(),
        }
    }

    /// Puts a pending mask into words.
    pub(super) fn settled(&self) -> Self {
        let Some(mask) = &self.mask else {
            return self.clone();
        };
        if let Some((sym, 0)) = self.picked(mask) {
            return sym;
        }
        let mask = bracketed(&self.part().constant(mask));
        Self { text: format!("{} & {mask}", self.text).into(), mask: None, ..self.clone() }
    }

    /// As [`Sym::settled`], for a key: a set holds its values with the bits where the mask has them.
    pub(super) fn keyed(&self) -> Self {
        match self.mask.as_ref().and_then(|mask| self.picked(mask)) {
            Some((mut sym, right)) => {
                sym.parts.iter_mut().for_each(|part| part.shift = right);
                sym
            }
            None => self.settled(),
        }
    }

    /// The field a mask picks, and how many bits are to its right.
    pub(super) fn picked(&self, mask: &[u8]) -> Option<(Self, u32)> {
        let (place, offset) = self.at.filter(|_| !self.named)?;
        let number = types::number(mask, false)?;
        let bits = u32::try_from(mask.len() * 8).ok()?;
        let (right, ones) = (number.trailing_zeros(), number.count_ones());
        // One run of ones.
        if number == 0 || (number >> right).trailing_ones() != ones {
            return None;
        }
        let left = bits - right - ones;
        let mut sym = Self::located(place, offset + left, ones, self.header());
        sym.len = self.len;
        Some((sym, right))
    }

    /// The header its text begins with, for a place loaded in bytes around a field.
    fn header(&self) -> Option<&'static str> {
        let name = self.merged.first()?;
        proto::header(name).map(|header| header.0)
    }

    /// What lies at a place, in a header that may be known.
    pub(super) fn located(
        place: Place,
        offset: u32,
        bits: u32,
        header: Option<&'static str>,
    ) -> Self {
        match place {
            Place::Extension(op, kind) => Self::extension(op, kind, offset, bits),
            Place::Header(base) => Self::header_field(base, offset, bits, header),
        }
    }

    fn header_field(base: u64, offset: u32, bits: u32, header: Option<&'static str>) -> Self {
        let at = Some((Place::Header(base), offset));
        let found = header.and_then(proto::header);
        if let Some((name, _, fields)) = found {
            if let Some((field, .., kind)) = find(fields, offset, bits) {
                return Self { at, ..Self::new(Phrase::Field(name, field), *kind, bits) };
            }
            let longer = fields.iter().find(|f| f.1 == offset && bits < f.2);
            if let Some((field, .., kind)) =
                longer.filter(|f| matches!(f.3, IPV4 | IPV6) && bits.is_multiple_of(8))
            {
                let text = Phrase::Field(name, field);
                return Self { at, prefix: Some(bits), ..Self::new(text, *kind, bits) };
            }
        }
        let base = ["ll", "nh", "th", "ih"].get(base as usize).copied().unwrap_or("th");
        let mut raw = Self::new(format!("@{base},{offset},{bits}"), INTEGER, bits);
        (raw.at, raw.named) = (at, false);
        if let Some((name, _, fields)) = found {
            raw.merged = vec![(*name).to_owned()];
            if let Some(run) = run(fields, offset, bits) {
                raw.parts = run.iter().map(|f| Part::of(f.3, f.2)).collect();
                raw.merged.extend(run.iter().map(|f| format!("{name} {}", f.0)));
            }
        }
        raw
    }

    fn extension(op: u64, kind: u64, offset: u32, bits: u32) -> Self {
        let at = Some((Place::Extension(op, kind), offset));
        let known = EXTENSIONS.iter().find(|row| row.0 == op && row.1 == kind);
        let field = known.and_then(|row| find(row.3, offset, bits).map(|field| (row.2, field)));
        if let Some((name, (field, .., kind))) = field {
            return Self { at, ..Self::new(Phrase::Field(name, field), *kind, bits) };
        }
        let text = format!("tcp option @{kind},{offset},{bits}");
        let named = op == 1;
        Self { at, named: named && known.is_none(), ..Self::new(text, INTEGER, bits) }
    }
}

fn find(fields: &'static [Field], offset: u32, bits: u32) -> Option<&'static Field> {
    fields.iter().find(|field| field.1 == offset && field.2 == bits)
}

/// Fields that lie side by side and fill a place.
fn run(fields: &'static [Field], offset: u32, bits: u32) -> Option<Vec<&'static Field>> {
    let (mut run, mut at) = (Vec::new(), offset);
    while at < offset + bits {
        let field =
            fields.iter().find(|f| f.1 == at && f.2 % 8 == 0 && at + f.2 <= offset + bits)?;
        at += field.2;
        run.push(field);
    }
    Some(run)
}

/// Puts brackets around alternatives.
pub(super) fn bracketed(text: &str) -> String {
    match text.contains('|') {
        true => format!("({text})"),
        false => text.to_owned(),
    }
}
