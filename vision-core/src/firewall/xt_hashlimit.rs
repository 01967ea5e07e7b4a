//! `-m hashlimit`: so many packets or bytes in a time, counted apart for each of something.

use crate::base::Escaped;
use crate::netlink::attr::{self, u32, u64};

/// Parts of a second in which rates are kept.
const SCALE: u64 = 1_000_000;
const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3600), ("min", 60), ("sec", 1)];

const BYTES: u32 = 32;
const RATE_MATCH: u32 = 64;

/// `struct xt_hashlimit_mtinfo3`: name, then `struct hashlimit_cfg3`.
pub(super) fn words(info: &[u8], six: bool) -> Option<String> {
    let name = attr::text(info.get(..255)?);
    let cfg = info.get(256..)?;
    let (average, burst) = (u64(cfg)?, u64(cfg.get(8..)?)?);
    let number = |at: usize| cfg.get(at..).and_then(u32);
    let (mode, size, most) = (number(16)?, number(20)?, number(24)?);
    let (sweep_ms, expire_ms, interval) = (number(28)?, number(32)?, number(36)?);
    let mut out =
        vec![if mode & 16 != 0 { "--hashlimit-above" } else { "--hashlimit-upto" }.to_owned()];
    let usual_ms = match mode & BYTES != 0 {
        true => bytes(average, burst, &mut out),
        false => packets(average, burst, &mut out),
    };
    let keys = [(4, "srcip"), (8, "srcport"), (1, "dstip"), (2, "dstport")];
    let keys: Vec<_> = keys.iter().filter(|it| mode & it.0 != 0).map(|it| it.1).collect();
    if !keys.is_empty() {
        out.push(format!("--hashlimit-mode {}", keys.join(",")));
    }
    out.push(format!("--hashlimit-name {}", Escaped::new(name)));
    for (word, value, usual) in [
        ("htable-size", size, 0),
        ("htable-max", most, 0),
        ("htable-gcinterval", sweep_ms, 1000),
        ("htable-expire", expire_ms, usual_ms),
    ] {
        if value != usual {
            out.push(format!("--hashlimit-{word} {value}"));
        }
    }
    let whole = if six { 128 } else { 32 };
    for (word, at) in [("srcmask", 40), ("dstmask", 41)] {
        let mask = *cfg.get(at)?;
        if mask != whole {
            out.push(format!("--hashlimit-{word} {mask}"));
        }
    }
    if mode & RATE_MATCH != 0 {
        out.push("--hashlimit-rate-match".to_owned());
        if interval != 1 {
            out.push(format!("--hashlimit-rate-interval {interval}"));
        }
    }
    Some(out.join(" "))
}

/// Puts a rate of packets; returns for how long idle entries are kept unless said otherwise.
fn packets(average: u64, burst: u64, out: &mut Vec<String>) -> u32 {
    let cost = average.max(1);
    let mut unit = ("day", 86_400);
    for next in UNITS.into_iter().skip(1) {
        let credit = next.1 * SCALE;
        if cost > credit || credit / cost < credit % cost {
            break;
        }
        unit = next;
    }
    out.push(format!("{}/{}", unit.1 * SCALE / cost, unit.0));
    out.push(format!("--hashlimit-burst {burst}"));
    u32::try_from(unit.1 * 1000).unwrap_or(u32::MAX)
}

/// As [`packets`] for bytes, of which sixteen cost one.
fn bytes(average: u64, burst: u64, out: &mut Vec<String>) -> u32 {
    const SIZES: [(&str, u64); 3] = [("mb", 1 << 20), ("kb", 1 << 10), ("b", 1)];
    let all = u64::from(u32::MAX);
    let rate = all.checked_div(average).unwrap_or(all).saturating_sub(1) << 4;
    let cost = |bytes: u64| all / ((bytes >> 4) + 1);
    let exact = |size: u64| rate >= size && cost(rate & !(size - 1)) == average;
    let found = SIZES.into_iter().find(|(_, size)| *size == 1 || exact(*size));
    let (word, size) = found.unwrap_or(("b", 1));
    out.push(format!("{}{word}/s", rate / size));
    if burst == 0 {
        return 15_000;
    }
    let most = rate.saturating_mul(burst);
    let found = SIZES.into_iter().find(|(_, size)| *size == 1 || most >= *size);
    let (word, size) = found.unwrap_or(("b", 1));
    out.push(format!("--hashlimit-burst {}{word}", most / size));
    60_000
}
