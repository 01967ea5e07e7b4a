//! The description a trace point gives of itself (Documentation/trace/events.rst), which differs
//! from kernel to kernel.

use std::collections::BTreeMap;

/// Where the fields of `skb:kfree_skb` lie, and the names of its reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) id: u32,
    fields: BTreeMap<String, Field>,
    reasons: BTreeMap<u32, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    offset: usize,
    size: usize,
}

/// What one sample says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// The instruction behind the call that freed the packet.
    pub(super) location: u64,
    /// Why; kernels before 5.17 do not say.
    pub(super) reason: Option<u32>,
    /// What the packet holds (`ETH_P_*`); zero before that is known.
    pub(super) protocol: Option<u16>,
    /// A socket was already found for it (kernel 6.11).
    pub(super) has_socket: Option<bool>,
}

impl Format {
    /// Reads the file `format`; `None` when it is no description of this trace point.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let id = text.lines().find_map(|line| line.strip_prefix("ID:"))?.trim().parse().ok()?;
        let fields: BTreeMap<_, _> = text.lines().filter_map(field).collect();
        let print = text.lines().find_map(|line| line.strip_prefix("print fmt:"));
        let reasons = print.map(symbols).unwrap_or_default();
        fields.contains_key("location").then_some(Self { id, fields, reasons })
    }

    /// Tells whether this kernel says why a packet is dropped.
    pub(super) fn has_reasons(&self) -> bool {
        self.fields.contains_key("reason")
    }

    pub(super) fn reason_name(&self, number: u32) -> Option<&str> {
        self.reasons.get(&number).map(String::as_str)
    }

    /// Reads the bytes of a sample; `None` when they are too few.
    pub(super) fn read(&self, raw: &[u8]) -> Option<Sample> {
        let number = |name: &str| self.number(name, raw);
        Some(Sample {
            location: number("location")?,
            reason: number("reason").and_then(|n| u32::try_from(n).ok()),
            protocol: number("protocol").and_then(|n| u16::try_from(n).ok()),
            has_socket: number("rx_sk").map(|address| address != 0),
        })
    }

    fn number(&self, name: &str, raw: &[u8]) -> Option<u64> {
        let Field { offset, size } = *self.fields.get(name)?;
        let bytes = raw.get(offset..offset.checked_add(size)?)?;
        match size {
            1 => bytes.first().map(|b| u64::from(*b)),
            2 => bytes.first_chunk().map(|b| u16::from_ne_bytes(*b).into()),
            4 => bytes.first_chunk().map(|b| u32::from_ne_bytes(*b).into()),
            8 => bytes.first_chunk().map(|b| u64::from_ne_bytes(*b)),
            _ => None,
        }
    }
}

/// `field:void * location; offset:16; size:8; signed:0;`
fn field(line: &str) -> Option<(String, Field)> {
    let mut parts = line.trim().strip_prefix("field:")?.split(';').map(str::trim);
    let name = parts.next()?.rsplit([' ', '*']).next()?;
    let (mut offset, mut size) = (None, None);
    for part in parts {
        match part.split_once(':') {
            Some(("offset", number)) => offset = number.parse().ok(),
            Some(("size", number)) => size = number.parse().ok(),
            _ => {}
        }
    }
    Some((name.to_owned(), Field { offset: offset?, size: size? }))
}

/// `__print_symbolic(REC->reason, { 2, "NOT_SPECIFIED" }, { 3, "NO_SOCKET" })`
fn symbols(print: &str) -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    let list = print.split_once("__print_symbolic(REC->reason").map(|(_, list)| list);
    for pair in list.unwrap_or_default().split('{').skip(1) {
        let Some((number, rest)) = pair.split_once(',') else { continue };
        let number = number.trim();
        let number = match number.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        let name = rest.split('"').nth(1);
        if let (Ok(number), Some(name)) = (number, name) {
            names.insert(number, name.to_owned());
        }
    }
    names
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a panic is a failed test")]
mod tests {
    use super::*;

    /// `cat /sys/kernel/tracing/events/skb/kfree_skb/format` of Linux 6.18.
    const NEW: &str = include_str!("../../../tests/data/perf/kfree_skb-6.18.format");

    /// As Linux 5.10 has it: no reason, no socket.
    const OLD: &str = "name: kfree_skb\nID: 1371\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
        \tfield:void * skbaddr;\toffset:8;\tsize:8;\tsigned:0;\n\
        \tfield:void * location;\toffset:16;\tsize:8;\tsigned:0;\n\
        \tfield:unsigned short protocol;\toffset:24;\tsize:2;\tsigned:0;\n\n\
        print fmt: \"skbaddr=%p protocol=%u location=%p\", REC->skbaddr, REC->protocol, REC->location\n";

    #[test]
    fn reasons_have_the_names_of_the_running_kernel() {
        let format = Format::parse(NEW).expect("a format");
        assert_eq!(format.id, 2310);
        assert!(format.has_reasons());
        for (number, name) in [
            (2, "NOT_SPECIFIED"),
            (3, "NO_SOCKET"),
            (12, "NETFILTER_DROP"),
            (59, "NEIGH_QUEUEFULL"),
        ] {
            assert_eq!(format.reason_name(number), Some(name));
        }
        assert_eq!(format.reason_name(60_000), None);
        assert!(format.reasons.len() > 100, "{}", format.reasons.len());
    }

    #[test]
    fn a_kernel_without_reasons_still_says_where() {
        let format = Format::parse(OLD).expect("a format");
        assert!(!format.has_reasons());
        let mut raw = vec![0; 32];
        raw[16..24].copy_from_slice(&0xffff_ffff_8123_4567_u64.to_ne_bytes());
        raw[24..26].copy_from_slice(&0x0800_u16.to_ne_bytes());
        let sample = format.read(&raw).expect("a sample");
        assert_eq!((sample.location, sample.protocol), (0xffff_ffff_8123_4567, Some(0x0800)));
        assert_eq!((sample.reason, sample.has_socket), (None, None));
    }

    #[test]
    fn samples_that_are_too_short_and_texts_of_other_kinds_are_refused() {
        let format = Format::parse(NEW).expect("a format");
        assert_eq!(format.read(&[0; 23]), None);
        for text in ["", "ID: x\n", "name: other\nID: 7\nformat:\n", "ID: 7\nfield:;offset:;size:;"]
        {
            assert_eq!(Format::parse(text), None, "{text}");
        }
        let hostile = "ID: 7\n\tfield:void * location;\toffset:18446744073709551615;\tsize:8;\n";
        assert_eq!(Format::parse(hostile).expect("a format").read(&[0; 64]), None);
    }
}
