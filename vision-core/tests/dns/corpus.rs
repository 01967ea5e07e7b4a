//! Recorded messages, with what dnspython makes of them as the oracle.
//!
//! Compared: id, flags, opcode, extended rcode, EDNS, and name, type, class, TTL and data of every
//! record. Normalised is the form of the data only, see [`normal`] and [`generic`], the class of
//! records in updates, and the place of the TSIG record.

use std::collections::BTreeMap;

use serde_json::Value;
use vision_core::wire::dns::{Class, Message, Opcode, Question, Record, RecordType};

const CORPUS: &str = "../../shared/dns/messages.jsonl";

#[test]
fn recorded_messages_read_as_another_implementation_reads_them() {
    let Ok(text) = std::fs::read_to_string(CORPUS) else {
        println!("SKIP: {CORPUS} is not there");
        return;
    };
    let (mut agree, mut refused, mut differ) = (0, 0, BTreeMap::<String, Vec<String>>::new());
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("a JSON object per line");
        let origin = case["origin"].as_str().unwrap_or_default().to_owned();
        let wire = unhex(case["wire"].as_str().unwrap_or_default());
        let message = Message::decode(&wire);
        if case["ok"] != true {
            refused += 1;
            continue;
        }
        match message.map_err(|e| e.to_string()).and_then(|m| compare(&m, &case)) {
            Ok(()) => agree += 1,
            Err(reason) => differ.entry(reason).or_default().push(origin),
        }
    }
    let all = agree + differ.values().map(Vec::len).sum::<usize>();
    let percent = 100.0 * agree as f64 / all as f64;
    println!(
        "{agree} of {all} agree ({percent:.1} %), {refused} refused by the oracle read without panic"
    );
    for (reason, origins) in &differ {
        println!("{} × {reason}\n    first: {}", origins.len(), origins[0]);
    }
    assert!(differ.is_empty(), "{} messages differ", all - agree);
}

#[test]
fn every_recorded_message_survives_json_cuts_and_flipped_bits() {
    let Ok(text) = std::fs::read_to_string(CORPUS) else {
        println!("SKIP: {CORPUS} is not there");
        return;
    };
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).expect("a JSON object per line");
        let mut wire = unhex(case["wire"].as_str().unwrap_or_default());
        let Ok(message) = Message::decode(&wire) else {
            continue;
        };
        let json = serde_json::to_string(&message).expect("serialises");
        assert_eq!(serde_json::from_str::<Message>(&json).expect("deserialises"), message);
        for length in 0..wire.len() {
            show_safely(&wire[..length]);
        }
        for n in 0..wire.len() {
            wire[n] ^= 0xff;
            show_safely(&wire);
            wire[n] ^= 0xff;
        }
    }
}

/// Whatever the bytes, the text must not move a terminal's cursor.
fn show_safely(wire: &[u8]) {
    let Ok(message) = Message::decode(wire) else {
        return;
    };
    let sections = [&message.answers, &message.authorities, &message.additionals];
    for record in sections.into_iter().flatten() {
        let text = record.to_string();
        assert!(text.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b)), "{text:?}");
    }
}

fn compare(message: &Message, case: &Value) -> Result<(), String> {
    let header = &message.header;
    same("id", &header.id.into(), &case["id"])?;
    let bits = header.flags.to_bits() | u16::from(header.opcode.raw()) << 11;
    // The oracle's flags include kind and the lower four bits of the result.
    let theirs = case["flags"].as_u64().unwrap_or_default() & 0xfff0;
    same("flags", &bits.into(), &theirs.into())?;
    same("opcode", &header.opcode.raw().into(), &case["opcode"])?;
    same("rcode", &header.rcode.raw().into(), &case["rcode"])?;
    compare_edns(message, &case["edns"])?;
    let questions: Vec<_> = message.questions.iter().map(question).collect();
    same("question", &questions.into(), &case["question"])?;
    for (key, records) in [
        ("answer", &message.answers),
        ("authority", &message.authorities),
        ("additional", &message.additionals),
    ] {
        // The oracle keeps the signature of a message apart.
        let records = records.iter().filter(|r| r.rtype != RecordType::Tsig);
        let mut ours: Vec<_> = records.map(|r| record(r, header.opcode)).collect();
        let theirs = case[key].as_array().cloned().unwrap_or_default();
        let mut theirs: Vec<_> = theirs.iter().map(oracle_record).collect();
        // The oracle keeps record sets together.
        ours.sort();
        theirs.sort();
        same(key, &ours.into(), &theirs.into())?;
    }
    match &message.stopped {
        None => Ok(()),
        Some(error) => Err(format!("stopped: {error}")),
    }
}

fn compare_edns(message: &Message, theirs: &Value) -> Result<(), String> {
    let ours = message.edns.as_ref().map_or(Value::Null, |edns| {
        let options: Vec<_> =
            edns.options.iter().map(|o| serde_json::json!([o.code, o.data.to_string()])).collect();
        serde_json::json!({
            "version": edns.version,
            "payload": edns.udp_payload_bytes,
            "flags": edns.flags,
            "options": options,
        })
    });
    same("edns", &ours, theirs)
}

fn same(what: &str, ours: &Value, theirs: &Value) -> Result<(), String> {
    if ours == theirs { Ok(()) } else { Err(format!("{what}: {ours} against {theirs}")) }
}

fn question(question: &Question) -> Vec<String> {
    vec![question.name.to_string(), question.class.to_string(), question.rtype.to_string()]
}

fn record(record: &Record, opcode: Opcode) -> Vec<String> {
    let Record { name, ttl_s, class, rtype, data, .. } = record;
    // In updates the oracle reports the zone's class where the wire has NONE or ANY.
    let class = match (opcode, class) {
        (Opcode::Update, Class::None | Class::Any) => &Class::In,
        _ => class,
    };
    let (class, rtype) = (class.to_string(), rtype.to_string());
    let text = match (class.as_str(), data.addr()) {
        ("CLASS32769", Some(addr)) => generic(addr),
        _ => normal(&rtype, &data.to_string()),
    };
    vec![name.to_string(), ttl_s.to_string(), class, rtype, text]
}

fn oracle_record(record: &Value) -> Vec<String> {
    let text = |n: usize| record[n].as_str().unwrap_or_default().to_owned();
    let data = normal(&text(3), &text(4));
    vec![text(0), record[1].to_string(), text(2), text(3), data]
}

/// The oracle leaves addresses of multicast DNS, whose class has the flush bit, undecoded.
fn generic(addr: std::net::IpAddr) -> String {
    let bytes = match addr {
        std::net::IpAddr::V4(v4) => v4.octets().to_vec(),
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("\\# {} {hex}", bytes.len())
}

/// Forgets blanks inside long values, the case of hexadecimal and base 32, and optional quotes.
fn normal(rtype: &str, data: &str) -> String {
    match rtype {
        "RRSIG" | "DNSKEY" | "CDNSKEY" | "TKEY" => data.replace(' ', ""),
        "DS" | "CDS" | "SSHFP" | "TLSA" | "NSEC3" | "NSEC3PARAM" | "ZONEMD" => {
            data.replace(' ', "").to_ascii_lowercase()
        }
        "SVCB" | "HTTPS" => data.replace('"', ""),
        _ => data.to_owned(),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}
