//! Declares what a nest of attributes becomes: a struct whose fields are all optional, since each
//! kernel sends what it knows.

use std::net::IpAddr;

use crate::base::LinkAddr;
use crate::netlink::attr;

macro_rules! attrs {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$fmeta:meta])* $field:ident: $kind:ty = $($number:literal)|+, $read:expr;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(default))]
        #[non_exhaustive]
        pub struct $name {
            $(
                $(#[$fmeta])*
                #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
                pub $field: Option<$kind>,
            )+
        }

        #[allow(dead_code, reason = "some are read from a nest, some from a structure")]
        impl $name {
            /// Reads a nest of attributes.
            pub(in crate::inventory) fn read(nest: &[u8]) -> Self {
                let mut all = Self::default();
                for (number, value) in $crate::netlink::attr::Attrs::new(nest) {
                    all.take(number, value);
                }
                all
            }

            /// Reads a structure, as attribute 0.
            pub(in crate::inventory) fn whole(value: &[u8]) -> Self {
                let mut all = Self::default();
                all.take(0, value);
                all
            }

            /// Takes one attribute; a value too short to be one is passed over.
            pub(in crate::inventory) fn take(&mut self, number: u16, value: &[u8]) {
                $(
                    if matches!(number, $($number)|+) {
                        self.$field = $read(value).or(self.$field.take());
                    }
                )+
            }

            /// Returns what the kernel told as names and text, in the order of the fields.
            pub fn fields(&self) -> Vec<(&'static str, String)> {
                let mut told = Vec::new();
                $(
                    if let Some(value) = &self.$field {
                        told.push((
                            stringify!($field),
                            $crate::inventory::kind::macros::Shown::shown(value),
                        ));
                    }
                )+
                told
            }
        }
    };
}

pub(in crate::inventory) use attrs;

/// A value as one word.
pub(in crate::inventory) trait Shown {
    fn shown(&self) -> String;
}

impl<T: std::fmt::Display> Shown for T {
    fn shown(&self) -> String {
        self.to_string()
    }
}

/// A switch in a byte.
pub(in crate::inventory) fn flag(value: &[u8]) -> Option<bool> {
    attr::u8(value).map(|byte| byte != 0)
}

/// A switch that is on by being there.
#[allow(clippy::unnecessary_wraps, reason = "all readers have one form")]
pub(in crate::inventory) fn present(_: &[u8]) -> Option<bool> {
    Some(true)
}

/// Clock ticks of 1/100 s, 32 or 64 bits of them, as milliseconds.
pub(in crate::inventory) fn ticks(value: &[u8]) -> Option<u64> {
    let ticks = attr::read(value, 0).map(u64::from_ne_bytes);
    ticks.or_else(|| attr::u32(value).map(u64::from)).map(|ticks| ticks.saturating_mul(10))
}

/// A number of 64 bits.
pub(in crate::inventory) fn u64(value: &[u8]) -> Option<u64> {
    attr::read(value, 0).map(u64::from_ne_bytes)
}

/// The address of an interface.
pub(in crate::inventory) fn lladdr(value: &[u8]) -> Option<LinkAddr> {
    LinkAddr::from_bytes(value)
}

/// An address, unless it is the one that stands for none.
pub(in crate::inventory) fn some_ip(value: &[u8]) -> Option<IpAddr> {
    attr::ip(value).filter(|ip| !ip.is_unspecified())
}

/// Number of an interface, zero for none.
pub(in crate::inventory) fn ifindex(value: &[u8]) -> Option<u32> {
    attr::u32(value).filter(|index| *index != 0)
}

/// A switch in 32 bits.
pub(in crate::inventory) fn flag32(value: &[u8]) -> Option<bool> {
    attr::u32(value).map(|word| word != 0)
}
