//! Ways out of tests that lead to a test whose answer is known there lead past it instead.

use std::collections::HashMap;

use super::facts::Facts;
use super::{Graph, Node, Place};
use crate::capture::filter::cond::Test;
use crate::capture::filter::value::Values;

/// A node or a way out of one, in the tree of what must be passed on the way to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stop {
    Node(Place),
    Way(Place, bool),
}

impl Graph {
    /// Finds better aims for ways out.
    pub(super) fn threaded(
        &self,
        order: &[Place],
        values: &Values,
    ) -> HashMap<(Place, bool), Place> {
        let mut aims = HashMap::new();
        let tree = Tree::of(self, order);
        let mut facts = Facts::default();
        let mut stack = vec![(Stop::Node(self.root), false)];
        while let Some((stop, left)) = stack.pop() {
            let fact = match stop {
                Stop::Way(from, way) => self.test(from).map(|test| (test, way)),
                Stop::Node(_) => None,
            };
            if left {
                if let Some((test, _)) = fact {
                    facts.pop(test, values);
                }
                continue;
            }
            if let Some((test, way)) = fact {
                facts.push(test, way, values);
            }
            if let Stop::Way(from, way) = stop
                && let Some(aim) = self.aim(from, way)
            {
                let better = self.past(aim, &facts, values);
                if better != aim {
                    aims.insert((from, way), better);
                }
            }
            stack.push((stop, true));
            stack.extend(tree.below(stop).iter().map(|it| (*it, false)));
        }
        aims
    }

    fn test(&self, place: Place) -> Option<Test> {
        match self.get(place) {
            Node::Test { test, .. } => Some(test),
            _ => None,
        }
    }

    fn aim(&self, place: Place, way: bool) -> Option<Place> {
        match self.get(place) {
            Node::Test { yes, no, .. } | Node::Follow { yes, no, .. } => {
                Some(if way { yes } else { no })
            }
            Node::Store { next, .. } => way.then_some(next),
            Node::Verdict(_) => None,
        }
    }

    /// Goes on as long as the answers are known.
    fn past(&self, mut place: Place, facts: &Facts, values: &Values) -> Place {
        while let Node::Test { test, yes, no } = self.get(place) {
            match facts.answer(test, values) {
                Some(true) => place = yes,
                Some(false) => place = no,
                None => break,
            }
        }
        place
    }
}

/// Who comes directly below whom: each stop below the last one that all ways to it pass.
struct Tree {
    below: HashMap<Stop, Vec<Stop>>,
}

impl Tree {
    fn of(graph: &Graph, order: &[Place]) -> Self {
        let mut above: HashMap<Stop, (Stop, u32)> = HashMap::new();
        let mut below: HashMap<Stop, Vec<Stop>> = HashMap::new();
        let mut nearest: HashMap<Place, Stop> = HashMap::new();
        for place in order {
            let node = Stop::Node(*place);
            if let Some(stop) = nearest.get(place).copied() {
                let depth = above.get(&stop).map_or(0, |it| it.1) + 1;
                above.insert(node, (stop, depth));
                below.entry(stop).or_default().push(node);
            }
            let depth = above.get(&node).map_or(0, |it| it.1) + 1;
            for way in [true, false] {
                let Some(aim) = graph.aim(*place, way) else { continue };
                let stop = Stop::Way(*place, way);
                above.insert(stop, (node, depth));
                below.entry(node).or_default().push(stop);
                // Verdicts have nothing below them.
                if !matches!(graph.get(aim), Node::Verdict(_)) {
                    let before = nearest.get(&aim).copied();
                    let common = before.map_or(stop, |it| common(&above, it, stop));
                    nearest.insert(aim, common);
                }
            }
        }
        Self { below }
    }

    fn below(&self, stop: Stop) -> &[Stop] {
        self.below.get(&stop).map_or(&[], Vec::as_slice)
    }
}

fn common(above: &HashMap<Stop, (Stop, u32)>, mut a: Stop, mut b: Stop) -> Stop {
    let depth = |stop: &Stop| above.get(stop).map_or(0, |it| it.1);
    while a != b {
        let lower = if depth(&a) >= depth(&b) { &mut a } else { &mut b };
        match above.get(lower) {
            Some((next, _)) => *lower = *next,
            None => break,
        }
    }
    if a == b { a } else { b }
}
