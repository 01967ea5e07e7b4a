//! Which frame goes out when: pure.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    time::{Duration, Instant},
};

use super::RelaySpec;

/// How long a reordered packet waits for a successor.
const HOLD: Duration = Duration::from_millis(200);

/// Due time, order of arrival, side to go out on, frame.
type Scheduled = (Instant, u64, usize, Vec<u8>);

/// Frames on their way, for both directions.
#[derive(Debug, Default)]
pub(super) struct Queue {
    frames: BinaryHeap<Reverse<Scheduled>>,
    arrivals: u64,
    sides: [Side; 2],
}

#[derive(Debug, Default)]
struct Side {
    packets: u64,
    held: Option<(Instant, Vec<u8>)>,
}

impl Queue {
    pub(super) fn push(&mut self, side: usize, frame: Vec<u8>, spec: &RelaySpec, now: Instant) {
        let due = now + spec.delay;
        if !is_counted(&frame) {
            return self.schedule(due, side, frame);
        }
        self.sides[side].packets += 1;
        let count = self.sides[side].packets;
        let hit = |one_in: u32| one_in > 0 && count.is_multiple_of(u64::from(one_in));
        if hit(spec.drop_one_in) {
            return;
        }
        if hit(spec.duplicate_one_in) {
            self.schedule(due, side, frame.clone());
        }
        if hit(spec.reorder_one_in) && self.sides[side].held.is_none() {
            self.sides[side].held = Some((due + HOLD, frame));
            return;
        }
        self.schedule(due, side, frame);
        if let Some((_, held)) = self.sides[side].held.take() {
            self.schedule(due, side, held);
        }
    }

    /// When to look again.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let held = self.sides.iter().filter_map(|side| Some(side.held.as_ref()?.0));
        held.chain(self.frames.peek().map(|Reverse(frame)| frame.0)).min()
    }

    /// Takes out what is due, in order.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        for side in 0..2 {
            if let Some((at, frame)) = self.sides[side].held.take_if(|(at, _)| *at <= now) {
                self.schedule(at, side, frame);
            }
        }
        let mut out = Vec::new();
        while self.frames.peek().is_some_and(|Reverse(frame)| frame.0 <= now) {
            out.extend(self.frames.pop().map(|Reverse((_, _, side, frame))| (side, frame)));
        }
        out
    }

    fn schedule(&mut self, due: Instant, side: usize, frame: Vec<u8>) {
        self.arrivals += 1;
        self.frames.push(Reverse((due, self.arrivals, side, frame)));
    }
}

/// IP, but neither neighbour discovery nor multicast membership (ICMPv6 130 to 143, or behind hop-by-hop options).
fn is_counted(frame: &[u8]) -> bool {
    match frame.get(12..14) {
        Some([0x08, 0x00]) => true,
        Some([0x86, 0xdd]) => match (frame.get(20), frame.get(54)) {
            (Some(0), _) => false,
            (Some(58), Some(kind)) => !(130..=143).contains(kind),
            _ => true,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(id: u8) -> Vec<u8> {
        let mut frame = vec![0; 15];
        frame[12] = 0x08;
        frame[14] = id;
        frame
    }

    fn pass(spec: RelaySpec, count: u8) -> Vec<u8> {
        let (mut queue, start) = (Queue::default(), Instant::now());
        (1..=count).for_each(|id| queue.push(0, packet(id), &spec, start));
        assert!(
            queue.due(start + spec.delay.saturating_sub(Duration::from_nanos(1))).is_empty()
                || spec.delay.is_zero()
        );
        queue.due(start + Duration::from_secs(9)).iter().map(|(_, frame)| frame[14]).collect()
    }

    #[test]
    fn each_fault_hits_every_nth_packet() {
        let spec = RelaySpec { delay: Duration::from_millis(5), ..RelaySpec::default() };
        assert_eq!(pass(spec, 3), [1, 2, 3]);
        assert_eq!(pass(RelaySpec { drop_one_in: 2, ..spec }, 5), [1, 3, 5]);
        assert_eq!(pass(RelaySpec { duplicate_one_in: 2, ..spec }, 3), [1, 2, 2, 3]);
        assert_eq!(pass(RelaySpec { reorder_one_in: 2, ..spec }, 4), [1, 3, 2, 4]);
    }
}
