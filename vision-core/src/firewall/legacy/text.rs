//! Tables in the words of `iptables-legacy-save -c`.

use std::fmt::Write;

use super::model::{Extension, LegacyChain, LegacyRule, LegacyTable, LegacyTarget};
use crate::firewall::{protocols, value};

impl LegacyTable {
    /// Returns the table as iptables-save writes it, from `*NAME` to `COMMIT`.
    ///
    /// An extension not known here is written as its name and its bytes in brackets.
    pub fn save(&self) -> String {
        let mut out = format!("*{}\n", self.name.escaped());
        for chain in &self.chains {
            let _ = writeln!(out, "{}", chain.line());
        }
        for chain in &self.chains {
            for rule in &chain.rules {
                let _ = writeln!(out, "{}", rule.line(chain));
            }
        }
        out.push_str("COMMIT\n");
        out
    }

    /// Tells whether packets meet anything here: a rule, or a policy other than to accept.
    pub fn is_in_use(&self) -> bool {
        use super::model::LegacyVerdict::Accept;
        let idle = |policy| policy == Accept;
        self.chains.iter().any(|it| !it.rules.is_empty() || !it.policy.is_none_or(idle))
    }
}

impl LegacyChain {
    /// Returns its declaration: `:INPUT ACCEPT [0:0]`.
    pub fn line(&self) -> String {
        let policy = self.policy.map_or_else(|| "-".to_owned(), |policy| policy.to_string());
        let counter = self.counter;
        format!(":{} {policy} [{}:{}]", self.name.escaped(), counter.packets, counter.bytes)
    }
}

impl LegacyRule {
    /// Returns it as `iptables-save -c` does, given the chain it is in.
    pub fn line(&self, chain: &LegacyChain) -> String {
        let Self { counter, .. } = self;
        let (packets, bytes) = (counter.packets, counter.bytes);
        format!("[{packets}:{bytes}] -A {}{}", chain.name.escaped(), self.body())
    }

    /// Returns what it asks and does, each word after a blank.
    fn body(&self) -> String {
        let mut out = String::new();
        let mut option = |inverted: bool, name: &str, value: &str| {
            let bang = if inverted { " !" } else { "" };
            let gap = if value.is_empty() { "" } else { " " };
            let _ = write!(out, "{bang} {name}{gap}{value}");
        };
        for (name, asked) in [("-s", &self.source), ("-d", &self.destination)] {
            if let Some(asked) = asked {
                option(asked.inverted, name, &asked.value.to_string());
            }
        }
        for (name, asked) in [("-i", &self.iif), ("-o", &self.oif)] {
            if let Some(asked) = asked {
                option(asked.inverted, name, &asked.value);
            }
        }
        if let Some(asked) = &self.protocol {
            let number = u8::try_from(asked.value);
            let name = number.map_or_else(|_| asked.value.to_string(), protocols::name);
            option(asked.inverted, "-p", &name);
        }
        if let Some(asked) = &self.fragment {
            option(asked.inverted, "-f", "");
        }
        for one in &self.matches {
            push(&mut out, "-m", one);
        }
        match &self.target {
            None => {}
            Some(LegacyTarget::Verdict(verdict)) => _ = write!(out, " -j {verdict}"),
            Some(LegacyTarget::Jump(to)) => _ = write!(out, " -j {}", to.escaped()),
            Some(LegacyTarget::Goto(to)) => _ = write!(out, " -g {}", to.escaped()),
            Some(LegacyTarget::Extension(one)) => push(&mut out, "-j", one),
        }
        out
    }
}

fn push(out: &mut String, flag: &str, one: &Extension) {
    let options = one.options.as_deref().unwrap_or_default();
    // The kernel has one module for both names.
    let alias =
        one.name == *"conntrack" && options.trim_start_matches("! ").starts_with("--state ");
    match alias {
        true => _ = write!(out, " {flag} state"),
        false => _ = write!(out, " {flag} {}", one.name.escaped()),
    }
    match &one.options {
        Some(options) if options.is_empty() => {}
        Some(options) => _ = write!(out, " {options}"),
        None => _ = write!(out, " [revision {} 0x{}]", one.revision, value::hex(&one.info)),
    }
}
