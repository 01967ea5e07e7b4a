//! Packet filters at fault, and such that look it and are not. All of them can be read.

use vision_lab::{Lab, Node, dns::DnsScript};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, beside_v6, fill, listen, nameserver, serve, with_dns},
        scenario::{Scenario, Site},
    },
};

const DROP: &str = "firewall.rule-drop";
const POLICY: &str = "firewall.policy-drop";
const REJECT: &str = "firewall.reject";
const INVALID: &str = "firewall.ct-invalid";
const RATE: &str = "firewall.rate-limit";
const COUNT: &str = "firewall.connection-limit";
const SPOOF: &str = "firewall.antispoof";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(DROP, "router, counted, v4", router_drops_v4).seen(),
    Scenario::fault(DROP, "router, counted, v6", router_drops_v6).seen(),
    Scenario::fault(DROP, "router, no counter", router_drops_uncounted).seen(),
    Scenario::fault(DROP, "router, named counter in a set's chain", router_drops_by_set).seen(),
    Scenario::fault(DROP, "destination's input, ping", input_drops_ping).seen(),
    Scenario::fault(DROP, "destination's input, before the routing", prerouting_drops).seen(),
    Scenario::fault(DROP, "own output, TCP", output_drops_tcp),
    Scenario::fault(DROP, "own output, UDP", output_drops_udp),
    Scenario::fault(DROP, "own input, the answers", input_drops_answers),
    Scenario::fault(DROP, "router, the answers only", router_drops_answers).seen(),
    Scenario::fault(DROP, "router, DNS of a container", router_drops_dns).seen(),
    Scenario::fault(DROP, "iptables rule on the bridge host", iptables_drops).seen(),
    Scenario::fault(DROP, "among thousands of rules", many_rules).seen(),
    Scenario::fault(POLICY, "router, no counter, v4", policy_v4).seen(),
    Scenario::fault(POLICY, "router, no counter, v6", policy_v6).seen(),
    Scenario::fault(POLICY, "iptables FORWARD on the bridge host", policy_iptables).seen(),
    Scenario::fault(POLICY, "destination's input", policy_input).seen(),
    Scenario::fault(REJECT, "router, TCP reset, v4", router_resets).seen(),
    Scenario::fault(REJECT, "router, admin prohibited, v6", router_prohibits).seen(),
    Scenario::fault(REJECT, "destination refuses a port that is listened on", input_refuses).seen(),
    Scenario::fault(REJECT, "own output", output_refuses),
    Scenario::fault(REJECT, "router refuses UDP", router_refuses_udp).seen(),
    Scenario::fault(INVALID, "answers take another way", asymmetric).seen(),
    Scenario::fault(RATE, "over the limit is dropped", over_rate).seen(),
    Scenario::fault(RATE, "under the limit is accepted", under_rate).seen(),
    Scenario::fault(COUNT, "ct count on the router", connection_limit).seen(),
    Scenario::fault(COUNT, "connlimit of iptables, refused", connlimit).seen(),
    Scenario::fault(SPOOF, "fib rule on the router, no way back", antispoof).seen(),
    Scenario::fault("firewall.legacy-drop", "on the router, v4", legacy_drops).seen(),
    Scenario::fault("firewall.legacy-drop", "on the destination, v6", legacy_input).seen(),
    Scenario::healthy("legacy iptables that let pass", legacy_passes).seen(),
    Scenario::healthy("drop rule moved by others, another port asked", busy_drop_rule).seen(),
    Scenario::healthy("iptables in Docker's manner, outside asked", docker_works).seen(),
    Scenario::healthy("published port in Docker's manner", published_works).seen(),
    Scenario::healthy("service address in kube-proxy's manner", service_works).seen(),
    Scenario::healthy("ping filtered on the router, port asked", ping_filtered).seen(),
    Scenario::healthy("stateful ruleset, policy drop, DNS and health", stateful_health).seen(),
    Scenario::fault("socket.no-listener", "beside a drop rule at rest", refused_beside_rule).seen(),
    Scenario::fault("neigh.no-answer", "beside a policy of drop", silent_beside_policy)
        .or(&["neigh.gateway-no-answer"])
        .seen(),
];

/// A table of its own with one chain.
fn chain(node: &Node, hook: &str, policy: &str, rules: &[&str]) -> Result<()> {
    let mut script = format!(
        "add table inet wall; add chain inet wall c {{ type filter hook {hook} priority 0 ; policy {policy} ; }}"
    );
    for rule in rules {
        script.push_str(&format!("\nadd rule inet wall c {rule}"));
    }
    node.try_sh(&format!("nft '{script}'"))?;
    Ok(())
}

fn routed(lab: &Lab, rules: &[&str]) -> Result<([Node; 3], vision_lab::TcpServer)> {
    let nodes = lab.chain(["a", "r", "b"])?;
    let server = listen(&nodes[2], 443)?;
    chain(&nodes[1], "forward", "accept", rules)?;
    Ok((nodes, server))
}

fn router_drops_v4(lab: &Lab) -> Built {
    let ([a, r, b], server) =
        routed(lab, &["udp dport 443 counter drop", "tcp dport 443 counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn router_drops_v6(lab: &Lab) -> Built {
    let ([a, r, b], server) =
        routed(lab, &["meta nfproto ipv6 tcp dport { 80, 443 } counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r))
}

fn router_drops_uncounted(lab: &Lab) -> Built {
    let ([a, r, b], server) = routed(lab, &["tcp dport 22 drop", "tcp dport 443 drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn router_drops_by_set(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh(&format!(
        "nft 'add table ip wall; add counter ip wall bad; add set ip wall hosts {{ type ipv4_addr ; }}
         add element ip wall hosts {{ {} }}
         add chain ip wall deny; add rule ip wall deny counter name bad drop
         add chain ip wall f {{ type filter hook forward priority 0 ; }}
         add rule ip wall f ip daddr @hosts tcp dport 443 jump deny'",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn input_drops_ping(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    chain(&b, "input", "accept", &[&format!("ip saddr {} counter drop", a.v4())])?;
    Ok(Site::at(&a).ask(b.v4()).blame(&b))
}

fn prerouting_drops(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    chain(&b, "prerouting", "accept", &["tcp dport 443 counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&b))
}

fn output_drops_tcp(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    chain(&a, "output", "accept", &["tcp dport 443 counter drop"])?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&a))
}

fn output_drops_udp(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    chain(&a, "output", "accept", &["udp dport 53 drop"])?;
    Ok(Site::at(&a).ask_udp(b.v6(), 53).blame(&a))
}

fn input_drops_answers(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    chain(&a, "input", "accept", &["tcp sport 443 counter drop"])?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&a))
}

fn router_drops_answers(lab: &Lab) -> Built {
    let ([a, r, b], server) = routed(lab, &["tcp sport 443 counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn router_drops_dns(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let dns = nameserver(outside, outside)?;
    chain(&bridge.host, "forward", "accept", &["udp dport 53 counter drop"])?;
    let web = with_dns(bridge.container("web"), outside.v4())?;
    Ok(Site::in_process(web).keep(dns).ask("http://db.example/").blame(&bridge.host))
}

fn iptables_drops(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let server = listen(bridge.outside(), 443)?;
    bridge.host.try_sh(
        "iptables-nft -A FORWARD -p tcp --dport 443 -m comment --comment blocked -j DROP",
    )?;
    Ok(Site::at(bridge.container("web"))
        .keep(server)
        .ask_tcp(bridge.outside().v4(), 443)
        .blame(&bridge.host))
}

fn many_rules(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh(
        "{ echo 'add table inet wall; add chain inet wall c { type filter hook forward priority 0 ; }'
           seq 1 5000 | awk '{printf \"add rule inet wall c ip saddr 198.51.%d.%d tcp dport 443 counter drop\\n\", $1/250, $1%250}'
           echo 'add rule inet wall c tcp dport 443 counter drop'; } | nft -f -",
    )?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn policy(lab: &Lab) -> Result<([Node; 3], vision_lab::TcpServer)> {
    let nodes = lab.chain(["a", "r", "b"])?;
    let server = listen(&nodes[2], 443)?;
    chain(
        &nodes[1],
        "forward",
        "drop",
        &["ct state invalid drop", "ct state established,related accept", "tcp dport 80 accept"],
    )?;
    Ok((nodes, server))
}

fn policy_v4(lab: &Lab) -> Built {
    let ([a, r, b], server) = policy(lab)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn policy_v6(lab: &Lab) -> Built {
    let ([a, r, b], server) = policy(lab)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r))
}

fn policy_iptables(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    bridge
        .host
        .try_sh("iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -i docker0 -j ACCEPT")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.outside().v4()).blame(&bridge.host))
}

fn policy_input(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 443)?;
    chain(
        &b,
        "input",
        "drop",
        &["icmpv6 type { 133, 134, 135, 136 } accept", "tcp dport 22 accept"],
    )?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&b))
}

fn router_resets(lab: &Lab) -> Built {
    let ([a, r, b], server) = routed(lab, &["tcp dport 443 counter reject with tcp reset"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn router_prohibits(lab: &Lab) -> Built {
    let ([a, r, b], server) =
        routed(lab, &["tcp dport 443 counter reject with icmpx admin-prohibited"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r))
}

fn input_refuses(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 443)?;
    chain(&b, "input", "accept", &["tcp dport 443 counter reject with tcp reset"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&b))
}

fn output_refuses(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    chain(&a, "output", "accept", &["tcp dport 443 counter reject"])?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&a))
}

fn router_refuses_udp(lab: &Lab) -> Built {
    let ([a, r, b], server) = routed(lab, &["udp dport 514 counter reject"])?;
    Ok(Site::at(&a).keep(server).ask_udp(b.v4(), 514).blame(&r))
}

/// The packets pass one router, the answers another, which knows nothing of the connection.
fn asymmetric(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    lab.link(&a, "eth9", &b, "eth9")?;
    a.try_sh(&format!(
        "ip addr add 10.238.0.1/24 dev eth9; ip route add {}/32 via 10.238.0.2 src {}",
        b.v4(),
        a.v4()
    ))?;
    b.try_sh("ip addr add 10.238.0.2/24 dev eth9")?;
    for node in [&a, &r, &b] {
        node.try_sh("sysctl -qw net.ipv4.conf.all.rp_filter=0; for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done")?;
    }
    chain(
        &r,
        "forward",
        "accept",
        &["ct state established,related accept", "ct state invalid counter drop"],
    )?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn over_rate(lab: &Lab) -> Built {
    let ([a, r, b], server) = routed(
        lab,
        &["tcp dport 443 ct state new limit rate over 1/hour burst 1 packets counter drop"],
    )?;
    crate::score::container::knock(&a, (b.v4(), 443).into());
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn under_rate(lab: &Lab) -> Built {
    let ([a, r, b], server) = routed(
        lab,
        &[
            "ct state established,related accept",
            "tcp dport 443 limit rate 1/hour burst 1 packets counter accept",
            "counter drop",
        ],
    )?;
    crate::score::container::knock(&a, (b.v6(), 443).into());
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r))
}

fn connection_limit(lab: &Lab) -> Built {
    let ([a, r, b], server) =
        routed(lab, &["tcp dport 443 ct state new ct count over 2 counter drop"])?;
    let open = fill(&a, (b.v4(), 443).into(), 2);
    Ok(Site::at(&a).keep((server, open)).ask_tcp(b.v4(), 443).blame(&r))
}

fn connlimit(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh("iptables-nft -A FORWARD -p tcp --syn --dport 443 -m connlimit --connlimit-above 2 -j REJECT --reject-with tcp-reset")?;
    let open = fill(&a, (b.v4(), 443).into(), 2);
    Ok(Site::at(&a).keep((server, open)).ask_tcp(b.v4(), 443).blame(&r))
}

/// The second wire is the only way back to the address that is sent from.
fn antispoof(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    let other = lab.node("other")?;
    lab.link(&r, "eth8", &other, "eth0")?;
    r.try_sh("ip addr add 10.239.0.254/24 dev eth8")?;
    a.try_sh(&format!(
        "ip addr add 10.239.0.9/32 dev lo; ip route add {}/32 via {} src 10.239.0.9",
        b.v4(),
        a.gateway_v4()
    ))?;
    r.try_sh("for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done")?;
    chain(&r, "prerouting", "accept", &["fib saddr . iif oif missing counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&r))
}

fn legacy_drops(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh("iptables-legacy -A FORWARD -p tcp --dport 443 -j DROP")?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443).blame(&r))
}

fn legacy_input(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    b.try_sh("ip6tables-legacy -A INPUT -p tcp --dport 443 -j DROP")?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v6(), 443).blame(&b))
}

fn legacy_passes(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh("iptables-legacy -A FORWARD -p tcp --dport 22 -j DROP")?;
    Ok(Site::at(&a).keep(listen(&b, 443)?).ask_tcp(b.v4(), 443))
}

/// Others run into the rule all the time.
fn busy_drop_rule(lab: &Lab) -> Built {
    let ([a, _, b], server) =
        routed(lab, &["ip protocol udp counter drop", "tcp dport 25 counter drop"])?;
    let noise = a.spawn(&format!(
        "bash -c 'for i in $(seq 100); do echo x >/dev/udp/{}/9; sleep 0.05; done'",
        b.v4()
    ));
    Ok(Site::at(&a).keep((server, noise)).ask_tcp(b.v4(), 443))
}

const DOCKER: &str = "iptables-nft -P FORWARD DROP
iptables-nft -N DOCKER; iptables-nft -N DOCKER-USER; iptables-nft -N DOCKER-ISOLATION-STAGE-1
iptables-nft -A FORWARD -j DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN
iptables-nft -A FORWARD -j DOCKER-ISOLATION-STAGE-1; iptables-nft -A DOCKER-ISOLATION-STAGE-1 -j RETURN
iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A FORWARD -o br0 -j DOCKER
iptables-nft -A FORWARD -i br0 -j ACCEPT";

fn docker(host: &Node) -> Result<String> {
    let line = host.try_sh("ip -br link show type bridge")?;
    let name = line.split_whitespace().next().ok_or("no bridge")?.to_owned();
    host.try_sh(&DOCKER.replace("br0", &name))?;
    Ok(name)
}

fn docker_works(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let name = docker(&bridge.host)?;
    let web = bridge.container("web");
    bridge.host.try_sh(&format!(
        "iptables-nft -t nat -A POSTROUTING -s {}/24 ! -o {name} -j MASQUERADE",
        web.v4()
    ))?;
    Ok(Site::at(web).keep(listen(bridge.outside(), 443)?).ask_tcp(bridge.outside().v4(), 443))
}

fn published_works(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let name = docker(&bridge.host)?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    bridge.host.try_sh(&format!(
        "iptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination {web}:80
         iptables-nft -A DOCKER -d {web} ! -i {name} -o {name} -p tcp --dport 80 -j ACCEPT",
        web = web.v4()
    ))?;
    Ok(Site::at(outside).keep(listen(web, 80)?).ask_tcp(beside(outside, 1), 8080))
}

fn service_works(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    super::services::kube(&r, &[(b.v4(), 80)])?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask("10.96.0.10:80"))
}

fn ping_filtered(lab: &Lab) -> Built {
    let ([a, _, b], server) = routed(lab, &["meta l4proto { icmp, ipv6-icmp } counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn stateful_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let dns = serve(outside, DnsScript::new().a("db.example", outside.v4()))?;
    for node in [&bridge.host, web] {
        node.try_sh(
            "nft 'add table inet wall; add chain inet wall i { type filter hook input priority 0 ; policy drop ; }
             add rule inet wall i iifname lo accept; add rule inet wall i ct state established,related accept
             add rule inet wall i meta l4proto { icmp, ipv6-icmp } accept; add rule inet wall i ct state invalid counter drop'",
        )?;
    }
    Ok(Site::in_process(with_dns(web, outside.v4())?).keep(dns))
}

fn refused_beside_rule(lab: &Lab) -> Built {
    let ([a, _, b], server) =
        routed(lab, &["tcp dport 80 counter drop", "tcp dport 444 ct state invalid counter drop"])?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 444).blame(&b))
}

fn silent_beside_policy(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    chain(&r, "forward", "drop", &["ct state established,related accept", "tcp dport 443 accept"])?;
    let _ = beside_v6(&b, 77);
    Ok(Site::at(&a).ask_tcp(beside(&b, 77), 443))
}
