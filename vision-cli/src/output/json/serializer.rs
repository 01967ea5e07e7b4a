//! A serializer into memory. Lists of half a million rows spend most of their time in it, and
//! names of members, which are words of this program, need no look at every character.

use std::fmt::{self, Display, Write};
use std::io;

use serde::Serialize;
use serde::ser::{self, Serializer};

use super::string;
use crate::output::text::Put;

/// Why a value has no JSON.
#[derive(Debug)]
pub struct Failed(String);

impl Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl ser::Error for Failed {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> Self {
        Self::other(failed)
    }
}

type Result<T = ()> = std::result::Result<T, Failed>;

/// Writes values to the end of a buffer.
pub struct Json<'o> {
    out: &'o mut Vec<u8>,
    /// Where the names of members go that are left out.
    absent: Option<&'o mut Vec<&'static str>>,
}

impl<'o> Json<'o> {
    /// Takes the buffer.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, absent: None }
    }

    /// Takes the buffer, and one for the names of members that are left out.
    pub fn noting(out: &'o mut Vec<u8>, absent: &'o mut Vec<&'static str>) -> Self {
        Self { out, absent: Some(absent) }
    }
}

macro_rules! numbers {
    ($($method:ident $type:ident $put:ident;)+) => {
        $(#[inline]
        fn $method(self, v: $type) -> Result {
            self.out.$put(v.into());
            Ok(())
        })+
    };
}

macro_rules! rare {
    ($($method:ident $type:ident;)+) => {
        $(fn $method(self, v: $type) -> Result {
            serde_json::to_writer(&mut *self.out, &v).map_err(ser::Error::custom)
        })+
    };
}

impl<'j, 'o> Serializer for &'j mut Json<'o> {
    type Ok = ();
    type Error = Failed;
    type SerializeSeq = Parts<'j, 'o>;
    type SerializeTuple = Parts<'j, 'o>;
    type SerializeTupleStruct = Parts<'j, 'o>;
    type SerializeTupleVariant = Parts<'j, 'o>;
    type SerializeMap = Parts<'j, 'o>;
    type SerializeStruct = Parts<'j, 'o>;
    type SerializeStructVariant = Parts<'j, 'o>;

    numbers! {
        serialize_u8 u8 uint;
        serialize_u16 u16 uint;
        serialize_u32 u32 uint;
        serialize_u64 u64 uint;
        serialize_i8 i8 int;
        serialize_i16 i16 int;
        serialize_i32 i32 int;
        serialize_i64 i64 int;
    }

    rare! {
        serialize_i128 i128;
        serialize_u128 u128;
        serialize_f32 f32;
        serialize_f64 f64;
    }

    #[inline]
    fn serialize_bool(self, v: bool) -> Result {
        self.out.put(if v { "true" } else { "false" });
        Ok(())
    }

    fn serialize_char(self, v: char) -> Result {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, v: &str) -> Result {
        string(self.out, v);
        Ok(())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result {
        self.collect_seq(v)
    }

    #[inline]
    fn serialize_none(self) -> Result {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result {
        self.out.put("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: ?Sized + Serialize>(self, _: &'static str, v: &T) -> Result {
        v.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant);
        value.serialize(&mut *self)?;
        self.out.put("}");
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'j, 'o>> {
        Ok(self.parts("[", "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'j, 'o>> {
        Ok(self.parts("[", "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'j, 'o>> {
        Ok(self.parts("[", "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'j, 'o>> {
        self.variant(variant);
        Ok(self.parts("[", "]}"))
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'j, 'o>> {
        Ok(self.parts("{", "}"))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'j, 'o>> {
        Ok(self.parts("{", "}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'j, 'o>> {
        self.variant(variant);
        Ok(self.parts("{", "}}"))
    }

    /// Writes what something shows of itself, without a string in between.
    fn collect_str<T: ?Sized + Display>(self, value: &T) -> Result {
        self.out.push(b'"');
        let shown = write!(Escape(self.out), "{value}");
        self.out.push(b'"');
        shown.map_err(ser::Error::custom)
    }
}

/// Takes pieces of a string.
struct Escape<'o>(&'o mut Vec<u8>);

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        super::inner(self.0, text);
        Ok(())
    }
}

impl<'o> Json<'o> {
    fn variant(&mut self, name: &str) {
        self.out.put("{");
        string(self.out, name);
        self.out.put(":");
    }

    #[inline]
    fn parts<'j>(&'j mut self, open: &str, close: &'static str) -> Parts<'j, 'o> {
        self.out.put(open);
        Parts { json: self, begun: false, close }
    }
}

/// A list or an object under construction.
pub struct Parts<'j, 'o> {
    json: &'j mut Json<'o>,
    begun: bool,
    close: &'static str,
}

impl Parts<'_, '_> {
    #[inline]
    fn comma(&mut self) {
        if self.begun {
            self.json.out.push(b',');
        }
        self.begun = true;
    }

    #[inline]
    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        self.comma();
        value.serialize(&mut *self.json)
    }

    #[inline]
    fn field<T: ?Sized + Serialize>(&mut self, key: &'static str, value: &T) -> Result {
        self.json.out.put(if self.begun { ",\"" } else { "\"" });
        self.begun = true;
        self.json.out.put(key);
        self.json.out.put("\":");
        value.serialize(&mut *self.json)
    }

    #[inline]
    fn finish(self) -> Result {
        self.json.out.put(self.close);
        Ok(())
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident;)+) => {
        $(impl ser::$trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Failed;

            #[inline]
            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result {
                self.finish()
            }
        })+
    };
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! objects {
    ($($trait:ident;)+) => {
        $(impl ser::$trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Failed;

            #[inline]
            fn serialize_field<T: ?Sized + Serialize>(&mut self, k: &'static str, v: &T) -> Result {
                self.field(k, v)
            }

            #[inline]
            fn skip_field(&mut self, key: &'static str) -> Result {
                if let Some(absent) = &mut self.json.absent {
                    absent.push(key);
                }
                Ok(())
            }

            #[inline]
            fn end(self) -> Result {
                self.finish()
            }
        })+
    };
}

objects! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::SerializeMap for Parts<'_, '_> {
    type Ok = ();
    type Error = Failed;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result {
        self.comma();
        let start = self.json.out.len();
        key.serialize(&mut *self.json)?;
        // JSON knows no other keys than strings.
        if self.json.out.get(start) != Some(&b'"') {
            self.json.out.insert(start, b'"');
            self.json.out.push(b'"');
        }
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result {
        self.json.out.push(b':');
        value.serialize(&mut *self.json)
    }

    fn end(self) -> Result {
        self.finish()
    }
}
