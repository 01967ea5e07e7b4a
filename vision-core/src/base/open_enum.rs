/// Declares an enum over a kernel number that keeps unknown values: known ones have the kernel's
/// name, the rest are `Other(n)` and serialise as their number.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $raw:ty {
            $($(#[$vmeta:meta])* $variant:ident = $value:expr, $text:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A value this version does not know, kept as its number.
            Other($raw),
        }

        impl $name {
            /// Reads the kernel's number.
            pub fn from_raw(raw: $raw) -> Self {
                match raw {
                    $(v if v == $value => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            /// Returns the kernel's number.
            pub fn raw(self) -> $raw {
                match self {
                    $(Self::$variant => $value,)+
                    Self::Other(raw) => raw,
                }
            }

            /// Returns the field's name for a known value.
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$variant => Some($text),)+
                    Self::Other(_) => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "{}", self.raw()),
                }
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.name() {
                    Some(name) => serializer.serialize_str(name),
                    None => self.raw().serialize(serializer),
                }
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(untagged)]
                enum Either {
                    Name(String),
                    Raw($raw),
                }
                match Either::deserialize(deserializer)? {
                    $(Either::Name(name) if name == $text => Ok(Self::$variant),)+
                    Either::Name(name) => Err(serde::de::Error::custom(format!(
                        "no {} is called {name}", stringify!($name)
                    ))),
                    Either::Raw(raw) => Ok(Self::from_raw(raw)),
                }
            }
        }
    };
}

pub(crate) use open_enum;

#[cfg(test)]
mod tests {
    open_enum! {
        /// Two colours.
        pub enum Colour: u8 {
            /// One.
            Red = 1, "red";
            /// Two.
            Green = 2, "green";
        }
    }

    #[test]
    fn an_unknown_value_keeps_its_number() {
        assert_eq!(Colour::from_raw(9), Colour::Other(9));
        assert_eq!(Colour::from_raw(9).raw(), 9);
        assert_eq!(Colour::Green.to_string(), "green");
        assert_eq!(Colour::Other(9).to_string(), "9");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn names_and_numbers_survive_json() {
        for colour in [Colour::Red, Colour::Other(200)] {
            let text = serde_json::to_string(&colour).expect("serialises");
            assert_eq!(serde_json::from_str::<Colour>(&text).ok(), Some(colour));
        }
    }
}
