//! Statements: what a rule does.

use std::borrow::Cow;

use super::super::expr::Expression;
use super::super::model::FwFamily;
use super::super::proto::{CT, META};
use super::super::types::{self, IFINDEX, INTEGER, IPV4, IPV6, SERVICE};
use super::super::value::Value;
use super::super::xt;
use super::machine::{Machine, in_bits, quoted};
use super::stateful::{put_counter, stateful};
use super::sym::{Place, Sym};

impl Machine<'_> {
    /// Expressions that change or count packets or decide on them.
    pub(super) fn act(&mut self, expr: &Expression) -> bool {
        let text = match expr.name.as_bytes() {
            // Most rules have these, and there may be many rules.
            b"counter" => {
                put_counter(expr, self.begin());
                return true;
            }
            b"immediate" => {
                let verdict = expr.get("data").and_then(verdict);
                verdict.as_deref().inspect(|word| self.word(word));
                return verdict.is_some();
            }
            b"match" | b"target" => self.extension(expr),
            b"payload" => self.write_header(expr),
            b"meta" => self.write_meta(expr),
            b"ct" => self.write_ct(expr),
            b"exthdr" => self.write_extension(expr),
            b"nat" => self.nat(expr),
            b"masq" => self.redirect("masquerade", expr),
            b"redir" => self.redirect("redirect", expr),
            b"tproxy" => self.tproxy(expr),
            b"dup" => self.dup(expr),
            b"fwd" => self.fwd(expr),
            b"queue" => self.queue(expr),
            b"dynset" => self.dynset(expr),
            b"objref" => self.object(expr),
            b"reject" => Some(reject(expr, self.is_six())),
            b"flow_offload" => {
                expr.text("flowtable").map(|name| format!("flow add @{}", name.escaped()))
            }
            _ => stateful(expr),
        };
        match text {
            Some(text) => {
                if !text.is_empty() {
                    self.word(&text);
                }
                true
            }
            None => false,
        }
    }

    /// An extension of iptables, in nft's own words.
    fn extension(&mut self, expr: &Expression) -> Option<String> {
        let words = xt::words(expr, self.is_six())?;
        if self.plain {
            let flag = if expr.is("match") { "-m" } else { "-j" };
            let text = format!("{flag} {} {}", expr.text("name")?.escaped(), words.iptables);
            return Some(text.trim_end().to_owned());
        }
        self.comment = self.comment.take().or(words.comment);
        words.nft
    }

    fn write_header(&self, expr: &Expression) -> Option<String> {
        let source = self.get(expr, "sreg")?;
        let at = |name| expr.number(name).map(in_bits);
        let (offset, bits) = (at("offset")?, at("len")?);
        let place = self.payload(expr.number("base")?, offset, bits);
        if let Some((mask, xor)) = source.change.as_ref().filter(|_| !place.named) {
            // The bits outside of the field are kept, those inside come from the value.
            let field: Vec<u8> = mask.iter().map(|byte| !byte).collect();
            if let Some((sym, right)) = place.picked(&field) {
                let number = types::number(xor, false)? >> right;
                let bytes = number.to_be_bytes();
                let value = sym.part().constant(bytes.get(16 - sym.part().bytes()..)?);
                return Some(format!("{} set {value}", sym.text));
            }
        }
        let value = match &source.constant {
            Some(bytes) => place.part().constant(bytes),
            None => source.settled().text.into_string(),
        };
        Some(format!("{} set {value}", place.text))
    }

    fn write_meta(&self, expr: &Expression) -> Option<String> {
        let (name, _, kind) = META.get(expr.number("key")? as usize)?;
        let source = self.get(expr, "sreg")?;
        let value = match &source.constant {
            Some(bytes) if *kind == INTEGER => types::number(bytes, true)?.to_string(),
            _ => source.value(*kind),
        };
        Some(format!("{name} set {value}"))
    }

    fn write_ct(&self, expr: &Expression) -> Option<String> {
        let (name, _, kind) = CT.get(expr.number("key")? as usize)?;
        let source = self.get(expr, "sreg")?;
        let way = match expr.number("direction") {
            Some(0) => "original ",
            Some(1) => "reply ",
            _ => "",
        };
        let value = match &source.constant {
            Some(bytes) if *kind == INTEGER => types::number(bytes, true)?.to_string(),
            _ => source.value(*kind).replace(" | ", ","),
        };
        Some(format!("ct {way}{name} set {value}"))
    }

    fn write_extension(&self, expr: &Expression) -> Option<String> {
        let (op, kind) = (expr.number("op")?, expr.number("type")?);
        let Some(source) = self.get(expr, "sreg") else {
            let known = super::super::proto::EXTENSIONS.iter().find(|r| r.0 == op && r.1 == kind);
            let name = known.map_or(format!("tcp option {kind}"), |row| row.2.to_owned());
            return (op == 1).then(|| format!("reset {name}"));
        };
        let at = |name| expr.number(name).map(in_bits);
        let (offset, bits) = (at("offset")?, at("len")?);
        let place = Sym::located(Place::Extension(op, kind), offset, bits, None);
        let value = match &source.constant {
            Some(bytes) => place.part().constant(bytes),
            None => source.settled().text.into_string(),
        };
        Some(format!("{} set {value}", place.text))
    }

    fn nat(&self, expr: &Expression) -> Option<String> {
        let name = if expr.number("type") == Some(0) { "snat" } else { "dnat" };
        let flags = expr.number("flags").unwrap_or(0);
        let family = expr.number("family");
        let six = family == Some(10);
        let mut out = name.to_owned();
        let addr = self.get(expr, "addr_min");
        if self.family == FwFamily::Inet && addr.is_some() {
            out.push_str(if six { " ip6" } else { " ip" });
        }
        out.push_str(if flags & 64 != 0 { " prefix to " } else { " to " });
        out.push_str(&self.target(expr, ["addr_min", "addr_max"], six, flags & 64 != 0));
        out.push_str(&nat_flags(flags));
        Some(out)
    }

    /// `ADDRESS-ADDRESS:PORT-PORT`, or the map they come from.
    fn target(&self, expr: &Expression, names: [&str; 2], six: bool, prefix: bool) -> String {
        let kind = if six { IPV6 } else { IPV4 };
        let [min, max] = names.map(|name| self.get(expr, name));
        let port = self.get(expr, "proto_min").or_else(|| self.get(expr, "port"));
        let mapped = min.as_ref().filter(|min| min.constant.is_none());
        if let Some(map) = mapped.filter(|map| map.parts.len() > 1 || port.is_none()) {
            return map.settled().text.into_string();
        }
        let mut out = String::new();
        if let Some(min) = &min {
            let max = max.filter(|max| max.constant != min.constant);
            let low = min.value(kind);
            let bracket = six && port.is_some() && min.constant.is_some();
            let text = match max.map(|max| max.value(kind)) {
                Some(high) if prefix => range_as_prefix(&low, &high),
                Some(high) if bracket => format!("[{low}]-[{high}]"),
                Some(high) => format!("{low}-{high}"),
                None if bracket => format!("[{low}]"),
                None => low,
            };
            out.push_str(&text);
        }
        if let Some(port) = port {
            out.push(':');
            out.push_str(&port.value(SERVICE));
            let max = self.get(expr, "proto_max").filter(|max| max.constant != port.constant);
            if let Some(max) = max {
                out.push('-');
                out.push_str(&max.value(SERVICE));
            }
        }
        out
    }

    fn redirect(&self, name: &str, expr: &Expression) -> Option<String> {
        let ports = self.target(expr, ["", ""], false, false);
        let to = if ports.is_empty() { String::new() } else { format!(" to {ports}") };
        Some(format!("{name}{to}{}", nat_flags(expr.number("flags").unwrap_or(0))))
    }

    fn tproxy(&self, expr: &Expression) -> Option<String> {
        let family = expr.number("family").unwrap_or(0);
        let family = match (self.family, family) {
            (FwFamily::Inet, 2) => " ip",
            (FwFamily::Inet, 10) => " ip6",
            _ => "",
        };
        let six = expr.number("family") == Some(10) || self.family == FwFamily::Ip6;
        Some(format!("tproxy{family} to {}", self.target(expr, ["addr", ""], six, false)))
    }

    fn dup(&self, expr: &Expression) -> Option<String> {
        let device = self.get(expr, "dev").map(|dev| self.device(&dev));
        let six = self.family == FwFamily::Ip6;
        let addr = self.get(expr, "addr").map(|addr| addr.value(if six { IPV6 } else { IPV4 }));
        Some(match (addr, device) {
            (Some(addr), Some(device)) => format!("dup to {addr} device {device}"),
            (Some(to), None) | (None, Some(to)) => format!("dup to {to}"),
            (None, None) => return None,
        })
    }

    fn fwd(&self, expr: &Expression) -> Option<String> {
        let device = self.get(expr, "dev").map(|dev| self.device(&dev))?;
        let six = expr.number("nfproto") == Some(10);
        Some(match self.get(expr, "addr") {
            Some(addr) => {
                let (name, kind) = if six { ("ip6", IPV6) } else { ("ip", IPV4) };
                format!("fwd {name} to {} device {device}", addr.value(kind))
            }
            None => format!("fwd to {device}"),
        })
    }

    fn device(&self, dev: &Sym) -> String {
        match &dev.constant {
            Some(bytes) => self.names.interface(bytes),
            None => dev.value(IFINDEX),
        }
    }

    fn queue(&self, expr: &Expression) -> Option<String> {
        let flags = expr.number("flags").unwrap_or(0);
        let names = [(1, "bypass"), (2, "fanout")];
        let names: Vec<_> =
            names.iter().filter(|(bit, _)| flags & bit != 0).map(|it| it.1).collect();
        let flags = match names.is_empty() {
            true => String::new(),
            false => format!(" flags {}", names.join(",")),
        };
        if let Some(sym) = self.get(expr, "sreg") {
            return Some(format!("queue{flags} to {}", sym.settled().text));
        }
        let (num, total) = (expr.number("num")?, expr.number("total").unwrap_or(1));
        Some(match total {
            0 | 1 => format!("queue{flags} to {num}"),
            _ => format!("queue{flags} to {num}-{}", num.saturating_add(total - 1)),
        })
    }

    fn dynset(&self, expr: &Expression) -> Option<String> {
        let name = expr.text("set")?;
        let content = self.names.set(name)?;
        let parts = types::parts(content.set.key_type).len();
        let op = ["add", "update", "delete"].get(expr.number("op")? as usize)?;
        let mut out = format!("{op} @{} {{ ", name.escaped());
        let key = self.key(expr, "sreg_key", parts)?;
        out.push_str(&match &key.constant {
            Some(bytes) => types::constant(bytes, content.set.key_type, false),
            None => key.text.into_string(),
        });
        if let Some(timeout) = expr.number("timeout").filter(|it| *it != 0) {
            out.push_str(&format!(" timeout {}", types::duration(timeout)));
        }
        let one = match expr.get("expr") {
            Some(Value::List(list)) => Some(list),
            _ => None,
        };
        let many = match expr.get("expressions") {
            Some(Value::List(list)) => Some(list),
            _ => None,
        };
        for expr in many.or(one).into_iter().flatten() {
            out.push(' ');
            out.push_str(&stateful(expr)?);
        }
        if expr.number("sreg_data").is_some() {
            let kinds = types::parts(content.set.data_type?);
            let data = self.key(expr, "sreg_data", kinds.len())?;
            let kind = kinds.first().copied().unwrap_or(INTEGER);
            let text = if kinds.len() > 1 { data.text.into_string() } else { data.value(kind) };
            out.push_str(&format!(" : {text}"));
        }
        out.push_str(" }");
        Some(out)
    }

    fn object(&self, expr: &Expression) -> Option<String> {
        if let Some(name) = expr.text("name") {
            let word = object_word(u32::try_from(expr.number("type")?).ok()?)?;
            return Some(format!("{word} {}", quoted(name)));
        }
        let content = self.names.set(expr.text("set")?)?;
        let word = object_word(content.set.object_type?)?;
        let key = self.key(expr, "sreg", types::parts(content.set.key_type).len())?;
        Some(format!("{word} {} map {}", key.text, self.names.body(content, &key.parts)))
    }
}

/// What refers to an object of a type (`NFT_OBJECT_*`).
fn object_word(kind: u32) -> Option<&'static str> {
    Some(match kind {
        1 => "counter name",
        2 => "quota name",
        3 => "ct helper set",
        4 => "limit name",
        7 => "ct timeout set",
        8 => "meta secmark set",
        9 => "ct expectation set",
        10 => "synproxy name",
        _ => return None,
    })
}

/// Writes a verdict.
pub(super) fn verdict(value: &Value) -> Option<Cow<'static, str>> {
    let Value::Verdict { code, chain } = value else {
        return None;
    };
    let to = || chain.as_ref().map(|chain| chain.escaped().to_string()).unwrap_or_default();
    Some(match code {
        0 => "drop".into(),
        1 => "accept".into(),
        -1 => "continue".into(),
        -3 => format!("jump {}", to()).into(),
        -4 => format!("goto {}", to()).into(),
        -5 => "return".into(),
        _ => return None,
    })
}

fn reject(expr: &Expression, six: bool) -> String {
    let code = expr.number("icmp_code").unwrap_or(0);
    match expr.number("type") {
        Some(1) => "reject with tcp reset".to_owned(),
        Some(2) => {
            let names = ["no-route", "port-unreachable", "host-unreachable", "admin-prohibited"];
            let name = names.get(code as usize).map_or(code.to_string(), |name| (*name).to_owned());
            format!("reject with icmpx type {name}")
        }
        _ if six => format!("reject with icmpv6 type {}", icmpv6_code(code)),
        _ => format!("reject with icmp type {}", icmp_code(code)),
    }
}

/// Names of the codes of "destination unreachable".
pub(super) fn icmp_code(code: u64) -> String {
    let names = [
        (0, "net-unreachable"),
        (1, "host-unreachable"),
        (2, "prot-unreachable"),
        (3, "port-unreachable"),
        (9, "net-prohibited"),
        (10, "host-prohibited"),
        (13, "admin-prohibited"),
    ];
    names.iter().find(|name| name.0 == code).map_or(code.to_string(), |name| name.1.to_owned())
}

pub(super) fn icmpv6_code(code: u64) -> String {
    let names = [
        (0, "no-route"),
        (1, "admin-prohibited"),
        (3, "addr-unreachable"),
        (4, "port-unreachable"),
        (5, "policy-fail"),
        (6, "reject-route"),
    ];
    names.iter().find(|name| name.0 == code).map_or(code.to_string(), |name| name.1.to_owned())
}

fn nat_flags(flags: u64) -> String {
    let names = [(4, "random"), (16, "fully-random"), (8, "persistent")];
    let names: Vec<_> = names.iter().filter(|(bit, _)| flags & bit != 0).map(|it| it.1).collect();
    if names.is_empty() { String::new() } else { format!(" {}", names.join(",")) }
}

/// A range of addresses that is a whole prefix.
pub(super) fn range_as_prefix(low: &str, high: &str) -> String {
    let bytes = |text: &str| -> Option<Vec<u8>> {
        Some(match text.parse().ok()? {
            std::net::IpAddr::V4(addr) => addr.octets().to_vec(),
            std::net::IpAddr::V6(addr) => addr.octets().to_vec(),
        })
    };
    let both = bytes(low).zip(bytes(high));
    let bits = both.and_then(|(low, high)| super::set::prefix_len(&low, &high));
    bits.map_or(format!("{low}-{high}"), |bits| format!("{low}/{bits}"))
}
