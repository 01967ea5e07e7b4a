use std::time::{Duration, Instant};

use crate::base::Timestamp;
use crate::probe::driver;

/// Both clocks at one moment: the kernel stamps packets by the wall clock, times are measured on
/// the monotonic one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) monotonic: Instant,
    wall: Timestamp,
}

/// Two clocks that moved apart by more than this were set meanwhile.
const TRUSTED: Duration = Duration::from_millis(1);

impl Clocks {
    pub(crate) fn read() -> Self {
        Self { monotonic: driver::now(), wall: Timestamp::now() }
    }

    /// Says on the monotonic clock when a packet with this stamp arrived, which is after `self`;
    /// without a stamp that can be trusted, that is now.
    pub(crate) fn arrival(&self, stamp: Option<Timestamp>) -> Instant {
        self.arrival_by(&Self::read(), stamp)
    }

    pub(crate) fn arrival_by(&self, now: &Self, stamp: Option<Timestamp>) -> Instant {
        let by_stamp = stamp.and_then(|stamp| {
            let elapsed = now.monotonic.checked_duration_since(self.monotonic)?;
            let on_the_wall = since(self.wall, now.wall)?;
            let age = since(stamp, now.wall)?;
            let was_set = elapsed.abs_diff(on_the_wall) > TRUSTED;
            (!was_set && age <= elapsed).then(|| now.monotonic.checked_sub(age)).flatten()
        });
        by_stamp.unwrap_or(now.monotonic)
    }
}

fn since(earlier: Timestamp, later: Timestamp) -> Option<Duration> {
    let nanos = later.as_unix_nanos().checked_sub(earlier.as_unix_nanos())?;
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// Sent at wall second 100, read three seconds later with the wall clock off by `set`.
    fn arrival_ms(set: i64, stamp: i64) -> u128 {
        let sent =
            Clocks { monotonic: driver::now(), wall: Timestamp::from_unix_nanos(100 * SECOND) };
        let read = Clocks {
            monotonic: sent.monotonic + Duration::from_secs(3),
            wall: Timestamp::from_unix_nanos(103 * SECOND + set),
        };
        let at = sent.arrival_by(&read, Some(Timestamp::from_unix_nanos(stamp)));
        at.duration_since(sent.monotonic).as_millis()
    }

    #[test]
    fn a_packet_read_late_counts_from_its_arrival() {
        assert_eq!(arrival_ms(0, 100 * SECOND + 7_000_000), 7);
    }

    #[test]
    fn a_wall_clock_that_was_set_is_not_believed() {
        for hour in [-3600, 3600] {
            let stamp = 100 * SECOND + hour * SECOND + 7_000_000;
            assert_eq!(arrival_ms(hour * SECOND, stamp), 3000);
        }
        // Set within the clock's own resolution of trust, but a stamp from before the request.
        assert_eq!(arrival_ms(0, 99 * SECOND), 3000);
        assert_eq!(arrival_ms(0, i64::MIN), 3000);
        assert_eq!(arrival_ms(0, i64::MAX), 3000);
    }
}
