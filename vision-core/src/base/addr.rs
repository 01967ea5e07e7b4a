use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Error, Result};

/// An IP version.
// closed: IP has two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order they are usually shown.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// Returns the family of an address.
    pub fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Returns the address length in bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Returns `0.0.0.0` or `::`.
    pub fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Self::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Returns the kernel's `AF_` number.
    pub(crate) fn raw(self) -> u8 {
        match self {
            Self::V4 => nix::libc::AF_INET as u8,
            Self::V6 => nix::libc::AF_INET6 as u8,
        }
    }

    /// Reads the kernel's `AF_` number.
    pub(crate) fn from_raw(raw: u8) -> Option<Self> {
        Self::BOTH.into_iter().find(|family| family.raw() == raw)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// An address with a prefix length; bits below the prefix are kept as given.
///
/// ```
/// use vision_core::Prefix;
///
/// let net: Prefix = "10.1.0.0/16".parse()?;
/// assert!(net.contains("10.1.2.3".parse().expect("address")));
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix(IpNet);

impl Prefix {
    /// Pairs an address with a length in bits.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the length exceeds the family's 32 or 128 bits.
    pub fn new(addr: IpAddr, bits: u8) -> Result<Self> {
        let net = IpNet::new(addr, bits);
        net.map(Self).map_err(|_| Error::invalid("prefix length", format!("{addr}/{bits}")))
    }

    /// Pairs an address whose version is known with a length; `None` when that is too long.
    ///
    /// Not by way of an [`IpAddr`]: what may be of either version is copied in pieces that wait for
    /// one another.
    #[inline]
    pub(crate) fn v4(addr: Ipv4Addr, bits: u8) -> Option<Self> {
        Ipv4Net::new(addr, bits).ok().map(|net| Self(IpNet::V4(net)))
    }

    /// As [`Prefix::v4`].
    #[inline]
    pub(crate) fn v6(addr: Ipv6Addr, bits: u8) -> Option<Self> {
        Ipv6Net::new(addr, bits).ok().map(|net| Self(IpNet::V6(net)))
    }

    /// Gives the prefix of one address: /32 or /128.
    pub fn host(addr: IpAddr) -> Self {
        Self(IpNet::from(addr))
    }

    /// Gives the prefix that covers a whole family.
    pub fn default_of(family: Family) -> Self {
        Self(IpNet::new_assert(family.unspecified(), 0))
    }

    /// Returns the address as given.
    pub fn addr(self) -> IpAddr {
        self.0.addr()
    }

    /// Returns the address without the bits below the prefix.
    pub fn network(self) -> IpAddr {
        self.0.network()
    }

    /// Returns the length in bits.
    pub fn bits(self) -> u8 {
        self.0.prefix_len()
    }

    /// Returns the family.
    pub fn family(self) -> Family {
        Family::of(self.addr())
    }

    /// Tells whether `addr` lies inside.
    pub fn contains(self, addr: IpAddr) -> bool {
        self.0.contains(&addr)
    }

    /// Tells whether this is `0.0.0.0/0` or `::/0`.
    pub fn is_default(self) -> bool {
        self.bits() == 0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::invalid("prefix", format!("`{text}` is not ADDRESS/BITS"));
        match text.parse::<IpAddr>() {
            Ok(addr) => Ok(Self::host(addr)),
            Err(_) => text.parse().map(Self).map_err(|_| bad()),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Prefix {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Prefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A link-layer address of up to 32 bytes; Ethernet has six.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkAddr {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl LinkAddr {
    /// The kernel's MAX_ADDR_LEN (linux/netdevice.h).
    const MAX: usize = 32;

    /// The Ethernet broadcast address.
    pub const BROADCAST: Self = Self::ethernet([0xff; 6]);

    /// Takes a six-byte Ethernet address.
    pub const fn ethernet(mac: [u8; 6]) -> Self {
        let mut bytes = [0; Self::MAX];
        let mut n = 0;
        while n < 6 {
            bytes[n] = mac[n];
            n += 1;
        }
        Self { len: 6, bytes }
    }

    /// Takes bytes of any length the kernel uses; empty or longer ones give `None`.
    pub fn from_bytes(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..from.len()).filter(|part| !part.is_empty())?.copy_from_slice(from);
        Some(Self { len: from.len() as u8, bytes })
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Returns the six bytes of an Ethernet address.
    pub fn to_ethernet(self) -> Option<[u8; 6]> {
        self.as_bytes().try_into().ok()
    }

    /// Tells whether every byte is zero, as on the loopback.
    pub fn is_zero(&self) -> bool {
        self.as_bytes().iter().all(|b| *b == 0)
    }
}

impl fmt::Display for LinkAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.as_bytes().iter().enumerate() {
            let colon = if n == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for LinkAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LinkAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes: Option<Vec<u8>> =
            text.split([':', '-']).map(|part| u8::from_str_radix(part, 16).ok()).collect();
        bytes
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or_else(|| Error::invalid("link-layer address", format!("`{text}`")))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for LinkAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for LinkAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An IPv4 time to live or IPv6 hop limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ttl(pub u8);

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_addresses_round_trip_and_bad_ones_are_named() {
        let mac: LinkAddr = "02:00:5e:00:00:01".parse().expect("a MAC");
        assert_eq!(mac.to_string(), "02:00:5e:00:00:01");
        assert_eq!(mac.to_ethernet(), Some([2, 0, 0x5e, 0, 0, 1]));
        let bad = "02:zz".parse::<LinkAddr>().expect_err("not hexadecimal");
        assert_eq!(bad.to_string(), "bad link-layer address: `02:zz`");
        assert_eq!(LinkAddr::from_bytes(&[0; 33]), None);
    }

    #[test]
    fn a_bare_address_is_a_host_prefix() {
        let host: Prefix = "fd00::1".parse().expect("an address");
        assert_eq!(host.bits(), 128);
        assert!("10.0.0.1/33".parse::<Prefix>().is_err());
    }
}
