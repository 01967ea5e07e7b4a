//! Names of places in the kernel, from `/proc/kallsyms`.

use std::fmt;
use std::fs;

/// A place in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Location {
    /// The address, in hexadecimal in JSON; 0, and absent there, for a whole function.
    #[cfg_attr(feature = "serde", serde(default, with = "hex", skip_serializing_if = "is_zero"))]
    pub address: u64,
    /// The function, where the kernel's symbols may be read.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub function: Option<String>,
    /// Bytes from its beginning.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub offset_bytes: Option<u64>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, self.offset_bytes) {
            (Some(function), Some(offset)) => write!(f, "{function}+{offset:#x}"),
            (Some(function), None) => f.write_str(function),
            (None, _) => write!(f, "{:#x}", self.address),
        }
    }
}

#[cfg(feature = "serde")]
fn is_zero(address: &u64) -> bool {
    *address == 0
}

#[cfg(feature = "serde")]
mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(address: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{address:#x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u64::from_str_radix(digits, 16).map_err(serde::de::Error::custom)
    }
}

/// Functions by address.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    text: String,
    /// Address, and where in the text the name lies.
    functions: Vec<(u64, u32, u32)>,
}

impl Symbols {
    /// Reads them; empty where they may not be read.
    pub(super) fn read() -> Self {
        fs::read_to_string("/proc/kallsyms").map(Self::parse).unwrap_or_default()
    }

    fn parse(text: String) -> Self {
        let mut functions = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            functions.extend(function(line, at));
            at += line.len();
        }
        functions.sort_unstable();
        Self { text, functions }
    }

    /// Tells whether nothing can be named.
    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// Names a place.
    pub(super) fn locate(&self, address: u64) -> Location {
        let behind = self.functions.partition_point(|(start, ..)| *start <= address);
        let found = behind.checked_sub(1).and_then(|at| self.functions.get(at));
        // Farther from a function than functions are long there is something else.
        let near = found.filter(|(start, ..)| address - start < LONGEST);
        let Some((start, from, to)) = near.copied() else {
            return Location { address, function: None, offset_bytes: None };
        };
        let name = self.text.get(from as usize..to as usize).map(str::to_owned);
        Location { address, function: name, offset_bytes: Some(address - start) }
    }
}

/// `ffffffff81000000 T _text` and perhaps the name of a module behind it.
fn function(line: &str, at: usize) -> Option<(u64, u32, u32)> {
    let (address, rest) = line.split_once(' ')?;
    let (kind, name) = rest.split_once(' ')?;
    if !matches!(kind, "t" | "T" | "w" | "W") {
        return None;
    }
    // All zeros where the kernel keeps its addresses to itself (kptr_restrict).
    let address = u64::from_str_radix(address, 16).ok().filter(|address| *address != 0)?;
    let name = name.split(['\t', '\n']).next()?;
    let from = at + line.len() - rest.len() + kind.len() + 1;
    Some((address, u32::try_from(from).ok()?, u32::try_from(from + name.len()).ok()?))
}

const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_the_function_before_it() {
        let text = "ffffffff81000000 T _text\nffffffff81000200 D data\nffffffff81000100 t ip_rcv\n\
                    ffffffffc0000000 t br_forward\t[bridge]\n0000000000000000 t hidden\n";
        let symbols = Symbols::parse(text.to_owned());
        let shown = |address: u64| symbols.locate(address).to_string();
        assert_eq!(shown(0xffff_ffff_8100_0000), "_text+0x0");
        assert_eq!(shown(0xffff_ffff_8100_0150), "ip_rcv+0x50");
        assert_eq!(shown(0xffff_ffff_8100_0210), "ip_rcv+0x110");
        assert_eq!(shown(0xffff_ffff_c000_0004), "br_forward+0x4");
        assert_eq!(shown(0xffff_ffff_b000_0000), "0xffffffffb0000000");
        assert_eq!(shown(1), "0x1");
        assert!(Symbols::parse("0000000000000000 T _text\n".to_owned()).is_empty());
    }
}
