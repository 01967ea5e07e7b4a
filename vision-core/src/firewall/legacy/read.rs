//! From the kernel's block of entries to chains and rules. Total, and one step over the bytes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::model::{
    Asked, Extension, LegacyChain, LegacyRule, LegacyTable, LegacyTarget, LegacyVerdict, Masked,
};
use crate::base::Untrusted;
use crate::firewall::{Counter, FwFamily, xt, xt_more};
use crate::netlink::attr::{self, i32, read, u16, u32};

/// What `IPT_SO_GET_INFO` answers: where hooks begin and where their policies are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Info {
    pub(super) hooks: u32,
    pub(super) entry: [u32; HOOKS.len()],
    pub(super) underflow: [u32; HOOKS.len()],
    pub(super) size: u32,
}

/// The number of bytes of `struct ipt_getinfo`.
pub(super) const INFO_LEN: usize = 84;
/// The bytes before the entries in `struct ipt_get_entries`, and the length of a table's name.
pub(super) const ENTRIES_AT: usize = 40;
pub(super) const NAME_LEN: usize = 32;

/// Names by `enum nf_inet_hooks`.
const HOOKS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

impl Info {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| bytes.get(at..).and_then(u32);
        let mut info = Self { hooks: number(32)?, size: number(80)?, ..Self::default() };
        for (at, place) in info.entry.iter_mut().enumerate() {
            *place = number(36 + 4 * at)?;
        }
        for (at, place) in info.underflow.iter_mut().enumerate() {
            *place = number(56 + 4 * at)?;
        }
        Some(info)
    }

    /// The hook whose chain begins there.
    fn begins(&self, offset: usize) -> Option<usize> {
        self.hook(&self.entry, offset)
    }

    /// The hook whose policy is there.
    fn policy(&self, offset: usize) -> Option<usize> {
        self.hook(&self.underflow, offset)
    }

    fn hook(&self, places: &[u32; HOOKS.len()], offset: usize) -> Option<usize> {
        let mut hooks = places.iter().enumerate();
        hooks
            .find(|(hook, at)| self.hooks >> hook & 1 != 0 && **at as usize == offset)
            .map(|it| it.0)
    }
}

/// Names of ipset's sets by their numbers, for extensions that hold the number only.
pub(super) type Sets<'s> = &'s mut dyn FnMut(u16) -> Option<Vec<u8>>;

/// One `struct ipt_entry` or `struct ip6t_entry`, its parts apart.
struct Entry<'b> {
    offset: usize,
    head: &'b [u8],
    matches: &'b [u8],
    target: &'b [u8],
    len: usize,
    counter: Counter,
}

impl<'b> Entry<'b> {
    /// Splits what begins at `offset`; `None` when a length cannot be true.
    fn at(bytes: &'b [u8], offset: usize, six: bool) -> Option<Self> {
        let (ip, head_len, counters) = if six { (136, 168, 152) } else { (84, 112, 96) };
        let bytes = bytes.get(offset..)?;
        let target_at = usize::from(u16(bytes.get(ip + 4..)?)?);
        let len = usize::from(u16(bytes.get(ip + 6..)?)?);
        let counter = |at: usize| read::<8>(bytes, at).map(u64::from_ne_bytes);
        Some(Self {
            offset,
            head: bytes.get(..ip)?,
            matches: bytes.get(head_len..target_at)?,
            target: bytes.get(target_at..len).filter(|target| target.len() >= EXTENSION)?,
            len,
            counter: Counter { packets: counter(counters)?, bytes: counter(counters + 8)? },
        })
    }

    /// The name in the target that marks the beginning of a chain.
    fn error_name(&self) -> Option<&'b [u8]> {
        let named = self.target_name() == b"ERROR";
        named.then(|| self.target.get(EXTENSION..).map(attr::text))?
    }

    fn target_name(&self) -> &'b [u8] {
        attr::text(self.target.get(2..31).unwrap_or_default())
    }

    /// The number in a standard target.
    fn verdict(&self) -> Option<i32> {
        self.target_name().is_empty().then(|| self.target.get(EXTENSION..).and_then(i32))?
    }

    fn asks_nothing(&self) -> bool {
        self.matches.is_empty() && self.head.iter().all(|byte| *byte == 0)
    }
}

/// `struct xt_entry_match` and `struct xt_entry_target` before their data.
const EXTENSION: usize = 32;

/// Reads a table's entries.
pub(super) fn table(
    family: FwFamily,
    name: &[u8],
    info: &Info,
    bytes: &[u8],
    sets: Sets<'_>,
) -> LegacyTable {
    let six = family == FwFamily::Ip6;
    let (mut entries, mut offset) = (Vec::new(), 0);
    while let Some(entry) = Entry::at(bytes, offset, six) {
        offset += entry.len;
        entries.push(entry);
    }
    let unreadable = bytes.len().saturating_sub(offset) as u64;
    // A jump goes to the first rule behind the entry that names the chain.
    let heads = entries.iter().filter_map(|it| Some((it.offset + it.len, it.error_name()?)));
    let mut names: HashMap<usize, &[u8]> = heads.collect();
    for entry in &entries {
        if let Some(hook) = info.begins(entry.offset).and_then(|hook| HOOKS.get(hook)) {
            names.insert(entry.offset, hook.as_bytes());
        }
    }
    let mut reader = Reader { six, names, sets };
    let mut chains: Vec<LegacyChain> = Vec::new();
    let mut before: Option<&Entry<'_>> = None;
    for entry in &entries {
        let hook = info.begins(entry.offset);
        if let Some(name) = hook.and_then(|hook| HOOKS.get(hook)) {
            chains.push(chain(name.as_bytes()));
        }
        if let Some(name) = entry.error_name() {
            end_of_chain(before, info, &mut chains);
            // The last entry of all only ends the table.
            if entry.offset + entry.len < offset || unreadable > 0 {
                chains.push(chain(name));
            }
        } else if let Some(chain) = chains.last_mut() {
            if info.policy(entry.offset).is_some() {
                chain.policy = entry.verdict().map(decided);
                chain.counter = entry.counter;
            } else {
                chain.rules.push(reader.rule(entry));
            }
        }
        before = Some(entry);
    }
    LegacyTable { family, name: name.into(), chains, unreadable }
}

fn chain(name: &[u8]) -> LegacyChain {
    let counter = Counter::default();
    LegacyChain { name: name.into(), policy: None, counter, rules: Vec::new() }
}

/// Takes the silent return off the end of a chain that has no hook.
fn end_of_chain(last: Option<&Entry<'_>>, info: &Info, chains: &mut [LegacyChain]) {
    let Some((last, chain)) = last.zip(chains.last_mut()) else { return };
    let silent = last.asks_nothing() && last.verdict() == Some(RETURN);
    if silent && chain.policy.is_none() && info.policy(last.offset).is_none() {
        chain.rules.pop();
    }
}

/// `XT_RETURN`.
const RETURN: i32 = -5;

fn decided(number: i32) -> LegacyVerdict {
    match number {
        -1 => LegacyVerdict::Drop,
        -2 => LegacyVerdict::Accept,
        -4 => LegacyVerdict::Queue,
        RETURN => LegacyVerdict::Return,
        other => LegacyVerdict::Other(other),
    }
}

struct Reader<'r, 's> {
    six: bool,
    names: HashMap<usize, &'r [u8]>,
    sets: Sets<'s>,
}

impl Reader<'_, '_> {
    fn rule(&mut self, entry: &Entry<'_>) -> LegacyRule {
        let head = Head::of(entry.head, self.six);
        LegacyRule {
            counter: entry.counter,
            source: head.address(0, 0x08),
            destination: head.address(1, 0x10),
            iif: head.interface(0, 0x01),
            oif: head.interface(1, 0x02),
            protocol: head.protocol(),
            fragment: (!self.six && head.flags & 1 != 0)
                .then_some(Asked { value: true, inverted: head.inverted & 0x20 != 0 }),
            matches: self.matches(entry.matches),
            target: self.target(entry, head.goes()),
        }
    }

    fn matches(&mut self, mut bytes: &[u8]) -> Vec<Extension> {
        let mut out = Vec::new();
        while let Some(len) = u16(bytes).map(usize::from).filter(|len| *len >= EXTENSION) {
            let Some(one) = bytes.get(..len) else { break };
            out.push(self.extension(true, one));
            bytes = bytes.get(len..).unwrap_or_default();
        }
        out
    }

    fn target(&mut self, entry: &Entry<'_>, goes: bool) -> Option<LegacyTarget> {
        let Some(number) = entry.verdict() else {
            return Some(LegacyTarget::Extension(self.extension(false, entry.target)));
        };
        if number < 0 {
            return Some(LegacyTarget::Verdict(decided(number)));
        }
        let to = number.cast_unsigned() as usize;
        if to == entry.offset + entry.len {
            return None;
        }
        let name = match self.names.get(&to) {
            Some(name) => Untrusted::from(*name),
            None => Untrusted::from(format!("offset {to}").as_str()),
        };
        Some(if goes { LegacyTarget::Goto(name) } else { LegacyTarget::Jump(name) })
    }

    fn extension(&mut self, is_match: bool, bytes: &[u8]) -> Extension {
        let name = attr::text(bytes.get(2..31).unwrap_or_default());
        let revision = bytes.get(31).copied().unwrap_or(0);
        let info = bytes.get(EXTENSION..).unwrap_or_default();
        let options = match name {
            b"set" | b"SET" => set_words(is_match, revision, info, self.sets),
            _ => xt::extension(is_match, name, revision, info, self.six).map(|it| it.iptables),
        };
        Extension { name: name.into(), revision, options, info: info.to_vec() }
    }
}

/// `struct xt_set_info`: number, dimensions, and for each whether it is a source.
fn set_info(info: &[u8], sets: Sets<'_>) -> Option<Option<(String, bool)>> {
    let (number, dimensions, flags) = (u16(info)?, *info.get(2)?, *info.get(3)?);
    if number == u16::MAX {
        return Some(None);
    }
    let name = Untrusted::from(sets(number)?);
    let side = |bit: u8| if flags >> bit & 1 != 0 { "src" } else { "dst" };
    let sides: Vec<_> = (1..=dimensions.min(6)).map(side).collect();
    Some(Some((format!("{} {}", name.escaped(), sides.join(",")), flags & 1 != 0)))
}

fn set_words(is_match: bool, revision: u8, info: &[u8], sets: Sets<'_>) -> Option<String> {
    if is_match {
        // What stands behind, since revision 3, compares counters of the element.
        let compares = info.get(4..)?.iter().any(|byte| *byte != 0);
        let (text, inverted) = set_info(info, sets)??;
        let bang = if inverted { "! " } else { "" };
        return (revision >= 1 && !compares).then(|| format!("{bang}--match-set {text}"));
    }
    let number = |at: usize| info.get(at..).and_then(u32);
    let (flags, timeout) = match revision {
        1 => (0, u32::MAX),
        2 => (number(8)?, number(12)?),
        // A third set, for marks, stands between; it has no words here.
        3 if u16(info.get(8..)?)? == u16::MAX => (number(12)?, number(16)?),
        _ => return None,
    };
    let mut words = Vec::new();
    if let Some((text, _)) = set_info(info, sets)? {
        words.push(format!("--add-set {text}"));
        if flags & 1 != 0 {
            words.push("--exist".to_owned());
        }
        if timeout != u32::MAX {
            words.push(format!("--timeout {timeout}"));
        }
    }
    if let Some((text, _)) = set_info(info.get(4..)?, sets)? {
        words.push(format!("--del-set {text}"));
    }
    Some(words.join(" "))
}

/// `struct ipt_ip` or `struct ip6t_ip6`.
struct Head<'b> {
    bytes: &'b [u8],
    six: bool,
    flags: u8,
    inverted: u8,
}

impl<'b> Head<'b> {
    fn of(bytes: &'b [u8], six: bool) -> Self {
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let at = if six { 131 } else { 82 };
        Self { bytes, six, flags: byte(at), inverted: byte(at + 1) }
    }

    fn goes(&self) -> bool {
        self.flags & if self.six { 4 } else { 2 } != 0
    }

    fn ip(&self, place: usize) -> Option<IpAddr> {
        match self.six {
            true => read::<16>(self.bytes, 16 * place).map(|it| Ipv6Addr::from(it).into()),
            false => read::<4>(self.bytes, 4 * place).map(|it| Ipv4Addr::from(it).into()),
        }
    }

    fn address(&self, side: usize, bit: u8) -> Option<Asked<Masked>> {
        let (address, mask) = (self.ip(side)?, self.ip(2 + side)?);
        let inverted = self.inverted & bit != 0;
        let asked = inverted || !address.is_unspecified() || !mask.is_unspecified();
        asked.then_some(Asked { value: Masked { address, mask }, inverted })
    }

    fn interface(&self, side: usize, bit: u8) -> Option<Asked<String>> {
        let at = if self.six { 64 } else { 16 } + 16 * side;
        let (name, mask) = (self.bytes.get(at..at + 16)?, self.bytes.get(at + 32..at + 48)?);
        let inverted = self.inverted & bit != 0;
        let asked = inverted || mask.first().is_some_and(|it| *it != 0);
        asked.then(|| Asked { value: xt_more::interface(name, mask), inverted })
    }

    fn protocol(&self) -> Option<Asked<u16>> {
        let value = u16(self.bytes.get(if self.six { 128 } else { 80 }..)?)?;
        let inverted = self.inverted & 0x40 != 0;
        (value != 0 || inverted).then_some(Asked { value, inverted })
    }
}
