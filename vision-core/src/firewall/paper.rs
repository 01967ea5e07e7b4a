//! Rules on paper: does a packet that is known in part match?

use super::expr::Expression;
use super::flow::Flow;
use super::proto::{CT, META};
use super::types;
use super::value::Value;
use super::why::NatTarget;
use super::{Element, Rule, Ruleset, SetContent};

/// What a rule does with a packet.
// closed: private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Does {
    /// It does not match.
    Nothing,
    /// It matches and the packet goes on to the next rule.
    Passes,
    /// It matches and decides.
    Decides(i32, Option<Vec<u8>>),
    /// It matches and takes the packet out of the chain in a way of its own: reject, nat, queue.
    Takes(&'static str),
}

/// A rule's registers while it is read.
pub(super) struct Paper<'p> {
    flow: &'p Flow,
    sets: &'p Ruleset,
    rule: &'p Rule,
    /// The numbers of the links it comes in by and leaves by.
    links: [Option<u32>; 2],
    registers: Registers,
    /// What was to be in the registers that are not known.
    missing: [Option<String>; 20],
    /// What would have to be known to be certain.
    pub(super) unknown: Vec<String>,
    /// The chains it may go to, where a map decides by what is not known.
    pub(super) branches: Vec<Vec<u8>>,
    /// What may be in the registers from a place on, where a map decides by what is not known.
    choices: Option<(usize, Vec<Vec<u8>>)>,
    /// Where the packet is sent instead, as far as the maps tell.
    pub(super) to: Vec<NatTarget>,
}

impl<'p> Paper<'p> {
    pub(super) fn new(
        flow: &'p Flow,
        sets: &'p Ruleset,
        rule: &'p Rule,
        links: [Option<u32>; 2],
    ) -> Self {
        Self {
            flow,
            sets,
            rule,
            links,
            registers: [None; 20],
            missing: Default::default(),
            unknown: Vec::new(),
            branches: Vec::new(),
            choices: None,
            to: Vec::new(),
        }
    }

    /// Reads the rule.
    pub(super) fn read(&mut self) -> Does {
        let mut does = Does::Passes;
        for expr in &self.rule.expressions {
            match self.step(expr) {
                Some(Does::Passes) => {}
                Some(Does::Nothing) => return Does::Nothing,
                Some(other) => does = other,
                None => {
                    let what = self.what(expr);
                    if !self.unknown.contains(&what) {
                        self.unknown.push(what);
                    }
                }
            }
        }
        does
    }

    /// Carries out one expression; `None` when that would take more than is known.
    fn step(&mut self, expr: &Expression) -> Option<Does> {
        let when = |yes: bool| Some(if yes { Does::Passes } else { Does::Nothing });
        match expr.name.as_bytes() {
            b"cmp" => {
                let data = expr.bytes("data")?;
                let have = self.get(expr, "sreg", data.len())?;
                let order = have.as_slice().cmp(data);
                when(match expr.number("op")? {
                    0 => order.is_eq(),
                    1 => order.is_ne(),
                    2 => order.is_lt(),
                    3 => order.is_le(),
                    4 => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            b"range" => {
                let (from, to) = (expr.bytes("from")?, expr.bytes("to")?);
                let have = self.get(expr, "sreg", from.len())?;
                let inside = have.as_slice() >= from && have.as_slice() <= to;
                when(inside == (expr.number("op") == Some(0)))
            }
            b"lookup" => self.lookup(expr),
            b"immediate" => match expr.get("data")? {
                Value::Verdict { code, chain } => {
                    Some(Does::Decides(*code, chain.as_ref().map(|it| it.as_bytes().to_vec())))
                }
                Value::Bytes(bytes) => self.put(expr, Some(bytes.clone())),
                _ => None,
            },
            b"bitwise" | b"byteorder" => {
                let value = self.change(expr);
                self.put(expr, value)
            }
            b"reject" => Some(Does::Takes("reject")),
            b"nat" => {
                self.to = self.targets(expr);
                Some(Does::Takes("translate"))
            }
            b"masq" | b"redir" => Some(Does::Takes("translate")),
            b"queue" => Some(Does::Takes("queue")),
            b"target" => Some(match expr.text("name")?.as_bytes() {
                b"DNAT" | b"SNAT" | b"MASQUERADE" | b"REDIRECT" | b"NETMAP" => {
                    Does::Takes("translate")
                }
                b"REJECT" => Does::Takes("reject"),
                b"NFQUEUE" => Does::Takes("queue"),
                _ => Does::Passes,
            }),
            b"match" => match expr.text("name")?.as_bytes() {
                b"comment" => Some(Does::Passes),
                b"conntrack" => when(super::xt::admits(expr, self.flow.part.state())?),
                _ => None,
            },
            b"limit" | b"quota" | b"connlimit" | b"synproxy" | b"tproxy" | b"fwd" => None,
            _ if expr.number("dreg").is_some() => {
                let value = self.load(expr);
                self.put(expr, value)
            }
            _ if !expr.known => None,
            _ => Some(Does::Passes),
        }
    }

    /// Names what is not known.
    fn what(&self, expr: &Expression) -> String {
        if let Some(name) = expr.text("name").filter(|_| expr.is("match")) {
            return name.escaped().to_string();
        }
        let sreg = expr.number("sreg").and_then(super::text::slot);
        let source = sreg.and_then(|at| self.missing.get(at)).cloned().flatten();
        if let Some(source) = source {
            return source;
        }
        let key = expr.number("key").and_then(|key| usize::try_from(key).ok());
        match expr.name.as_bytes() {
            b"meta" => key.and_then(|key| META.get(key)).map(|row| row.0.to_owned()),
            b"ct" => key.and_then(|key| CT.get(key)).map(|row| format!("ct {}", row.0)),
            b"payload" => Some("more of the packet".to_owned()),
            _ => None,
        }
        .unwrap_or_else(|| expr.name.to_string())
    }

    fn load(&self, expr: &Expression) -> Option<Vec<u8>> {
        let key = expr.number("key");
        let six = self.flow.src.is_ipv6();
        let arp = !six && self.flow.part.is_discovery();
        let named = |name: &Option<String>| {
            let mut bytes = name.as_ref()?.as_bytes().to_vec();
            bytes.resize(16, 0);
            Some(bytes)
        };
        match (expr.name.as_bytes(), key) {
            (b"payload", _) => {
                let header = match expr.number("base")? {
                    0 => self.flow.link(),
                    1 => self.flow.network(),
                    2 => self.flow.transport(),
                    _ => return None,
                };
                let from = usize::try_from(expr.number("offset")?).ok()?;
                let len = usize::try_from(expr.number("len")?).ok()?;
                header.get(from..from.checked_add(len)?)?.iter().copied().collect()
            }
            (b"meta", Some(15)) if arp => Some(vec![3]),
            (b"meta", Some(16)) if arp => None,
            (b"meta", Some(1)) => Some(self.flow.ether_type().to_vec()),
            (b"meta", Some(4)) => self.links[0].map(|number| number.to_ne_bytes().to_vec()),
            (b"meta", Some(5)) => self.links[1].map(|number| number.to_ne_bytes().to_vec()),
            (b"meta", Some(6)) => named(&self.flow.iif),
            (b"meta", Some(7)) => named(&self.flow.oif),
            (b"meta", Some(15)) => Some(vec![if six { 10 } else { 2 }]),
            (b"meta", Some(16)) => Some(vec![self.flow.protocol]),
            (b"ct", Some(0)) => Some(self.flow.part.state().to_ne_bytes().to_vec()),
            (b"ct", Some(1)) => self.flow.part.direction().map(|direction| vec![direction]),
            _ => None,
        }
    }

    fn change(&self, expr: &Expression) -> Option<Vec<u8>> {
        let len = usize::try_from(expr.number("len")?).ok()?;
        let have = self.get(expr, "sreg", len)?;
        if expr.is("byteorder") {
            let size = usize::try_from(expr.number("size")?).ok().filter(|size| *size > 0)?;
            let swap = cfg!(target_endian = "little");
            let turned = have.chunks(size).flat_map(|chunk| {
                let mut chunk = chunk.to_vec();
                if swap {
                    chunk.reverse();
                }
                chunk
            });
            return Some(turned.collect());
        }
        let (mask, xor) = (expr.bytes("mask")?, expr.bytes("xor")?);
        let bits = have.iter().zip(mask).zip(xor);
        Some(bits.map(|((byte, mask), xor)| byte & mask ^ xor).collect())
    }

    fn lookup(&mut self, expr: &Expression) -> Option<Does> {
        let name = expr.text("set")?;
        let here = |content: &&SetContent| {
            let set = &content.set;
            set.family == self.rule.family && set.table == self.rule.table && set.name == *name
        };
        let content = self.sets.sets.iter().find(here)?;
        let len = usize::try_from(content.set.key_len).ok()?;
        let Some(key) = self.get(expr, "sreg", len) else {
            let to = expr.number("dreg");
            if let Some(at) = to.filter(|to| *to != 0).and_then(super::text::slot) {
                let data = content.elements.iter().filter_map(bytes).take(BRANCHES);
                self.choices = Some((at, data.collect()));
            }
            if to == Some(0) {
                self.branches = content.elements.iter().filter_map(target).take(BRANCHES).collect();
                self.branches.dedup();
            }
            return None;
        };
        let found = element(content, &key);
        let inverted = expr.number("flags") == Some(1);
        match (found, expr.number("dreg")) {
            (None, None) if inverted => Some(Does::Passes),
            (Some(_), None) if inverted => Some(Does::Nothing),
            (None, _) => Some(Does::Nothing),
            (Some(_), None) => Some(Does::Passes),
            (Some(Value::Verdict { code, chain }), Some(0)) => {
                Some(Does::Decides(code, chain.map(|it| it.as_bytes().to_vec())))
            }
            (Some(Value::Bytes(bytes)), Some(_)) => self.put(expr, Some(bytes)),
            (Some(_), Some(_)) => None,
        }
    }

    /// Where a translation of the destination sends the packet.
    fn targets(&self, expr: &Expression) -> Vec<NatTarget> {
        let read = |registers: &Registers| {
            let field = |name, len| read(registers, super::text::slot(expr.number(name)?)?, len);
            let addr = match self.flow.src.is_ipv6() {
                true => {
                    field("addr_min", 16).and_then(|b| Some(<[u8; 16]>::try_from(b).ok()?.into()))
                }
                false => {
                    field("addr_min", 4).and_then(|b| Some(<[u8; 4]>::try_from(b).ok()?.into()))
                }
            };
            let port = field("proto_min", 2).and_then(|b| b.try_into().ok());
            let target = NatTarget { addr, port: port.map(u16::from_be_bytes) };
            // An address that is not known is not the one asked for.
            let told = expr.number("addr_min").is_none() || addr.is_some();
            Some(target).filter(|_| told && (addr.is_some() || port.is_some()))
        };
        match (expr.number("type"), &self.choices) {
            (Some(DNAT), None) => read(&self.registers).into_iter().collect(),
            (Some(DNAT), Some((at, all))) => {
                let chosen = |data: &Vec<u8>| {
                    let mut registers = self.registers;
                    fill(&mut registers, *at, Some(data));
                    read(&registers)
                };
                all.iter().filter_map(chosen).collect()
            }
            _ => Vec::new(),
        }
    }

    fn get(&self, expr: &Expression, field: &str, len: usize) -> Option<Vec<u8>> {
        read(&self.registers, super::text::slot(expr.number(field)?)?, len)
    }

    /// Fills a register, or forgets what was in it.
    fn put(&mut self, expr: &Expression, value: Option<Vec<u8>>) -> Option<Does> {
        let at = super::text::slot(expr.number("dreg")?)?;
        let missing = value.is_none().then(|| self.what(expr));
        if let Some(place) = self.missing.get_mut(at) {
            *place = missing;
        }
        fill(&mut self.registers, at, value.as_ref());
        Some(Does::Passes)
    }
}

/// Words of four bytes, as far as they are known.
type Registers = [Option<[u8; 4]>; 20];

/// Translation of the destination (linux/netfilter/nf_tables.h `enum nft_nat_types`).
const DNAT: u64 = 1;

fn read(registers: &Registers, at: usize, len: usize) -> Option<Vec<u8>> {
    let words = registers.get(at..at.checked_add(len.div_ceil(4))?)?;
    let mut bytes: Vec<u8> = words.iter().copied().collect::<Option<Vec<_>>>()?.concat();
    bytes.truncate(len);
    Some(bytes)
}

/// Fills registers from a place on, or forgets what was in them.
fn fill(registers: &mut Registers, at: usize, value: Option<&Vec<u8>>) {
    let words = value.map_or(4, |value| value.len().div_ceil(4));
    for (n, word) in registers.iter_mut().skip(at).take(words).enumerate() {
        *word = value.map(|value| {
            let rest = value.get(4 * n..).unwrap_or_default();
            std::array::from_fn(|byte| rest.get(byte).copied().unwrap_or(0))
        });
    }
}

/// What an element of a map leads to.
fn bytes(element: &Element) -> Option<Vec<u8>> {
    match element.data.as_ref()? {
        Value::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

/// Chains of a map that are looked into at most.
const BRANCHES: usize = 64;

/// The chain that an element leads to.
fn target(element: &Element) -> Option<Vec<u8>> {
    match element.data.as_ref()? {
        Value::Verdict { chain, .. } => Some(chain.as_ref()?.as_bytes().to_vec()),
        _ => None,
    }
}

/// What an element that holds a key leads to; an empty value for a plain set.
fn element(content: &SetContent, key: &[u8]) -> Option<Value> {
    let data = |it: &Element| it.data.clone().unwrap_or(Value::Bytes(Vec::new()));
    let parts = types::parts(content.set.key_type);
    let split = content.set.is_interval() && parts.len() == 1;
    let usual = content.elements.iter().filter(|it| it.flags & 2 == 0);
    let found = if split {
        let below = usual.filter(|it| it.key.as_deref().is_some_and(|from| from <= key));
        let last = below.max_by_key(|it| (it.key.clone(), it.flags & 1 == 0));
        last.filter(|it| it.flags & 1 == 0)
    } else {
        usual.clone().find(|it| match (&it.key, &it.key_end) {
            (Some(from), Some(to)) => inside(key, from, to, &parts),
            (Some(from), None) => from == key,
            _ => false,
        })
    };
    let rest = || content.elements.iter().find(|it| it.flags & 2 != 0);
    found.or_else(rest).map(data)
}

/// Whether each part lies between both ends.
fn inside(key: &[u8], from: &[u8], to: &[u8], parts: &[u32]) -> bool {
    let mut at = 0;
    parts.iter().all(|kind| {
        let width = types::len(*kind);
        let part = |bytes: &[u8]| bytes.get(at..at + width).map(<[u8]>::to_vec);
        let all = part(key).zip(part(from)).zip(part(to));
        at += width.next_multiple_of(4);
        all.is_some_and(|((key, from), to)| from <= key && key <= to)
    })
}
