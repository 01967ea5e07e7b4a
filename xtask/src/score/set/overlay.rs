//! VXLAN tunnels between two nodes: routed to, as Flannel does, and with the containers' bridge over
//! both, as Swarm does.

use vision_lab::{Lab, Node};

use super::Built;
use crate::Result;
use crate::score::{
    container::listen,
    scenario::{Scenario, Site},
};

const NO_FDB: &str = "overlay.no-fdb";
const WRONG: &str = "overlay.wrong-vtep";
const CLOSED: &str = "overlay.port-closed";

pub(super) const ALL: &[Scenario] = &[
    Scenario::healthy("routed over a tunnel", routed_well).seen(),
    Scenario::healthy("bridged over a tunnel", bridged_well).seen(),
    Scenario::fault(NO_FDB, "routed, the first node forgot the other", forgot).seen(),
    Scenario::fault(NO_FDB, "routed, the other node forgot the first", forgot_back).seen(),
    Scenario::fault(NO_FDB, "bridged, no entry for all", forgot_all).seen(),
    Scenario::fault(WRONG, "routed, the node had another address", moved).seen(),
    Scenario::fault(WRONG, "bridged, the node had another address", moved_all).seen(),
    Scenario::fault("overlay.vni-mismatch", "routed", other_network).seen(),
    Scenario::fault(CLOSED, "routed, another port", other_port).seen(),
    Scenario::fault(CLOSED, "routed, the other end is down", other_down).or(&["link.down"]).seen(),
    Scenario::fault(CLOSED, "routed, dropped underneath", underneath)
        .or(&["firewall.rule-drop"])
        .seen(),
    Scenario::fault("mtu.overlay-overhead", "routed, no room for the tunnel's headers", no_room)
        .seen(),
    Scenario::healthy("routed, outer packets may be fragmented", fragmented).seen(),
    Scenario::fault("firewall.rule-drop", "behind a tunnel", behind).seen(),
    Scenario::fault("firewall.rule-drop", "behind a tunnel, another cluster like this", beside)
        .seen(),
    Scenario::fault("socket.no-listener", "behind a tunnel", nobody_behind).seen(),
];

/// `a` and `b` are containers of the nodes `n` and `m`.
struct Overlay {
    a: Node,
    n: Node,
    m: Node,
    b: Node,
}

/// The address a node has on a link.
fn addr(node: &Node, dev: &str) -> Result<String> {
    let command = format!("ip -4 -o addr show dev {dev} | sed 's/.*inet \\([0-9.]*\\).*/\\1/'");
    Ok(node.try_sh(&command)?.trim().to_owned())
}

impl Overlay {
    fn new(lab: &Lab) -> Result<Self> {
        let [a, n, m, b] = lab.chain(["a", "n", "m", "b"])?;
        Ok(Self { a, n, m, b })
    }

    /// The route to the other's container leads through the tunnel; entries are written by hand.
    fn routed(lab: &Lab, options: &str) -> Result<Self> {
        let it = Self::new(lab)?;
        let ends = [addr(&it.n, "eth1")?, addr(&it.m, "eth0")?];
        let sides = [(&it.n, "eth1", &it.b, "id 77 dstport 8472"), (&it.m, "eth0", &it.a, options)];
        for (n, (node, dev, container, options)) in sides.into_iter().enumerate() {
            let [own, other] = if n == 0 { [&ends[0], &ends[1]] } else { [&ends[1], &ends[0]] };
            let (us, them) = (n + 1, 2 - n);
            node.try_sh(&format!(
                "ip link add fl0 address 02:00:00:00:00:0{us} mtu 1450 type vxlan {options} local {own} nolearning dev {dev}
                 ip link set fl0 up; ip addr add 10.211.{us}.0/32 dev fl0
                 ip neigh replace 10.211.{them}.0 lladdr 02:00:00:00:00:0{them} dev fl0 nud permanent
                 bridge fdb replace 02:00:00:00:00:0{them} dev fl0 dst {other}
                 ip route replace {}/32 via 10.211.{them}.0 dev fl0 onlink",
                container.v4()
            ))?;
            container.try_sh("ip link set eth0 mtu 1450")?;
        }
        Ok(it)
    }

    /// One network of both containers, bridged over the tunnel.
    fn bridged(lab: &Lab) -> Result<Self> {
        let it = Self::new(lab)?;
        let ends = [addr(&it.n, "eth1")?, addr(&it.m, "eth0")?];
        let sides = [(&it.n, "eth1", "eth0", &it.a), (&it.m, "eth0", "eth1", &it.b)];
        for (n, (node, under, port, container)) in sides.into_iter().enumerate() {
            let (own, other) = (&ends[n], &ends[1 - n]);
            node.try_sh(&format!(
                "ip link add br9 type bridge; ip link set br9 up; ip link set {port} master br9
                 ip link add vx0 mtu 1450 type vxlan id 55 dstport 4789 local {own} dev {under}
                 ip link set vx0 master br9 up
                 bridge fdb append 00:00:00:00:00:00 dev vx0 dst {other}"
            ))?;
            container.try_sh(&format!(
                "ip addr add 10.212.0.{}/24 dev eth0; ip link set eth0 mtu 1450",
                n + 1
            ))?;
        }
        Ok(it)
    }

    fn ask_routed(&self) -> Built {
        let server = listen(&self.b, 443)?;
        Ok(Site::at(&self.a).keep(server).ask_tcp(self.b.v4(), 443))
    }

    fn ask_bridged(&self) -> Built {
        Ok(Site::at(&self.a).keep(listen(&self.b, 443)?).ask("10.212.0.2:443"))
    }
}

const SAME: &str = "id 77 dstport 8472";

fn routed_well(lab: &Lab) -> Built {
    Overlay::routed(lab, SAME)?.ask_routed()
}

fn bridged_well(lab: &Lab) -> Built {
    Overlay::bridged(lab)?.ask_bridged()
}

fn forgot(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    it.n.try_sh("bridge fdb del 02:00:00:00:00:02 dev fl0")?;
    Ok(it.ask_routed()?.blame(&it.n))
}

fn forgot_back(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    it.m.try_sh("bridge fdb del 02:00:00:00:00:01 dev fl0")?;
    Ok(it.ask_routed()?.blame(&it.m))
}

fn forgot_all(lab: &Lab) -> Built {
    let it = Overlay::bridged(lab)?;
    let end = addr(&it.m, "eth0")?;
    it.n.try_sh(&format!("bridge fdb del 00:00:00:00:00:00 dev vx0 dst {end}"))?;
    Ok(it.ask_bridged()?.blame(&it.n))
}

fn moved(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    it.n.try_sh("bridge fdb replace 02:00:00:00:00:02 dev fl0 dst 198.51.100.7")?;
    Ok(it.ask_routed()?.blame(&it.n))
}

fn moved_all(lab: &Lab) -> Built {
    let it = Overlay::bridged(lab)?;
    let end = addr(&it.m, "eth0")?;
    it.n.try_sh(&format!(
        "bridge fdb append 00:00:00:00:00:00 dev vx0 dst 198.51.100.7
         bridge fdb del 00:00:00:00:00:00 dev vx0 dst {end}"
    ))?;
    Ok(it.ask_bridged()?.blame(&it.n))
}

fn other_network(lab: &Lab) -> Built {
    Overlay::routed(lab, "id 78 dstport 8472")?.ask_routed()
}

fn other_port(lab: &Lab) -> Built {
    Overlay::routed(lab, "id 77 dstport 4789")?.ask_routed()
}

fn other_down(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    it.m.try_sh("ip link set fl0 down")?;
    it.ask_routed()
}

fn underneath(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    it.m.try_sh(
        "nft 'table ip f { chain c { type filter hook input priority 0; udp dport 8472 drop; }; }'",
    )?;
    it.ask_routed()
}

/// The network below takes less than when the tunnels were made.
fn narrowed_below(lab: &Lab, options: &str) -> Result<Overlay> {
    let it = Overlay::routed(lab, options)?;
    it.n.try_sh("ip link set eth1 mtu 1440")?;
    it.m.try_sh("ip link set eth0 mtu 1440")?;
    Ok(it)
}

fn no_room(lab: &Lab) -> Built {
    let it = narrowed_below(lab, "id 77 dstport 8472 df set")?;
    Ok(it.ask_routed()?.blame(&it.m))
}

fn fragmented(lab: &Lab) -> Built {
    narrowed_below(lab, SAME)?.ask_routed()
}

fn behind(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    it.b.try_sh(
        "nft 'table ip f { chain c { type filter hook input priority 0; tcp dport 443 drop; }; }'",
    )?;
    Ok(it.ask_routed()?.blame(&it.b))
}

/// A second cluster on the machine has the same network number, port and addresses.
fn beside(lab: &Lab) -> Built {
    let site = behind(lab)?;
    let other = lab.node("other")?;
    let address =
        site.destination.as_deref().and_then(|it| it.split(':').next()).unwrap_or_default();
    other.try_sh(&format!(
        "ip link add fl0 address 02:00:00:00:00:99 type vxlan id 77 dstport 8472 local 192.0.2.1 nolearning
         ip link set fl0 up; ip addr add 10.211.2.0/32 dev fl0; ip addr add 10.211.1.0/32 dev fl0
         ip addr add {address}/32 dev lo"
    ))?;
    Ok(site.keep(other))
}

fn nobody_behind(lab: &Lab) -> Built {
    let it = Overlay::routed(lab, SAME)?;
    Ok(Site::at(&it.a).ask_tcp(it.b.v4(), 444).blame(&it.b))
}
