use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Pacer, Result};

/// How many packets a second a probe of many targets may send.
///
/// ```
/// use vision_core::probe::Rate;
///
/// assert_eq!("500".parse::<Rate>()?, Rate::PerSecond(500));
/// assert_eq!("max".parse::<Rate>()?, Rate::Max);
/// # Ok::<(), vision_core::Error>(())
/// ```
// closed: there is a limit or there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rate {
    /// This many in any second, to within a twentieth.
    PerSecond(u32),
    /// As fast as the kernel takes them.
    Max,
}

impl Rate {
    /// Makes the bucket that keeps the rate; none where there is no limit.
    pub(crate) fn pacer(self) -> Option<Pacer> {
        match self {
            // A burst comes on top of what a second allows.
            Self::PerSecond(rate) => Some(Pacer::per_second(rate, 1 + rate / 25)),
            Self::Max => None,
        }
    }
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("max", _) => Ok(Self::Max),
            (_, Ok(rate)) if rate > 0 => Ok(Self::PerSecond(rate)),
            _ => {
                let why = format!("`{text}` is neither a number of packets per second nor `max`");
                Err(Error::invalid("rate", why))
            }
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}"),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn rates_are_numbers_or_max() {
        for bad in ["0", "-1", "fast", "", "1.5", "99999999999"] {
            assert!(bad.parse::<Rate>().expect_err(bad).to_string().contains("`max`"), "{bad}");
        }
        assert_eq!("7".parse::<Rate>().expect("a rate").to_string(), "7");
    }

    #[test]
    fn no_second_holds_more_than_a_twentieth_too_many() {
        for rate in [1, 10, 24, 200, 1000, 50_000] {
            let pacer = Rate::PerSecond(rate).pacer().expect("limited");
            let start = Instant::now();
            let second = start + Duration::from_secs(1);
            let sent = (0..).take_while(|_| pacer.reserve(start) < second).count();
            assert!(sent <= rate as usize + rate as usize / 20, "{sent} of {rate}");
        }
    }
}
