//! Mermaid's flowchart, as code hosts and wikis draw it.

use std::io::{self, Write};

use vision_core::inventory::NetworkMap;

use super::{drawn, label, wires};
use crate::output::esc;

/// Writes a map as a flowchart: a box for each namespace, its interfaces inside.
///
/// # Errors
/// What writing says.
pub fn mermaid(map: &NetworkMap, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for (n, namespace) in map.namespaces.iter().enumerate() {
        writeln!(out, "  subgraph n{n}[\"{}\"]", quoted(&esc(&namespace.called).to_string()))?;
        for link in drawn(namespace) {
            let text = quoted(&label(namespace, link));
            writeln!(out, "    n{n}i{}[\"{text}\"]", link.ifindex)?;
        }
        for port in drawn(namespace) {
            if let Some(master) = port.master_ifindex.and_then(|master| namespace.link(master)) {
                writeln!(out, "    n{n}i{} --- n{n}i{}", master.ifindex, port.ifindex)?;
            }
        }
        writeln!(out, "  end")?;
    }
    for wire in wires(map) {
        let ((a, from), (b, to)) = (wire.from, wire.to);
        writeln!(out, "  n{a}i{from} --- n{b}i{to}")?;
    }
    Ok(())
}

/// Text between quotes: what Mermaid would read as its own becomes an entity.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out += "#quot;",
            '#' => out += "#35;",
            '<' => out += "#lt;",
            '>' => out += "#gt;",
            '&' => out += "#amp;",
            '`' => out += "#96;",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"] --> b[\"#1<b>"), "a#quot;] --#gt; b[#quot;#35;1#lt;b#gt;");
    }
}
