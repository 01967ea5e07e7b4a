//! Values that need more than `FromStr`.

use std::str::FromStr;
use std::time::Duration;

use vision_core::base::parse_duration;
use vision_core::inventory::{CtProtocol, SockState};
use vision_core::{Error, Result};

/// A length of time, with its unit or, as for ping, in bare seconds.
#[derive(Debug, Clone)]
pub struct Span {
    length: Duration,
    without_unit: Option<String>,
}

impl Span {
    /// Returns the length, reading a bare number as seconds.
    pub fn lenient(&self) -> Duration {
        self.length
    }

    /// Returns the length if it has a unit.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the input.
    pub fn strict(&self) -> Result<Duration> {
        match &self.without_unit {
            None => Ok(self.length),
            Some(text) => parse_duration(text),
        }
    }
}

impl FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.parse::<f64>().ok().map(Duration::try_from_secs_f64) {
            Some(Ok(length)) => Ok(Self { length, without_unit: Some(text.to_owned()) }),
            _ => Ok(Self { length: parse_duration(text)?, without_unit: None }),
        }
    }
}

/// Reads seconds or a length with its unit, as ping does.
pub fn seconds(text: &str) -> Result<Duration> {
    text.parse::<Span>().map(|span| span.lenient())
}

/// Reads a decimal or hexadecimal number.
pub fn number(text: &str) -> Result<u32> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    let why = || format!("`{text}` is not a number such as 10 or 0xa");
    parsed.map_err(|_| Error::Invalid { what: "number", why: why() })
}

/// Reads a share of a hundred.
pub fn percent(text: &str) -> Result<f64> {
    let why = || format!("`{text}` is not a number from 0 to 100");
    let parsed = text.trim().parse().ok().filter(|share| (0.0..=100.0).contains(share));
    parsed.ok_or_else(|| Error::Invalid { what: "percentile", why: why() })
}

/// Reads the name or number of a tracked protocol.
pub fn protocol(text: &str) -> Result<CtProtocol> {
    let named = (0..=u8::MAX).map(CtProtocol::from_raw).find(|p| p.name() == Some(text));
    let numbered = || text.parse().ok().map(CtProtocol::from_raw);
    let why =
        || format!("`{text}` is not tcp, udp, icmp, icmpv6, sctp, dccp, gre, udplite or a number");
    named.or_else(numbered).ok_or_else(|| Error::Invalid { what: "protocol", why: why() })
}

/// Reads the state of a socket, as `ss` takes it.
pub fn sock_state(text: &str) -> Result<SockState> {
    let wanted = text.to_uppercase().replace('_', "-");
    let wanted = match wanted.as_str() {
        "ESTABLISHED" => "ESTAB",
        "LISTENING" => "LISTEN",
        "UNCONNECTED" => "UNCONN",
        other => other,
    };
    let all = || (1..=13).map(SockState::from_raw);
    all().find(|state| state.name() == Some(wanted)).ok_or_else(|| {
        let names: Vec<_> = all().filter_map(SockState::name).map(str::to_lowercase).collect();
        Error::Invalid {
            what: "state",
            why: format!("`{text}` is not one of {}", names.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_seconds_are_for_ping_only() {
        let bare: Span = "1.5".parse().expect("ping takes it");
        assert_eq!(bare.lenient(), Duration::from_millis(1500));
        assert!(bare.strict().is_err());
        let full: Span = "200ms".parse().expect("has a unit");
        assert_eq!(full.strict().ok(), Some(Duration::from_millis(200)));
        for bad in ["-1", "nan", "inf", "5x", ""] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
