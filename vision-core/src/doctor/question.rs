use std::fmt;
use std::str::FromStr;

use crate::base::{Endpoint, Error, Host, PortRange, Result};

/// What the doctor is asked about.
///
/// ```
/// use vision_core::doctor::Question;
///
/// let question: Question = "udp:10.0.0.2:53".parse()?;
/// assert_eq!(question.to_string(), "udp:10.0.0.2:53");
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Question {
    /// Is this namespace healthy?
    Health,
    /// Can this be reached from there?
    Reach {
        /// Whom.
        host: Host,
        /// How.
        service: Service,
    },
}

/// What of a host is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// The host as such: `HOST`.
    Host,
    /// A TCP port: `HOST:PORT`.
    Tcp(u16),
    /// A UDP port: `udp:HOST:PORT`.
    Udp(u16),
    /// A TCP port behind which TLS is spoken: `tls:HOST:PORT`.
    Tls(u16),
    /// A TCP port behind which HTTP is spoken: `http://…`.
    Http(u16),
    /// A TCP port behind which HTTP is spoken over TLS: `https://…`.
    Https(u16),
}

impl Service {
    /// Returns the TCP port to connect to.
    pub fn tcp_port(self) -> Option<u16> {
        match self {
            Self::Tcp(port) | Self::Tls(port) | Self::Http(port) | Self::Https(port) => Some(port),
            Self::Host | Self::Udp(_) => None,
        }
    }
}

impl FromStr for Question {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("udp:") {
            return endpoint(rest, Service::Udp);
        }
        if let Some(rest) = text.strip_prefix("tls:") {
            return endpoint(rest, Service::Tls);
        }
        if let Some(rest) = text.strip_prefix("tcp:") {
            return endpoint(rest, Service::Tcp);
        }
        if let Some(rest) = text.strip_prefix("http://") {
            return url(rest, 80, Service::Http);
        }
        if let Some(rest) = text.strip_prefix("https://") {
            return url(rest, 443, Service::Https);
        }
        // A bare IPv6 address has colons and no port.
        let unbracketed = text.matches(':').count() > 1 && !text.starts_with('[');
        match text.contains(':') && !unbracketed && !text.ends_with(']') {
            true => endpoint(text, Service::Tcp),
            false => Ok(Self::Reach { host: text.parse()?, service: Service::Host }),
        }
    }
}

fn endpoint(text: &str, service: fn(u16) -> Service) -> Result<Question> {
    let endpoint: Endpoint = text.parse()?;
    let several = || Error::invalid("destination", format!("`{text}` names several ports"));
    let port = endpoint.single_port().ok_or_else(several)?;
    Ok(Question::Reach { host: endpoint.host, service: service(port) })
}

fn url(rest: &str, default_port: u16, service: fn(u16) -> Service) -> Result<Question> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    match has_port {
        true => endpoint(authority, service),
        false => Ok(Question::Reach { host: authority.parse()?, service: service(default_port) }),
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Reach { host, service } = self else {
            return f.write_str("health");
        };
        // A host of that name would be taken for the prefix.
        let like_a_prefix =
            matches!(host, Host::Name(name) if ["tcp", "udp", "tls"].contains(&name.as_str()));
        let (prefix, port) = match service {
            Service::Host => return write!(f, "{host}"),
            Service::Tcp(port) if like_a_prefix => ("tcp:", port),
            Service::Tcp(port) => ("", port),
            Service::Udp(port) => ("udp:", port),
            Service::Tls(port) => ("tls:", port),
            Service::Http(port) => ("http://", port),
            Service::Https(port) => ("https://", port),
        };
        let ports = vec![PortRange::one(*port)];
        write!(f, "{prefix}{}", Endpoint { host: host.clone(), ports })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Question {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Question {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "health" => Ok(Self::Health),
            text => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_parse_and_print() {
        for (text, printed) in [
            ("db:5432", "db:5432"),
            ("10.0.0.1", "10.0.0.1"),
            ("fd00::1", "fd00::1"),
            ("[fd00::1]:80", "[fd00::1]:80"),
            ("udp:db:53", "udp:db:53"),
            ("tcp:udp:4", "tcp:udp:4"),
            ("tcp:db:4", "db:4"),
            ("tls:db:443", "tls:db:443"),
            ("https://user@db/x?y", "https://db:443"),
            ("http://[fd00::1]:8080/", "http://[fd00::1]:8080"),
        ] {
            assert_eq!(text.parse::<Question>().expect(text).to_string(), printed);
        }
    }

    #[test]
    fn refusals_name_the_input() {
        for (text, part) in [
            ("db:1-9", "`db:1-9` names several ports"),
            ("db:x", "`x` is not a number"),
            ("udp:db", "`db` lacks a port"),
            ("", "is empty"),
        ] {
            let error = text.parse::<Question>().expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
