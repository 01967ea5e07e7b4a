//! Wires, chains and bridges, each tried out before it is handed over.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Lab,
    error::{Error, Result},
    node::Node,
    relay::{Relay, RelaySpec},
};

/// A container host: a bridge with one container node per name, perhaps with an uplink.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Bridge {
    /// Holds `br0` (the containers' gateway, forwarding on) and a port `v-NAME` per container.
    pub host: Node,
    /// One node per name, in the order given, each with `eth0`.
    pub containers: Vec<Node>,
    /// What lies behind the host's `up0`; sees the host's address only (masquerade).
    pub outside: Option<Node>,
}

impl Bridge {
    /// The container of that name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn container(&self, name: &str) -> &Node {
        let found = self.containers.iter().find(|node| node.name() == name);
        found.unwrap_or_else(|| panic!("no container {name} on the bridge"))
    }

    /// The node behind the uplink.
    ///
    /// # Panics
    /// When the bridge was built without one.
    #[must_use]
    pub fn outside(&self) -> &Node {
        self.outside.as_ref().expect("built by `bridge_with_uplink`")
    }
}

impl Lab {
    /// Joins two nodes by a veth pair, each end created in its namespace and brought up; no addresses.
    ///
    /// # Errors
    /// When a node already has a device of that name.
    pub fn link(&self, a: &Node, a_dev: &str, b: &Node, b_dev: &str) -> Result<()> {
        let there = b.path();
        a.try_sh(&format!(
            "ip link add {a_dev} type veth peer name {b_dev} netns {}; ip link set {a_dev} up",
            there.display()
        ))?;
        b.try_sh(&format!("ip link set {b_dev} up"))?;
        Ok(())
    }

    /// Two nodes `a` and `b` on one wire (`eth0` each), addressed in both families, without default routes.
    ///
    /// # Errors
    /// When the wire does not carry packets within three seconds.
    pub fn pair(&self) -> Result<[Node; 2]> {
        let pair = [self.node("a")?, self.node("b")?];
        self.link(&pair[0], "eth0", &pair[1], "eth0")?;
        self.address_pair(&pair)?;
        Ok(pair)
    }

    /// Addresses two nodes joined by their `eth0` and sees that they reach each other.
    pub(crate) fn address_pair(&self, pair: &[Node; 2]) -> Result<()> {
        address(pair, &Net(self.next_net()?))?;
        ready(&pair[0], &pair[1])
    }

    /// Nodes in a row. Inner nodes forward and have `eth0` on the left and `eth1` on the right; the ends have
    /// `eth0` and a default route. Link `i` carries 10.N.i.0/24 and fd00:N:i::/64, its left end `.1`.
    ///
    /// # Errors
    /// When fewer than two names are given, or the ends do not reach each other within three seconds.
    pub fn chain<const N: usize>(&self, names: [&str; N]) -> Result<[Node; N]> {
        let nodes = self.chain_of(&names)?;
        Ok(nodes.try_into().expect("one node per name"))
    }

    /// As [`Lab::chain`], for a number of names known at run time only.
    ///
    /// # Errors
    /// As [`Lab::chain`].
    pub fn chain_of(&self, names: &[&str]) -> Result<Vec<Node>> {
        self.joined(names, |i, [a, b]| self.link(a, right_dev(i), b, "eth0"))
    }

    /// As [`Lab::chain`], with a relay in each of the numbered links (the first is 0), in that order; they begin to
    /// interfere when the ends have reached each other.
    ///
    /// # Errors
    /// As [`Lab::chain`] and [`Lab::relay`], and when there is no such link.
    pub fn relayed_chain<const N: usize>(
        &self,
        names: [&str; N],
        specs: &[(usize, RelaySpec)],
    ) -> Result<([Node; N], Vec<Relay>)> {
        let mut relays = Vec::new();
        let nodes = self.joined(&names, |i, [a, b]| {
            if !specs.iter().any(|(at, _)| *at == i) {
                return self.link(a, right_dev(i), b, "eth0");
            }
            relays.push(self.relay(a, right_dev(i), b, "eth0", RelaySpec::default())?);
            Ok(())
        })?;
        if relays.len() != specs.len() {
            return Err(Error::Invalid(format!("a chain of {N} has no such links: {specs:?}")));
        }
        for (relay, (_, spec)) in relays.iter().zip(specs) {
            relay.set(*spec);
        }
        Ok((nodes.try_into().expect("one node per name"), relays))
    }

    /// A chain whose links are laid by `join`, the first one being number 0.
    fn joined(
        &self,
        names: &[&str],
        mut join: impl FnMut(usize, [&Node; 2]) -> Result<()>,
    ) -> Result<Vec<Node>> {
        if !(2..=64).contains(&names.len()) {
            return Err(Error::Invalid(format!("a chain has 2 to 64 nodes, not {}", names.len())));
        }
        let net = Net(self.next_net()?);
        let nodes = names.iter().map(|name| self.node(name)).collect::<Result<Vec<_>>>()?;
        for (i, two) in nodes.windows(2).enumerate() {
            join(i, [&two[0], &two[1]])?;
        }
        address(&nodes, &net)?;
        for (i, node) in nodes.iter().enumerate() {
            let inner = i > 0 && i + 1 < nodes.len();
            if inner {
                forwarding_on(node)?;
                node.try_sh(&net.inner_routes(i as u8, nodes.len() as u8 - 1))?;
            } else {
                let (link, host) = if i == 0 { (0, 2) } else { (i as u8 - 1, 1) };
                default_route(node, net.v4(link, host), net.v6(link, host))?;
            }
        }
        ready(&nodes[0], &nodes[nodes.len() - 1])?;
        Ok(nodes)
    }

    /// A host node called `host` with bridge `br0` and a container node per name: see [`Bridge`].
    ///
    /// # Errors
    /// When a name is too long for a device name, or a container does not reach the host within three seconds.
    pub fn bridge(&self, host: &str, containers: &[&str]) -> Result<Bridge> {
        let net = Net(self.next_net()?);
        let host = self.node(host)?;
        forwarding_on(&host)?;
        // A fixed address, for a bridge otherwise changes its own with every port.
        host.try_sh(&format!(
            "ip link add br0 address 02:42:0a:00:00:01 type bridge; ip link set br0 up
             ip addr add {}/24 dev br0; ip addr add {}/64 dev br0 nodad",
            net.v4(0, 1),
            net.v6(0, 1)
        ))?;
        set_primary(&host, net.v4(0, 1), net.v6(0, 1));
        let mut bridge = Bridge { host, containers: Vec::new(), outside: None };
        for name in containers {
            let container = self.container(&bridge, &net, name)?;
            bridge.containers.push(container);
        }
        Ok(bridge)
    }

    /// As [`Lab::bridge`], with a node `outside` behind the host's `up0`, routed and masqueraded.
    ///
    /// # Errors
    /// As [`Lab::bridge`]; also when the first container does not reach the outside.
    pub fn bridge_with_uplink(&self, host: &str, containers: &[&str]) -> Result<Bridge> {
        let mut bridge = self.bridge(host, containers)?;
        let outside = self.node("outside")?;
        let net = Net(self.next_net()?);
        self.link(&bridge.host, "up0", &outside, "eth0")?;
        bridge.host.try_sh(&net.addresses("up0", 0, 1))?;
        outside.try_sh(&net.addresses("eth0", 0, 2))?;
        set_primary(&outside, net.v4(0, 2), net.v6(0, 2));
        default_route(&bridge.host, net.v4(0, 2), net.v6(0, 2))?;
        bridge.host.try_sh(
            "nft 'add table inet lab_nat
             add chain inet lab_nat post { type nat hook postrouting priority 100 ; }
             add rule inet lab_nat post oifname up0 counter masquerade'",
        )?;
        ready(bridge.containers.first().unwrap_or(&bridge.host), &outside)?;
        bridge.outside = Some(outside);
        Ok(bridge)
    }

    fn container(&self, bridge: &Bridge, net: &Net, name: &str) -> Result<Node> {
        let port = format!("v-{name}");
        // IFNAMSIZ is 16 with the final zero.
        if port.len() > 15 {
            return Err(Error::Invalid(format!("{name} is too long to name a bridge port")));
        }
        let own = u8::try_from(bridge.containers.len() + 2)
            .ok()
            .filter(|&own| own < 255)
            .ok_or_else(|| Error::Invalid("one bridge has room for 253 containers".into()))?;
        let node = self.node(name)?;
        self.link(&bridge.host, &port, &node, "eth0")?;
        bridge.host.try_sh(&format!("ip link set {port} master br0"))?;
        node.try_sh(&net.addresses("eth0", 0, own))?;
        set_primary(&node, net.v4(0, own), net.v6(0, own));
        default_route(&node, net.v4(0, 1), net.v6(0, 1))?;
        ready(&node, &bridge.host)?;
        Ok(node)
    }
}

/// Gives both ends of every link of a row their addresses.
fn address(nodes: &[Node], net: &Net) -> Result<()> {
    for (i, two) in nodes.windows(2).enumerate() {
        let link = i as u8;
        two[0].try_sh(&net.addresses(right_dev(i), link, 1))?;
        two[1].try_sh(&net.addresses("eth0", link, 2))?;
        if i == 0 {
            set_primary(&two[0], net.v4(0, 1), net.v6(0, 1));
        }
        set_primary(&two[1], net.v4(link, 2), net.v6(link, 2));
    }
    Ok(())
}

/// The device of the `i`-th node of a row towards its right neighbour.
fn right_dev(i: usize) -> &'static str {
    if i == 0 { "eth0" } else { "eth1" }
}

/// The addresses of one topology: 10.N.link.host and fd00:N:link::host.
struct Net(u8);

impl Net {
    fn v4(&self, link: u8, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.0, link, host)
    }

    fn v6(&self, link: u8, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, self.0.into(), link.into(), 0, 0, 0, 0, host.into())
    }

    fn addresses(&self, dev: &str, link: u8, host: u8) -> String {
        let (v4, v6) = (self.v4(link, host), self.v6(link, host));
        format!("ip addr add {v4}/24 dev {dev}; ip addr add {v6}/64 dev {dev}")
    }

    /// Inner node `i` sits between links `i - 1` and `i`; every other link is one hop further that way.
    fn inner_routes(&self, i: u8, links: u8) -> String {
        let far = (0..links).filter(|&link| link + 1 != i && link != i);
        far.map(|link| {
            let (via_link, via_host) = if link < i { (i - 1, 1) } else { (i, 2) };
            format!(
                "ip route add {}/24 via {}; ip -6 route add {}/64 via {}\n",
                self.v4(link, 0),
                self.v4(via_link, via_host),
                self.v6(link, 0),
                self.v6(via_link, via_host)
            )
        })
        .collect()
    }
}

fn set_primary(node: &Node, v4: Ipv4Addr, v6: Ipv6Addr) {
    let mut addrs = node.addrs();
    (addrs.v4, addrs.v6) = (Some(v4), Some(v6));
}

fn default_route(node: &Node, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<()> {
    node.try_sh(&format!("ip route add default via {v4}; ip -6 route add default via {v6}"))?;
    let mut addrs = node.addrs();
    (addrs.gateway_v4, addrs.gateway_v6) = (Some(v4), Some(v6));
    Ok(())
}

fn forwarding_on(node: &Node) -> Result<()> {
    node.sysctls(&[("net/ipv4/ip_forward", "1"), ("net/ipv6/conf/all/forwarding", "1")])
}

/// Pings in both families until it works, at most three seconds.
fn ready(from: &Node, to: &Node) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(3);
    for ip in [IpAddr::from(to.v4()), IpAddr::from(to.v6())] {
        while let Err(error) = from.try_sh(&format!("ping -n -q -c1 -W1 {ip}")) {
            if Instant::now() > end {
                return Err(Error::NotReady(format!("{} to {}: {error}", from.name(), to.name())));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}
