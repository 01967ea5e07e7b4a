//! Packets that rules lead elsewhere, change, or look into; and reasons that a masking host must not hide.

use std::time::Duration;

use vision_lab::{Bridge, Lab, Node, TcpBehaviour, TcpServer};

use super::services::kube;
use super::{Built, Site};
use crate::{
    Result,
    score::{
        container::{answering, listen, with_hosts},
        scenario::Scenario,
    },
};

const NO_RULE: &str = "service.no-rule";
const UNMASKED: &str = "nat.masquerade-missing";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(NO_RULE, "another service has rules, this address none", no_rule).seen(),
    Scenario::fault(NO_RULE, "a map of nf_tables has other ports", no_port).seen(),
    Scenario::fault(UNMASKED, "the backend is on the client's own network", past_the_gateway)
        .seen(),
    Scenario::healthy("the same, masked", by_the_gateway).seen(),
    Scenario::fault("socket.no-listener", "TPROXY without a proxy", tproxy).seen(),
    Scenario::fault("socket.loopback-only", "behind a rule that redirects", redirected).seen(),
    Scenario::fault("route.ttl-too-small", "a rule sets it", short_lived).seen(),
    Scenario::fault("firewall.rule-drop", "for what is in the request", looked_into).seen(),
    Scenario::fault("firewall.rule-drop", "in a bridge's own input", bridge_input).seen(),
    Scenario::fault("firewall.ct-invalid", "answers are not tracked, HTTP asked", untracked).seen(),
    Scenario::fault("route.forwarding-off", "behind a host that masks others", not_forwarding)
        .seen(),
    Scenario::fault("route.blackhole", "of the address that is tried first", first_silent).seen(),
];

fn no_rule(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    kube(&r, &[(b.v4(), 80)])?;
    r.try_sh("ip route add default dev eth1")?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask("10.96.7.7:80").blame(&r))
}

fn no_port(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(&format!(
        "ip route add default dev eth1; nft 'table ip kube-proxy {{ chain web {{ meta l4proto tcp dnat to {}:80; }};
         map ports {{ type ipv4_addr . inet_proto . inet_service : verdict; elements = {{ 10.96.0.10 . tcp . 80 : goto web }}; }};
         chain pre {{ type nat hook prerouting priority -100; ip daddr . meta l4proto . th dport vmap @ports; }}; }}'",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask("10.96.0.10:9090").blame(&r))
}

/// A client and a backend on one network, and the gateway that leads the service from one to the other.
fn hairpin(lab: &Lab) -> Result<(Bridge, TcpServer)> {
    let bridge = lab.bridge("switch", &["client", "server", "gw"])?;
    let (client, server) = (bridge.container("client"), bridge.container("server"));
    let gw = bridge.container("gw");
    gw.try_sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0")?;
    kube(gw, &[(server.v4(), 80)])?;
    client.try_sh(&format!("ip route add 10.96.0.0/16 via {}", gw.v4()))?;
    let listener = listen(server, 80)?;
    Ok((bridge, listener))
}

fn past_the_gateway(lab: &Lab) -> Built {
    let (bridge, server) = hairpin(lab)?;
    let (client, gw) = (bridge.container("client"), bridge.container("gw"));
    Ok(Site::at(client).blame(gw).ask("10.96.0.10:80").keep(server).keep(bridge))
}

fn by_the_gateway(lab: &Lab) -> Built {
    let (bridge, server) = hairpin(lab)?;
    let gw = bridge.container("gw");
    gw.try_sh("iptables-nft -t nat -A POSTROUTING -p tcp --dport 80 -j MASQUERADE")?;
    Ok(Site::at(bridge.container("client")).ask("10.96.0.10:80").keep(server).keep(bridge))
}

fn tproxy(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(
        "iptables-nft -t mangle -A PREROUTING -p tcp --dport 443 -j TPROXY --on-port 15006 --tproxy-mark 0x1/0x1
         ip rule add fwmark 1 lookup 100; ip route add local default dev lo table 100",
    )?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&r))
}

fn redirected(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let service = listen(&b, 8080)?;
    let sidecar = TcpServer::start(&b, "127.0.0.1:15006", TcpBehaviour::Accept)?;
    b.try_sh("iptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j REDIRECT --to-ports 15006")?;
    Ok(Site::at(&a).keep(service).keep(sidecar).ask_tcp(b.v4(), 8080).blame(&b))
}

fn short_lived(lab: &Lab) -> Built {
    let [a, r, _, b] = lab.chain(["a", "r", "s", "b"])?;
    r.try_sh("iptables-nft -t mangle -A POSTROUTING -o eth1 -j TTL --ttl-set 1")?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&r))
}

fn looked_into(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = answering(&b, 80, Duration::ZERO)?;
    r.try_sh(
        "iptables-nft -A FORWARD -p tcp --dport 80 -m string --algo bm --string 'GET /' -j DROP",
    )?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}/", b.v4())).blame(&r))
}

fn bridge_input(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    drops_on(&bridge.host, 443)?;
    let server = listen(outside, 443)?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(&bridge.host))
}

fn drops_on(host: &Node, port: u16) -> Result<()> {
    host.try_sh(&format!(
        "nft 'table bridge t {{ chain c {{ type filter hook input priority 0; ip protocol tcp tcp dport {port} counter drop; }}; }}'"
    ))?;
    Ok(())
}

fn untracked(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = answering(&b, 80, Duration::ZERO)?;
    r.try_sh(&format!(
        "nft 'table ip t {{ chain r {{ type filter hook prerouting priority -300; ip saddr {} notrack; }};
         chain f {{ type filter hook forward priority 0; ct state invalid counter drop; }}; }}'",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}/", b.v4())).blame(&r))
}

fn not_forwarding(lab: &Lab) -> Built {
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"])?;
    r.try_sh(&format!(
        "iptables-nft -t nat -A POSTROUTING -d {0}/24 -j RETURN; iptables-nft -t nat -A POSTROUTING -o eth1 -j MASQUERADE",
        b.v4()
    ))?;
    s.try_sh("sysctl -qw net.ipv4.ip_forward=0")?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&s))
}

fn first_silent(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(&format!("ip -6 route add blackhole {}/128", b.v6()))?;
    let hosts = [format!("{} db.test", b.v6()), format!("{} db.test", b.v4())];
    let client = with_hosts(&a, &[&hosts[0], &hosts[1]])?;
    Ok(Site::in_process(client).keep(listen(&b, 443)?).ask("db.test:443").blame(&r))
}
