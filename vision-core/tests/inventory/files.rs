use std::net::UdpSocket;

use vision_lab::{require, whole_machine};

use super::ns::{Ns, budget};

#[test]
fn counters_are_the_namespaces_own_and_grow_with_traffic() {
    let Some(ns) = Ns::new() else { return };
    let mut inventory = ns.inventory();
    let before = inventory.counters(&budget()).expect("counters");
    assert_eq!(before.get("Udp", "InDatagrams"), Some(0));
    assert_eq!(before.signed("Tcp", "MaxConn"), Some(-1));
    assert!(before.get("TcpExt", "ListenDrops").is_some());
    ns.within(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
        let socket6 = UdpSocket::bind("[::1]:0").expect("socket");
        for _ in 0..3 {
            socket.send_to(b"x", socket.local_addr().expect("bound")).expect("sent");
            socket.recv(&mut [0; 9]).expect("received");
            socket6.send_to(b"x", socket6.local_addr().expect("bound")).expect("sent");
            socket6.recv(&mut [0; 9]).expect("received");
        }
        socket.send_to(b"x", "127.0.0.1:1").expect("sent");
    });
    let delta = inventory.counters(&budget()).expect("counters").delta(&before);
    assert_eq!(delta.get("Udp", "InDatagrams"), Some(3));
    assert_eq!(delta.get("Udp", "NoPorts"), Some(1));
    assert_eq!(delta.get("Udp6", "OutDatagrams"), Some(3));
    assert_eq!(delta.get("Udp", "InErrors"), None);
}

#[test]
fn sysctls_are_the_namespaces_own() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some(ns) = Ns::new() else { return };
    ns.sh("ip link add va type veth peer name vb
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 2 > /proc/sys/net/ipv4/conf/va/rp_filter
        echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter
        echo 1 > /proc/sys/net/ipv6/conf/va/disable_ipv6
        echo 33 > /proc/sys/net/ipv4/ip_default_ttl
        echo '10 20' > /proc/sys/net/ipv4/ping_group_range");
    let sysctls = ns.inventory().sysctls(&budget()).expect("sysctls");
    assert_eq!(sysctls.ip_forward, Some(true));
    assert_eq!(sysctls.ip_default_ttl, Some(33));
    assert_eq!(sysctls.ping_group_range, Some((10, 20)));
    assert!(sysctls.ip_local_port_range.is_some_and(|(a, b)| a < b));
    assert_eq!((sysctls.rp_filter(b"va"), sysctls.rp_filter(b"vb")), (Some(2), Some(1)));
    let va = sysctls.interface(b"va").expect("va");
    assert_eq!(va.ipv6.expect("IPv6").disable_ipv6, Some(true));
    assert_eq!(va.ipv4.expect("IPv4").proxy_arp, Some(false));
    let names: Vec<_> = sysctls.interfaces.iter().map(|i| i.name.escaped().to_string()).collect();
    assert_eq!(names, ["all", "default", "lo", "va", "vb"]);
}

#[test]
fn files_of_the_target_say_where_they_were_read() {
    let Some(ns) = Ns::new() else { return };
    let inventory = ns.inventory();
    let resolver = inventory.resolver(&budget());
    let hosts = inventory.hosts(&budget());
    assert!(resolver.is_ok_and(|r| r.origin.is_some()));
    assert!(hosts.is_ok_and(|h| h.origin.is_some()));
}
