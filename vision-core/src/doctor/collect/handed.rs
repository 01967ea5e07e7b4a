//! Packets that rules hand to programs: where none reads the queue, they are dropped.

use crate::base::Budget;
use crate::doctor::walls::{MetRule, UNREAD_QUEUE};
use crate::inventory::Inventory;

/// Marks the rules among them that hand packets to a queue which no program reads.
pub(super) fn mark_unread(met: &mut [MetRule], inventory: &mut Inventory, budget: &Budget) {
    let hands = |rule: &&mut MetRule| rule.outcome == "queue" && !rule.text.contains("bypass");
    let mut handing = met.iter_mut().filter(hands).peekable();
    if handing.peek().is_none() {
        return;
    }
    // What may not be read is no empty list.
    let Ok(read) = inventory.packet_queues(budget) else { return };
    for rule in handing {
        let Some(numbers) = numbers(&rule.text) else { continue };
        if !read.iter().any(|queue| numbers.contains(&queue.number)) {
            UNREAD_QUEUE.clone_into(&mut rule.outcome);
        }
    }
}

/// The numbers of the queues that a rule names: `queue num 3`, `queue flags fanout to 0-3`, `queue`.
fn numbers(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (_, words) = text.split_once("queue")?;
    let mut named = words.split_whitespace().skip_while(|word| !["num", "to"].contains(word));
    let Some(range) = named.nth(1) else {
        return words.trim().is_empty().then_some(0..=0);
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_queues_are_read() {
        for (text, expected) in [
            ("tcp dport 80 counter queue num 3", Some(3..=3)),
            ("queue num 0-3 fanout", Some(0..=3)),
            ("queue flags fanout to 4-5", Some(4..=5)),
            ("queue", Some(0..=0)),
            ("queue to numgen inc mod 4", None),
            ("accept", None),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }
}
