//! What a setting of an expression may hold.

use std::borrow::Cow;

use super::expr::Expression;
use crate::base::Untrusted;

/// A setting of an [`Expression`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A number: a register, a length, a key of the kernel's enumerations.
    Number(u64),
    /// A name that somebody chose.
    Text(Untrusted),
    /// Data as it lies in a register, or of a kind nobody here knows.
    Bytes(Vec<u8>),
    /// What becomes of the packet.
    Verdict {
        /// The kernel's number: 0 drop, 1 accept, -1 continue, -3 jump, -4 goto, -5 return.
        code: i32,
        /// Where to go on, for a jump and a goto.
        chain: Option<Untrusted>,
    },
    /// Expressions inside this one.
    List(Vec<Expression>),
}

/// Settings by name, in the kernel's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields(Vec<(Cow<'static, str>, Value)>);

impl Fields {
    /// Returns the setting of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// Walks the names and settings.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }

    pub(super) fn with_room(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    pub(super) fn push(&mut self, name: Cow<'static, str>, value: Value) {
        self.0.push((name, value));
    }
}

#[cfg(feature = "serde")]
mod json {
    use serde::ser::{Serialize, SerializeMap, Serializer};

    use super::{Expression, Fields, Value};

    impl Serialize for Value {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Self::Number(number) => serializer.serialize_u64(*number),
                Self::Text(text) => text.serialize(serializer),
                Self::Bytes(bytes) => super::with_hex(bytes, |hex| serializer.serialize_str(hex)),
                Self::Verdict { code, chain } => {
                    let mut map = serializer.serialize_map(None)?;
                    map.serialize_entry("code", code)?;
                    if let Some(chain) = chain {
                        map.serialize_entry("chain", chain)?;
                    }
                    map.end()
                }
                Self::List(list) => list.serialize(serializer),
            }
        }
    }

    impl Serialize for Fields {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(self.0.len()))?;
            for (name, value) in self.iter() {
                match (value, name) {
                    (Value::Bytes(_), "data") => map.serialize_entry("data_hex", value)?,
                    (Value::Bytes(_), "mask") => map.serialize_entry("mask_hex", value)?,
                    (Value::Bytes(_), "xor") => map.serialize_entry("xor_hex", value)?,
                    (Value::Bytes(_), _) => map.serialize_entry(&format!("{name}_hex"), value)?,
                    _ => map.serialize_entry(name, value)?,
                }
            }
            map.end()
        }
    }

    impl Serialize for Expression {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(self.name.as_ref(), &self.fields)?;
            map.end()
        }
    }
}

/// Writes bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    with_hex(bytes, str::to_owned)
}

/// Hands over bytes in hexadecimal; those of a register need no memory of their own.
fn with_hex<T>(bytes: &[u8], take: impl FnOnce(&str) -> T) -> T {
    let digits = |byte: &u8| {
        [byte >> 4, byte & 15].map(|nibble| match nibble {
            0..10 => b'0' + nibble,
            _ => b'a' + nibble - 10,
        })
    };
    let mut short = [[0; 2]; 16];
    match short.get_mut(..bytes.len()) {
        Some(room) => {
            room.iter_mut().zip(bytes).for_each(|(pair, byte)| *pair = digits(byte));
            take(std::str::from_utf8(room.as_flattened()).unwrap_or_default())
        }
        None => {
            let long: Vec<u8> = bytes.iter().flat_map(digits).collect();
            take(std::str::from_utf8(&long).unwrap_or_default())
        }
    }
}
