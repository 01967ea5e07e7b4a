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
fn theirs(link: &str, form: &str, expression: &str) -> Result<Machine, String> {
    let output = Command::new("tcpdump").args([form, "-y", link, expression]).output();
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
    let program = program.map(Program::new).ok_or("no numbers")?;
    Machine::new(&program).map_err(|it| it.to_string())
}

impl Packets {
    /// Leaves out those with an authentication header, of which this libpcap looks for the end in
    /// the wrong place.
    fn without_ah(&self, network: usize) -> Self {
        const AH: u8 = 51;
        // Or what any chain of headers may take for one.
        let has = |data: &[u8]| data.iter().skip(network + 6).any(|it| *it == AH);
        Self(self.0.iter().filter(|(data, _)| !has(data)).cloned().collect())
    }
}

/// How two compilers agree on an expression.
enum Verdict {
    /// On all packets; whether some were taken and some not.
    Same(bool),
    BothRefuse,
    /// Before optimisation: each leaves out other loads that change nothing but for packets too
    /// short for them.
    SameUnoptimised,
    Differ(String),
}

fn judge(link: &str, packets: &Packets, expression: &str) -> Verdict {
    let request = Filter::on(link_type(link).expect("a link type of ours"));
    let taken = |machine: &Machine| packets.taken(|data, len| machine.run(data, len) != 0);
    let ours = request.compile(expression);
    match (ours, theirs(link, "-ddd", expression)) {
        (Err(_), Err(_)) => Verdict::BothRefuse,
        (Ok(ours), Ok(machine)) => {
            let ours = packets.taken(|data, len| ours.matches(data, len));
            let their = taken(&machine);
            if ours == their {
                return Verdict::Same(!ours.is_empty() && ours.len() < packets.0.len());
            }
            let plain = request.unoptimised().compile(expression).expect("as before");
            let plain = packets.taken(|data, len| plain.matches(data, len));
            match theirs(link, "-Oddd", expression).map(|it| taken(&it)) {
                Ok(their) if their == plain => Verdict::SameUnoptimised,
                _ => Verdict::Differ(format!("{} not {}", ours.len(), their.len())),
            }
        }
        // What we know to match nothing, their program must not match, and the other way round;
        // their optimiser takes an unknown divisor for 0.
        (Err(error), Ok(machine)) => match error.message.contains("can ever match") {
            true if taken(&machine).is_empty() => Verdict::BothRefuse,
            _ if error.message.contains("by zero") => Verdict::BothRefuse,
            _ => Verdict::Differ(format!("we refuse: {error}")),
        },
        (Ok(ours), Err(error)) => {
            let nothing = packets.taken(|data, len| ours.matches(data, len)).is_empty();
            match nothing && error.contains("all packets") {
                true => Verdict::BothRefuse,
                false if error.contains("by zero") => Verdict::BothRefuse,
                false => Verdict::Differ(format!("they refuse: {error}")),
            }
        }
    }
}

#[test]
fn random_expressions_take_what_tcpdump_takes() {
    if Command::new("tcpdump").arg("--version").output().is_err() {
        return skip("there is no tcpdump");
    }
    if std::fs::metadata(FILTERS).is_err() {
        return skip(&format!("{FILTERS} is not there"));
    }
    let asked = std::env::var("VISION_FILTERS").ok().and_then(|it| it.parse().ok());
    let count: u64 = asked.unwrap_or(120);
    let (mut same, mut parts, mut refused, mut excused) = (0, 0, 0, 0);
    let mut bad = Vec::new();
    for (number, (link, captures, network)) in (1_u64..).zip(LINKS) {
        let packets = captures.iter().flat_map(|it| Packets::of(it).0).collect();
        let packets = Packets(packets);
        let no_ah = packets.without_ah(*network);
        for seed in 0..count {
            let seed = (number << 32) | (seed + 1).wrapping_mul(0x9e37_79b9);
            let mut maker = Maker::new(seed, &packets, *link == "EN10MB", *network);
            let expression = maker.expression(2);
            let packets = if expression.contains("protochain") { &no_ah } else { &packets };
            match judge(link, packets, &expression) {
                Verdict::Same(part) => (same, parts) = (same + 1, parts + u32::from(part)),
                Verdict::BothRefuse => refused += 1,
                Verdict::SameUnoptimised => excused += 1,
                Verdict::Differ(how) => bad.push(format!("{link}: {how}: {expression}")),
            }
        }
    }
    println!(
        "{same} agree, {parts} of them on a part of the packets; {excused} but for what optimisers \
         leave out; both refuse {refused}"
    );
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
    assert!(parts > refused && parts > 40, "{parts} filters told packets apart");
    assert!(excused * 50 < same, "{excused} filters differ by what optimisers leave out");
}
