use std::time::{Duration, Instant};

use super::{Message, RData, Record, RecordType};

/// A response to `. IN A` with these answers, each as type and data; the counts can be changed.
fn response(answers: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = vec![0, 7, 0x80, 0, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0, 0, 0, 1, 0, 1];
    for (rtype, data) in answers {
        out.push(0);
        out.extend(rtype.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 5]);
        out.extend((data.len() as u16).to_be_bytes());
        out.extend_from_slice(data);
    }
    out
}

fn decode(bytes: &[u8]) -> Message {
    Message::decode(bytes).expect("a header")
}

fn fault(record: &Record) -> Option<&str> {
    match &record.data {
        RData::Unknown { fault, .. } => fault.as_deref(),
        _ => None,
    }
}

#[test]
fn one_bad_record_costs_itself_only() {
    let bad: &[(u16, &[u8])] = &[
        (1, &[192, 0, 2]),
        (1, &[192, 0, 2, 1, 9]),
        (28, &[0; 15]),
        (15, &[0, 10, 0xc0]),
        (16, &[]),
        (16, &[9, b'x']),
        (33, &[0, 1, 0, 2, 0]),
        (64, &[0, 1, 0, 0, 3, 0, 2, 1, 187, 0, 1, 0, 3, 2, b'h', b'2']),
        (5, &[0xc0, 0xff]),
        (43, &[0, 1]),
        (46, &[0; 17]),
        (47, &[0, 0, 0]),
        (50, &[1, 0, 0, 1, 9]),
        (29, &[0, 1, 2]),
        (108, &[0; 7]),
        (6, &[0, 0, 1]),
    ];
    for case in bad {
        let message = decode(&response(&[(1, &[192, 0, 2, 1]), *case, (2, &[0])]));
        assert_eq!((message.stopped, message.answers.len()), (None, 3), "{case:?}");
        let [good, odd, after] = message.answers.as_slice() else { unreachable!() };
        assert_eq!(good.data.to_string(), "192.0.2.1");
        assert!(fault(odd).is_some(), "{odd:?}");
        assert!(odd.data.to_string().starts_with("\\# "), "{odd}");
        assert_eq!(after.data.to_string(), ".");
    }
}

#[test]
fn a_message_cut_short_shows_what_came_before() {
    let whole = response(&[(1, &[192, 0, 2, 1]), (1, &[192, 0, 2, 2])]);
    let cut = decode(&whole[..whole.len() - 1]);
    assert_eq!(cut.answers.len(), 1);
    let stopped = cut.stopped.expect("it ends early");
    assert_eq!((stopped.need, stopped.have), (4, 3));
    let mut promising = whole;
    promising[7] = 200;
    let message = decode(&promising);
    assert_eq!((message.answers.len(), message.stopped.is_some()), (2, true));
    assert!(Message::decode(&[0; 11]).is_err());
}

#[test]
fn a_second_extension_record_and_bad_options_are_shown() {
    let mut bytes = response(&[]);
    bytes[11] = 2;
    // EXTENDED-RCODE 1, DO; then an option that promises more than there is.
    bytes.extend([0, 0, 41, 4, 208, 1, 0, 0x80, 0, 0, 9, 0, 10, 0, 1, 7, 0, 8, 0, 9]);
    bytes.extend([0, 0, 41, 2, 0, 0, 0, 0, 0, 0, 0]);
    let message = decode(&bytes);
    let edns = message.edns.expect("an extension record");
    assert_eq!((edns.udp_payload_bytes, edns.do_bit, edns.options.len()), (1232, true, 1));
    assert!(edns.fault.is_some());
    assert_eq!(message.header.rcode.to_string(), "BADVERS");
    assert_eq!(message.additionals[0].rtype, RecordType::Opt);
}

#[test]
fn options_print_as_dig_prints_them() {
    let text = |code, data: &[u8]| super::EdnsOption::new(code, data).to_string();
    assert_eq!(text(8, &[0, 1, 24, 0, 192, 0, 2]), "CLIENT-SUBNET: 192.0.2.0/24/0");
    assert_eq!(text(8, &[0, 9, 24, 0, 1]), "CLIENT-SUBNET: 0009180001");
    assert_eq!(text(15, &[0, 9, b'n', 0x1b]), "EDE: 9 (n\\027)");
    assert_eq!(text(3, b"ns1"), "NSID: 6e7331 (\"ns1\")");
    assert_eq!(text(65001, &[1]), "OPT=65001: 01");
}

#[test]
fn the_longest_hostile_message_takes_milliseconds_and_keeps_4096_records() {
    // A chain of pointers in the first record's data, then records whose names start at its end.
    let mut bytes = response(&[]);
    bytes[6..8].copy_from_slice(&u16::MAX.to_be_bytes());
    bytes.extend([0, 255, 0, 0, 1, 0, 0, 0, 0]);
    let links = 125_u16;
    bytes.extend((links * 2 + 1).to_be_bytes());
    let root = bytes.len() as u16;
    bytes.push(0);
    for n in 0..links {
        let target = if n == 0 { root } else { root + 1 + 2 * (n - 1) };
        bytes.extend((0xc000 | target).to_be_bytes());
    }
    let last = 0xc000 | (root + 1 + 2 * (links - 1));
    while bytes.len() < 65_500 {
        bytes.extend(last.to_be_bytes());
        bytes.extend([0, 2, 0, 1, 0, 0, 0, 0, 0, 2]);
        bytes.extend(last.to_be_bytes());
    }
    let started = Instant::now();
    let message = decode(&bytes);
    let took = started.elapsed();
    assert_eq!(message.answers.len(), 4095);
    assert!(message.stopped.is_some());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn random_bytes_are_read_without_panic() {
    // xorshift64: any sequence will do, but always the same one.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..50_000 {
        let rtype = [next() as u16 % 66, next() as u16 % 300][usize::from(next() % 4 == 0)];
        let length = next() as usize % 48;
        let data: Vec<u8> = (0..length).map(|_| (next() >> (next() % 8)) as u8).collect();
        let message = decode(&response(&[(rtype, &data)]));
        for record in &message.answers {
            let text = record.to_string();
            assert!(text.bytes().all(|b| b == b'\t' || (0x20..0x7f).contains(&b)), "{text:?}");
        }
    }
}
