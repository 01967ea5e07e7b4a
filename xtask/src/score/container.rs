//! A process with `/etc` of its own: what makes a namespace a container.

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use vision_lab::{
    DnsServer, Node, Proc, TcpBehaviour, TcpServer,
    dns::{Behaviour, DnsScript},
};

use crate::Result;

/// Starts a process in `node` that sees these lines as `/etc/resolv.conf` and `/etc/hosts`.
pub(super) fn container(node: &Node, resolv_conf: &[&str], hosts: &[&str]) -> Result<Proc> {
    start(node, resolv_conf, hosts, "")
}

/// A container with a line of the hosts file and variables such as `a=b c=d`.
pub(super) fn with_variables(node: &Node, host: &str, variables: &str) -> Result<Proc> {
    start(node, &["# no nameserver"], &[host], variables)
}

fn start(node: &Node, resolv_conf: &[&str], hosts: &[&str], variables: &str) -> Result<Proc> {
    let hosts: Vec<&str> =
        ["127.0.0.1 localhost", "::1 localhost"].into_iter().chain(hosts.iter().copied()).collect();
    let script = format!(
        "mount -t tmpfs none /etc; {}; {}; printf \"hosts: files dns\\n\" >/etc/nsswitch.conf; exec env {variables} sleep infinity",
        write("/etc/resolv.conf", resolv_conf),
        write("/etc/hosts", &hosts),
    );
    let mut process = node.spawn(&format!("unshare -m sh -ec '{script}'"));
    let end = Instant::now() + Duration::from_secs(5);
    while !fs::read_to_string(format!("/proc/{}/comm", process.pid()))
        .is_ok_and(|name| name.trim() == "sleep")
    {
        if !process.alive() || Instant::now() > end {
            return Err(format!("no container in node {}", node.name()).into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(process)
}

fn write(file: &str, lines: &[&str]) -> String {
    format!("printf \"{}\\n\" >{file}", lines.join("\\n"))
}

/// A container with a hosts file only.
pub(super) fn with_hosts(node: &Node, hosts: &[&str]) -> Result<Proc> {
    container(node, &["# no nameserver"], hosts)
}

/// A container that asks one nameserver.
pub(super) fn with_dns(node: &Node, nameserver: impl std::fmt::Display) -> Result<Proc> {
    container(node, &[&format!("nameserver {nameserver}")], &[])
}

/// A web server on a port, in both families.
pub(super) fn listen(node: &Node, port: u16) -> Result<TcpServer> {
    answering(node, port, Duration::ZERO)
}

/// A web server that takes its time.
pub(super) fn answering(node: &Node, port: u16, after: Duration) -> Result<TcpServer> {
    let bytes = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_vec();
    let behaviour = TcpBehaviour::Answer { after, bytes };
    Ok(TcpServer::start(node, &format!("[::]:{port}"), behaviour)?)
}

/// A nameserver in both families that knows `db.example` and `api.example` by the addresses of `host`.
pub(super) fn nameserver(node: &Node, host: &Node) -> Result<DnsServer> {
    serve(node, zone(host))
}

/// What [`nameserver`] knows.
pub(super) fn zone(host: &Node) -> DnsScript {
    ["db.example", "api.example"]
        .into_iter()
        .fold(DnsScript::new(), |script, name| script.a(name, host.v4()).aaaa(name, host.v6()))
}

/// A nameserver in both families that gets every query and answers none.
pub(super) fn silent_nameserver(node: &Node) -> Result<DnsServer> {
    serve(node, DnsScript::new().otherwise(Behaviour::Silent))
}

pub(super) fn serve(node: &Node, script: DnsScript) -> Result<DnsServer> {
    Ok(DnsServer::start(node, "[::]:53", script)?)
}

/// Opens a connection and gives it up after a moment, whatever becomes of it.
pub(super) fn knock(from: &Node, to: SocketAddr) {
    let _ = from.enter(|| TcpStream::connect_timeout(&to, Duration::from_millis(150)));
}

/// Another address of a node's own /24.
pub(super) fn beside(node: &Node, last: u8) -> Ipv4Addr {
    let [a, b, c, _] = node.v4().octets();
    [a, b, c, last].into()
}

/// Another address of a node's own /64.
pub(super) fn beside_v6(node: &Node, last: u16) -> Ipv6Addr {
    let [a, b, c, d, ..] = node.v6().segments();
    Ipv6Addr::new(a, b, c, d, 0, 0, 0, last)
}

/// The link-layer address of a node's device.
pub(super) fn mac(node: &Node, dev: &str) -> Result<String> {
    let line = node.try_sh(&format!("ip -br link show {dev}"))?;
    Ok(line.split_whitespace().nth(2).ok_or("no link-layer address")?.to_owned())
}

/// Opens connections and keeps them.
pub(super) fn fill(from: &Node, to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let limit = Duration::from_millis(150);
    from.enter(|| (0..count).filter_map(|_| TcpStream::connect_timeout(&to, limit).ok()).collect())
}
