use std::fmt;
use std::str::FromStr;

use crate::base::Error;

/// Number of a discipline (`1:`) or class (`1:10`), in hexadecimal (linux/pkt_sched.h `TC_H_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcHandle(u32);

impl TcHandle {
    /// What hangs under the interface itself on the way out.
    pub const ROOT: Self = Self(u32::MAX);
    /// Where filters of `clsact` and `ingress` hang on the way in.
    pub const INGRESS: Self = Self(0xffff_fff2);
    /// Where filters of `clsact` hang on the way out.
    pub const EGRESS: Self = Self(0xffff_fff3);
    /// What hangs under the interface on the way in: `clsact` and `ingress` themselves.
    pub const CLSACT: Self = Self(0xffff_fff1);
    /// None, or the discipline at the root where filters are asked for.
    pub const NONE: Self = Self(0);

    /// Takes the kernel's number.
    pub fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns the kernel's number.
    pub fn raw(self) -> u32 {
        self.0
    }

    /// Tells whether it stands for none.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for TcHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 >> 16, self.0 & 0xffff) {
            (0, 0) => f.pad("none"),
            (0xffff, 0xffff) => f.pad("root"),
            (0xffff, 0xfff1) => f.pad("ffff:fff1"),
            (major, 0) => f.pad(&format!("{major:x}:")),
            (0, minor) => f.pad(&format!(":{minor:x}")),
            (major, minor) => f.pad(&format!("{major:x}:{minor:x}")),
        }
    }
}

impl FromStr for TcHandle {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::Invalid {
            what: "handle",
            why: format!("`{text}` is not root, none or a number such as 1: or 1:10"),
        };
        let half = |digits: &str| match digits {
            "" => Ok(0),
            digits => u16::from_str_radix(digits, 16).map_err(|_| bad()),
        };
        match text {
            "root" => Ok(Self::ROOT),
            "none" => Ok(Self::NONE),
            _ => {
                let (major, minor) = text.split_once(':').ok_or_else(bad)?;
                Ok(Self(u32::from(half(major)?) << 16 | u32::from(half(minor)?)))
            }
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for TcHandle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for TcHandle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        for raw in [0, 1, 0x10, 0x1_0000, 0x1_0010, 0x8001_ffff, 0xffff_fff1, 0xffff_fff2, u32::MAX]
        {
            let handle = TcHandle::from_raw(raw);
            assert_eq!(handle.to_string().parse::<TcHandle>().ok(), Some(handle), "{handle}");
        }
        assert_eq!(TcHandle::from_raw(0x1_0010).to_string(), "1:10");
        for bad in ["", "1", "x:", "1:12345", "1:2:3"] {
            assert!(bad.parse::<TcHandle>().is_err(), "{bad}");
        }
    }
}
