use std::io::Write;

use vision_core::wire::dns::{Message, Name, Question, RData, Record};
use vision_core::wire::packet::Dns;

use crate::output::json;
use crate::output::packet::json::member::Member;
use crate::output::text::Put;

pub(in super::super) fn dns(out: &mut Vec<u8>, it: &Dns<'_>) {
    out.field("id", it.id);
    out.flag("response", it.is_response());
    out.field("opcode", it.opcode());
    out.field("rcode", it.rcode());
    out.field("flags", it.flags);
    out.field("answer_count", it.counts[1]);
    let Some(message) = it.message() else { return };
    out.list("questions", message.questions.iter(), question);
    records(out, "answers", &message.answers);
    records(out, "authorities", &message.authorities);
    additionals(out, &message);
    if let Some(stopped) = &message.stopped {
        out.field("stopped_at", stopped.offset as u64);
    }
}

fn question(out: &mut Vec<u8>, it: &Question) {
    out.put("{\"name\":");
    name(out, &it.name);
    out.field("type", it.rtype.raw());
    out.field("class", it.class.raw());
    out.push(b'}');
}

fn records(out: &mut Vec<u8>, section: &str, records: &[Record]) {
    if !records.is_empty() {
        out.list(section, records.iter(), record);
    }
}

fn record(out: &mut Vec<u8>, it: &Record) {
    out.put("{\"name\":");
    name(out, &it.name);
    out.field("type", it.rtype.raw());
    out.field("class", it.class.raw());
    out.field("ttl", it.ttl_s);
    match &it.data {
        RData::A(addr) => out.addr("data", *addr),
        RData::Aaaa(addr) => out.addr("data", *addr),
        RData::Cname(target) | RData::Ptr(target) | RData::Ns(target) => {
            out.key("data");
            name(out, target);
        }
        other => {
            out.key("data");
            json::string(out, &other.to_string());
        }
    }
    out.push(b'}');
}

/// The extension record stands last as a rule, and here.
fn additionals(out: &mut Vec<u8>, message: &Message) {
    let Some(edns) = &message.edns else {
        return records(out, "additionals", &message.additionals);
    };
    let all = message.additionals.iter().map(Some).chain([None]);
    out.list("additionals", all, |out, it| match it {
        Some(it) => record(out, it),
        None => {
            out.put("{\"name\":\".\",\"type\":41");
            out.field("udp_size", edns.udp_payload_bytes);
            out.push(b'}');
        }
    });
}

/// Names are printable ASCII, in which quotation marks and backslashes are escaped.
fn name(out: &mut Vec<u8>, name: &Name) {
    let mut plain = !name.is_root();
    let start = out.len();
    out.push(b'"');
    for label in name.labels() {
        plain &= label
            .iter()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'));
        out.extend_from_slice(label);
        out.push(b'.');
    }
    out.push(b'"');
    if !plain {
        out.truncate(start);
        let mut text = Vec::new();
        let _ = write!(text, "{name}");
        json::string(out, &String::from_utf8_lossy(&text));
    }
}
