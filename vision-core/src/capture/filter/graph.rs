//! A decision graph: tests with two ways out, to the verdicts. It has no cycles.

mod facts;
mod thread;

use std::collections::{HashMap, HashSet};

use super::cond::{Cond, HeaderChain, Test};
use super::tree::Join;
use super::value::{Id, Value, Values};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Verdict(bool),
    Test { test: Test, yes: Place, no: Place },
    Store { slot: Id, value: Id, next: Place },
    Follow { chain: HeaderChain, yes: Place, no: Place },
}

/// The number of a node.
pub(super) type Place = u32;

const ACCEPT: Place = 0;
const REJECT: Place = 1;
/// Larger graphs are left as they are: they are lists, and only time would be lost.
const LARGEST: usize = 200_000;
const ROUNDS: u32 = 24;

#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    known: HashMap<Node, Place>,
    pub root: Place,
    merge: bool,
}

impl Graph {
    /// Lays a condition out; with `merge`, equal nodes are one.
    pub(super) fn new(cond: &Cond, merge: bool) -> Self {
        let mut graph = Self::empty(merge);
        graph.root = graph.lower(cond, ACCEPT, REJECT);
        graph
    }

    fn empty(merge: bool) -> Self {
        let nodes = vec![Node::Verdict(true), Node::Verdict(false)];
        Self { nodes, known: HashMap::new(), root: ACCEPT, merge }
    }

    pub(super) fn get(&self, place: Place) -> Node {
        self.nodes.get(place as usize).copied().unwrap_or(Node::Verdict(false))
    }

    fn add(&mut self, node: Node) -> Place {
        match node {
            Node::Verdict(true) => return ACCEPT,
            Node::Verdict(false) => return REJECT,
            Node::Test { yes, no, .. } | Node::Follow { yes, no, .. }
                if self.merge && yes == no =>
            {
                return yes;
            }
            // Nothing is kept for who takes or leaves the packet already.
            Node::Store { next, .. } if self.merge && next <= REJECT => return next,
            _ => {}
        }
        let next = self.nodes.len() as Place;
        if self.merge {
            let place = *self.known.entry(node).or_insert(next);
            if place != next {
                return place;
            }
        }
        self.nodes.push(node);
        next
    }

    /// Builds from the verdicts backwards.
    fn lower(&mut self, cond: &Cond, yes: Place, no: Place) -> Place {
        match cond {
            Cond::Always(true) => yes,
            Cond::Always(false) => no,
            Cond::Test(test) => self.add(Node::Test { test: *test, yes, no }),
            Cond::Not(inner) => self.lower(inner, no, yes),
            Cond::All(all) => all.iter().rev().fold(yes, |yes, it| self.lower(it, yes, no)),
            Cond::Any(any) => any.iter().rev().fold(no, |no, it| self.lower(it, yes, no)),
            Cond::Chain(first, more) => {
                let (mut yes, mut no) = (yes, no);
                for (join, next) in more.iter().rev() {
                    let then = self.lower(next, yes, no);
                    match join {
                        Join::And => yes = then,
                        Join::Or => no = then,
                    }
                }
                self.lower(first, yes, no)
            }
            Cond::Follow(chain) => self.add(Node::Follow { chain: *chain, yes, no }),
            Cond::If(parts) => {
                let [cond, then, other] = parts.as_ref();
                let (then, other) = (self.lower(then, yes, no), self.lower(other, yes, no));
                self.lower(cond, then, other)
            }
            Cond::Store(slot, value) => {
                self.add(Node::Store { slot: *slot, value: *value, next: yes })
            }
        }
    }

    /// All nodes that can be reached, each before those it leads to.
    pub(super) fn order(&self) -> Vec<Place> {
        let mut done = vec![false; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut stack = vec![(self.root, false)];
        while let Some((place, left)) = stack.pop() {
            if left {
                order.push(place);
                continue;
            }
            match done.get_mut(place as usize) {
                Some(done) if !*done => *done = true,
                _ => continue,
            }
            stack.push((place, true));
            match self.get(place) {
                Node::Verdict(_) => {}
                // The last pushed is looked at first, and what is looked at first comes last.
                Node::Test { yes, no, .. } | Node::Follow { yes, no, .. } => {
                    stack.extend([(yes, false), (no, false)]);
                }
                Node::Store { next, .. } => stack.push((next, false)),
            }
        }
        order.reverse();
        order
    }

    /// Leaves out what the tests before have answered, until nothing changes.
    pub(super) fn optimise(&mut self, values: &Values) {
        if self.nodes.len() > LARGEST {
            return;
        }
        for _ in 0..ROUNDS {
            let order = self.order();
            let aims = self.threaded(&order, values);
            let used = self.used_slots(&order, values);
            let mut next = Self::empty(true);
            next.root = next.rebuilt(self, &order, &aims, &used);
            let tests = order.iter().filter(|it| **it > REJECT).count();
            let same = next.nodes.len() == tests + 2 && aims.is_empty();
            *self = next;
            if same {
                return;
            }
        }
    }

    /// Copies what is reached, with other aims for some ways out.
    fn rebuilt(
        &mut self,
        old: &Self,
        order: &[Place],
        aims: &HashMap<(Place, bool), Place>,
        used: &HashSet<Id>,
    ) -> Place {
        let mut places = vec![REJECT; old.nodes.len()];
        let new = |places: &[Place], at: Place| places.get(at as usize).copied().unwrap_or(REJECT);
        for place in order.iter().rev() {
            let aim = |way: bool, other: Place| aims.get(&(*place, way)).copied().unwrap_or(other);
            let node = match old.get(*place) {
                Node::Verdict(verdict) => Node::Verdict(verdict),
                Node::Test { test, yes, no } => {
                    let yes = new(&places, aim(true, yes));
                    Node::Test { test, yes, no: new(&places, aim(false, no)) }
                }
                Node::Follow { chain, yes, no } => {
                    let yes = new(&places, aim(true, yes));
                    Node::Follow { chain, yes, no: new(&places, aim(false, no)) }
                }
                Node::Store { slot, value, next } => {
                    let next = new(&places, aim(true, next));
                    match used.contains(&slot) {
                        true => Node::Store { slot, value, next },
                        false => {
                            if let Some(it) = places.get_mut(*place as usize) {
                                *it = next;
                            }
                            continue;
                        }
                    }
                }
            };
            let at = self.add(node);
            if let Some(it) = places.get_mut(*place as usize) {
                *it = at;
            }
        }
        new(&places, old.root)
    }

    /// The slots that somebody reads.
    fn used_slots(&self, order: &[Place], values: &Values) -> HashSet<Id> {
        let mut used = HashSet::new();
        let mut seen = HashSet::new();
        let mut stack: Vec<Id> = Vec::new();
        for place in order {
            match self.get(*place) {
                Node::Test { test, .. } => stack.extend([test.a, test.b]),
                Node::Store { value, .. } => stack.push(value),
                Node::Verdict(_) | Node::Follow { .. } => {}
            }
        }
        while let Some(id) = stack.pop() {
            if !seen.insert(id) {
                continue;
            }
            match values.get(id) {
                Value::Slot { .. } => drop(used.insert(id)),
                Value::Load { index: Some(index), .. } => stack.push(index),
                Value::Of(_, a, b) => stack.extend([a, b]),
                Value::Negated(a) => stack.push(a),
                _ => {}
            }
        }
        used
    }
}
