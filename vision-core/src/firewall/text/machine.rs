//! The register machine: expressions become the words of a rule.

use std::rc::Rc;

use super::super::expr::Expression;
use super::super::model::FwFamily;
use super::super::proto::{self, META};
use super::super::types::{self, IFINDEX, IFNAME, INTEGER, IPV4, IPV6, Part, STRING};
use super::super::value::Value;
use super::Names;
use super::load::{extension, fib, offset, osf, socket, xfrm};
use super::sym::{Parts, Place, Sym, bracketed};
use super::words::Words;
use crate::base::Escaped;

/// Headers known at each base.
#[derive(Clone, Copy)]
struct Headers {
    link: Option<&'static str>,
    network: Option<&'static str>,
    transport: Option<&'static str>,
}

/// Turns one rule into text.
pub(super) struct Machine<'r> {
    pub(super) names: &'r Names<'r>,
    pub(super) family: FwFamily,
    pub(super) registers: [Option<Rc<Sym>>; 20],
    headers: Headers,
    pub(super) words: Words,
    /// The base whose header the last word told, if only the next word needs it.
    told: Option<u64>,
    /// What could not be put into words.
    pub(super) lost: Vec<String>,
    /// What an extension of iptables notes beside the rule.
    pub(super) comment: Option<Vec<u8>>,
    /// Whether extensions of iptables keep their own words and nothing is left out.
    pub(super) plain: bool,
}

impl<'r> Machine<'r> {
    /// Begins a rule, whose words go to the end of a text.
    pub(super) fn new(names: &'r Names<'r>, family: FwFamily, text: String) -> Self {
        let network = match family {
            FwFamily::Ip => Some("ip"),
            FwFamily::Ip6 => Some("ip6"),
            FwFamily::Arp => Some("arp"),
            _ => None,
        };
        let link = matches!(family, FwFamily::Bridge | FwFamily::Netdev).then_some("ether");
        let headers = Headers { link, network, transport: None };
        let registers = Default::default();
        let (words, lost) = (Words::after(text), Vec::new());
        Self {
            names,
            family,
            registers,
            headers,
            words,
            told: None,
            lost,
            comment: None,
            plain: false,
        }
    }

    /// Takes all expressions of a rule.
    pub(super) fn run(&mut self, expressions: &[Expression]) {
        let mut rest = expressions.iter().peekable();
        while let Some(expr) = rest.next() {
            // A range is two comparisons of one register.
            if let Some(next) = rest.peek().filter(|next| is_range(expr, next)) {
                self.range(expr, expr.bytes("data"), next.bytes("data"), false);
                rest.next();
                continue;
            }
            if !self.load(expr) && !self.decide(expr) && !self.act(expr) {
                self.lose(expr);
            }
        }
    }

    /// Keeps what cannot be said in nft's words: of extensions of iptables in theirs.
    pub(super) fn lose(&mut self, expr: &Expression) {
        if let Some(words) = super::super::xt::words(expr, self.is_six()) {
            let name = expr.text("name").map(|name| name.escaped().to_string());
            let name = name.unwrap_or_default();
            let text = format!("[{} {name} {}]", expr.name, words.iptables).replace(" ]", "]");
            self.words.begin().push_str(&text);
            self.lost.push(text);
            return;
        }
        let fields = expr.fields.iter().map(|(name, value)| match value {
            Value::Number(number) => format!(" {name} {number}"),
            Value::Text(text) => format!(" {name} {}", text.escaped()),
            Value::Bytes(bytes) => format!(" {name} 0x{}", super::super::value::hex(bytes)),
            other => format!(" {name} {other:?}"),
        });
        let text = format!("[{}{}]", expr.name, fields.collect::<String>());
        self.words.begin().push_str(&text);
        self.lost.push(text);
    }

    /// Tells whether the packets here are IPv6 ones.
    pub(super) fn is_six(&self) -> bool {
        self.headers.network == Some("ip6")
    }

    pub(super) fn word(&mut self, word: &str) {
        self.begin().push_str(word);
    }

    /// Begins a word.
    pub(super) fn begin(&mut self) -> &mut String {
        self.told = None;
        self.words.begin()
    }

    pub(super) fn get(&self, expr: &Expression, field: &str) -> Option<Rc<Sym>> {
        let register = expr.number(field)?;
        self.registers.get(slot(register)?)?.clone()
    }

    fn put(&mut self, register: Option<u64>, sym: Sym) -> bool {
        let place = register.and_then(slot).and_then(|at| self.registers.get_mut(at));
        place.map(|place| *place = Some(Rc::new(sym))).is_some()
    }

    /// Reads a key from a register on: so many parts side by side.
    pub(super) fn key(&self, expr: &Expression, field: &str, parts: usize) -> Option<Sym> {
        let mut at = slot(expr.number(field)?)?;
        let first = self.registers.get(at)?.clone()?;
        if parts < 2 {
            return Some(first.keyed());
        }
        let (mut text, mut all) = (Vec::new(), Vec::new());
        for _ in 0..parts {
            let sym = self.registers.get(at)?.as_ref()?.keyed();
            at += sym.len.div_ceil(4).max(1);
            text.push(sym.value(sym.part().kind));
            all.extend(sym.parts.first().copied());
        }
        Some(Sym { text: text.join(" . ").into(), parts: Parts::Many(all), ..(*first).clone() })
    }

    /// Expressions that fill a register.
    fn load(&mut self, expr: &Expression) -> bool {
        let dreg = expr.number("dreg");
        let number = |name: &str| expr.number(name).unwrap_or(0);
        let sym = match expr.name.as_bytes() {
            b"payload" if dreg.is_some() => {
                let (base, offset, bits) = (number("base"), number("offset"), number("len"));
                Some(self.payload(base, in_bits(offset), in_bits(bits)))
            }
            b"meta" if dreg.is_some() => {
                let row = META.get(number("key") as usize);
                row.map(|(name, bits, kind)| {
                    let mut sym = Sym::new(*name, *kind, *bits);
                    if *kind == INTEGER && *name != "meta random" {
                        sym.parts = Parts::One(Part { host: true, ..sym.part() });
                    }
                    sym
                })
            }
            b"ct" if dreg.is_some() => self.ct(expr),
            b"immediate" if dreg != Some(0) => expr.bytes("data").map(Sym::immediate),
            b"bitwise" => self.bitwise(expr),
            b"byteorder" => self.get(expr, "sreg").map(|sym| {
                let mut sym = (*sym).clone();
                let host = number("op") == 0;
                sym.parts.iter_mut().for_each(|part| part.host = host);
                sym
            }),
            b"exthdr" if dreg.is_some() => extension(expr),
            b"fib" => fib(expr),
            b"rt" => self.rt(number("key")),
            b"socket" => socket(expr),
            b"osf" => osf(expr),
            b"numgen" => {
                let kind = if number("type") == 0 { "inc" } else { "random" };
                let text = format!("numgen {kind} mod {}{}", number("modulus"), offset(expr));
                Some(Sym { parts: Parts::One(HOST), ..Sym::new(text, INTEGER, 32) })
            }
            b"hash" => self.hash(expr),
            b"xfrm" => xfrm(expr),
            b"lookup" if dreg.is_some_and(|reg| reg != 0) => self.lookup(expr),
            _ => return false,
        };
        match sym {
            Some(sym) => self.put(dreg, sym),
            None => false,
        }
    }

    pub(super) fn payload(&self, base: u64, offset: u32, bits: u32) -> Sym {
        let mut header = match base {
            0 => self.headers.link,
            1 => self.headers.network,
            2 => self.headers.transport,
            _ => None,
        };
        if base == 2 && header.is_none() && matches!((offset, bits), (0 | 16, 16)) {
            header = Some("th");
        }
        if base == 0 && offset >= 112 && header.is_some() {
            header = Some("vlan");
        }
        if base == 0 && header.is_none() {
            header = Some("ether");
        }
        Sym::located(Place::Header(base), offset, bits, header)
    }

    fn bitwise(&self, expr: &Expression) -> Option<Sym> {
        let sym = self.get(expr, "sreg")?;
        if let op @ 1..=2 = expr.number("op").unwrap_or(0) {
            let by = types::number(expr.bytes("data")?, true)?;
            let picked = sym.mask.as_ref().and_then(|mask| sym.picked(mask));
            if let Some((field, _)) = picked.filter(|it| op == 2 && u128::from(it.1) == by) {
                return Some(field);
            }
            let text = format!("{} {} {by}", sym.settled().text, if op == 2 { ">>" } else { "<<" });
            return Some(Sym { text: text.into(), mask: None, at: None, ..(*sym).clone() });
        }
        let (mask, xor) = (expr.bytes("mask")?, expr.bytes("xor")?);
        if xor.iter().all(|byte| *byte == 0) && sym.mask.is_none() {
            return Some(Sym { mask: Some(mask.to_vec()), ..(*sym).clone() });
        }
        let sym = sym.settled();
        let part = sym.part();
        let value = bracketed(&part.constant(xor));
        let keeps = mask.iter().all(|byte| *byte == 0xff);
        let sets = mask.iter().zip(xor).all(|(mask, xor)| *mask == !*xor);
        let text = match (keeps, sets) {
            (true, _) => format!("{} ^ {value}", sym.text),
            (_, true) => format!("{} | {value}", sym.text),
            _ => format!("{} & {} ^ {value}", sym.text, bracketed(&part.constant(mask))),
        };
        // What a payload statement writes back is recognised by its mask.
        let change = Some((mask.to_vec(), xor.to_vec()));
        Some(Sym { text: text.into(), change, mask: None, constant: None, ..sym })
    }

    /// Expressions that let a packet pass or not.
    fn decide(&mut self, expr: &Expression) -> bool {
        match expr.name.as_bytes() {
            b"cmp" => self.compare(expr).is_some(),
            b"range" => {
                let not = expr.number("op") == Some(1);
                self.range(expr, expr.bytes("from"), expr.bytes("to"), not)
            }
            b"lookup" => match self.lookup(expr) {
                Some(sym) => {
                    sym.text.put(self.begin());
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn range(
        &mut self,
        expr: &Expression,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
        not: bool,
    ) -> bool {
        let (Some(sym), Some(from), Some(to)) = (self.get(expr, "sreg"), from, to) else {
            return false;
        };
        let sym = sym.settled();
        let part = sym.part();
        let not = if not { "!= " } else { "" };
        self.word(&format!("{} {not}{}-{}", sym.text, plain(part, from), plain(part, to)));
        true
    }

    fn compare(&mut self, expr: &Expression) -> Option<()> {
        let sym = self.get(expr, "sreg")?;
        let (op, data) = (expr.number("op")?, expr.bytes("data")?);
        if sym.parts.len() > 1 && sym.merged.len() > 1 && op == 0 && sym.mask.is_none() {
            return self.compare_merged(&sym, data);
        }
        let sign = ["", "!= ", "< ", "<= ", "> ", ">= "].get(op as usize)?;
        let Some(mask) = &sym.mask else {
            self.depend(&sym);
            let names = self.names;
            let out = self.begin();
            sym.text.put(out);
            out.push(' ');
            out.push_str(sign);
            put_value(names, &sym, data, out);
            self.learn(&sym, op, data);
            return Some(());
        };
        if let Some((field, right)) = sym.picked(mask) {
            let number = types::number(data, false)? >> right;
            let bytes = number.to_be_bytes();
            let width = field.part().bytes();
            let value = field.part().constant(bytes.get(16 - width..)?);
            self.depend(&sym);
            self.word(&format!("{} {sign}{value}", field.text));
            return Some(());
        }
        let part = sym.part();
        let flags = types::is_flags(part.kind);
        let zero = data.iter().all(|byte| *byte == 0);
        self.depend(&sym);
        if flags && zero && op == 1 {
            let value = part.constant(mask).replace(" | ", ",");
            self.word(&format!("{} {value}", sym.text));
        } else if let Some(bits) = prefix_of(mask).filter(|_| matches!(part.kind, IPV4 | IPV6)) {
            self.word(&format!("{} {sign}{}/{bits}", sym.text, part.constant(data)));
        } else {
            let sign = if op == 0 { "== " } else { sign };
            let (mask, value) = (bracketed(&part.constant(mask)), bracketed(&part.constant(data)));
            self.word(&format!("{} & {mask} {sign}{value}", sym.text));
        }
        Some(())
    }

    fn compare_merged(&mut self, sym: &Sym, data: &[u8]) -> Option<()> {
        let mut rest = data;
        self.depend(sym);
        for (name, part) in sym.merged.iter().skip(1).zip(sym.parts.iter()) {
            let (value, after) = rest.split_at_checked(part.bytes())?;
            rest = after;
            let one = Sym { text: name.clone().into(), parts: Parts::One(*part), ..sym.clone() };
            let names = self.names;
            let out = self.begin();
            out.push_str(name);
            out.push(' ');
            put_value(names, &one, value, out);
        }
        Some(())
    }

    /// Drops the word before, if it only told the header that this one names anyway.
    fn depend(&mut self, sym: &Sym) {
        let Some((Place::Header(base), _)) = sym.at else {
            return;
        };
        let named = sym.named || !sym.merged.is_empty();
        if self.told == Some(base) && named && !self.plain {
            self.words.pop();
        }
        self.told = None;
    }

    /// Takes note of a header that a comparison tells.
    fn learn(&mut self, sym: &Sym, op: u64, data: &[u8]) {
        if op != 0 {
            return;
        }
        let number = types::number(data, false).unwrap_or(0) as u64;
        let host = matches!(self.family, FwFamily::Bridge | FwFamily::Netdev);
        let is = |words: &[&str]| words.iter().any(|text| sym.text.is(text));
        if is(&["meta l4proto"]) {
            let header = proto::transport(number);
            self.headers.transport = header;
            if matches!(header, Some("tcp" | "udp" | "udplite" | "sctp" | "dccp")) {
                self.told = Some(2);
            }
        } else if is(&["ip protocol", "ip6 nexthdr"]) {
            self.headers.transport = proto::transport(number);
        } else if is(&["meta nfproto"]) {
            self.headers.network = match number {
                2 => Some("ip"),
                10 => Some("ip6"),
                _ => None,
            };
            if self.family == FwFamily::Inet && self.headers.network.is_some() {
                self.told = Some(1);
            }
        } else if is(&["meta protocol", "ether type", "vlan type"]) {
            self.headers.network = match number {
                0x800 => Some("ip"),
                0x86dd => Some("ip6"),
                0x806 => Some("arp"),
                _ => None,
            };
            if host && is(&["meta protocol"]) && self.headers.network.is_some() {
                self.told = Some(1);
            }
        }
    }

    /// A set, a map or a verdict map applied to a key.
    fn lookup(&mut self, expr: &Expression) -> Option<Sym> {
        let name = expr.text("set")?;
        let content = self.names.set(name)?;
        let set = &content.set;
        let key = self.key(expr, "sreg", types::parts(set.key_type).len())?;
        self.depend(&key);
        let body = self.names.body(content, &key.parts);
        let not = if expr.number("flags") == Some(1) { "!= " } else { "" };
        match expr.number("dreg") {
            None => Some(Sym::new(format!("{} {not}{body}", key.text), INTEGER, 32)),
            Some(0) => Some(Sym::new(format!("{} vmap {body}", key.text), INTEGER, 32)),
            Some(_) => {
                let kinds = types::parts(set.data_type?);
                let mut sym = Sym::new(format!("{} map {body}", key.text), INTEGER, 32);
                sym.parts = kinds.iter().map(|kind| part(*kind)).collect();
                sym.len = set.data_len? as usize;
                Some(sym)
            }
        }
    }
}

/// Puts the value a register is compared with.
fn put_value(names: &Names<'_>, sym: &Sym, data: &[u8], out: &mut String) {
    let part = sym.part();
    if let Some(bits) = sym.prefix {
        let mut whole = data.to_vec();
        whole.resize(types::len(part.kind), 0);
        types::put_constant(&whole, part.kind, false, out);
        out.push_str(&format!("/{bits}"));
        return;
    }
    match part.kind {
        IFINDEX => out.push_str(&names.interface(data)),
        IFNAME | STRING => types::put_constant(data, part.kind, part.host, out),
        _ => {
            let start = out.len();
            part.put_constant(data, out);
            if out.get(start..).is_some_and(|value| value.contains('|')) {
                out.insert(start, '(');
                out.push(')');
            }
        }
    }
}

/// A plain number in this machine's order.
pub(super) const HOST: Part = Part { kind: INTEGER, bits: 32, host: true, shift: 0 };

pub(super) fn part(kind: u32) -> Part {
    Part::of(kind, small(types::len(kind) as u64 * 8))
}

/// Bits of a number of bytes, which is larger than any packet only if somebody made it up.
pub(super) fn in_bits(bytes: u64) -> u32 {
    const MOST: u64 = 1 << 24;
    small(bytes.min(MOST) * 8)
}

pub(super) fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// In a range a symbol would be read as one value.
fn plain(part: Part, bytes: &[u8]) -> String {
    part.constant(bytes)
}

/// The place of a register in units of four bytes.
pub(in super::super) fn slot(register: u64) -> Option<usize> {
    match register {
        1..=4 => Some((register as usize - 1) * 4),
        8..=27 => Some(register as usize - 8),
        _ => None,
    }
}

fn is_range(expr: &Expression, next: &Expression) -> bool {
    let same = expr.is("cmp") && next.is("cmp") && expr.number("sreg") == next.number("sreg");
    same && expr.number("op") == Some(5) && next.number("op") == Some(3)
}

/// The length of a mask that is a prefix.
pub(super) fn prefix_of(mask: &[u8]) -> Option<u32> {
    let unused = u32::try_from(128 - mask.len().min(16) * 8).ok()?;
    let number = types::number(mask, false)?.checked_shl(unused)?;
    (number.leading_ones() == number.count_ones()).then(|| number.leading_ones())
}

/// Quotes a string as nft does, whose language has no way to write a quote inside of one.
pub(super) fn quoted(text: &crate::base::Untrusted) -> String {
    format!("\"{}\"", Escaped::new(text.as_bytes()).to_string().replace('"', "\\x22"))
}
