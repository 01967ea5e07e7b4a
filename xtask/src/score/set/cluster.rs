//! Two nodes behind a router, each with a pod: what the packets of services meet further on, and what a
//! sidecar's rules lead to.

use vision_lab::{Lab, Node};

use super::{Built, services::kube};
use crate::Result;
use crate::score::{
    container::{beside, listen, nameserver, with_dns},
    scenario::{Scenario, Site},
};

const LISTENER: &str = "socket.no-listener";
const REJECTED: &str = "neigh.sender-rejected";
const DOWN: &str = "link.down";

pub(super) const ALL: &[Scenario] = &[
    Scenario::healthy("a service of another node's pod", served).seen(),
    Scenario::fault("route.unreachable", "behind a service", served_unreachable).seen(),
    Scenario::fault("route.none", "behind a service", served_unrouted).seen(),
    Scenario::fault("route.blackhole", "behind a service", served_blackhole).seen(),
    Scenario::fault("route.return-missing", "behind a service", served_one_way).seen(),
    Scenario::fault("service.stale-target", "packets for it go round", served_round)
        .related(&["route.loop"])
        .seen(),
    Scenario::fault(DOWN, "a pod's on its node, and its route is gone with it", pod_cut_off)
        .related(&["route.loop"])
        .seen(),
    Scenario::fault(DOWN, "a pod's on its node, behind a service", served_cut_off)
        .related(&["route.loop"])
        .seen(),
    Scenario::fault("firewall.rule-drop", "behind the nameserver's service", names_dropped).seen(),
    Scenario::fault("service.dead-endpoint", "of the nameserver", names_refused)
        .or(&[LISTENER, "dns.port-closed"])
        .seen(),
    Scenario::healthy("the nameserver is a service", names_served).seen(),
    Scenario::fault(LISTENER, "the own sidecar is gone", no_sidecar).seen(),
    Scenario::fault(LISTENER, "the own sidecar for names is gone", no_sidecar_for_names).seen(),
    Scenario::fault(LISTENER, "the other's sidecar is gone", no_sidecar_there).seen(),
    Scenario::healthy("a sidecar takes everything", sidecar).seen(),
    Scenario::fault(REJECTED, "the node has another way to the pod", astray).seen(),
    Scenario::fault(REJECTED, "an address of another network, nothing asked", foreign).seen(),
    Scenario::fault("route.return-missing", "v6, a pod with a gateway on the link", one_way_v6)
        .seen(),
];

/// `a` is a pod of the node `n`, `b` one of `m`.
struct Cluster {
    a: Node,
    n: Node,
    r: Node,
    m: Node,
    b: Node,
}

impl Cluster {
    fn new(lab: &Lab) -> Result<Self> {
        let [a, n, r, m, b] = lab.chain(["a", "n", "r", "m", "b"])?;
        Ok(Self { a, n, r, m, b })
    }

    /// With a service of the other pod.
    fn serving(lab: &Lab) -> Result<Self> {
        let it = Self::new(lab)?;
        kube(&it.n, &[(it.b.v4(), 80)])?;
        Ok(it)
    }

    /// Asks for the service.
    fn ask(&self) -> Built {
        Ok(Site::at(&self.a).keep(listen(&self.b, 80)?).ask("10.96.0.10:80"))
    }

    /// Takes the router's way to a pod's network away.
    fn forget(&self, pod: &Node) -> Result<()> {
        let net = beside(pod, 0);
        self.r.try_sh(&format!("ip route del $(ip route | grep -o '^{net}[^ ]*')"))?;
        Ok(())
    }

    /// Sends what is for the other pod back to the router where the node has no better way.
    fn default_to_router(&self) -> Result<()> {
        self.m.try_sh("ip route add default via $(ip -4 route | sed -n 's/.* via \\([0-9.]*\\) dev eth0.*/\\1/p' | head -n1)")?;
        Ok(())
    }
}

fn served(lab: &Lab) -> Built {
    Cluster::serving(lab)?.ask()
}

fn served_unreachable(lab: &Lab) -> Built {
    let it = Cluster::serving(lab)?;
    it.r.try_sh(&format!("ip route add unreachable {}/32", it.b.v4()))?;
    Ok(it.ask()?.blame(&it.r))
}

fn served_unrouted(lab: &Lab) -> Built {
    let it = Cluster::serving(lab)?;
    it.forget(&it.b)?;
    Ok(it.ask()?.blame(&it.r))
}

fn served_blackhole(lab: &Lab) -> Built {
    let it = Cluster::serving(lab)?;
    it.m.try_sh(&format!("ip route add blackhole {}/32", it.b.v4()))?;
    Ok(it.ask()?.blame(&it.m))
}

fn served_one_way(lab: &Lab) -> Built {
    let it = Cluster::serving(lab)?;
    it.forget(&it.a)?;
    Ok(it.ask()?.blame(&it.r))
}

/// The pod is gone, and with it the node's route to it.
fn served_round(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    it.default_to_router()?;
    let gone = "10.99.7.7";
    for node in [&it.n, &it.r] {
        node.try_sh(&format!(
            "ip route add {gone}/32 via $(ip route get {} | grep -o 'via [^ ]*' | cut -d' ' -f2)",
            it.b.v4()
        ))?;
    }
    kube(&it.n, &[(gone.parse()?, 80)])?;
    Ok(Site::at(&it.a).ask("10.96.0.10:80").blame(&it.n))
}

fn cut_off(it: &Cluster) -> Result<()> {
    it.default_to_router()?;
    it.m.try_sh("ip link set eth1 down")?;
    Ok(())
}

fn pod_cut_off(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    cut_off(&it)?;
    Ok(Site::at(&it.a).keep(listen(&it.b, 80)?).ask_tcp(it.b.v4(), 80).blame(&it.m))
}

fn served_cut_off(lab: &Lab) -> Built {
    let it = Cluster::serving(lab)?;
    cut_off(&it)?;
    Ok(it.ask()?.blame(&it.m))
}

/// The nameserver's address is that of a service.
fn names(lab: &Lab) -> Result<(Cluster, Site)> {
    let it = Cluster::new(lab)?;
    it.n.try_sh(&format!(
        "iptables-nft -t nat -A PREROUTING -d 10.96.0.2/32 -p udp --dport 53 -j DNAT --to-destination {}:53",
        it.b.v4()
    ))?;
    let site = Site::in_process(with_dns(&it.a, "10.96.0.2")?);
    Ok((it, site.ask("db.example:80")))
}

fn names_served(lab: &Lab) -> Built {
    let (it, site) = names(lab)?;
    Ok(site.keep(nameserver(&it.b, &it.m)?).keep(listen(&it.m, 80)?))
}

fn names_refused(lab: &Lab) -> Built {
    let (it, site) = names(lab)?;
    Ok(site.blame(&it.b))
}

fn names_dropped(lab: &Lab) -> Built {
    let (it, site) = names(lab)?;
    it.m.try_sh("iptables-nft -A FORWARD -p udp --dport 53 -j DROP")?;
    Ok(site.keep(nameserver(&it.b, &it.m)?).blame(&it.m))
}

/// As Istio writes them for what goes out.
const OUTBOUND: &str =
    "iptables-nft -t nat -N ISTIO_OUTPUT; iptables-nft -t nat -A OUTPUT -p tcp -j ISTIO_OUTPUT
iptables-nft -t nat -A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
iptables-nft -t nat -A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
iptables-nft -t nat -A ISTIO_OUTPUT -p tcp -j REDIRECT --to-ports 15001";

fn no_sidecar(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    it.a.try_sh(OUTBOUND)?;
    Ok(Site::at(&it.a).keep(listen(&it.b, 80)?).ask_tcp(it.b.v4(), 80).blame(&it.a))
}

fn sidecar(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    it.a.try_sh(OUTBOUND)?;
    let both = (listen(&it.b, 80)?, listen(&it.a, 15001)?);
    Ok(Site::at(&it.a).keep(both).ask_tcp(it.b.v4(), 80))
}

fn no_sidecar_for_names(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    it.a.try_sh("nft 'table ip t { chain o { type nat hook output priority -100; udp dport 53 redirect to :15053; }; }'")?;
    let process = with_dns(&it.a, it.b.v4())?;
    let server = nameserver(&it.b, &it.b)?;
    Ok(Site::in_process(process).keep(server).ask("db.example:80").blame(&it.a))
}

fn no_sidecar_there(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    it.b.try_sh("iptables-nft -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006")?;
    Ok(Site::at(&it.a).keep(listen(&it.b, 80)?).ask_tcp(it.b.v4(), 80).blame(&it.b))
}

/// The node's route to the pod leads out by another link, and its filter for sources is strict.
fn astray(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    it.n.try_sh(&format!(
        "echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter
         ip route add {}/32 dev eth1 scope link",
        it.a.v4()
    ))?;
    it.a.try_sh("ip neigh flush dev eth0")?;
    Ok(Site::at(&it.a).ask_tcp(it.b.v4(), 80).blame(&it.n))
}

fn foreign(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web"])?;
    let web = bridge.container("web");
    let gateway = beside(web, 1);
    web.try_sh(&format!(
        "ip -4 addr flush dev eth0; ip addr add 10.251.3.4/24 dev eth0
         ip route add {gateway}/32 dev eth0; ip route add default via {gateway}"
    ))?;
    bridge.host.try_sh("echo 1 >/proc/sys/net/ipv4/conf/br0/rp_filter")?;
    Ok(Site::at(web).blame(&bridge.host))
}

/// As Calico connects pods: a single address, and a gateway that is an address of the link.
fn one_way_v6(lab: &Lab) -> Built {
    let it = Cluster::new(lab)?;
    let pod = "fd00:9999::7";
    it.a.try_sh(&format!(
        "ip -6 addr flush dev eth0 scope global; ip addr add {pod}/128 dev eth0 nodad
         ip -6 route replace default via fe80::ee dev eth0"
    ))?;
    it.n.try_sh(&format!(
        "ip addr add fe80::ee/64 dev eth0 nodad; ip route add {pod}/128 dev eth0"
    ))?;
    Ok(Site::at(&it.a).keep(listen(&it.b, 80)?).ask_tcp(it.b.v6(), 80).blame(&it.m))
}
