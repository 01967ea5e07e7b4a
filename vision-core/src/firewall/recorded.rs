//! Messages that were recorded earlier or elsewhere.

use super::read::{self, Raw};
use super::{Ruleset, SetContent};
use crate::inventory::Consistency;
use crate::netlink::attr;
use crate::netlink::header::Messages;
use crate::netlink::nft::{self, Kind};

impl Ruleset {
    /// Reads the nf_tables messages of a recorded datagram; other messages are passed over.
    ///
    /// The bytes must be of a machine with the same byte order. Whether they are one state of a
    /// kernel is not known.
    ///
    /// ```
    /// use vision_core::firewall::{Ruleset, Text};
    ///
    /// let ruleset = Ruleset::recorded(&[0; 64]);
    /// assert_eq!(Text::new(&ruleset).whole(), "");
    /// ```
    pub fn recorded(datagram: &[u8]) -> Self {
        let mut out = Self { consistent: Consistency::Unknown, ..Self::NONE };
        for message in Messages::new(datagram) {
            for kind in Kind::ALL {
                if let Some((family, attrs)) = nft::decode(&message, kind) {
                    let taken = out.take(kind, &Raw { family, attrs });
                    out.unreadable += u64::from(taken.is_none());
                }
            }
        }
        out
    }

    fn take(&mut self, kind: Kind, raw: &Raw<'_>) -> Option<()> {
        match kind {
            Kind::Table => self.tables.push(read::table(raw)?),
            Kind::Chain => self.chains.push(read::chain(raw)?),
            Kind::Rule => self.rules.push(read::rule(raw)?),
            Kind::Object => self.objects.push(read::object(raw)?),
            Kind::Flowtable => self.flowtables.push(read::flowtable(raw)?),
            Kind::Set => {
                self.sets.push(SetContent { set: read::set(raw)?, elements: Vec::new() });
            }
            Kind::Element => {
                let table = attr::text(raw.attrs.clone().find(1)?);
                let name = attr::text(raw.attrs.clone().find(2)?);
                // Elements follow the set they belong to.
                let content = self.sets.last_mut().filter(|content| {
                    content.set.table.as_bytes() == table && content.set.name.as_bytes() == name
                })?;
                content.elements.extend(read::elements(raw));
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Flow, Text, iptables, why};
    use super::*;
    use crate::netlink::attr::{NESTED, encode};

    /// A message of nf_tables with its attributes.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(20 + body.len()).expect("short");
        let mut bytes = len.to_ne_bytes().to_vec();
        bytes.extend([kind, 10, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    fn rule(name: &str, data: &[u8]) -> Vec<u8> {
        let named = encode(1, &[name.as_bytes(), &[0]].concat());
        let expr = encode(NESTED | 1, &[named, encode(NESTED | 2, data)].concat());
        let names = [encode(1, b"t\0"), encode(2, b"c\0")].concat();
        message(6, &[names, encode(NESTED | 4, &expr)].concat())
    }

    #[test]
    fn an_expression_nobody_knows_is_kept_and_shown() {
        let ruleset = Ruleset::recorded(&rule("warp\x1b", &encode(3, &[0xab, 0xcd])));
        let [rule] = ruleset.rules.as_slice() else { panic!("{ruleset:?}") };
        let [expr] = rule.expressions.as_slice() else { panic!("{rule:?}") };
        assert!(!expr.known);
        assert_eq!(expr.bytes("attr_3"), Some(&[0xab, 0xcd][..]));
        let line = Text::new(&ruleset).rule(rule);
        assert_eq!(line, "# not in nft's words: [warp\\x1b attr_3 0xabcd]; handle 0");
    }

    #[test]
    fn messages_cut_anywhere_and_changed_anywhere_are_read() {
        let whole = rule("payload", &[encode(1, &[0, 0, 0, 1]), encode(2, &[0, 0, 0, 9])].concat());
        let flow: Flow = "10.0.0.1:1 -> 10.0.0.2:2/tcp".parse().expect("a flow");
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = value);
                for end in [at, bytes.len()] {
                    let ruleset = Ruleset::recorded(bytes.get(..end).expect("inside"));
                    let text = Text::new(&ruleset);
                    for rule in &ruleset.rules {
                        assert!(!text.rule(rule).contains(char::is_control));
                        assert!(!iptables::rule_line(&text, rule).is_empty());
                    }
                    assert!(why(&ruleset, &text, &flow).is_empty());
                }
            }
        }
    }
}
