//! `vision decode` beside `tcpdump -nn`: the same files, the same lines.

use std::collections::BTreeMap;
use std::process::Command;

use vision_lab::{require, whole_machine};

use crate::run::command;

/// Real captures, with what each was made by; see the files beside the project.
const CAPTURES: &str = "../../shared/captures";

/// What vision and tcpdump print of a capture; `None` when either cannot read it.
fn both(path: &str, options: &[&str]) -> Option<(String, String)> {
    let theirs = Command::new("tcpdump").args(["-nn", "-r", path]).args(options).output().ok()?;
    let ours = command("decode").arg(path).args(options).output().ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some((text(theirs.stdout), text(ours.stdout)))
}

/// The files whose packets are of the protocols that every network has.
const PLAIN: [&str; 14] = [
    "dnscap/dnso1tcp.pcap",
    "dnscap/frags.pcap",
    "dpkt/examples__data__dns_icmp.pcap",
    "retina/traces__quic_retry.pcap",
    "tcpdump/gso-ipv4-geneve-ipv6.pcap",
    "tcpdump/gso-ipv6-vxlan-ipv4.pcap",
    "tcpdump/quic_handshake_truncated.pcap",
    "zeek/dhcp__dhcp-unique-xid-join-data-growth.pcapng",
    "zeek/dnssec__rrsig.pcap",
    "zeek/ftp__ipv6-retr-samba.pcap",
    "zeek/http__basic-auth-with-extra-space.pcap",
    "zeek/ipv6-fragmented-dns.pcap",
    "zeek/smtp__rfc3030-bdat-example1.pcap",
    "zeek/tls__ecdhe.pcap",
];

#[test]
fn every_option_prints_what_it_prints_there() {
    if require(whole_machine()).is_none() {
        return;
    }
    let options: [&[&str]; 15] = [
        &[],
        &["-e"],
        &["-v"],
        &["-vv"],
        &["-q"],
        &["-X"],
        &["-A"],
        &["-x"],
        &["-t"],
        &["-tt"],
        &["-ttt"],
        &["-tttt"],
        &["-ttttt"],
        &["-#"],
        &["-e", "-vv", "-XX"],
    ];
    if std::fs::metadata(CAPTURES).is_err() {
        println!("SKIP: {CAPTURES} is not there");
        return;
    }
    for name in PLAIN {
        for option in options {
            let (theirs, ours) =
                both(&format!("{CAPTURES}/{name}"), option).expect("tcpdump and vision");
            assert!(!theirs.is_empty(), "{name} {option:?}");
            assert_eq!(ours, theirs, "{name} {option:?}");
        }
    }
}

/// What a line of tcpdump is about.
fn kind(line: &str) -> Option<&'static str> {
    // Link-local name resolution is a length there and a question here.
    if line.contains(".5355: ") {
        return None;
    }
    let app = [": HTTP", ": SMTP", ": FTP"];
    if line.contains("Flags [") && (line.contains(" win ") || line.contains(", ack ")) {
        let known = line.split(", length ").nth(1).is_some_and(|rest| {
            rest.bytes().all(|byte| byte.is_ascii_digit())
                || app.iter().any(|app| rest.contains(app))
        });
        return known.then_some("tcp");
    }
    [(" ICMP6, ", "icmp6"), (" ICMP ", "icmp"), ("ARP, ", "arp"), (" UDP, length", "udp")]
        .into_iter()
        .find(|(word, _)| line.contains(word))
        .map(|(_, name)| name)
}

/// Lines that a packet begins, and not those below them.
fn heads(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_digit())).collect()
}

#[test]
fn nearly_every_line_of_the_everyday_protocols_is_the_same() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Ok(list) = std::fs::read_to_string(format!("{CAPTURES}/MANIFEST.tsv")) else {
        println!("SKIP: {CAPTURES} is not there");
        return;
    };
    let mut counts: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for row in list.lines().skip(1).step_by(3) {
        let mut fields = row.split('\t');
        let name = fields.next().expect("a name");
        // Link types that carry what containers and nodes send.
        if !matches!(fields.nth(6), Some("0" | "1" | "101" | "113" | "228" | "229")) {
            continue;
        }
        let (theirs, ours) = both(&format!("{CAPTURES}/{name}"), &[]).expect("tcpdump and vision");
        let (theirs, ours) = (heads(&theirs), heads(&ours));
        if theirs.len() != ours.len() {
            // Packets without a time: tcpdump makes one up.
            continue;
        }
        for (theirs, ours) in theirs.iter().zip(&ours) {
            if let Some(kind) = kind(theirs) {
                let count = counts.entry(kind).or_default();
                *count = (count.0 + u32::from(theirs == ours), count.1 + 1);
            }
        }
    }
    println!("{counts:?}");
    for (kind, least) in
        [("tcp", 0.995), ("udp", 0.98), ("arp", 0.8), ("icmp", 0.93), ("icmp6", 0.93)]
    {
        let (same, all) = counts[kind];
        assert!(all > 20, "{kind}: {all}");
        assert!(f64::from(same) >= least * f64::from(all), "{kind}: {same} of {all}");
    }
}
