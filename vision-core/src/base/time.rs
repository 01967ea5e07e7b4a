use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A wall-clock instant for records, in nanoseconds since 1970; round-trip times never come from it.
///
/// Serialised as an RFC 3339 string in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Reads the wall clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Takes nanoseconds since 1970-01-01T00:00:00Z.
    pub fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns nanoseconds since 1970-01-01T00:00:00Z.
    pub fn as_unix_nanos(self) -> i64 {
        self.0
    }
}

/// As RFC 3339 writes it, in UTC and to the second.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(1_000_000_000);
        let (days, of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // The calendar repeats every 146 097 days; years begin in March, so that leap days end them.
        let days = days + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let of_year = day - (365 * year + year / 4 - year / 100);
        let (month, date) =
            ((5 * of_year + 2) / 153, of_year - (153 * ((5 * of_year + 2) / 153) + 2) / 5 + 1);
        let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = year + era * 400 + next;
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(feature = "serde")]
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use super::Timestamp;

    impl Serialize for Timestamp {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            // The whole range of i64 nanoseconds lies inside jiff's range of years.
            let at = jiff::Timestamp::from_nanosecond(self.0.into());
            serializer.collect_str(&at.map_err(serde::ser::Error::custom)?)
        }
    }

    impl<'de> Deserialize<'de> for Timestamp {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            let at: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
            i64::try_from(at.as_nanosecond()).map(Timestamp).map_err(D::Error::custom)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_timestamp_survives_json() {
            let at = Timestamp(1_700_000_000_123_456_789);
            let text = serde_json::to_string(&at).expect("serialises");
            assert_eq!(text, "\"2023-11-14T22:13:20.123456789Z\"");
            assert_eq!(serde_json::from_str::<Timestamp>(&text).ok(), Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_577_872_800, "2020-01-01T10:00:00Z"),
            (2_147_483_647, "2038-01-19T03:14:07Z"),
            (4_294_967_295, "2106-02-07T06:28:15Z"),
        ] {
            let at = Timestamp::from_unix_nanos(seconds * 1_000_000_000);
            assert_eq!(at.to_string(), text);
        }
    }
}
