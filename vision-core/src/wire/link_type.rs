use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Result};

/// What a captured packet begins with: a number of the registry at
/// <https://www.tcpdump.org/linktypes.html>, as capture files carry it.
///
/// ```
/// use vision_core::wire::LinkType;
///
/// let link: LinkType = "EN10MB".parse()?;
/// assert_eq!(link, LinkType::ETHERNET);
/// assert_eq!(link.to_string(), "EN10MB");
/// assert_eq!("147".parse::<LinkType>()?.0, 147);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct LinkType(pub u16);

macro_rules! link_types {
    ($($constant:ident, $number:literal, $name:literal, $doc:literal;)+) => {
        impl LinkType {
            $(#[doc = $doc] pub const $constant: Self = Self($number);)+

            /// Returns the name that libpcap gives it, `EN10MB`.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($name),)+
                    _ => None,
                }
            }

            fn of_name(name: &str) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) { return Some(Self($number)); })+
                None
            }
        }
    };
}

link_types! {
    NULL, 0, "NULL", "BSD loopback: the address family in the byte order of the writer.";
    ETHERNET, 1, "EN10MB", "Ethernet.";
    PPP, 9, "PPP", "PPP, as in RFC 1661, possibly in HDLC-like framing.";
    RAW, 101, "RAW", "IPv4 or IPv6 by the version in the first byte.";
    LOOP, 108, "LOOP", "OpenBSD loopback: the address family in network byte order.";
    LINUX_SLL, 113, "LINUX_SLL", "Linux cooked capture, version 1.";
    IPV4, 228, "IPV4", "IPv4 only.";
    IPV6, 229, "IPV6", "IPv6 only.";
    LINUX_SLL2, 276, "LINUX_SLL2", "Linux cooked capture, version 2.";
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for LinkType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = text.strip_prefix("DLT_").unwrap_or(text);
        let known = Self::of_name(name).or_else(|| text.parse().ok().map(Self));
        known.ok_or_else(|| {
            let why = format!("`{text}` is neither a name such as EN10MB nor a number");
            Error::invalid("link type", why)
        })
    }
}
