//! The expressions of libpcap's tests, over the packets made for them.

use std::collections::HashMap;
use std::fs;

use vision_core::capture::filter::Filter;
use vision_core::wire::LinkType;

use super::{FILTERS, Packets, link_type, skip};

/// The rows of a table by the names of its columns.
fn rows(name: &str) -> Option<Vec<HashMap<String, String>>> {
    let Ok(text) = fs::read_to_string(format!("{FILTERS}/{name}")) else {
        skip(&format!("{FILTERS}/{name} is not there"));
        return None;
    };
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().expect("names of columns").split('\t').collect();
    let row = |line: &str| {
        let cells = head.iter().zip(line.split('\t'));
        cells.map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect()
    };
    Some(lines.map(row).collect())
}

fn plain(expression: &str) -> String {
    let mut text = String::new();
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        text.push(match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                other => other.unwrap_or('\\'),
            },
            (c, false) => c,
        });
    }
    text
}

fn compile(row: &HashMap<String, String>, link: LinkType) -> Result<Filter, String> {
    let mut request = Filter::on(link);
    if row["netmask"] != "-" {
        request = request.netmask(row["netmask"].parse().expect("a mask"));
    }
    request.compile(&plain(&row["expression"])).map_err(|it| it.to_string())
}

#[test]
fn as_many_packets_are_taken_as_libpcap_takes() {
    let (Some(valid), Some(expected)) = (rows("valid.tsv"), rows("expected.tsv")) else { return };
    let valid: HashMap<_, _> = valid.iter().map(|row| (row["id"].as_str(), row)).collect();
    let mut packets: HashMap<String, Packets> = HashMap::new();
    let (mut same, mut bad) = (0, Vec::new());
    for want in &expected {
        let row = valid[want["id"].as_str()];
        let Some(link) = link_type(&row["dlt"]) else { continue };
        let undisputed = want["agree"] == "yes" && !row["flags"].contains("names");
        if !undisputed || row["flags"].contains("optimizer-rejects") {
            continue;
        }
        let capture = &want["capture"];
        let all = packets.entry(capture.clone()).or_insert_with(|| Packets::of(capture));
        let taken = compile(row, link)
            .map(|it| all.taken(|data, len| it.matches(data, len)).len().to_string());
        match taken {
            Ok(taken) if taken == want["accepted"] => same += 1,
            other => bad.push(format!("{other:?} not {}: {}", want["accepted"], row["expression"])),
        }
    }
    println!("{same} of {} agree", same + bad.len());
    assert!(bad.is_empty(), "{} differ:\n{}", bad.len(), bad.join("\n"));
    assert!(same > 1000, "{same} were tried");
}

#[test]
fn what_libpcap_refuses_is_refused_and_the_fault_lies_in_the_expression() {
    let Some(rows) = rows("reject.tsv") else { return };
    let (mut refused, mut bad) = (0, Vec::new());
    for row in &rows {
        let Some(link) = link_type(&row["dlt"]) else { continue };
        if row["libpcap_1_10_3"] != "rejects" {
            continue;
        }
        let expression = plain(&row["expression"]);
        match Filter::compile(&expression, link) {
            Err(error) if error.at + error.length <= expression.len() => refused += 1,
            Err(error) => bad.push(format!("{error} lies outside: {expression}")),
            // Masks are for those rows that give one.
            Ok(_) if row["netmask"] != "-" => refused += 1,
            Ok(_) => bad.push(format!("{link} takes `{expression}`")),
        }
    }
    println!("{refused} of {} refused", refused + bad.len());
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    assert!(refused > 1000, "{refused} were tried");
}

#[test]
fn programs_are_about_as_long_as_those_of_libpcap() {
    let (Some(valid), Some(programs)) = (rows("valid.tsv"), rows("programs.tsv")) else { return };
    let mut ratios = Vec::new();
    for program in &programs {
        let Some(link) = link_type(&program["dlt"]) else { continue };
        if !program["flags"].is_empty() {
            continue;
        }
        let of_block = |row: &&HashMap<String, String>| {
            let block = row["id"].split('#').next();
            block == Some(&program["block"]) && row["dlt"] == program["dlt"]
        };
        let row = valid.iter().find(of_block).expect("an expression of this program");
        let filter = compile(row, link).expect("an expression that compiles");
        let theirs = program["optimised_program"].matches("\\n").count() + 1;
        ratios.push(filter.program().instructions().len() as f64 / theirs as f64);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!(
        "{} programs, median {median:.2}, longest {:.2}",
        ratios.len(),
        ratios[ratios.len() - 1]
    );
    assert!(median <= 1.0, "the median program is {median:.2} times as long");
}
