//! The time before each line.

use std::io::Write;

use vision_core::Timestamp;

use crate::output::text::Put;

/// How the time of a packet is written; all of them in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// `13:37:00.000001`
    #[default]
    Day,
    /// Not at all (`-t`).
    None,
    /// Seconds since 1970 (`-tt`).
    Epoch,
    /// Since the packet before (`-ttt`).
    Delta,
    /// `2026-11-21 13:37:00.000001` (`-tttt`).
    Date,
    /// Since the first packet (`-ttttt`).
    First,
}

/// The times that others are told from.
#[derive(Debug, Default)]
pub(super) struct Memory {
    first: Option<i64>,
    last: Option<i64>,
    /// The second last written and its text, which most packets share.
    second: i64,
    text: Vec<u8>,
}

const SECOND: i64 = 1_000_000_000;

impl Memory {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, clock: Clock, time: Option<Timestamp>) {
        let Some(now) = time.map(Timestamp::as_unix_nanos) else {
            return;
        };
        let first = *self.first.get_or_insert(now);
        let last = self.last.replace(now).unwrap_or(now);
        match clock {
            Clock::None => return,
            Clock::Day | Clock::Date | Clock::Epoch => self.wall(out, clock, now),
            Clock::Delta => span(out, now.saturating_sub(last)),
            Clock::First => span(out, now.saturating_sub(first)),
        }
        out.push(b' ');
    }

    fn wall(&mut self, out: &mut Vec<u8>, clock: Clock, now: i64) {
        let second = now.div_euclid(SECOND);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text.clear();
            whole(&mut self.text, clock, second);
        }
        out.extend_from_slice(&self.text);
        micros(out, now.rem_euclid(SECOND));
    }
}

fn whole(out: &mut Vec<u8>, clock: Clock, second: i64) {
    if clock == Clock::Epoch {
        return out.int(second);
    }
    let (days, rest) = (second.div_euclid(86_400), second.rem_euclid(86_400));
    if clock == Clock::Date {
        let (year, month, day) = date(days);
        let _ = write!(out, "{year:04}-{month:02}-{day:02} ");
    }
    let _ = write!(out, "{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
}

/// The day of the common calendar, counted from 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    // Years that begin in March, in eras of 400 years: leap days come last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + carry, month, day)
}

fn span(out: &mut Vec<u8>, nanos: i64) {
    if nanos < 0 {
        out.push(b'-');
    }
    let nanos = nanos.saturating_abs();
    let seconds = nanos / SECOND;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, " {h:02}:{m:02}:{s:02}");
    micros(out, nanos % SECOND);
}

/// A dot and six digits.
fn micros(out: &mut Vec<u8>, nanos: i64) {
    let micros = (nanos / 1000) as u32;
    let (high, low) = (micros / 1000, micros % 1000);
    let digit = |n: u32| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[
        b'.',
        digit(high / 100),
        digit(high / 10),
        digit(high),
        digit(low / 100),
        digit(low / 10),
        digit(low),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        let shown = |clock, nanos| {
            let mut out = Vec::new();
            Memory::default().put(&mut out, clock, Some(Timestamp::from_unix_nanos(nanos)));
            String::from_utf8(out).expect("text")
        };
        let at = 1_709_210_096 * SECOND + 123_456_789;
        assert_eq!(shown(Clock::Date, at), "2024-02-29 12:34:56.123456 ");
        assert_eq!(shown(Clock::Day, at), "12:34:56.123456 ");
        assert_eq!(shown(Clock::Epoch, at), "1709210096.123456 ");
        assert_eq!(shown(Clock::Date, -1), "1969-12-31 23:59:59.999999 ");
        assert_eq!(shown(Clock::None, at), "");
    }
}
