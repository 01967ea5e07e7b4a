use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token bucket that keeps senders polite; clones share one bucket.
///
/// Defaults to 10 packets a second with a burst of 10. The clock is the caller's, so that
/// sans-IO machines can use it on virtual time.
///
/// ```
/// use std::time::Instant;
/// use vision_core::Pacer;
///
/// let pacer = Pacer::per_second(100, 1);
/// let start = Instant::now();
/// assert_eq!(pacer.reserve(start), start);
/// assert!(pacer.reserve(start) > start);
/// ```
#[derive(Clone, Debug)]
pub struct Pacer {
    gap: Duration,
    burst: u32,
    next: Arc<Mutex<Option<Instant>>>,
}

impl Pacer {
    /// Allows `rate` packets a second on average and `burst` at once; zeroes count as one.
    pub fn per_second(rate: u32, burst: u32) -> Self {
        let gap = Duration::from_secs(1) / rate.max(1);
        Self { gap, burst: burst.max(1), next: Arc::default() }
    }

    /// Takes one token and returns the moment at which the packet may leave.
    pub fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        // `next` may lag behind the clock by a full burst, never by more.
        let credit = self.gap * (self.burst - 1);
        let floor = now.checked_sub(credit).unwrap_or(now);
        let at = next.map_or(floor, |n| n.max(floor));
        *next = Some(at + self.gap);
        at.max(now)
    }
}

impl Default for Pacer {
    fn default() -> Self {
        Self::per_second(10, 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_that_share_a_bucket_stay_under_its_rate_together() {
        let pacer = Pacer::per_second(100, 5);
        let start = Instant::now();
        let leave: Vec<_> = (0..105).map(|_| pacer.clone().reserve(start)).collect();
        let first_second = leave.iter().filter(|at| **at < start + Duration::from_secs(1)).count();
        assert_eq!(first_second, 104);
    }

    #[test]
    fn idle_time_earns_no_more_than_the_burst() {
        let pacer = Pacer::per_second(10, 3);
        let start = Instant::now();
        pacer.reserve(start);
        let later = start + Duration::from_secs(60);
        let at_once = (0..9).filter(|_| pacer.reserve(later) == later).count();
        assert_eq!(at_once, 3);
    }
}
