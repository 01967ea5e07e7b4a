//! How long to wait, how much to have under way, how often to ask again.

use std::time::{Duration, Instant};

/// What a scan knows about the way to its host.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    /// The wait before anything was heard, and the longest.
    longest: Duration,
    smoothed: Option<(Duration, Duration)>,
    window: f64,
    least: f64,
    most: f64,
    /// No more slow start beyond this.
    threshold: f64,
    /// Answers and proven losses since the window was last judged.
    answers: u32,
    losses: u32,
    /// How often a port is asked before it counts as silent.
    attempts: u8,
    /// The least time between two probes, for hosts that answer at a rate of their own.
    delay: Duration,
    slows_down: bool,
    /// Probes since the delay was last changed.
    since_change: u32,
    last_sent: Option<Instant>,
}

/// Shorter waits mistake a busy moment for a loss.
const SHORTEST: Duration = Duration::from_millis(100);
/// Attempts that are made without any sign of loss.
const ATTEMPTS: u8 = 3;
/// Attempts that are made at most.
pub(crate) const MOST_ATTEMPTS: u8 = 10;
/// The waits of later attempts double up to so many times.
const DOUBLINGS: u8 = 2;
/// Linux sends one ICMP error a second to a host (`net.ipv4.icmp_ratelimit`).
const SLOWEST: Duration = Duration::from_millis(1050);
const FIRST_DELAY: Duration = Duration::from_millis(50);

impl Timing {
    pub(crate) fn new(longest: Duration, window: usize, most: usize) -> Self {
        Self {
            longest,
            smoothed: None,
            window: window.max(1) as f64,
            least: window.clamp(1, 16) as f64,
            most: most.max(1) as f64,
            threshold: f64::INFINITY,
            answers: 0,
            losses: 0,
            attempts: ATTEMPTS,
            delay: Duration::ZERO,
            slows_down: false,
            since_change: 0,
            last_sent: None,
        }
    }

    /// Slows down when answers get lost, as ICMP errors do that a host sends at a limited rate.
    pub(crate) fn slowing_down(self) -> Self {
        Self { slows_down: true, ..self }
    }

    /// How many probes may be under way.
    pub(crate) fn window(&self) -> usize {
        self.window.min(self.most) as usize
    }

    /// How often a port is asked before it counts as silent.
    pub(crate) fn attempts(&self) -> u8 {
        self.attempts
    }

    /// How long an attempt is waited for (RFC 6298, with a floor of 100 ms).
    pub(crate) fn wait(&self, attempt: u8) -> Duration {
        let base = match self.smoothed {
            None => self.longest,
            // An answer that is held back comes a second later.
            Some(_) if self.slows_down => self.longest,
            Some((mean, spread)) => {
                (mean + spread * 4).clamp(SHORTEST.min(self.longest), self.longest)
            }
        };
        base * (1 << attempt.min(DOUBLINGS))
    }

    /// When the next probe may leave.
    pub(crate) fn next_send(&self, now: Instant) -> Instant {
        self.last_sent.map_or(now, |last| last + self.delay)
    }

    pub(crate) fn sent(&mut self, now: Instant) {
        self.last_sent = Some(now);
        self.since_change += 1;
    }

    pub(crate) fn is_slowed(&self) -> bool {
        self.delay > Duration::ZERO
    }

    /// Takes an answer to an attempt; tells whether ports given up deserve another attempt.
    pub(crate) fn answered(&mut self, attempt: u8, rtt: Option<Duration>) -> bool {
        if let Some(rtt) = rtt {
            self.sample(rtt);
        }
        self.answers += 1;
        self.grow();
        if attempt == 0 {
            self.judge();
            return false;
        }
        self.losses += 1;
        self.judge();
        self.slow_down();
        let wanted = attempt.saturating_add(3).min(MOST_ATTEMPTS);
        let raised = wanted > self.attempts;
        self.attempts = self.attempts.max(wanted);
        raised
    }

    /// A probe whose wait is over has left the network: silence alone is no sign of loss, unless
    /// the host is known to speak at a rate of its own.
    pub(crate) fn silent(&mut self) {
        match self.slows_down && self.smoothed.is_some() {
            true => self.slow_down(),
            false => self.grow(),
        }
    }

    fn sample(&mut self, rtt: Duration) {
        self.smoothed = Some(match self.smoothed {
            None => (rtt, rtt / 2),
            Some((mean, spread)) => {
                let off = rtt.abs_diff(mean);
                ((mean * 7 + rtt) / 8, (spread * 3 + off) / 4)
            }
        });
    }

    fn grow(&mut self) {
        let step = if self.window < self.threshold { 1.0 } else { 1.0 / self.window };
        self.window = (self.window + step).min(self.most);
    }

    /// After each window of answers: more than a tenth lost is too fast, less is the way's nature.
    fn judge(&mut self) {
        if f64::from(self.answers) < self.window {
            return;
        }
        if self.losses * 10 > self.answers {
            self.window = (self.window / 2.0).max(self.least.min(self.most));
            self.threshold = self.window;
        }
        (self.answers, self.losses) = (0, 0);
    }

    fn slow_down(&mut self) {
        // What is heard right after a change may still belong to the time before it.
        if self.slows_down && self.since_change > 1 {
            self.delay = (self.delay * 2).clamp(FIRST_DELAY, SLOWEST);
            self.since_change = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn waits_follow_the_way_and_double() {
        let mut timing = Timing::new(ms(1000), 10, 100);
        assert_eq!(
            [timing.wait(0), timing.wait(1), timing.wait(9)],
            [ms(1000), ms(2000), ms(4000)]
        );
        for _ in 0..50 {
            timing.answered(0, Some(ms(1)));
        }
        assert_eq!(timing.wait(0), ms(100));
        for _ in 0..50 {
            timing.answered(0, Some(ms(300)));
        }
        assert!(timing.wait(0) >= ms(300) && timing.wait(0) <= ms(400), "{:?}", timing.wait(0));
    }

    #[test]
    fn a_few_losses_are_borne_and_many_halve_the_window() {
        let mut timing = Timing::new(ms(1000), 64, 1024);
        for n in 0..5000 {
            timing.answered(u8::from(n % 25 == 0), None);
        }
        assert_eq!(timing.window(), 1024);
        for n in 0..5000 {
            timing.answered(u8::from(n % 5 == 0), None);
        }
        assert!(timing.window() < 300, "{}", timing.window());
        assert!(timing.window() >= 16);
    }

    #[test]
    fn an_answer_to_a_later_attempt_earns_everybody_one_more() {
        let mut timing = Timing::new(ms(1000), 64, 1024);
        assert_eq!(timing.attempts(), 3);
        assert!(!timing.answered(0, None));
        assert!(timing.answered(1, None));
        assert!(!timing.answered(1, None));
        assert_eq!(timing.attempts(), 4);
        assert!(timing.answered(200, None));
        assert_eq!(timing.attempts(), MOST_ATTEMPTS);
    }

    #[test]
    fn a_host_that_answers_slowly_is_asked_slowly() {
        let start = Instant::now();
        let mut timing = Timing::new(ms(1000), 8, 64).slowing_down();
        assert_eq!(timing.next_send(start), start);
        for _ in 0..40 {
            timing.sent(start);
            timing.answered(1, None);
        }
        assert_eq!(timing.next_send(start), start + SLOWEST);
    }
}
