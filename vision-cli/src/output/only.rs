//! Conditions on the rows of a list.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use vision_core::capture::Match;
use vision_core::{Error, Result};

use super::json::{self, Object};
use super::rows::Row;

/// One condition: `state==FAILED`.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Members of members, outermost first.
    field: String,
    test: Test,
}

/// What a field's value has to be.
#[derive(Debug, Clone)]
struct Test {
    op: Op,
    value: String,
}

#[derive(Debug, Clone)]
enum Op {
    Is,
    IsNot,
    /// The orders that will do.
    Order(&'static [Ordering]),
    Matches(Box<Match>),
}

impl FromStr for Condition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: String| Error::Invalid { what: "condition", why };
        let end = text.find(['=', '!', '<', '>']).unwrap_or(text.len());
        let (field, rest) = text.split_at(end);
        let op =
            ["==", "!=", "<=", ">=", "=~", "<", ">"].into_iter().find(|it| rest.starts_with(it));
        let field = field.trim();
        let (Some(op), false) = (op, field.is_empty()) else {
            let why = format!(
                "`{text}` is not a field, one of == != < > <= >= =~, and a value, as in \
                 state==FAILED"
            );
            return Err(invalid(why));
        };
        let value = rest.get(op.len()..).unwrap_or_default().trim().to_owned();
        let op = match op {
            "==" => Op::Is,
            "!=" => Op::IsNot,
            "<" => Op::Order(&[Ordering::Less]),
            ">" => Op::Order(&[Ordering::Greater]),
            "<=" => Op::Order(&[Ordering::Less, Ordering::Equal]),
            ">=" => Op::Order(&[Ordering::Greater, Ordering::Equal]),
            _ => {
                let pattern = Match::compile(&value);
                let pattern = pattern.map_err(|e| invalid(format!("`{value}`: {e}")))?;
                Op::Matches(Box::new(pattern))
            }
        };
        Ok(Self { field: field.to_owned(), test: Test { op, value } })
    }
}

impl Condition {
    /// Tells whether a row meets it, and whether the row has the field.
    fn holds(&mut self, row: &Value) -> (bool, bool) {
        let (mut found, mut any) = (false, false);
        self.test.visit(row, &self.field, &mut found, &mut any);
        // What is not there is not equal to anything.
        let negated = matches!(self.test.op, Op::IsNot);
        (any != negated, found)
    }
}

impl Test {
    /// Looks at all that the rest of a path leads to: every element of lists on the way.
    fn visit(&mut self, value: &Value, path: &str, found: &mut bool, any: &mut bool) {
        match value {
            Value::Array(items) => {
                *found |= path.is_empty();
                items.iter().for_each(|item| self.visit(item, path, found, any));
            }
            _ if path.is_empty() => {
                *found = true;
                *any |= self.compare(value);
            }
            Value::Object(members) => {
                let (name, rest) = path.split_once('.').unwrap_or((path, ""));
                if let Some(member) = members.get(name) {
                    self.visit(member, rest, found, any);
                }
            }
            _ => {}
        }
    }

    fn compare(&mut self, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Object(_) => return false,
            other => other.to_string(),
        };
        let order = match (value, self.value.parse::<f64>()) {
            (Value::Number(number), Ok(wanted)) => {
                number.as_f64().unwrap_or(0.0).partial_cmp(&wanted)
            }
            _ => Some(text.as_str().cmp(&self.value)),
        };
        // Beyond 2^53 the text of whole numbers tells apart what the numbers do not.
        let same = match (value, self.value.parse::<i128>()) {
            (Value::Number(number), wanted) if number.is_f64() || wanted.is_err() => {
                order == Some(Ordering::Equal)
            }
            _ => text.eq_ignore_ascii_case(&self.value),
        };
        match &mut self.op {
            Op::Is | Op::IsNot => same,
            Op::Order(wanted) => order.is_some_and(|order| wanted.contains(&order)),
            Op::Matches(pattern) => pattern.find(text.as_bytes()).is_some(),
        }
    }
}

/// All conditions, and which fields there are.
#[derive(Debug, Default)]
pub struct Only {
    conditions: Vec<Condition>,
    /// Conditions whose field no row has had yet.
    unknown: Vec<bool>,
    fields: BTreeSet<String>,
    text: Vec<u8>,
}

impl Only {
    /// Takes the conditions.
    pub fn new(conditions: &[Condition]) -> Self {
        let unknown = vec![true; conditions.len()];
        Self { conditions: conditions.to_vec(), unknown, ..Self::default() }
    }

    /// Tells whether every row is wanted.
    #[inline]
    pub fn is_all(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Tells whether a row of a long list is wanted.
    pub fn row(&mut self, row: &dyn Row) -> std::io::Result<bool> {
        let mut absent = Vec::new();
        self.text.clear();
        let mut object = Object::noting(&mut self.text, &mut absent);
        row.members(&mut object)?;
        object.end();
        self.decide(&absent)
    }

    /// Leaves the wanted ones of some rows.
    ///
    /// # Errors
    /// [`Error::Invalid`] when no row has the field of a condition.
    pub fn keep<T: Serialize>(&mut self, rows: &mut Vec<T>) -> Result<()> {
        if self.is_all() {
            return Ok(());
        }
        rows.retain(|row| {
            let mut absent = Vec::new();
            self.text.clear();
            let written = json::append_noting(&mut self.text, row, &mut absent);
            written.and_then(|()| self.decide(&absent)).unwrap_or(false)
        });
        self.check()
    }

    /// Tells whether the row whose JSON was just written is wanted.
    fn decide(&mut self, absent: &[&'static str]) -> std::io::Result<bool> {
        let row: Value = serde_json::from_slice(&self.text)?;
        let mut all = true;
        for (condition, unknown) in self.conditions.iter_mut().zip(&mut self.unknown) {
            let (holds, found) = condition.holds(&row);
            let last = condition.field.rsplit('.').next().unwrap_or_default();
            *unknown &= !found && !absent.contains(&last);
            all &= holds;
        }
        if self.unknown.contains(&true) {
            self.learn(&row, "", 0);
            self.fields.extend(absent.iter().map(|name| (*name).to_owned()));
        }
        Ok(all)
    }

    /// Remembers what the fields are called.
    fn learn(&mut self, value: &Value, before: &str, depth: u8) {
        match value {
            // Names that are data would be without end.
            Value::Object(members) if depth < 4 && self.fields.len() < 200 => {
                for (name, member) in members {
                    let path = format!("{before}{name}");
                    self.learn(member, &format!("{path}."), depth + 1);
                    if !has_members(member) {
                        self.fields.insert(path);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|it| self.learn(it, before, depth)),
            _ => {}
        }
    }

    /// Says which field no row had, once there was one.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming it and those there are.
    pub fn check(&self) -> Result<()> {
        let wrong = self.conditions.iter().zip(&self.unknown).find(|(_, unknown)| **unknown);
        match wrong {
            Some((condition, _)) if !self.fields.is_empty() => {
                let fields: Vec<&str> = self.fields.iter().map(String::as_str).collect();
                let why = format!(
                    "no row has a field `{}`; there are {}",
                    condition.field,
                    fields.join(", ")
                );
                Err(Error::Invalid { what: "condition", why })
            }
            _ => Ok(()),
        }
    }
}

fn has_members(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => items.iter().any(has_members),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str) -> (bool, bool) {
        let row = serde_json::json!({
            "state": "failed", "mtu": 1500, "big": u64::MAX, "flags": ["up", "lower_up"],
            "addrs": [{"local": "10.0.0.1"}, {"local": "::1"}], "up": true, "none": null,
            "share": 0.25, "empty": [], "kind": {"name": "veth", "id": 7},
        });
        condition.parse::<Condition>().expect(condition).holds(&row)
    }

    #[test]
    fn conditions_are_met_or_not() {
        for met in [
            "state==FAILED",
            "state != stale",
            "mtu==1500",
            "mtu>=1500",
            "mtu<9000",
            "up==true",
            "big==18446744073709551615",
            "flags==UP",
            "flags!=broadcast",
            "addrs.local==10.0.0.1",
            "addrs.local=~^::",
            "kind.name==veth",
            "kind.id>6",
            "none==null",
            "share<=0.25",
            "share==0.25",
            "empty!=x",
            "state=~ail",
            "share==.25",
            "mtu==1500.0",
        ] {
            assert_eq!(holds(met), (true, true), "{met}");
        }
        for not in [
            "state==fail",
            "mtu>1500",
            "mtu==15e3",
            "big==18446744073709551614",
            "flags!=up",
            "addrs.local==10.0.0.2",
            "kind.name=~^eth",
            "kind==veth",
            "empty==x",
            "up!=true",
        ] {
            assert_eq!(holds(not), (false, true), "{not}");
        }
        assert_eq!((holds("nothing==1"), holds("nothing!=1")), ((false, false), (true, false)));
        assert_eq!(holds("state.x==1"), (false, false));
    }

    #[test]
    fn what_is_no_condition_is_said() {
        for wrong in ["", "state", "==x", "state=x", "state!x", "state=~(", "a ! b"] {
            assert!(wrong.parse::<Condition>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_that_no_row_has_is_said_with_those_there_are() {
        #[derive(Serialize)]
        struct Line {
            name: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            master: Option<u8>,
        }
        let kept = |condition: &str| {
            let mut rows = vec![Line { name: "a", master: None }, Line { name: "b", master: None }];
            let mut only = Only::new(&[condition.parse().expect(condition)]);
            only.keep(&mut rows).map(|()| rows.len()).map_err(|e| e.to_string())
        };
        assert_eq!(kept("name==b"), Ok(1));
        assert_eq!((kept("master==1"), kept("master!=1")), (Ok(0), Ok(2)));
        let error = kept("nmae==a").expect_err("no such field");
        assert!(error.contains("`nmae`; there are master, name"), "{error}");
        let mut nothing: Vec<Line> = Vec::new();
        let mut only = Only::new(&["nmae==a".parse().expect("a condition")]);
        assert!(only.keep(&mut nothing).is_ok(), "without rows nothing is known");
    }
}
