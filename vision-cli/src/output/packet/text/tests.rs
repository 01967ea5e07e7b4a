use vision_core::base::Timestamp;
use vision_core::capture::Frame;
use vision_core::wire::LinkType;

use super::{Clock, Dump, Form, Lines, Style};

/// Bytes from hexadecimal, with blanks between.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok();
    digits.chunks(2).map(|two| pair(two).expect("two digits")).collect()
}

fn no_time() -> Style {
    Style { clock: Clock::None, ..Style::default() }
}

/// The lines of some packets, the link type of all of them given.
fn lines(style: Style, link: LinkType, packets: &[&[u8]]) -> String {
    let mut out = Vec::new();
    let mut lines = Lines::new(style);
    for (number, packet) in packets.iter().enumerate() {
        let mut frame = Frame::new(link, packet);
        frame.time = Some(Timestamp::from_unix_nanos(1_700_000_000_123_456_789));
        lines.packet(&mut out, number as u64 + 1, &frame);
    }
    String::from_utf8(out).expect("text")
}

const SYN: &str = "4500003c 1c464000 4006 9bd7 0a000001 0a000002 \
    d431 01bb 00000064 00000000 a002 faf0 0000 0000 020405b4 0402080a 00000001 00000000 01030307";
const SYN_ACK: &str = "4500002c 00004000 4006 26c9 0a000002 0a000001 \
    01bb d431 000003e8 00000065 6012 ffff 0000 0000 020405b4";
const DATA: &str = "4500002b 1c474000 4006 0ae1 0a000001 0a000002 \
    d431 01bb 00000065 000003e9 5018 01f6 0000 0000 616263";

#[test]
fn a_connection_is_told_with_numbers_that_begin_at_its_first_byte() {
    let packets: Vec<Vec<u8>> = [SYN, SYN_ACK, DATA].map(bytes).into();
    let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
    let text = lines(no_time(), LinkType::RAW, &packets);
    assert_eq!(
        text,
        "IP 10.0.0.1.54321 > 10.0.0.2.443: Flags [S], seq 100, win 64240, options [mss 1460,\
         sackOK,TS val 1 ecr 0,nop,wscale 7], length 0\n\
         IP 10.0.0.2.443 > 10.0.0.1.54321: Flags [S.], seq 1000, ack 101, win 65535, options \
         [mss 1460], length 0\n\
         IP 10.0.0.1.54321 > 10.0.0.2.443: Flags [P.], seq 1:4, ack 1, win 502, length 3\n"
    );
    let absolute = lines(Style { absolute: true, ..no_time() }, LinkType::RAW, &packets);
    assert!(absolute.ends_with("seq 101:104, ack 1001, win 502, length 3\n"), "{absolute}");
    let quiet = lines(Style { quiet: true, ..no_time() }, LinkType::RAW, &packets);
    assert!(quiet.ends_with("IP 10.0.0.1.54321 > 10.0.0.2.443: tcp 3\n"), "{quiet}");
}

#[test]
fn tags_of_vlans_stand_before_the_packet_when_the_link_is_shown() {
    let frame = bytes(
        "020000000002 020000000001 88a8 0064 8100 2005 0806 \
        0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
    );
    let plain = lines(no_time(), LinkType::ETHERNET, &[&frame]);
    assert_eq!(plain, "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n");
    let link = lines(Style { link: true, ..no_time() }, LinkType::ETHERNET, &[&frame]);
    assert_eq!(
        link,
        "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q-QinQ (0x88a8), length 50: vlan \
         100, p 0, ethertype 802.1Q (0x8100), vlan 5, p 1, ethertype ARP (0x0806), Request \
         who-has 10.0.0.2 tell 10.0.0.1, length 28\n"
    );
}

#[test]
fn questions_and_answers_of_dns_fit_a_line() {
    let query = bytes(
        "4500003a 00014000 4011 0000 0a000001 0a000002 ce15 0035 0026 0000 \
        1234 0100 0001 0000 0000 0000 03777777 076578616d706c65 00 001c 0001 00",
    );
    let text = lines(no_time(), LinkType::RAW, &[&query]);
    assert_eq!(text, "IP 10.0.0.1.52757 > 10.0.0.2.53: 4660+ AAAA? www.example. (30)\n");
}

#[test]
fn a_name_cannot_write_to_the_terminal() {
    let query = bytes(
        "4500003a 00014000 4011 0000 0a000001 0a000002 ce15 0035 0026 0000 \
        1234 0100 0001 0000 0000 0000 031b5b32 076578616d706c65 00 001c 0001 00",
    );
    let text = lines(no_time(), LinkType::RAW, &[&query]);
    assert!(!text.contains('\x1b'), "{text:?}");
    assert!(text.contains("AAAA?"), "{text}");
}

#[test]
fn every_cut_of_a_packet_says_that_it_was_cut() {
    let whole = bytes(SYN);
    for len in 0..whole.len() {
        let mut frame = Frame::new(LinkType::RAW, &whole[..len]);
        frame.len = whole.len() as u32;
        let mut out = Vec::new();
        Lines::new(no_time()).packet(&mut out, 1, &frame);
        let text = String::from_utf8(out).expect("text");
        assert!(text.contains("[|"), "{len}: {text}");
        assert!(text.ends_with('\n') && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn packets_in_packets_end_somewhere() {
    // Each an IPv4 packet in the one before it.
    let mut packet = Vec::new();
    for _ in 0..40 {
        let mut head = bytes("45000000 00010000 4004 0000 0a000001 0a000002");
        head.extend_from_slice(&packet);
        let len = head.len() as u16;
        head[2..4].copy_from_slice(&len.to_be_bytes());
        packet = head;
    }
    let text = lines(no_time(), LinkType::RAW, &[&packet]);
    assert!(text.contains("nested too deep"), "{text}");
}

#[test]
fn bytes_stand_below_the_line() {
    let style = Style { dump: Some(Dump { form: Form::Both, link: false }), ..no_time() };
    let text = lines(style, LinkType::RAW, &[&bytes(DATA)]);
    assert!(
        text.ends_with("\n\t0x0020:  5018 01f6 0000 0000 6162 63              P.......abc\n"),
        "{text}"
    );
}

#[test]
fn times_are_written_as_asked() {
    let with = |clock| lines(Style { clock, ..Style::default() }, LinkType::RAW, &[&bytes(DATA)]);
    assert!(with(Clock::default()).starts_with("22:13:20.123456 IP "));
    assert!(with(Clock::None).starts_with("IP "));
}

#[test]
fn what_is_wrong_with_a_checksum_is_said() {
    let style = Style { verbose: 2, ..no_time() };
    let text = lines(style, LinkType::RAW, &[&bytes(DATA)]);
    assert!(text.contains("bad cksum ae1 (->"), "{text}");
    assert!(text.contains("cksum 0x0000 (incorrect -> 0x"), "{text}");
}

#[test]
fn any_bytes_make_a_line_on_any_link() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let links = [1, 0, 101, 113, 276, 239, 9, 104, 108, 228, 229, 147];
    let mut printer = Lines::new(Style { verbose: 3, link: true, ..no_time() });
    let mut out = Vec::new();
    for round in 0..20_000_u64 {
        let mut packet: Vec<u8> = (0..next() % 120).map(|_| next() as u8).collect();
        // Half of them begin like a packet does.
        if round % 2 == 0 {
            let head = bytes(
                ["4500003c00014000", "60000000003c", "0000000000000000000000000800"]
                    [(round % 3) as usize],
            );
            packet.splice(0..0, head);
        }
        let mut frame = Frame::new(LinkType(links[(next() % 12) as usize]), &packet);
        frame.len = (packet.len() as u64 + next() % 3 * 40) as u32;
        out.clear();
        printer.packet(&mut out, round, &frame);
        assert_eq!(out.last(), Some(&b'\n'));
        assert!(out.len() < 20_000, "{} bytes of {}", out.len(), packet.len());
        assert!(out.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')), "{out:?}");
    }
}
