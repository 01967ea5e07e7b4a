//! Which rules would a packet meet? A walk on paper.

use std::net::IpAddr;

use super::flow::{Flow, FlowPart};
use super::model::{Chain, FwFamily};
use super::paper::{Does, Paper};
use super::text::Text;
use super::{ByChain, Ruleset};

/// A rule, or the policy of a chain, that a packet would meet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Met {
    /// Where the base chain is attached.
    pub hook: String,
    /// Its priority there.
    pub priority: i32,
    /// Its family.
    pub family: FwFamily,
    /// Its table.
    pub table: String,
    /// The chain the rule is in.
    pub chain: String,
    /// The rule; none for a chain's policy.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub handle: Option<u64>,
    /// What becomes of the packet: `accept`, `drop`, `reject`, `translate`, `queue`, `jump CHAIN`,
    /// `goto CHAIN`, `return`, `continue`.
    pub outcome: String,
    /// Whether that is certain, on all that came before.
    pub certain: bool,
    /// What would have to be known: the kinds of expressions this walk cannot judge.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub depends_on: Vec<String>,
    /// Where a translation sends it instead: one target, or those of a map that decides by what is
    /// not known. Those that extensions of iptables hold are in the words alone.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub to: Vec<NatTarget>,
    /// The rule in nft's words.
    pub text: String,
}

/// What becomes of a packet's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct NatTarget {
    /// The address; none where it stays as it is.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub addr: Option<IpAddr>,
    /// The port; none where it stays as it is.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub port: Option<u16>,
}

/// Walks the first packet of a connection through the rules of every hook, in order.
///
/// **Static**: nothing is sent. Routing, address translation on the way, marks and what other
/// packets left in sets and limits are not known here; rules that depend on them are met, not
/// certain. Which of the hooks a packet comes through is the routing's business.
pub fn why(ruleset: &Ruleset, text: &Text<'_>, flow: &Flow) -> Vec<Met> {
    let mut met = Vec::new();
    let rules = ruleset.by_chain();
    let links = [&flow.iif, &flow.oif].map(|name| text.number_of(name.as_deref()?));
    for hook in ["ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"] {
        let mut chains: Vec<_> = ruleset.chains.iter().filter(|it| sees(it, hook, flow)).collect();
        chains.sort_by_key(|chain| chain.hook.as_ref().map(|hook| hook.priority));
        let mut certain = true;
        for chain in chains {
            let mut walk = Walk {
                ruleset,
                rules: &rules,
                text,
                flow,
                links,
                base: chain,
                met: &mut met,
                certain,
                jumps: 0,
                depth: 0,
            };
            match walk.chain(chain) {
                End::Dropped => break,
                End::Left | End::Over => {}
            }
            certain = walk.certain;
        }
    }
    met
}

fn sees(chain: &Chain, hook: &str, flow: &Flow) -> bool {
    let arp = flow.part.is_discovery() && flow.src.is_ipv4();
    let family = match chain.family {
        family if flow.bridged => family == FwFamily::Bridge,
        FwFamily::Arp => arp,
        FwFamily::Ip | FwFamily::Inet if arp => false,
        FwFamily::Ip => flow.src.is_ipv4(),
        FwFamily::Ip6 => flow.src.is_ipv6(),
        family => matches!(family, FwFamily::Inet | FwFamily::Netdev),
    };
    // A connection is translated once, by its first packet (net/netfilter/nf_nat_core.c `nf_nat_inet_fn`).
    let nat = chain.kind.as_ref().is_some_and(|kind| *kind == *"nat");
    let translated = nat && flow.part != FlowPart::First;
    family && !translated && chain.hook.as_ref().is_some_and(|it| it.name == hook)
}

/// How a chain ended.
enum End {
    /// Every rule was read.
    Over,
    /// A rule took the packet out of this base chain.
    Left,
    /// The packet is gone.
    Dropped,
}

struct Walk<'w> {
    ruleset: &'w Ruleset,
    rules: &'w ByChain<'w>,
    text: &'w Text<'w>,
    flow: &'w Flow,
    /// The numbers of its links, where they are known.
    links: [Option<u32>; 2],
    base: &'w Chain,
    met: &'w mut Vec<Met>,
    certain: bool,
    jumps: u32,
    depth: u32,
}

impl Walk<'_> {
    fn chain(&mut self, base: &Chain) -> End {
        let end = self.rules(base.name.as_bytes());
        if !matches!(end, End::Over) {
            return end;
        }
        let drop = base.policy == Some(0);
        let outcome = if drop { "drop" } else { "accept" };
        let text = format!("policy {outcome}");
        let certain = self.certain;
        let chain = base.name.escaped().to_string();
        self.note(Met { handle: None, chain, certain, text, ..self.blank(outcome) });
        match drop && certain {
            true => End::Dropped,
            false => End::Over,
        }
    }

    fn rules(&mut self, chain: &[u8]) -> End {
        self.jumps += 1;
        // The kernel allows 16 levels; a ruleset read while it changed may hold a circle.
        if self.jumps > JUMPS || self.depth > DEPTH {
            return End::Over;
        }
        let key = (self.base.family, self.base.table.as_bytes(), chain);
        for rule in self.rules.get(&key).cloned().unwrap_or_default() {
            let mut paper = Paper::new(self.flow, self.ruleset, rule, self.links);
            let does = paper.read();
            let unknown = std::mem::take(&mut paper.unknown);
            let branches = std::mem::take(&mut paper.branches);
            let to = std::mem::take(&mut paper.to);
            if does == Does::Nothing {
                continue;
            }
            let sure = unknown.is_empty();
            let (outcome, chain) = named(&does);
            let certain = self.certain && sure;
            self.note(Met {
                handle: Some(rule.handle),
                chain: rule.chain.escaped().to_string(),
                certain,
                depends_on: unknown,
                to,
                text: self.text.rule_body(rule),
                ..self.blank(&outcome)
            });
            let before = self.certain;
            self.certain = certain;
            // It goes by one of them, and which is not known.
            for branch in branches {
                self.certain = false;
                self.depth += 1;
                self.rules(&branch);
                self.depth -= 1;
            }
            let end = match (&does, chain) {
                (Does::Decides(-3 | -4, _), Some(to)) => {
                    self.depth += 1;
                    let end = self.rules(&to);
                    self.depth -= 1;
                    match (&does, end) {
                        (Does::Decides(-4, _), End::Over) if sure => return End::Over,
                        (_, End::Over) => None,
                        (_, end) => Some(end),
                    }
                }
                (Does::Decides(0, _), _) | (Does::Takes("reject"), _) => Some(End::Dropped),
                (Does::Decides(1, _), _) | (Does::Takes(_), _) => Some(End::Left),
                (Does::Decides(-5, _), _) => {
                    if sure {
                        self.certain = before;
                        return End::Over;
                    }
                    None
                }
                _ => None,
            };
            match end {
                Some(end) if self.certain => return end,
                // It may have ended here: all that follows is less than certain.
                Some(_) => self.certain = false,
                None => self.certain = before && (sure || matches!(does, Does::Passes)),
            }
        }
        End::Over
    }

    fn note(&mut self, met: Met) {
        self.met.push(met);
    }

    fn blank(&self, outcome: &str) -> Met {
        let hook = self.base.hook.as_ref();
        Met {
            hook: hook.map(|hook| hook.name.clone()).unwrap_or_default(),
            priority: hook.map_or(0, |hook| hook.priority),
            family: self.base.family,
            table: self.base.table.escaped().to_string(),
            chain: String::new(),
            handle: None,
            outcome: outcome.to_owned(),
            certain: true,
            depends_on: Vec::new(),
            to: Vec::new(),
            text: String::new(),
        }
    }
}

/// How deep chains may lie in each other (net/netfilter `NFT_JUMP_STACK_SIZE`).
const DEPTH: u32 = 16;
/// How many chains one walk enters at most.
const JUMPS: u32 = 4096;

fn named(does: &Does) -> (String, Option<Vec<u8>>) {
    let to = |chain: &Option<Vec<u8>>| {
        crate::base::Escaped::new(chain.as_deref().unwrap_or_default()).to_string()
    };
    match does {
        Does::Decides(0, _) => ("drop".to_owned(), None),
        Does::Decides(1, _) => ("accept".to_owned(), None),
        Does::Decides(-3, chain) => (format!("jump {}", to(chain)), chain.clone()),
        Does::Decides(-4, chain) => (format!("goto {}", to(chain)), chain.clone()),
        Does::Decides(-5, _) => ("return".to_owned(), None),
        Does::Takes(how) => ((*how).to_owned(), None),
        Does::Nothing | Does::Passes | Does::Decides(..) => ("continue".to_owned(), None),
    }
}
