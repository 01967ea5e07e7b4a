use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::poll::PollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use socket2::{SockAddr, Socket};

use super::ClockOutcome;
use crate::base::{Error, Family, Op, Reason, Result, Timestamp};
use crate::probe::IcmpError;
use crate::probe::machine::{BURST, Channel, Machine};
use crate::probe::ping::{Clocks, is_network_error};
use crate::probe::rounds::{Heard, Rounds};
use crate::socket::{self, Kind, Options};
use crate::wire::icmp::strip_ipv4;
use crate::wire::timestamp::{DAY_MS, TimestampMessage};

/// A raw socket, and what went out through it.
pub(crate) struct ClockChannel {
    socket: Socket,
    to: Ipv4Addr,
    at: SockAddr,
    id: u16,
    /// When request `n + 1` left, on the monotonic clock and in milliseconds since midnight.
    sent: Vec<(Instant, u32)>,
    buffer: Vec<u8>,
    clocks: Clocks,
}

impl ClockChannel {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(to: Ipv4Addr, id: u16, options: &Options) -> Result<Self> {
        let socket = socket::open(Kind::IcmpRaw(Family::V4), options)?;
        // Without the kernel's stamp a reply counts from the moment it is read.
        let _ = setsockopt(&socket, ReceiveTimestampns, &true);
        let at = socket::with_scope(IpAddr::V4(to), 0, 0).into();
        let (sent, buffer, clocks) = (Vec::new(), vec![0; 2048], Clocks::read());
        Ok(Self { socket, to, at, id, sent, buffer, clocks })
    }

    /// The request of this number, if that is what was sent at this time of day.
    fn request(&self, seq: u16, originate_ms: u32) -> Option<Instant> {
        let (at, ms) = self.sent.get(usize::from(seq).wrapping_sub(1))?;
        (*ms == originate_ms).then_some(*at)
    }

    /// What a message means; `None` for what is no answer to this probe.
    fn read(
        &self,
        from: IpAddr,
        bytes: &[u8],
        at: Instant,
        wall: Timestamp,
    ) -> Option<Heard<ClockOutcome>> {
        let reply = TimestampMessage::reply(bytes).filter(|reply| reply.id == self.id)?;
        let TimestampMessage { seq, originate_ms, receive, transmit, .. } = reply;
        let Some(sent) = self.request(seq, originate_ms).filter(|_| from == IpAddr::V4(self.to))
        else {
            return Some(Heard::Stray);
        };
        let rtt = at.saturating_duration_since(sent);
        let outcome = match (standard(receive), standard(transmit)) {
            (Some(receive_ms), Some(transmit_ms)) => {
                let back_ms = of_day(wall);
                let offset_ms = offset(originate_ms, receive_ms, transmit_ms, back_ms);
                ClockOutcome::Told { rtt, originate_ms, receive_ms, transmit_ms, offset_ms }
            }
            _ => {
                let plain = |time: u32| time & !NON_STANDARD;
                ClockOutcome::NonStandard {
                    rtt,
                    receive: plain(receive),
                    transmit: plain(transmit),
                }
            }
        };
        Some(Heard::Outcome { nth: seq, outcome })
    }
}

/// Set in a time that counts something else (RFC 792).
const NON_STANDARD: u32 = 1 << 31;

/// The time, if it may be one in milliseconds since midnight.
fn standard(time: u32) -> Option<u32> {
    (time < DAY_MS).then_some(time)
}

/// Milliseconds since midnight UTC.
fn of_day(at: Timestamp) -> u32 {
    let ms = at.as_unix_nanos().div_euclid(1_000_000).rem_euclid(DAY_MS.into());
    u32::try_from(ms).unwrap_or_default()
}

/// By how much the other clock is ahead, if both ways took the same time; across midnight too.
fn offset(originate: u32, receive: u32, transmit: u32, back: u32) -> i32 {
    let ahead = |there: u32, here: u32| {
        let (day, half) = (i64::from(DAY_MS), i64::from(DAY_MS) / 2);
        (i64::from(there) - i64::from(here) + half).rem_euclid(day) - half
    };
    let sum = ahead(receive, originate) + ahead(transmit, back);
    i32::try_from(sum.div_euclid(2)).unwrap_or_default()
}

impl Channel<Rounds<ClockOutcome>> for ClockChannel {
    fn perform(
        &mut self,
        nth: u16,
        machine: &mut Rounds<ClockOutcome>,
        now: Instant,
    ) -> Result<()> {
        self.clocks = Clocks::read();
        let originate_ms = of_day(Timestamp::now());
        self.sent.push((self.clocks.monotonic, originate_ms));
        let bytes = TimestampMessage::request(self.id, nth, originate_ms);
        match socket::send_to(&self.socket, &bytes, &self.at) {
            Ok(()) => Ok(()),
            Err(e) => {
                self.drain(machine, now)?;
                let outcome = ClockOutcome::LocalError(Reason::from(e));
                machine.handle(Heard::Outcome { nth, outcome }, now);
                Ok(())
            }
        }
    }

    fn drain(&mut self, machine: &mut Rounds<ClockOutcome>, now: Instant) -> Result<()> {
        while let Some(error) = socket::next_error(&self.socket, Family::V4) {
            let quoted = TimestampMessage::quoted_request(&error.payload);
            let ours = quoted.filter(|(id, _)| *id == self.id);
            if let (Some((_, nth)), Some(fault)) = (ours, error.icmp) {
                let outcome = ClockOutcome::Unreachable(IcmpError::new(Family::V4, fault));
                machine.handle(Heard::Outcome { nth, outcome }, now);
            }
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.drain_replies(&mut buffer, machine, now);
        self.buffer = buffer;
        result
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.socket.as_fd(), PollFlags::POLLIN);
    }
}

impl ClockChannel {
    fn drain_replies(
        &self,
        buffer: &mut [u8],
        machine: &mut Rounds<ClockOutcome>,
        now: Instant,
    ) -> Result<()> {
        for _ in 0..BURST {
            let received = match socket::receive(&self.socket, buffer) {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(()),
                // The pending error of an earlier request; the queue has the details.
                Err(e) if is_network_error(&e) => continue,
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            };
            let Some(from) = received.from.map(|from| from.ip()) else { continue };
            let Ok((_, message)) = strip_ipv4(received.bytes) else { continue };
            let (at, wall) = (self.clocks.arrival(received.stamp), received.stamp);
            let wall = wall.unwrap_or_else(Timestamp::now);
            if let Some(heard) = self.read(from, message, at, wall) {
                machine.handle(heard, now);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_across_midnight_and_half_a_day() {
        assert_eq!(offset(1000, 1005, 1005, 1010), 0);
        assert_eq!(offset(1000, 4005, 4006, 1010), 3000);
        assert_eq!(offset(1000, DAY_MS - 2000, DAY_MS - 2000, 1000), -3000);
        assert_eq!(offset(DAY_MS - 1, 4, 4, 9), 0);
        assert_eq!(offset(0, DAY_MS / 2 - 1, DAY_MS / 2 - 1, 0), 43_199_999);
    }

    #[test]
    fn the_time_of_day_is_what_is_left_of_the_days() {
        let at = |seconds: i64| of_day(Timestamp::from_unix_nanos(seconds * 1_000_000_000));
        assert_eq!(at(86_400 * 20_000 + 61), 61_000);
        assert_eq!(at(-1), DAY_MS - 1000);
    }
}
