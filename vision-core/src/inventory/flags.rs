/// Declares a set of the kernel's flag bits that keeps unknown ones: names for known bits, the
/// number of the bit for the rest; serialised as a list of both.
macro_rules! flag_set {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$fmeta:meta])* $flag:ident = $value:expr, $text:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
        pub struct $name(u32);

        #[allow(dead_code, reason = "a set has all methods, whether or not this crate calls them")]
        impl $name {
            $($(#[$fmeta])* pub const $flag: Self = Self($value);)+

            const KNOWN: &'static [(u32, &'static str)] = &[$(($value, $text),)+];

            /// Takes the kernel's bits.
            pub fn from_bits(bits: u32) -> Self {
                Self(bits)
            }

            /// Returns the kernel's bits.
            pub fn bits(self) -> u32 {
                self.0
            }

            /// Tells whether all of `other`'s bits are set.
            pub fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            /// Returns the bits of both.
            pub const fn union(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }

            /// Tells whether no bit is set.
            pub fn is_empty(self) -> bool {
                self.0 == 0
            }

            /// Returns the names of the known bits that are set.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::KNOWN.iter().filter(move |(bit, _)| self.0 & bit != 0).map(|(_, name)| *name)
            }

            /// Returns the bits that have no name here.
            pub fn unknown_bits(self) -> u32 {
                self.0 & !Self::KNOWN.iter().fold(0, |all, (bit, _)| all | bit)
            }
        }

        impl std::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut names: Vec<String> = self.names().map(str::to_owned).collect();
                if self.unknown_bits() != 0 {
                    names.push(format!("{:#x}", self.unknown_bits()));
                }
                f.write_str(&names.join(","))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "<{self}>")
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use $crate::inventory::flags::PartRef;
                let unknown = Some(self.unknown_bits()).filter(|bits| *bits != 0);
                let names = self.names().map(PartRef::Name);
                serializer.collect_seq(names.chain(unknown.map(PartRef::Bits)))
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::inventory::flags::Part;
                let mut bits = 0;
                for part in Vec::<Part>::deserialize(deserializer)? {
                    bits |= match part {
                        Part::Bits(bits) => bits,
                        Part::Name(name) => {
                            let known = Self::KNOWN.iter().find(|(_, known)| *known == name);
                            let none = || serde::de::Error::custom(format!("no flag {name}"));
                            known.ok_or_else(none)?.0
                        }
                    };
                }
                Ok(Self(bits))
            }
        }
    };
}

pub(crate) use flag_set;

/// One element of a serialised set.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum Part {
    Name(String),
    Bits(u32),
}

/// One element to serialise; nothing is copied for it.
#[cfg(feature = "serde")]
#[derive(serde::Serialize)]
#[serde(untagged)]
pub(crate) enum PartRef {
    Name(&'static str),
    Bits(u32),
}

#[cfg(test)]
mod tests {
    flag_set! {
        /// Two switches.
        pub struct Switches {
            /// One.
            LEFT = 0x1, "left";
            /// Two.
            RIGHT = 0x4, "right";
        }
    }

    #[test]
    fn unknown_bits_are_shown_as_a_number() {
        let set = Switches::from_bits(0x15);
        assert_eq!(set.to_string(), "left,right,0x10");
        assert!(set.contains(Switches::LEFT | Switches::RIGHT));
        assert_eq!((set.bits(), set.unknown_bits()), (0x15, 0x10));
        assert!(!set.is_empty());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_set_survives_json_with_its_unknown_bits() {
        let set = Switches::from_bits(0x15);
        let text = serde_json::to_string(&set).expect("serialises");
        assert_eq!(text, r#"["left","right",16]"#);
        assert_eq!(serde_json::from_str::<Switches>(&text).ok(), Some(set));
        assert!(serde_json::from_str::<Switches>(r#"["up"]"#).is_err());
    }
}
