use serde_json::Value;
use vision_core::Timestamp;
use vision_core::wire::LinkType;

use super::*;

/// One packet of each protocol: name, link type, bytes.
const SAMPLES: &str = include_str!("../../../../../vision-core/tests/data/packets/packets.txt");

fn samples() -> impl Iterator<Item = (&'static str, LinkType, Vec<u8>)> {
    SAMPLES.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("three words");
        let (name, link, hex) = (word(), word().parse().expect("a link type"), word());
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte");
        (name, link, (0..hex.len()).step_by(2).map(byte).collect())
    })
}

fn text(frame: &Frame<'_>) -> String {
    let mut out = Vec::new();
    Lines::default().packet(&mut out, 1, frame, None);
    assert_eq!(out.pop(), Some(b'\n'));
    String::from_utf8(out).expect("UTF-8")
}

fn object(name: &str) -> Value {
    let (_, link, bytes) = samples().find(|it| it.0 == name).expect("a sample");
    serde_json::from_str(&text(&Frame::new(link, &bytes))).expect("JSON")
}

/// The last layer of a sample without its offset.
fn last(name: &str) -> Value {
    let mut object = object(name);
    let mut last = object["layers"].as_array_mut().and_then(Vec::pop).expect("a layer");
    last.as_object_mut().expect("an object").remove("offset");
    last
}

/// Fails where a name stands twice in one object, which readers disagree about.
fn unique(text: &str) {
    let mut names: Vec<Vec<String>> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '{' => names.push(Vec::new()),
            '}' => drop(names.pop()),
            '"' => {
                let mut escaped = false;
                let end = rest.find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                let (name, after) = rest.split_at(end.expect("a closing quotation mark"));
                rest = &after[1..];
                if rest.starts_with(':') {
                    let names = names.last_mut().expect("an object");
                    assert!(!names.iter().any(|it| it == name), "{name} twice: {text}");
                    names.push(name.to_owned());
                }
            }
            _ => {}
        }
    }
}

#[test]
fn every_line_is_one_object_whose_names_are_unique() {
    for (name, link, bytes) in samples() {
        for len in 0..=bytes.len() {
            let mut frame = Frame::new(link, &bytes[..len]);
            frame.len = bytes.len() as u32;
            let text = text(&frame);
            assert!(!text.contains('\n'), "{name}");
            let object: Value = serde_json::from_str(&text).expect(&text);
            assert_eq!(object["caplen"], len, "{name}");
            assert_eq!(object["len"], bytes.len(), "{name}");
            unique(&text);
        }
    }
}

#[test]
fn the_frame_comes_first_with_nine_decimals_of_its_time() {
    let mut frame = Frame::new(LinkType::ETHERNET, &[0; 14]);
    frame.time = Some(Timestamp::from_unix_nanos(1_700_000_000_000_000_007));
    frame.len = 60;
    frame.direction = Some(Direction::Out);
    assert_eq!(
        text(&frame),
        r#"{"type":"event","number":1,"time":"1700000000.000000007","len":60,"caplen":14,"interface":0,"direction":"out","link_type":"EN10MB","layers":[{"layer":"eth","offset":0,"src":"00:00:00:00:00:00","dst":"00:00:00:00:00:00","length":0}],"fault":{"layer":"llc","offset":14,"needed":3,"available":0,"cut":false}}"#
    );
}

#[test]
fn a_cut_packet_names_the_layer_that_is_missing() {
    let (_, link, bytes) = samples().find(|it| it.0 == "tcp_syn").expect("a sample");
    let mut frame = Frame::new(link, &bytes[..40]);
    frame.len = 74;
    let object: Value = serde_json::from_str(&text(&frame)).expect("JSON");
    let fault = serde_json::json!({"layer": "tcp", "offset": 34, "needed": 20, "available": 6, "cut": true});
    assert_eq!(object["fault"], fault);
    assert_eq!(object["layers"].as_array().map(Vec::len), Some(2));
}

#[test]
fn checksums_are_explained() {
    let state = |name| last(name)["checksum"].clone();
    assert_eq!(state("tcp_syn"), serde_json::json!({"value": 27099, "state": "correct"}));
    let offload = state("tcp_offload");
    assert_eq!(offload["state"], "not_filled_in");
    assert_eq!(offload["why"], "not yet filled in: transmit offload");
    assert_eq!(state("tcp_damaged")["expected"], 13287);
    assert_eq!(state("udp_no_checksum")["state"], "absent");
    assert_eq!(state("ipv4_fragment_first")["why"], "not checked: a fragment");
}

#[test]
fn applications_say_what_they_are_about() {
    let hello = last("tls_client_hello");
    assert_eq!(hello["sni"], "www.example");
    assert_eq!(hello["alpn"], serde_json::json!(["h2", "http/1.1"]));
    assert_eq!(hello["version"], 0x0304);
    assert_eq!(last("http_request")["host"], "www.example");
    assert_eq!(last("http_response")["status"], 404);
    assert_eq!(last("snmp_get")["community"], "public");
    assert_eq!(last("dhcp_discover")["message_type"], 1);
    let answer = last("dns_answer");
    assert_eq!(answer["questions"][0]["name"], "a.example.");
    assert_eq!(answer["answers"][0]["data"], "b.example.");
    assert_eq!(answer["answers"][1]["data"], "192.0.2.1");
    assert_eq!(last("lldp")["system_name"], "node");
}

#[test]
fn what_stands_twice_in_a_packet_has_one_name() {
    let (_, link, mut bytes) = samples().find(|it| it.0 == "tcp_syn").expect("a sample");
    // Twenty bytes of options: two of each of the usual ones, and two of another kind.
    let options = [2, 4, 1, 0, 2, 4, 2, 0, 3, 3, 1, 3, 3, 2, 30, 3, 9, 30, 3, 8];
    bytes[54..74].copy_from_slice(&options);
    let text = text(&Frame::new(link, &bytes));
    unique(&text);
    let object: Value = serde_json::from_str(&text).expect("JSON");
    let tcp = &object["layers"][2];
    assert_eq!((&tcp["mss"], &tcp["window_scale"]), (&Value::from(256), &Value::from(1)));
    assert_eq!(tcp["options"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_quoted_packet_is_marked() {
    let object = object("icmp_redirect");
    let quoted: Vec<_> = object["layers"].as_array().expect("layers").iter().collect();
    let marks: Vec<_> = quoted.iter().map(|layer| layer["quoted"] == true).collect();
    assert_eq!(marks, [false, false, false, true, true]);
}

#[test]
fn bytes_from_others_cannot_break_out_of_their_strings() {
    let (_, link, mut bytes) = samples().find(|it| it.0 == "http_request").expect("a sample");
    let at = bytes.windows(4).position(|it| it == b"/a?b").expect("the target");
    bytes[at..at + 4].copy_from_slice(b"\"\\\x1b\x07");
    let line = text(&Frame::new(link, &bytes));
    assert!(!line.bytes().any(|byte| byte.is_ascii_control()), "{line}");
    let object: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(object["layers"][3]["target"], "\"\\\x1b\x07=c");
    bytes[at] = 0xff;
    let object: Value = serde_json::from_str(&text(&Frame::new(link, &bytes))).expect("JSON");
    assert_eq!(object["layers"][3]["target_hex"], "ff5c1b073d63");
    assert_eq!(object["layers"][3].get("target"), None);
}
