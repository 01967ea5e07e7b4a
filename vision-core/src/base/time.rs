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
