//! Statements that keep a state of their own: counters, limits, quotas, logs.

use std::fmt::Write;

use super::super::expr::Expression;
use super::super::model::Counter;
use super::super::types;
use super::machine::quoted;

/// Puts a counter, which most rules have.
pub(super) fn put_counter(expr: &Expression, out: &mut String) {
    let Counter { packets, bytes } = Counter::of(expr);
    // A string takes all.
    let _ = write!(out, "counter packets {packets} bytes {bytes}");
}

/// Statements that keep a state of their own; they stand in rules, sets and elements.
pub(super) fn stateful(expr: &Expression) -> Option<String> {
    let number = |name: &str| expr.number(name).unwrap_or(0);
    Some(match expr.name.as_bytes() {
        b"counter" => {
            let mut out = String::new();
            put_counter(expr, &mut out);
            out
        }
        b"limit" => limit(expr),
        b"quota" => {
            let over = if number("flags") & 1 != 0 { "over " } else { "" };
            format!("quota {over}{}{}", bytes(number("bytes")), used(number("consumed")))
        }
        b"connlimit" => {
            let over = if number("flags") & 1 != 0 { "over " } else { "" };
            format!("ct count {over}{}", number("count"))
        }
        b"last" => match number("set") {
            0 => "last used never".to_owned(),
            _ => format!("last used {}", types::duration(number("msecs"))),
        },
        b"notrack" => "notrack".to_owned(),
        b"log" => log(expr),
        b"synproxy" => format!("synproxy {}", synproxy(|name| expr.number(name))),
        _ => return None,
    })
}

/// The settings of a synproxy.
pub(super) fn synproxy(number: impl Fn(&str) -> Option<u64>) -> String {
    let flags = number("flags").unwrap_or(0);
    let mut words = Vec::new();
    if flags & 1 != 0 {
        words.push(format!("mss {}", number("mss").unwrap_or(0)));
    }
    if flags & 2 != 0 {
        words.push(format!("wscale {}", number("wscale").unwrap_or(0)));
    }
    for (bit, word) in [(8, "timestamp"), (4, "sack-perm")] {
        if flags & bit != 0 {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}

fn used(consumed: u64) -> String {
    match consumed {
        0 => String::new(),
        _ => format!(" used {}", bytes(consumed)),
    }
}

/// Writes bytes in the largest unit that loses none.
pub(super) fn bytes(mut number: u64) -> String {
    let mut unit = 0;
    while number != 0 && number.is_multiple_of(1024) && unit < 2 {
        number /= 1024;
        unit += 1;
    }
    format!("{number} {}", ["bytes", "kbytes", "mbytes"].get(unit).copied().unwrap_or("bytes"))
}

/// Writes a limit.
pub(super) fn limit(expr: &Expression) -> String {
    limit_of(|name| expr.number(name))
}

/// Writes a limit from its settings.
pub(super) fn limit_of(number: impl Fn(&str) -> Option<u64>) -> String {
    let number = |name: &str| number(name).unwrap_or(0);
    let over = if number("flags") & 1 != 0 { "over " } else { "" };
    let units = [(1, "second"), (60, "minute"), (3600, "hour"), (86_400, "day"), (604_800, "week")];
    let unit = units.iter().find(|unit| unit.0 == number("unit")).map_or("second", |unit| unit.1);
    let burst = number("burst");
    if number("type") == 1 {
        let burst = if burst > 0 { format!(" burst {}", bytes(burst)) } else { String::new() };
        return format!("limit rate {over}{}/{unit}{burst}", bytes(number("rate")));
    }
    format!("limit rate {over}{}/{unit} burst {burst} packets", number("rate"))
}

fn log(expr: &Expression) -> String {
    const LEVELS: [&str; 9] =
        ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"];
    let mut out = String::from("log");
    if let Some(prefix) = expr.text("prefix") {
        out.push_str(&format!(" prefix {}", quoted(prefix)));
    }
    for (field, word) in
        [("group", "group"), ("snaplen", "snaplen"), ("qthreshold", "queue-threshold")]
    {
        let shown = |number: &u64| field == "group" || *number != 0;
        if let Some(number) = expr.number(field).filter(shown) {
            out.push_str(&format!(" {word} {number}"));
        }
    }
    let level = expr.number("level").filter(|level| *level != 4);
    if let Some(level) = level.and_then(|level| LEVELS.get(level as usize)) {
        out.push_str(&format!(" level {level}"));
    }
    let flags = expr.number("flags").unwrap_or(0);
    if flags & 0x2f == 0x2f {
        out.push_str(" flags all");
        return out;
    }
    match flags & 3 {
        1 => out.push_str(" flags tcp sequence"),
        2 => out.push_str(" flags tcp options"),
        3 => out.push_str(" flags tcp sequence,options"),
        _ => {}
    }
    for (bit, word) in [(4, " flags ip options"), (8, " flags skuid"), (0x20, " flags ether")] {
        if flags & bit != 0 {
            out.push_str(word);
        }
    }
    out
}
