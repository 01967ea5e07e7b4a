use super::*;
use crate::wire::LinkType;

/// An IPv4 packet.
fn packet(protocol: u8, fragment: u16, rest: &[u8]) -> Vec<u8> {
    let len = (20 + rest.len() as u16).to_be_bytes();
    let at = fragment.to_be_bytes();
    let mut bytes = vec![0x45, 0, len[0], len[1], 0, 1, at[0], at[1], 64, protocol, 0, 0];
    bytes.extend_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend_from_slice(rest);
    bytes
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len() as u16).to_be_bytes();
    let mut rest = vec![0, 7, 0, 9, len[0], len[1], 0, 0];
    rest.extend_from_slice(payload);
    packet(17, 0, &rest)
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame::new(LinkType::RAW, bytes)
}

#[test]
fn what_is_searched_is_behind_the_headers() {
    let seen = |bytes: &[u8]| searched(&frame(bytes)).map(<[u8]>::to_vec);
    assert_eq!(seen(&udp(b"ping")), Some(b"ping".to_vec()));
    let icmp = [8, 0, 0xaa, 0xbb, 0, 1, 0, 2, b'x'];
    assert_eq!(seen(&packet(1, 0, &icmp)), Some(icmp[4..].to_vec()));
    assert_eq!(seen(&packet(1, 0x2000, &icmp)), Some(icmp[4..].to_vec()), "the first fragment");
    assert_eq!(seen(&packet(1, 1, &icmp)), Some(icmp.to_vec()), "a later one has no header");
    assert_eq!(seen(&packet(17, 1, b"rest")), Some(b"rest".to_vec()));
    assert_eq!(seen(&packet(99, 0, b"other")), Some(b"other".to_vec()));
    assert_eq!(seen(b"\x45"), None);
    let mut padded = udp(b"ping");
    padded.extend_from_slice(&[0; 18]);
    assert_eq!(seen(&padded), Some(b"ping".to_vec()));
}

#[test]
fn expressions_are_over_bytes() {
    let find = |pattern: &str, bytes: &[u8]| Match::compile(pattern).expect(pattern).find(bytes);
    assert_eq!(find("Host: *(a|b)", b"GET /\r\nHost:  b"), Some(7..15));
    assert_eq!(find("host:", b"Host:"), None);
    let mut any_case = Match::compile_any_case("host:").expect("a word");
    assert_eq!(any_case.find(b"HOST:"), Some(0..5));
    assert_eq!(find(r"\xff.\x00", b"\xfe\xff\x80\x00"), Some(1..4));
    assert_eq!(find("a.c", b"a\nc"), None);
    assert_eq!(find("hex:0D0a", b"x\r\n"), Some(1..3));
    assert_eq!(find("hex:0x0d 0a:ff", b"\r\n\xff"), Some(0..3));
    // The letter's two bytes.
    assert_eq!(find("ä", "xä".as_bytes()), Some(1..3));
    let mut hex = Match::compile_any_case("hex:41").expect("a byte");
    assert_eq!((hex.find(b"a"), hex.find(b"A")), (None, Some(0..1)));
}

#[test]
fn mistakes_are_pointed_at() {
    let wrong = |pattern: &str| {
        let error = Match::compile_any_case(pattern).expect_err(pattern);
        (error.pointed(pattern), error.message)
    };
    let at = |pattern: &str| wrong(pattern).0.lines().last().map(str::to_owned);
    assert_eq!(at("GET [z-a]").as_deref(), Some("     ^~~"));
    assert_eq!(at("*").as_deref(), Some("^"));
    assert_eq!(at("(a)\\1").as_deref(), Some("   ^~"));
    assert_eq!(at("hex:0a0").as_deref(), Some("      ^"));
    assert_eq!(at("hex:0ag0").as_deref(), Some("      ^"));
    assert_eq!(at("hex:").as_deref(), Some("    ^"));
    assert_eq!(at("x[ä]").as_deref(), Some("  ^"));
    assert!(
        wrong("((a{500}){500}){500}").1.contains("memory"),
        "{:?}",
        wrong("((a{500}){500}){500}")
    );
    assert!(Match::compile(&"(".repeat(100_000)).is_err());
}

#[test]
fn packets_are_taken_by_what_they_carry_and_by_what_was_before_them() {
    let all = [udp(b"a"), udp(b"b"), udp(b""), udp(b"c"), udp(b"a"), udp(b"d"), vec![0; 40]];
    let taken = |mut wanted: Match| -> Vec<(usize, bool)> {
        let hit = |at: usize| wanted.take(&frame(all.get(at)?)).map(|hit| (at, hit.follows));
        (0..all.len()).filter_map(hit).collect()
    };
    let a = || Match::compile("a").expect("a letter");
    assert_eq!(taken(a()), [(0, false), (4, false)]);
    assert_eq!(taken(a().inverted()), [(1, false), (3, false), (5, false)]);
    // The empty packet is one of those that follow.
    assert_eq!(taken(a().after(2)), [(0, false), (1, true), (4, false), (5, true)]);
    assert_eq!(taken(a().after(3)).len(), 5);
    let mut one = a().after(4);
    assert!(one.take(&frame(&all[0])).is_some_and(|hit| hit.offset == 28));
    one.stop();
    let rest = all.iter().filter_map(|bytes| one.take(&frame(bytes)));
    assert_eq!(rest.map(|hit| hit.follows).collect::<Vec<_>>(), [true; 3]);
    assert!(!one.is_following());
}

#[test]
fn long_expressions_over_long_payloads_take_linear_time() {
    let mut slow = Match::compile("(a*)*(a|aa)*b$").expect("an expression");
    let long = vec![b'a'; 200_000];
    let start = std::time::Instant::now();
    assert_eq!(slow.find(&long), None);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
