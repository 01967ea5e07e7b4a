//! How round-trip times are spread, in a histogram of constant size.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A share of the round-trip times and the time that it stays under.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Percentile {
    /// The share in per cent.
    pub percent: f64,
    /// At most this many nanoseconds, to within a thousandth.
    pub rtt_ns: u64,
}

/// Round-trip times counted in buckets that are a thousandth wide.
#[derive(Debug, Clone)]
pub(crate) struct RttHistogram(Histogram<u32>);

/// Longer times count as an hour.
const LONGEST_NS: u64 = 3_600_000_000_000;

impl RttHistogram {
    pub(crate) fn new() -> Self {
        // Bounds and digits are constants that the crate accepts.
        let empty = Histogram::new_with_bounds(1, LONGEST_NS, 3);
        Self(empty.expect("the bounds are in order"))
    }

    pub(crate) fn of(rtts_ns: impl IntoIterator<Item = u64>) -> Self {
        let mut histogram = Self::new();
        rtts_ns.into_iter().for_each(|rtt| histogram.record(rtt));
        histogram
    }

    pub(crate) fn record(&mut self, rtt_ns: u64) {
        self.0.saturating_record(rtt_ns.max(1));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the time that a share, in per cent, stays under; 0 per cent is the shortest.
    pub(crate) fn at(&self, percent: f64) -> Duration {
        Duration::from_nanos(match percent {
            0.0 => self.0.min(),
            percent => self.0.value_at_percentile(percent).min(self.0.max()),
        })
    }

    /// Gives the time that each share stays under; nothing without any time.
    pub(crate) fn percentiles(&self, wanted: &[f64]) -> Vec<Percentile> {
        if self.is_empty() {
            return Vec::new();
        }
        let at = |percent: f64| Percentile { percent, rtt_ns: nanos(self.at(percent)) };
        wanted.iter().copied().map(at).collect()
    }
}

/// The mean difference between one round-trip time and the next, in nanoseconds; none where no
/// two follow each other.
pub(crate) fn jitter_ns(
    series: impl IntoIterator<Item = impl IntoIterator<Item = u64>>,
) -> Option<u64> {
    let (mut sum, mut count) = (0_u128, 0_u128);
    for rtts in series {
        let mut last = None;
        for rtt in rtts {
            if let Some(last) = last.replace(rtt) {
                sum += u128::from(rtt.abs_diff(last));
                count += 1;
            }
        }
    }
    u64::try_from(sum.checked_div(count)?).ok()
}

/// Nanoseconds of a length of time, as reports keep them.
pub(crate) fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_within_a_bucket() {
        let histogram = RttHistogram::of((1..=1000).map(|n| n * 10_000));
        for (percent, exact) in
            [(50.0, 5_000_000), (95.0, 9_500_000), (99.0, 9_900_000), (100.0, 10_000_000)]
        {
            let [found] = histogram.percentiles(&[percent])[..] else { panic!("one") };
            assert!(found.rtt_ns.abs_diff(exact) <= exact / 1000, "{percent}: {found:?}");
        }
        assert_eq!(RttHistogram::of([]).percentiles(&[50.0]), []);
        assert_eq!(RttHistogram::of([u64::MAX]).percentiles(&[50.0]).len(), 1);
    }

    #[test]
    fn jitter_is_the_mean_step_within_each_series() {
        assert_eq!(jitter_ns([vec![10, 30, 20], vec![500]]), Some(15));
        assert_eq!(jitter_ns([vec![10], vec![500]]), None);
    }
}
