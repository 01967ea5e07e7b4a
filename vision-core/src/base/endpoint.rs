use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{Error, Result};

/// A machine as a person names it: an address, with an interface where one is needed, or a name.
///
/// ```
/// use vision_core::Host;
///
/// assert_eq!("fe80::1%eth0".parse::<Host>()?.to_string(), "fe80::1%eth0");
/// # Ok::<(), vision_core::Error>(())
/// ```
// closed: what is not an address is a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address; the zone is the interface of a link-local one (RFC 4007 §11).
    Addr(IpAddr, Option<String>),
    /// A name to resolve as the target would.
    Name(String),
}

impl FromStr for Host {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        let (addr, zone) = match bare.split_once('%') {
            Some((addr, zone)) if !zone.is_empty() => (addr, Some(zone.to_owned())),
            _ => (bare, None),
        };
        let refused = |why| Err(Error::invalid("host", format!("`{text}` {why}")));
        match addr.parse() {
            Ok(IpAddr::V4(_)) if zone.is_some() => {
                return refused("names an interface, which only IPv6 addresses do");
            }
            Ok(_) if zone.as_deref().is_some_and(is_no_interface) => {
                return refused("names an interface that cannot exist");
            }
            Ok(addr) => return Ok(Self::Addr(addr, zone)),
            Err(_) => {}
        }
        match name_fault(bare) {
            None => Ok(Self::Name(bare.to_owned())),
            Some(why) => refused(why),
        }
    }
}

/// As `dev_valid_name` of the kernel (net/core/dev.c), and no brackets, which would be ambiguous.
fn is_no_interface(name: &str) -> bool {
    let bad = |c: char| c.is_whitespace() || c.is_control() || "/:[]%".contains(c);
    matches!(name, "." | "..") || name.contains(bad)
}

fn name_fault(name: &str) -> Option<&'static str> {
    let all_digits_and_dots = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match name {
        "" => Some("is empty"),
        _ if name.len() > 255 => Some("is longer than 255 bytes"),
        _ if name.contains(':') => Some("is neither an IPv6 address nor a name"),
        _ if name.contains(['[', ']']) => Some("has brackets, which stand around addresses"),
        _ if name.contains('/') => Some("is a prefix, not one host"),
        _ if all_digits_and_dots => Some("is not a complete IPv4 address"),
        _ if name.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Some("contains blanks or control characters")
        }
        _ => None,
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr, Some(zone)) => write!(f, "{addr}%{zone}"),
            Self::Addr(addr, None) => write!(f, "{addr}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host and ports: `db:5432`, `10.0.0.1:80,443`, `[fd00::1]:20-25`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Endpoint {
    /// Whom to reach.
    pub host: Host,
    /// At least one range of ports.
    pub ports: Vec<PortRange>,
}

impl Endpoint {
    /// Pairs a host with one port.
    pub fn new(host: Host, port: u16) -> Self {
        Self { host, ports: vec![PortRange::one(port)] }
    }

    /// Lists every port in the order given.
    pub fn ports(&self) -> impl Iterator<Item = u16> + '_ {
        self.ports.iter().flat_map(|range| range.0.clone())
    }

    /// Returns the port if there is exactly one.
    pub fn single_port(&self) -> Option<u16> {
        let mut ports = self.ports();
        ports.next().filter(|_| ports.next().is_none())
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let missing = || Error::invalid("endpoint", format!("`{text}` lacks a port: HOST:PORT"));
        let (host, ports) = text.rsplit_once(':').ok_or_else(missing)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(':') && !bracketed {
            let why = format!("`{text}`: write an IPv6 address with a port as [ADDRESS]:PORT");
            return Err(Error::invalid("endpoint", why));
        }
        let ports: Result<Vec<_>> = ports.split(',').map(str::parse).collect();
        Ok(Self { host: host.parse()?, ports: ports? })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Addr(IpAddr::V6(_), _) => write!(f, "[{}]:", self.host)?,
            host => write!(f, "{host}:")?,
        }
        for (n, range) in self.ports.iter().enumerate() {
            write!(f, "{}{range}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// A port or an inclusive range of ports, `80` or `8000-8100`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortRange(RangeInclusive<u16>);

impl PortRange {
    /// Gives a range of one port.
    pub fn one(port: u16) -> Self {
        Self(port..=port)
    }

    /// Returns the first and last port as a range.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.0.clone()
    }
}

impl FromStr for PortRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let port = |part: &str| match part.trim().parse::<u16>() {
            Ok(0) | Err(_) => {
                Err(Error::invalid("port", format!("`{part}` is not a number from 1 to 65535")))
            }
            Ok(port) => Ok(port),
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (port(first)?, port(last)?);
        if first > last {
            return Err(Error::invalid("port range", format!("`{text}` ends before it starts")));
        }
        Ok(Self(first..=last))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.start(), self.0.end()) {
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

/// Reads a length of time with its unit: `200ms`, `3s`, `1.5s`, `2m`, `1h`, `50us`.
///
/// # Errors
/// [`Error::Invalid`] naming the input when the unit is missing or unknown.
pub fn parse_duration(text: &str) -> Result<Duration> {
    let bad = |why: &str| Error::invalid("duration", format!("`{text}` {why}"));
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds_per_unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "" => return Err(bad("lacks a unit: write 200ms, 3s or 2m")),
        _ => return Err(bad("has an unknown unit: use us, ms, s, m or h")),
    };
    let number: f64 = number.parse().map_err(|_| bad("does not start with a number"))?;
    Duration::try_from_secs_f64(number * seconds_per_unit).map_err(|_| bad("is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: FromStr<Err = Error> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err("must be refused").to_string()
    }

    #[test]
    fn endpoints_round_trip() {
        for text in ["db:5432", "10.0.0.1:80,443", "[fd00::1]:20-25", "[fe80::1%eth0]:1"] {
            assert_eq!(text.parse::<Endpoint>().expect(text).to_string(), text);
        }
    }

    #[test]
    fn bad_endpoints_name_the_input_and_the_way_out() {
        assert!(refusal::<Endpoint>("db").contains("`db` lacks a port: HOST:PORT"));
        assert!(refusal::<Endpoint>("fd00::1:80").contains("[ADDRESS]:PORT"));
        assert!(refusal::<Endpoint>("db:0").contains("`0` is not a number from 1 to 65535"));
        assert!(refusal::<Endpoint>("db:70000").contains("70000"));
        assert!(refusal::<Endpoint>("db:9-3").contains("ends before it starts"));
        assert!(refusal::<Host>("10.0.0").contains("not a complete IPv4 address"));
        assert!(refusal::<Host>("10.0.0.0/8").contains("prefix"));
        assert!(refusal::<Host>("a b").contains("blanks"));
        assert!(refusal::<Host>("10.0.0.1%eth0").contains("only IPv6"));
        assert!(refusal::<Host>("fe80::1%a/b").contains("cannot exist"));
        assert!(refusal::<Host>("[[]]").contains("brackets"));
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("1.5s").ok(), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("200ms").ok(), Some(Duration::from_millis(200)));
        for bad in ["5", "5 parsecs", "-1s", "s", "1e400s", "NaNs"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
