use std::io::{self, Write};

use vision_core::inventory::{MappedLink, MappedNamespace, NetworkMap};
use vision_core::netns::NetnsHolder;

use crate::output::{Human, Style, esc};

impl Human for NetworkMap {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for namespace in &self.namespaces {
            head(namespace, out, style)?;
            tree(self, namespace, out, style)?;
        }
        let Style { warn, .. } = style;
        self.gaps.iter().try_for_each(|gap| {
            writeln!(out, "{warn}not looked at{warn:#}  {}", esc(&gap.to_string()))
        })
    }
}

/// Writes the interfaces of a namespace, ports below their bridges.
///
/// # Errors
/// What writing says.
pub fn tree(
    map: &NetworkMap,
    namespace: &MappedNamespace,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let shown = namespace.links.iter().filter(|link| !is_plain_loopback(link));
    let top: Vec<_> = shown.filter(|link| master(namespace, link).is_none()).collect();
    for (at, link) in top.iter().enumerate() {
        branch(map, namespace, link, at + 1 == top.len(), out, style)?;
    }
    Ok(())
}

fn head(namespace: &MappedNamespace, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, dim, .. } = style;
    let info = &namespace.info;
    write!(out, "{bold}{}{bold:#}", esc(&namespace.called))?;
    if namespace.called != info.id.to_string() {
        write!(out, "  {dim}{}{dim:#}", info.id)?;
    }
    match info.processes {
        0 => write!(out, "  no process")?,
        1 => write!(out, "  1 process")?,
        n => write!(out, "  {n} processes")?,
    }
    if let Some(command) = info.command.as_ref().filter(|_| info.processes > 0) {
        write!(out, " ({})", command.escaped())?;
    }
    if info.own {
        write!(out, ", the caller's own")?;
    }
    for container in info.containers.iter().filter(|container| !container.host_network) {
        write!(out, "  {} {}", container.engine, esc(&container.label()))?;
    }
    if let Some(holder) = info.holders.first() {
        write!(out, ", {}", held(holder))?;
    }
    writeln!(out)
}

/// Says what keeps a namespace alive.
pub fn held(holder: &NetnsHolder) -> String {
    match holder {
        NetnsHolder::Mount { path, pid } => {
            format!("mounted at {} (pid {pid})", path.escaped())
        }
        NetnsHolder::Descriptor { pid, fd, command } => {
            format!("held by descriptor {fd} of {} (pid {pid})", command.escaped())
        }
        NetnsHolder::Socket { pid, fd, command } => {
            format!("held by socket {fd} of {} (pid {pid})", command.escaped())
        }
        _ => "held in a way this version does not know".to_owned(),
    }
}

/// A loopback as every namespace has it says nothing.
pub fn is_plain_loopback(link: &MappedLink) -> bool {
    let usual = |prefix: &vision_core::Prefix| {
        matches!(prefix.to_string().as_str(), "127.0.0.1/8" | "::1/128")
    };
    link.name == *"lo" && link.addresses.iter().all(usual)
}

fn master<'a>(namespace: &'a MappedNamespace, link: &MappedLink) -> Option<&'a MappedLink> {
    namespace.link(link.master_ifindex?)
}

fn branch(
    map: &NetworkMap,
    namespace: &MappedNamespace,
    link: &MappedLink,
    last: bool,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    writeln!(out, "{} {}", if last { "└─" } else { "├─" }, line(map, namespace, link, style))?;
    let ports: Vec<_> =
        namespace.links.iter().filter(|port| port.master_ifindex == Some(link.ifindex)).collect();
    for (at, port) in ports.iter().enumerate() {
        let trunk = if last { " " } else { "│" };
        let knot = if at + 1 == ports.len() { "└─" } else { "├─" };
        writeln!(out, "{trunk}  {knot} {}", line(map, namespace, port, style))?;
    }
    Ok(())
}

fn line(map: &NetworkMap, namespace: &MappedNamespace, link: &MappedLink, style: &Style) -> String {
    let Style { name, bad, good, .. } = style;
    let mut text = format!("{name}{}{name:#}", link.name.escaped());
    if let Some(kind) = &link.kind {
        text += &format!(" {}", esc(kind));
    }
    text += &match link.up {
        true => format!(" {good}up{good:#}"),
        false => format!(" {bad}down{bad:#}"),
    };
    for prefix in &link.addresses {
        text += &format!(" {prefix}");
    }
    let uplinks = namespace.defaults.iter().filter(|route| route.ifindex == Some(link.ifindex));
    for route in uplinks {
        text += &match route.gateway {
            Some(gateway) => format!(", default via {gateway}"),
            None => ", default".to_owned(),
        };
    }
    text += &other_end(map, namespace, link);
    text
}

fn other_end(map: &NetworkMap, namespace: &MappedNamespace, link: &MappedLink) -> String {
    let Some(end) = &link.other_end else { return String::new() };
    let word = if link.kind.as_deref() == Some("veth") { "<->" } else { "over" };
    let called = match &end.name {
        Some(name) => name.escaped().to_string(),
        None => format!("if{}", end.ifindex),
    };
    let there = end.netns.and_then(|id| map.get(id));
    match there {
        Some(there) if there.info.id == namespace.info.id => format!(" {word} {called}"),
        Some(there) => {
            let addresses = there.link(end.ifindex).map(|link| link.addresses.as_slice());
            let addresses: Vec<_> =
                addresses.unwrap_or_default().iter().map(ToString::to_string).collect();
            let addresses = match addresses.is_empty() {
                true => String::new(),
                false => format!(" ({})", addresses.join(" ")),
            };
            format!(" {word} {called} in {}{addresses}", esc(&there.called))
        }
        None => format!(" {word} {called} in a namespace that was not found"),
    }
}
