//! Expressions from the grammar, with tcpdump's programs as the oracle.

use std::process::Command;

use vision_core::capture::filter::{Filter, Instruction, Machine, Program};

use super::grammar::Maker;
use super::{FILTERS, Packets, link_type, skip};

/// Link type, its packets, and where the network header lies in them.
const LINKS: &[(&str, &[&str], usize)] = &[
    ("EN10MB", &["corpus/en10mb-natural-a.pcap", "corpus/en10mb-directed.pcap"], 14),
    ("RAW", &["corpus/raw-natural.pcap", "corpus/raw-directed.pcap"], 0),
    ("LINUX_SLL", &["corpus/linux_sll-natural.pcap", "corpus/linux_sll-directed.pcap"], 16),
    ("LINUX_SLL2", &["corpus/linux_sll2-natural.pcap", "corpus/linux_sll2-directed.pcap"], 20),
];

/// What tcpdump makes of an expression.
fn theirs(link: &str, expression: &str) -> Result<Program, String> {
    let output = Command::new("tcpdump").args(["-ddd", "-y", link, expression]).output();
    let output = output.map_err(|it| it.to_string())?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(text.lines().last().unwrap_or_default().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| -> Option<Instruction> {
        let mut words = line.split_whitespace();
        let mut next = || words.next().and_then(|it| it.parse::<u32>().ok());
        let (code, jt, jf, k) = (next()?, next()?, next()?, next()?);
        Some((code as u16, jt as u8, jf as u8, k).into())
    };
    let program: Option<_> = text.lines().skip(1).map(line).collect();
    program.map(Program::new).ok_or_else(|| "no numbers".to_owned())
}

/// tcpdump of this libpcap errs, or follows a rule of its own.
fn disputed(expression: &str, error: &str) -> bool {
    // Numbers of protocols behind AH are looked for in the wrong place.
    let ah = expression.contains("protochain");
    // A mask of all bits is taken for one that always matches, and what is left of `vlan` and
    // `mpls` in the other branch of an `or` for what all branches passed.
    ah || error.contains("all packets") || expression.contains("0xffffffff")
}

#[test]
fn random_expressions_take_what_tcpdump_takes() {
    if Command::new("tcpdump").arg("--version").output().is_err() {
        return skip("there is no tcpdump");
    }
    if std::fs::metadata(FILTERS).is_err() {
        return skip(&format!("{FILTERS} is not there"));
    }
    let count: u64 =
        std::env::var("VISION_FILTERS").ok().and_then(|it| it.parse().ok()).unwrap_or(120);
    let mut bad = Vec::new();
    let (mut same, mut refused, mut some) = (0, 0, 0);
    for (number, (name, captures, network)) in (1_u64..).zip(LINKS) {
        let link = link_type(name).expect("a link type of ours");
        let mut packets = Packets(Vec::new());
        for capture in *captures {
            packets.0.extend(Packets::of(capture).0);
        }
        for seed in 0..count {
            let seed = (number << 32) | (seed + 1).wrapping_mul(0x9e37_79b9);
            let expression = Maker::new(seed, &packets, *name == "EN10MB", *network).expression(2);
            let ours = Filter::compile(&expression, link);
            match (ours, theirs(name, &expression)) {
                (Err(_), Err(_)) => refused += 1,
                (Ok(ours), Ok(theirs)) => {
                    let machine = Machine::new(&theirs).expect("a program of tcpdump");
                    let ours = packets.taken(|data, len| ours.matches(data, len));
                    let theirs = packets.taken(|data, len| machine.run(data, len) != 0);
                    if ours == theirs {
                        same += 1;
                        some += u32::from(!ours.is_empty() && ours.len() < packets.0.len());
                    } else if !disputed(&expression, "") {
                        let (ours, theirs) = (ours.len(), theirs.len());
                        bad.push(format!("{name}: {ours} not {theirs}: {expression}"));
                    }
                }
                (Err(error), Ok(theirs)) => {
                    // What we know to match nothing, their program must not match.
                    let machine = Machine::new(&theirs).expect("a program of tcpdump");
                    let taken = packets.taken(|data, len| machine.run(data, len) != 0);
                    if !error.message.contains("can ever match") || !taken.is_empty() {
                        bad.push(format!("{name}: we refuse: {error}: {expression}"));
                    }
                }
                (Ok(ours), Err(error)) => {
                    let taken = packets.taken(|data, len| ours.matches(data, len));
                    if !taken.is_empty() || !disputed(&expression, &error) {
                        bad.push(format!("{name}: they refuse: {error}: {expression}"));
                    }
                }
            }
        }
    }
    println!("{same} agree, {some} of them on a part of the packets; both refuse {refused}");
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
    assert!(some > refused && some > 40, "{some} filters told packets apart");
}
