//! A ruleset in the words that `nft` writes and reads.

mod load;
mod machine;
mod set;
mod stateful;
mod statement;
mod sym;
mod words;

use std::collections::HashMap;
use std::fmt::Write;

use super::model::{Chain, Flowtable, FwFamily, Hook, Object, Rule, Table};
use super::value::Value;
use types::Part;

use super::{Ruleset, SetContent, notes, types};
use crate::base::Untrusted;
pub(super) use machine::slot;
use machine::{Machine, quoted};

/// Writes a ruleset as `nft -a list ruleset` does.
///
/// What it writes, `nft -f` reads back as the same ruleset. A rule that has no words in nft's
/// language (an extension of iptables, an expression newer than this version) becomes a comment
/// that shows its expressions.
pub struct Text<'r> {
    ruleset: &'r Ruleset,
    sets: HashMap<(FwFamily, &'r [u8]), SetsByName<'r>>,
    interfaces: HashMap<u32, Untrusted>,
}

type SetsByName<'r> = HashMap<&'r [u8], &'r SetContent>;

/// What names stand for within a table.
pub(super) struct Names<'r> {
    sets: Option<&'r SetsByName<'r>>,
    interfaces: &'r HashMap<u32, Untrusted>,
}

impl Names<'_> {
    fn set(&self, name: &Untrusted) -> Option<&SetContent> {
        self.sets?.get(name.as_bytes()).copied()
    }

    /// What stands behind a key: the name of a set, or the elements of one without.
    fn body(&self, content: &SetContent, like: &[Part]) -> String {
        match content.set.is_anonymous() {
            true => format!("{{ {} }}", set::body(content, like, ", ")),
            false => format!("@{}", content.set.name.escaped()),
        }
    }

    fn interface(&self, index: &[u8]) -> String {
        let index = types::number(index, true).unwrap_or(0);
        let name = u32::try_from(index).ok().and_then(|index| self.interfaces.get(&index));
        name.map_or_else(|| index.to_string(), quoted)
    }
}

impl<'r> Text<'r> {
    /// Prepares to write what belongs to a ruleset; its own rules or others of the same tables.
    pub fn new(ruleset: &'r Ruleset) -> Self {
        let mut sets: HashMap<_, SetsByName<'_>> = HashMap::new();
        for content in &ruleset.sets {
            let table = (content.set.family, content.set.table.as_bytes());
            sets.entry(table).or_default().insert(content.set.name.as_bytes(), content);
        }
        Self { ruleset, sets, interfaces: HashMap::new() }
    }

    /// Returns the number of an interface by its name.
    pub(super) fn number_of(&self, name: &str) -> Option<u32> {
        self.interfaces.iter().find(|(_, known)| **known == *name).map(|(number, _)| *number)
    }

    /// Adds the names of interfaces, which rules hold as numbers.
    #[must_use]
    pub fn interfaces(mut self, names: impl IntoIterator<Item = (u32, Untrusted)>) -> Self {
        self.interfaces.extend(names);
        self
    }

    fn names<'a>(&'a self, family: FwFamily, table: &'a Untrusted) -> Names<'a> {
        let sets = self.sets.get(&(family, table.as_bytes()));
        Names { sets, interfaces: &self.interfaces }
    }

    /// Writes what a rule does, without handle and comment.
    pub fn rule_body(&self, rule: &Rule) -> String {
        self.run(rule, String::new(), |machine| machine.words.into_text())
    }

    /// Writes a rule as one line.
    pub fn rule(&self, rule: &Rule) -> String {
        let mut out = String::new();
        self.put_rule(rule, &mut out);
        out
    }

    /// As [`Text::rule`], at the end of a text: a list of many rules needs memory for one.
    pub fn put_rule(&self, rule: &Rule, out: &mut String) {
        let start = out.len();
        *out = self.run(rule, std::mem::take(out), |machine| {
            let comment = rule.comment.as_ref().map(Untrusted::as_bytes);
            let comment = comment.or(machine.comment.as_deref());
            let comment = comment.map(|comment| quoted(&comment.into()));
            let whole = machine.lost.is_empty();
            let mut out = machine.words.into_text();
            if !whole {
                out.insert_str(start, "# not in nft's words: ");
            }
            if let Some(comment) = comment {
                let _ = write!(out, " comment {comment}");
            }
            let sign = if whole { " #" } else { ";" };
            let _ = write!(out, "{sign} handle {}", rule.handle);
            out
        });
    }

    /// The words of a rule one by one, extensions of iptables in their own.
    pub(super) fn plain_words(&self, rule: &Rule) -> Vec<String> {
        let names = self.names(rule.family, &rule.table);
        let mut machine = Machine::new(&names, rule.family, String::new());
        machine.plain = true;
        machine.run(&rule.expressions);
        machine.words.iter().map(str::to_owned).collect()
    }

    fn run<T>(&self, rule: &Rule, text: String, take: impl FnOnce(Machine<'_>) -> T) -> T {
        let names = self.names(rule.family, &rule.table);
        let mut machine = Machine::new(&names, rule.family, text);
        machine.run(&rule.expressions);
        take(machine)
    }

    /// Opens a table's block and writes all of it that comes before its chains.
    pub fn table_head(&self, table: &Table) -> String {
        let mut out =
            format!("table {} {} {{ # handle {}\n", table.family, name(&table.name), table.handle);
        if table.flags & 1 != 0 {
            out.push_str("\tflags dormant\n");
        }
        comment(&mut out, "\t", table.comment.as_ref());
        let here = |family, owner: &Untrusted| family == table.family && *owner == table.name;
        for object in self.ruleset.objects.iter().filter(|it| here(it.family, &it.table)) {
            out.push_str(&object_block(object));
        }
        for content in self.ruleset.sets.iter().filter(|it| here(it.set.family, &it.set.table)) {
            if !content.set.is_anonymous() {
                out.push_str(&self.set(content));
            }
        }
        for flowtable in self.ruleset.flowtables.iter().filter(|it| here(it.family, &it.table)) {
            out.push_str(&flowtable_block(flowtable));
        }
        out
    }

    /// Opens a chain's block.
    pub fn chain_head(&self, chain: &Chain) -> String {
        let mut out = format!("\tchain {} {{ # handle {}\n", name(&chain.name), chain.handle);
        comment(&mut out, "\t\t", chain.comment.as_ref());
        let Some(hook) = &chain.hook else {
            return out;
        };
        let kind = chain.kind.as_ref().map(|kind| kind.escaped().to_string());
        let _ = write!(
            out,
            "\t\ttype {} hook {}{} priority {};",
            kind.as_deref().unwrap_or("filter"),
            hook.name,
            devices(hook),
            hook.priority
        );
        if chain.flags & 2 != 0 {
            out.push_str(" flags offload;");
        }
        if let Some(policy) = chain.policy {
            let _ = write!(out, " policy {};", if policy == 0 { "drop" } else { "accept" });
        }
        out.push('\n');
        out
    }

    /// Writes a set or a map with its elements.
    pub fn set(&self, content: &SetContent) -> String {
        let set = &content.set;
        let word = if set.is_map() { "map" } else { "set" };
        let mut out = format!("\t{word} {} {{ # handle {}\n", name(&set.name), set.handle);
        let typed = set.notes.key_typeof.as_deref().and_then(notes::words);
        let mut line = match &typed {
            Some(words) => format!("\t\ttypeof {words}"),
            None => format!("\t\ttype {}", types::name(set.key_type)),
        };
        if let Some(kind) = set.object_type {
            let _ = write!(line, " : {}", object_name(kind));
        } else if set.is_map() {
            let interval = if set.notes.data_interval { "interval " } else { "" };
            let data = set.notes.data_typeof.as_deref().and_then(notes::words);
            let data = match (data.filter(|_| typed.is_some()), set.data_type) {
                (Some(words), _) => words,
                (None, Some(0xffff_ff00) | None) => "verdict".to_owned(),
                (None, Some(kind)) => types::name(kind),
            };
            let _ = write!(line, " : {interval}{data}");
        }
        let _ = writeln!(out, "{line}");
        if let Some(size) = set.size.filter(|size| *size != 0) {
            let _ = writeln!(out, "\t\tsize {size}");
        }
        if set.policy == Some(1) {
            out.push_str("\t\tpolicy memory\n");
        }
        let names = [(2, "constant"), (4, "interval"), (16, "timeout"), (32, "dynamic")];
        let flags: Vec<_> =
            names.iter().filter(|it| set.flags & it.0 != 0).map(|it| it.1).collect();
        if !flags.is_empty() {
            let _ = writeln!(out, "\t\tflags {}", flags.join(","));
        }
        for expr in &set.expressions {
            let _ = writeln!(out, "\t\t{}", stateful::stateful(expr).unwrap_or_default());
        }
        comment(&mut out, "\t\t", set.comment.as_ref());
        if let Some(timeout) = set.timeout_ms.filter(|it| *it != 0) {
            let _ = writeln!(out, "\t\ttimeout {}", types::duration(timeout));
        }
        if let Some(every) = set.gc_interval_ms.filter(|it| *it != 0) {
            let _ = writeln!(out, "\t\tgc-interval {}", types::duration(every.into()));
        }
        if set.notes.merge {
            out.push_str("\t\tauto-merge\n");
        }
        if !content.elements.is_empty() {
            let body = set::body(content, &[], ",\n\t\t\t     ");
            let _ = writeln!(out, "\t\telements = {{ {body} }}");
        }
        out.push_str("\t}\n\n");
        out
    }

    /// Writes everything.
    pub fn whole(&self) -> String {
        let mut out = String::new();
        let rules = self.ruleset.by_chain();
        for table in &self.ruleset.tables {
            out.push_str(&self.table_head(table));
            let chains = self.ruleset.chains.iter();
            for chain in chains.filter(|it| it.family == table.family && it.table == table.name) {
                out.push_str(&self.chain_head(chain));
                let key = (table.family, table.name.as_bytes(), chain.name.as_bytes());
                for rule in rules.get(&key).into_iter().flatten() {
                    out.push_str("\t\t");
                    self.put_rule(rule, &mut out);
                    out.push('\n');
                }
                out.push_str("\t}\n\n");
            }
            out.push_str("}\n");
        }
        out
    }
}

fn name(name: &Untrusted) -> String {
    name.escaped().to_string()
}

fn comment(out: &mut String, indent: &str, comment: Option<&Untrusted>) {
    if let Some(comment) = comment {
        let _ = writeln!(out, "{indent}comment {}", quoted(comment));
    }
}

fn devices(hook: &Hook) -> String {
    match hook.devices.as_slice() {
        [] => String::new(),
        [one] => format!(" device {}", quoted(one)),
        many => {
            let list: Vec<_> = many.iter().map(quoted).collect();
            format!(" devices = {{ {} }}", list.join(", "))
        }
    }
}

fn flowtable_block(flowtable: &Flowtable) -> String {
    let mut out = format!(
        "\tflowtable {} {{ # handle {}\n\t\thook ingress priority {}\n",
        name(&flowtable.name),
        flowtable.handle,
        flowtable.hook.priority
    );
    if !flowtable.hook.devices.is_empty() {
        let list: Vec<_> = flowtable.hook.devices.iter().map(quoted).collect();
        let _ = writeln!(out, "\t\tdevices = {{ {} }}", list.join(", "));
    }
    if flowtable.flags & 1 != 0 {
        out.push_str("\t\tflags offload\n");
    }
    if flowtable.flags & 2 != 0 {
        out.push_str("\t\tcounter\n");
    }
    out.push_str("\t}\n\n");
    out
}

/// What declares an object of a type.
fn object_name(kind: u32) -> &'static str {
    match kind {
        1 => "counter",
        2 => "quota",
        3 => "ct helper",
        4 => "limit",
        5 => "ct count",
        6 => "tunnel",
        7 => "ct timeout",
        8 => "secmark",
        9 => "ct expectation",
        10 => "synproxy",
        _ => "object",
    }
}

fn object_block(object: &Object) -> String {
    let word = object_name(object.kind);
    let mut out = format!("\t{word} {} {{ # handle {}\n", name(&object.name), object.handle);
    comment(&mut out, "\t\t", object.comment.as_ref());
    for line in object_lines(object) {
        let _ = writeln!(out, "\t\t{line}");
    }
    out.push_str("\t}\n\n");
    out
}

fn object_lines(object: &Object) -> Vec<String> {
    let number = |name: &str| match object.fields.get(name) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    let text = |name: &str| match object.fields.get(name) {
        Some(Value::Text(text)) => quoted(text),
        _ => String::new(),
    };
    let zero = |name: &str| number(name).unwrap_or(0);
    let l3 = match number("l3proto") {
        Some(2) => "ip",
        Some(10) => "ip6",
        _ => "inet",
    };
    let l4 = types::constant(&[zero("l4proto") as u8], types::PROTO, false);
    match object.kind {
        1 => vec![format!("packets {} bytes {}", zero("packets"), zero("bytes"))],
        2 => {
            let over = if zero("flags") & 1 != 0 { "over " } else { "" };
            let used = match zero("consumed") {
                0 => String::new(),
                used => format!(" used {}", stateful::bytes(used)),
            };
            vec![format!("{over}{}{used}", stateful::bytes(zero("bytes")))]
        }
        3 => vec![format!("type {} protocol {l4}", text("name")), format!("l3proto {l3}")],
        4 => vec![stateful::limit_of(number).trim_start_matches("limit ").to_owned()],
        7 => {
            let mut lines = vec![format!("protocol {l4}"), format!("l3proto {l3}")];
            if let Some(Value::Bytes(policy)) = object.fields.get("policy") {
                let policy = timeouts(policy, zero("l4proto"));
                if !policy.is_empty() {
                    lines.push(format!("policy = {{ {policy} }}"));
                }
            }
            lines
        }
        8 => vec![text("context")],
        9 => vec![
            format!("protocol {l4}"),
            format!("dport {}", zero("dport")),
            format!("timeout {}", types::duration(swapped(zero("timeout_ms")))),
            format!("size {}", zero("size")),
            format!("l3proto {l3}"),
        ],
        10 => vec![stateful::synproxy(number)],
        _ => Vec::new(),
    }
}

/// The kernel sends this one number in the byte order of the machine.
fn swapped(number: u64) -> u64 {
    u32::try_from(number).map_or(number, |it| u32::from_ne_bytes(it.to_be_bytes()).into())
}

/// The seconds of a timeout policy by the states of a protocol.
fn timeouts(nest: &[u8], protocol: u64) -> String {
    const TCP: &[&str] = &[
        "syn_sent",
        "syn_recv",
        "established",
        "fin_wait",
        "close_wait",
        "last_ack",
        "time_wait",
        "close",
        "syn_sent2",
        "retrans",
        "unack",
    ];
    let names = if protocol == 6 { TCP } else { &["unreplied", "replied"][..] };
    let defaults: &[u32] = match protocol {
        6 => &[120, 60, 432_000, 120, 60, 30, 120, 10, 120, 300, 300],
        _ => &[30, 120],
    };
    let mut out = Vec::new();
    for (kind, value) in crate::netlink::attr::Attrs::new(nest) {
        let Some(at) = usize::from(kind).checked_sub(1) else {
            continue;
        };
        let (Some(name), Some(seconds)) = (names.get(at), crate::netlink::attr::be32(value)) else {
            continue;
        };
        if defaults.get(at) != Some(&seconds) {
            out.push(format!("{name} : {seconds}"));
        }
    }
    out.join(", ")
}
