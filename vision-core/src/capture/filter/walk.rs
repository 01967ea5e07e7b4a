//! Short programs as a table of tests that is walked without a branch that could be mispredicted.
//!
//! What packets of a mix are cannot be foreseen, so that an interpreter waits for one wrong guess or
//! two in each of them, which takes longer than all its work. Here every packet goes the same number
//! of steps, verdicts leading to themselves, and where a test leads is looked up: the processor
//! works on several packets at once.

use super::machine::Step;
use super::value::Op;

/// A program without arithmetic, memory and jumps back.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    nodes: Vec<Node>,
    /// Steps after which every packet has its verdict.
    depth: usize,
    /// Where the length of a header is that others come after; in the low half of a byte.
    nibble: Option<usize>,
}

/// Longer ones are interpreted: most packets are done before the longest way ends.
const DEEPEST: usize = 14;

/// Whether some bits of the packet, as a number, are `low` or up to `span` more.
#[derive(Debug, Clone, Copy)]
struct Node {
    at: u32,
    /// All ones where the header's length is added to the place.
    indexed: u32,
    /// Which of the four bytes there.
    shift: u32,
    mask: u32,
    low: u32,
    span: u32,
    /// Where no and yes lead.
    next: [u32; 2],
}

/// What is known of the registers without a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Known {
    loaded: Option<Source>,
    /// The length of the header was asked for.
    header: bool,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Source {
    at: u32,
    indexed: bool,
    size: u32,
    mask: u32,
}

/// What is known where an instruction begins.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    known: Option<Known>,
    /// Tests on the longest way there.
    depth: usize,
}

impl Walk {
    /// Brings a program into this form, if it has one.
    pub(super) fn of(steps: &[Step]) -> Option<Self> {
        let mut before = vec![Before::default(); steps.len()];
        before.first_mut()?.known = Some(Known::default());
        let (mut nodes, mut nibble, mut depth) = (Vec::with_capacity(steps.len()), None, 0);
        for (at, step) in (0..).zip(steps) {
            let Before { known, depth: here } = *before.get(at as usize)?;
            let Some(mut known) = known else {
                // Nothing leads here.
                nodes.push(Node::passing(at));
                continue;
            };
            let after = steps.get(at as usize + 1);
            let node = match *step {
                Step::Return(k) => Node::verdict(at, k),
                Step::Jump(by) => Node::passing(at + 1 + by),
                Step::Nibble(k) if nibble.is_none_or(|it| it == k) && is_indexed(after) => {
                    (nibble, known.header) = (Some(k), true);
                    Node::passing(at + 1)
                }
                Step::Calculate(Op::And, mask) if is_used(after) => {
                    let loaded = known.loaded?;
                    known.loaded = Some(Source { mask: loaded.mask & mask, ..loaded });
                    Node::passing(at + 1)
                }
                step => match test(step) {
                    Some(test) => known.loaded?.node(test, at + 1),
                    None => {
                        let loads = source(step).filter(|it| it.indexed <= known.header);
                        known.loaded = Some(loads.filter(|_| is_used(after))?);
                        Node::passing(at + 1)
                    }
                },
            };
            let deeper = here + usize::from(node.is_test());
            depth = depth.max(deeper);
            for next in node.next.into_iter().filter(|next| *next != at) {
                before.get_mut(next as usize)?.meet(known, deeper);
            }
            nodes.push(node);
        }
        let nibble = nibble.map(|it| it as usize);
        (depth <= DEEPEST).then(|| Self { nodes: shortened(nodes), depth, nibble })
    }

    /// Returns the verdict; `None` where a load leads out of the packet.
    #[inline]
    pub(super) fn run(&self, data: &[u8]) -> Option<u32> {
        let header = match self.nibble {
            // Beyond any packet: the load that needs it refuses.
            Some(at) => data.get(at).map_or(FARTHEST, |byte| u32::from(byte & 15) << 2),
            None => 0,
        };
        let mut at = 0;
        for _ in 0..self.depth {
            let node = self.nodes.get(at)?;
            let place = (node.at + (header & node.indexed)) as usize;
            let word = match data.get(place..place + 4) {
                Some(four) => u32::from_be_bytes(*four.first_chunk()?),
                None => last(data, place, node.shift)?,
            };
            let value = (word >> node.shift) & node.mask;
            let holds = value.wrapping_sub(node.low) <= node.span;
            at = node.next[usize::from(holds)] as usize;
        }
        self.nodes.get(at).map(|node| node.low)
    }
}

/// The last bytes of a packet, as if more came after them.
#[cold]
fn last(data: &[u8], at: usize, shift: u32) -> Option<u32> {
    let rest = data.get(at..).unwrap_or_default();
    let needed = 4 - shift as usize / 8;
    if rest.len() < needed {
        return None;
    }
    let mut four = [0; 4];
    for (to, from) in four.iter_mut().zip(rest) {
        *to = *from;
    }
    Some(u32::from_be_bytes(four))
}

/// A comparison with what was loaded: its mask, the range, and whether the range means no.
struct Test {
    mask: u32,
    low: u32,
    span: u32,
    /// How many instructions are skipped outside the range and in it.
    skips: [u32; 2],
}

fn test(step: Step) -> Option<Test> {
    let mask = u32::MAX;
    Some(match step {
        Step::Equal(k, yes, no) => Test { mask, low: k, span: 0, skips: [no, yes] },
        Step::Bits(k, yes, no) => Test { mask: k, low: 0, span: 0, skips: [yes, no] },
        Step::AtLeast(k, yes, no) => Test { mask, low: k, span: mask - k, skips: [no, yes] },
        Step::Greater(k, yes, no) => {
            let low = k.checked_add(1)?;
            Test { mask, low, span: mask - low, skips: [no, yes] }
        }
        _ => return None,
    })
}

/// Has tests lead to tests and verdicts only.
fn shortened(mut nodes: Vec<Node>) -> Vec<Node> {
    // From behind, for all lead forward.
    for at in (0..nodes.len()).rev() {
        let leads = |to: u32| match nodes.get(to as usize) {
            Some(node) if to as usize != at && !node.is_test() => node.next[0],
            _ => to,
        };
        let Some(node) = nodes.get(at) else { continue };
        let next = node.next.map(leads);
        // The first is where it begins, whatever that is.
        let first = if at == 0 && !node.is_test() { nodes.get(next[0] as usize) } else { None };
        let node = Node { next, ..*node };
        let node = first.copied().unwrap_or(node);
        if let Some(place) = nodes.get_mut(at) {
            *place = node;
        }
    }
    nodes
}

/// What a load loads.
fn source(step: Step) -> Option<Source> {
    let (at, indexed, size) = match step {
        Step::Load4(at) => (at, false, 4),
        Step::Load2(at) => (at, false, 2),
        Step::Load1(at) => (at, false, 1),
        Step::Indexed4(at) => (at, true, 4),
        Step::Indexed2(at) => (at, true, 2),
        Step::Indexed1(at) => (at, true, 1),
        _ => return None,
    };
    // So that no sum is too large.
    (at < FARTHEST).then_some(Source { at, indexed, size, mask: u32::MAX })
}

/// Whether a number just loaded is looked at, so that the look can refuse what is too short.
fn is_used(after: Option<&Step>) -> bool {
    let Some(after) = after else { return false };
    matches!(after, Step::Calculate(Op::And, _)) || test(*after).is_some()
}

fn is_indexed(after: Option<&Step>) -> bool {
    matches!(after, Some(Step::Indexed1(_) | Step::Indexed2(_) | Step::Indexed4(_)))
}

impl Before {
    /// Takes what is known on one more way.
    fn meet(&mut self, other: Known, depth: usize) {
        self.depth = self.depth.max(depth);
        self.known = Some(match self.known {
            None => other,
            Some(known) => Known {
                loaded: known.loaded.filter(|it| other.loaded == Some(*it)),
                header: known.header && other.header,
            },
        });
    }
}

impl Source {
    /// Compares it, at an instruction before `after`.
    fn node(self, test: Test, after: u32) -> Node {
        let Test { mask, low, span, skips } = test;
        Node {
            at: self.at,
            indexed: if self.indexed { u32::MAX } else { 0 },
            shift: 32 - 8 * self.size,
            mask: self.mask & mask,
            low,
            span,
            next: skips.map(|skip| after + skip),
        }
    }
}

impl Node {
    /// Leads there, whatever the packet: of its bytes it needs one.
    fn passing(to: u32) -> Self {
        Self { at: 0, indexed: 0, shift: PASSING, mask: 0, low: 0, span: 0, next: [to; 2] }
    }

    /// Leads to itself.
    fn verdict(itself: u32, taken: u32) -> Self {
        Self { low: taken, ..Self::passing(itself) }
    }

    fn is_test(&self) -> bool {
        self.shift != PASSING
    }
}

/// No load has it.
const PASSING: u32 = 31;
/// Programs load from places before this one.
const FARTHEST: u32 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::super::{Filter, Machine};
    use crate::wire::LinkType;

    const FILTERS: &[&str] = &[
        "tcp port 443",
        "udp or icmp6",
        "vlan 5 and ip6",
        "host 10.0.0.2 and udp port 53",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "portrange 1000-2000",
        "ip[0] & 0xf > 5",
        "ether host 02:00:00:00:00:01",
        "net 10.0.0.0/8 and not arp",
        "ether[1] >= 4 and ether[2:4] < 0x80000000",
        "",
    ];

    /// Frames of a few kinds in every length, with numbers in them that the filters ask for.
    fn frames() -> Vec<Vec<u8>> {
        let mut seed = 7_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as u8
        };
        let mut all = Vec::new();
        for kind in [[8, 0], [0x86, 0xdd], [0x81, 0], [8, 6]] {
            for protocol in [1, 6, 17, 58] {
                for length in 0..90 {
                    let mut frame: Vec<_> = (0..length).map(|_| random()).collect();
                    let mut put = |at: usize, bytes: &[u8]| {
                        let places = frame.iter_mut().skip(at);
                        places.zip(bytes).for_each(|(to, from)| *to = *from);
                    };
                    put(12, &kind);
                    put(14, &[0x40 | (length % 7 + 3) as u8, 0]);
                    if kind == [0x81, 0] {
                        put(14, &[0, 5, 0x86, 0xdd]);
                    }
                    if length % 5 == 0 {
                        put(0, &[2, 0, 0, 0, 0, 1]);
                    }
                    put(20, &[if kind == [8, 0] { 0 } else { protocol }, 0]);
                    put(23, &[protocol]);
                    put(26, &[10, 0, 0, 1, 10, 0, 0, (length % 3) as u8]);
                    let port = [443_u16, 53, 1500][length / 12 % 3].to_be_bytes();
                    put([34, 36, 38, 54][length / 3 % 4], &port);
                    all.push(frame);
                }
            }
        }
        all
    }

    #[test]
    fn a_table_says_what_the_interpreter_says() {
        let (frames, mut tables) = (frames(), 0);
        for expression in FILTERS {
            let filter = Filter::compile(expression, LinkType::ETHERNET).expect(expression);
            let machine = Machine::new(filter.program()).expect(expression);
            tables += usize::from(machine.is_table());
            let mut taken = 0;
            for frame in &frames {
                let interpreted = machine.verdict(frame, frame.len() as u32).unwrap_or(0);
                let found = machine.run(frame, frame.len() as u32);
                assert_eq!(found, interpreted, "{expression}: {frame:02x?}");
                taken += usize::from(found != 0);
            }
            assert!(taken > 0, "{expression} takes something");
        }
        assert!(tables >= FILTERS.len() - 2, "{tables} of {}", FILTERS.len());
    }

    #[test]
    fn what_has_no_such_form_is_interpreted() {
        for expression in ["len > 100", "ip[6] + ip[7] == 5", "ip6 protochain 6"] {
            let filter = Filter::compile(expression, LinkType::ETHERNET).expect(expression);
            assert!(!Machine::new(filter.program()).expect(expression).is_table(), "{expression}");
        }
    }
}
