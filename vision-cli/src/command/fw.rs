//! `vision fw`

mod ipset;
mod legacy;

use std::io;

use vision_core::firewall::legacy::LegacyTable;
use vision_core::firewall::{
    self, Chain, Counter, Firewall, Flow, FwFamily, Rule, Ruleset, Table, Text, iptables,
};
use vision_core::inventory::{Consistency, Inventory};
use vision_core::{Budget, Result, Untrusted};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop, Tail};
use crate::args::{FwArgs, FwVerb, SetsVerb};
use crate::context::Context;
use crate::output::Row;
use crate::output::human::fw::{CounterRow, FwRow, Item, MetRow, Words};

type Write<'w> = dyn FnMut(&dyn Row) -> io::Result<()> + 'w;

/// Lists the firewall, its sets or its counters.
pub fn run(args: &FwArgs, context: &mut Context) -> Ended {
    match &args.verb {
        None if args.legacy => legacy::run(context),
        Some(FwVerb::Sets(sets)) => match &sets.verb {
            Some(SetsVerb::Test { set, element }) => ipset::test(set, element, context),
            None if sets.ipset => ipset::list(sets, context),
            None => nf_tables(args, context),
        },
        None => nf_tables(args, context),
    }
}

fn nf_tables(args: &FwArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut firewall = Firewall::open(&target)?;
    let outline = match args.why {
        Some(_) => firewall.ruleset(&budget)?,
        None => firewall.outline(&budget)?,
    };
    // Names are a comfort: rules can be read without.
    let names = Inventory::open(&target).and_then(|mut it| Names::read(&mut it, &budget)).ok();
    let names: Vec<_> =
        names.iter().flat_map(Names::iter).map(|(at, name)| (at, name.clone())).collect();
    let text = Text::new(&outline).interfaces(names);
    let (json, verbose) = (context.out.is_json(), context.global.verbose > 0);
    let (outline, text) = (&outline, &text);
    let mut reading = Reading { firewall, budget, stop, outline, text, legacy: Vec::new() };
    let sets = matches!(args.verb, Some(FwVerb::Sets(_)));
    let beside = if sets { Vec::new() } else { legacy::beside(&target, &reading.budget) };
    if !json {
        legacy::tell(&beside);
    }
    reading.legacy = beside;
    if let Some(flow) = &args.why {
        let mut flow = flow.clone();
        (flow.iif, flow.oif) = (args.iif.clone(), args.oif.clone());
        return stream::list(context, "met", |write| reading.why(&flow, write));
    }
    match args.verb {
        Some(FwVerb::Sets(_)) => stream::list(context, "sets", |write| reading.sets(json, write)),
        None if args.counters => stream::list(context, "counters", |write| reading.counters(write)),
        None if args.iptables => stream::list(context, "lines", |write| reading.iptables(write)),
        None if json => stream::list(context, "objects", |write| reading.objects(verbose, write)),
        None => stream::list(context, "objects", |write| reading.text(write)),
    }
}

struct Reading<'r> {
    firewall: Firewall,
    budget: Budget,
    stop: Stop,
    outline: &'r Ruleset,
    text: &'r Text<'r>,
    legacy: Vec<LegacyTable>,
}

impl<'r> Reading<'r> {
    fn text(&mut self, write: &mut Write<'_>) -> Result<Tail<'static>> {
        let (outline, text) = (self.outline, self.text);
        for table in &outline.tables {
            self.stop.unless(write(&Words(&text.table_head(table))));
            let mut chains = chains(outline, table);
            let mut open: Option<&Untrusted> = None;
            let mut line = String::new();
            self.rules(table, |rule, stop| {
                while open != Some(&rule.chain) {
                    let Some(chain) = chains.next() else {
                        break;
                    };
                    let close = if open.is_some() { "\t}\n\n" } else { "" };
                    let head = format!("{close}{}", text.chain_head(chain));
                    stop.unless(write(&Words(&head)));
                    open = Some(&chain.name);
                }
                line.clear();
                line.push_str("\t\t");
                text.put_rule(rule, &mut line);
                line.push('\n');
                stop.unless(write(&Words(&line)));
            })?;
            let mut tail = String::new();
            if open.is_some() {
                tail.push_str("\t}\n\n");
            }
            for chain in chains {
                tail.push_str(&format!("{}\t}}\n\n", text.chain_head(chain)));
            }
            self.stop.unless(write(&Words(&format!("{tail}}}\n"))));
        }
        self.tail()
    }

    fn objects(&mut self, verbose: bool, write: &mut Write<'_>) -> Result<Tail<'static>> {
        let (outline, text) = (self.outline, self.text);
        let mut plain = |item| write(&FwRow { item, text: None });
        for table in &outline.tables {
            self.stop.unless(plain(Item::Table(table)));
        }
        for table in &self.legacy {
            let rules = legacy::rules(table);
            let (family, name) = (table.family, &table.name);
            self.stop.unless(plain(Item::LegacyTable { family, name, rules }));
        }
        for object in &outline.objects {
            self.stop.unless(plain(Item::Object(object)));
        }
        for set in &outline.sets {
            self.stop.unless(plain(Item::Set(set)));
        }
        for flowtable in &outline.flowtables {
            self.stop.unless(plain(Item::Flowtable(flowtable)));
        }
        for chain in &outline.chains {
            self.stop.unless(plain(Item::Chain(chain)));
        }
        for table in &outline.tables {
            self.rules(table, |rule, stop| {
                let body = verbose.then(|| text.rule_body(rule));
                let row = FwRow { item: Item::Rule(rule), text: body.as_deref() };
                stop.unless(write(&row));
            })?;
        }
        self.tail()
    }

    fn sets(&mut self, json: bool, write: &mut Write<'_>) -> Result<Tail<'static>> {
        for content in self.outline.sets.iter().filter(|content| !content.set.is_anonymous()) {
            let text = self.text.set(content);
            let row = match json {
                true => write(&FwRow { item: Item::Set(content), text: Some(&text) }),
                false => {
                    let (family, table) = (content.set.family, content.set.table.escaped());
                    write(&Words(&format!("table {family} {table} {{\n{text}}}\n")))
                }
            };
            self.stop.unless(row);
        }
        self.tail()
    }

    fn counters(&mut self, write: &mut Write<'_>) -> Result<Tail<'static>> {
        let (outline, text) = (self.outline, self.text);
        for object in &outline.objects {
            if let Some(counter) = object.counter() {
                let named = format!("{} {}", object.kind_name(), object.name.escaped());
                let row = counted(object.family, &object.table, object.handle, counter, &named);
                self.stop.unless(write(&row));
            }
        }
        for table in &outline.tables {
            self.rules(table, |rule, stop| {
                let Some(counter) = rule.counter() else {
                    return;
                };
                let line = text.rule(rule);
                let row = counted(rule.family, &rule.table, rule.handle, counter, &line);
                let chain = Some(rule.chain.escaped().to_string());
                stop.unless(write(&CounterRow { chain, ..row }));
            })?;
        }
        self.tail()
    }

    fn iptables(&mut self, write: &mut Write<'_>) -> Result<Tail<'static>> {
        let (outline, text) = (self.outline, self.text);
        for table in outline.tables.iter().filter(|table| iptables::is_iptables(table)) {
            let (family, name) = (table.family, table.name.escaped());
            let program = if family == FwFamily::Ip6 { "ip6tables" } else { "iptables" };
            let mut line = |line: String| write(&Words(&line));
            self.stop.unless(line(format!("# {program}, in nf_tables\n*{name}\n")));
            for chain in chains(outline, table) {
                self.stop.unless(line(format!("{}\n", iptables::chain_line(chain))));
            }
            self.rules(table, |rule, stop| {
                stop.unless(line(format!("{}\n", iptables::rule_line(text, rule))));
            })?;
            self.stop.unless(write(&Words("COMMIT\n")));
        }
        self.tail()
    }

    fn why(&mut self, flow: &Flow, write: &mut Write<'_>) -> Result<Tail<'static>> {
        let met = firewall::why(self.outline, self.text, flow);
        let mut before = None;
        for one in &met {
            let new = before != Some(&one.hook);
            before = Some(&one.hook);
            self.stop.unless(write(&MetRow { met: one, new }));
        }
        self.tail()
    }

    fn rules(&mut self, table: &Table, mut each: impl FnMut(&Rule, &Stop)) -> Result<()> {
        let Self { firewall, budget, stop, .. } = self;
        firewall.rules_each(table, budget, |rule| each(&rule, stop)).map(drop)
    }

    /// Everything is one state if the kernel's number for it is still the same.
    fn tail(&mut self) -> Result<Tail<'static>> {
        let still = self.firewall.generation(&self.budget)? == self.outline.generation;
        let consistent = if still { self.outline.consistent } else { Consistency::No };
        Ok(Tail { consistent, interfaces: None })
    }
}

fn chains<'r>(outline: &'r Ruleset, table: &'r Table) -> impl Iterator<Item = &'r Chain> {
    let here = |chain: &&Chain| chain.family == table.family && chain.table == table.name;
    outline.chains.iter().filter(here)
}

fn counted<'t>(
    family: impl ToString,
    table: &Untrusted,
    handle: u64,
    counter: Counter,
    text: &'t str,
) -> CounterRow<'t> {
    let (family, table) = (family.to_string(), table.escaped().to_string());
    CounterRow { family, table, chain: None, handle, counter, text }
}
