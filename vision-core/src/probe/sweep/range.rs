use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::base::{Error, Family, Prefix, Result};

/// Addresses that follow each other: `10.0.0.0/24`, `10.0.0.5-10.0.0.9`, or one address.
///
/// Of an IPv4 prefix shorter than /31 the first and the last address, which are no hosts, are left
/// out; of an IPv6 prefix shorter than /127 the first, which is the routers' (RFC 4291 §2.6.1).
///
/// ```
/// use vision_core::probe::AddrRange;
///
/// let range: AddrRange = "10.0.0.0/30".parse()?;
/// let hosts: Vec<_> = range.iter().map(|addr| addr.to_string()).collect();
/// assert_eq!(hosts, ["10.0.0.1", "10.0.0.2"]);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddrRange {
    family: Family,
    first: u128,
    last: u128,
}

/// How many addresses one range may hold: those of a /12.
const MOST: u128 = 1 << 20;

impl AddrRange {
    /// Gives the range of one address.
    pub fn one(addr: IpAddr) -> Self {
        let at = number(addr);
        Self { family: Family::of(addr), first: at, last: at }
    }

    /// Counts the addresses, at least one and at most 1 048 576.
    pub fn count(&self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or(usize::MAX)
    }

    /// Lists the addresses in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let family = self.family;
        (self.first..=self.last).map(move |at| match family {
            // Never more than 32 bits: they came out of an address.
            Family::V4 => IpAddr::V4((at as u32).into()),
            Family::V6 => IpAddr::V6(at.into()),
        })
    }

    fn of_prefix(prefix: Prefix, text: &str) -> Result<Self> {
        let (family, bits) = (prefix.family(), prefix.bits());
        if prefix.is_default() {
            let why = format!("`{text}` is every address there is; name the networks you mean");
            return Err(Error::invalid("address range", why));
        }
        let free = u32::from(family.bits() - bits);
        let first = number(prefix.addr()) >> free << free;
        let last = first + ((1 << free) - 1);
        let (skip_first, skip_last) = (free > 1, free > 1 && family == Family::V4);
        let range = Self {
            family,
            first: first + u128::from(skip_first),
            last: last - u128::from(skip_last),
        };
        range.checked(text)
    }

    fn between(first: &str, last: &str, text: &str) -> Result<Self> {
        let bad = |part: &str| Error::invalid("address range", format!("`{part}` is no address"));
        let (first, last) = (
            first.parse::<IpAddr>().map_err(|_| bad(first))?,
            last.parse::<IpAddr>().map_err(|_| bad(last))?,
        );
        let refused = |why: &str| Err(Error::invalid("address range", format!("`{text}` {why}")));
        if Family::of(first) != Family::of(last) {
            return refused("begins with one family and ends with the other");
        }
        let range = Self { family: Family::of(first), first: number(first), last: number(last) };
        if range.first > range.last {
            return refused("is empty: it ends before it begins");
        }
        range.checked(text)
    }

    fn checked(self, text: &str) -> Result<Self> {
        if self.last - self.first >= MOST {
            let why = format!("`{text}` holds more than {MOST} addresses; take it in parts");
            return Err(Error::invalid("address range", why));
        }
        Ok(self)
    }
}

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u32::from(addr).into(),
        IpAddr::V6(addr) => addr.into(),
    }
}

impl FromStr for AddrRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some((first, last)) = text.split_once('-') {
            return Self::between(first.trim(), last.trim(), text);
        }
        let prefix: Prefix = text.parse().map_err(|_| {
            let why = format!("`{text}` is not ADDRESS/BITS, FIRST-LAST or an address");
            Error::invalid("address range", why)
        })?;
        Self::of_prefix(prefix, text)
    }
}

impl fmt::Display for AddrRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ends = self.iter();
        match (ends.next(), ends.last()) {
            (Some(first), Some(last)) => write!(f, "{first}-{last}"),
            (Some(only), None) => write!(f, "{only}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddrRange {
        text.parse().expect(text)
    }

    fn refusal(text: &str) -> String {
        text.parse::<AddrRange>().expect_err(text).to_string()
    }

    #[test]
    fn ranges_hold_their_hosts() {
        assert_eq!(range("10.9.0.0/16").count(), 65_534);
        assert_eq!(range("10.9.7.3/24").to_string(), "10.9.7.1-10.9.7.254");
        assert_eq!(range("10.0.0.4/31").count(), 2);
        assert_eq!(range("10.0.0.4/32").to_string(), "10.0.0.4");
        assert_eq!(range("10.0.0.9 - 10.0.1.2").count(), 250);
        assert_eq!(range("fd00::/120").to_string(), "fd00::1-fd00::ff");
        assert_eq!(range("fd00::1").count(), 1);
        assert_eq!(range("255.255.255.0/24").iter().count(), 254);
        assert_eq!(range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").count(), 1);
    }

    #[test]
    fn ranges_that_cannot_be_meant_are_refused() {
        assert!(refusal("0.0.0.0/0").contains("every address there is"));
        assert!(refusal("::/0").contains("every address there is"));
        assert!(refusal("10.0.0.0/8").contains("more than 1048576 addresses"));
        assert!(refusal("fd00::/64").contains("take it in parts"));
        assert!(refusal("10.0.0.9-10.0.0.1").contains("is empty"));
        assert!(refusal("10.0.0.1-fd00::1").contains("one family"));
        assert!(refusal("10.0.0.1-20").contains("`20` is no address"));
        assert!(refusal("10.0.0.0/33").contains("ADDRESS/BITS"));
        assert!(refusal("").contains("ADDRESS/BITS"));
    }
}
