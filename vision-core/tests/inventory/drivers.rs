//! What drivers tell, against `ethtool`.

use std::collections::BTreeMap;

use vision_core::inventory::ethtool::Duplex;
use vision_core::inventory::{Ethtool, EthtoolParts, Inventory};

use super::ns::{Ns, budget};

const SETUP: &str = "
    ip link add va numtxqueues 3 numrxqueues 4 type veth peer name vb
    ip link set va up; ip link set vb up
    ip link add br0 type bridge
    ip tuntap add dev t0 mode tap
    ip link add vx0 type vxlan id 7 dstport 4789 local 127.0.0.1
    ethtool -K va tso off
    ethtool -K va rx-gro-list on
    ethtool -L va rx 2 tx 3";
const LINKS: [&str; 5] = ["lo", "va", "br0", "t0", "vx0"];

fn asked(inventory: &mut Inventory, name: &str, parts: EthtoolParts) -> Ethtool {
    let links = inventory.links(&budget()).expect("links").items;
    let link = links.iter().find(|l| l.name == *name).expect("a link");
    inventory.ethtool(link, parts, &budget()).expect("answers")
}

/// Lines of `name: value` behind a headline.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn features_are_what_ethtool_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    for name in LINKS {
        let ours = asked(&mut inventory, name, EthtoolParts::FEATURES);
        let theirs = ns.json(&format!("ethtool --json -k {name}"));
        let mut compared = 0;
        for feature in &ours.features {
            // A few have another name with it, from before there were these.
            let Some(row) = theirs[0].get(&feature.name) else { continue };
            assert_eq!(row["active"], feature.active, "{name} {feature:?}");
            assert_eq!(row["fixed"], feature.fixed, "{name} {feature:?}");
            if !feature.fixed {
                assert_eq!(row["requested"], feature.requested, "{name} {feature:?}");
            }
            compared += 1;
        }
        assert!(compared > 45, "{name}: {compared}");
    }
    let va = asked(&mut inventory, "va", EthtoolParts::FEATURES);
    let one = |wanted: &str| va.features.iter().find(|f| f.name == wanted).expect("a feature");
    assert!(!one("tx-tcp-segmentation").active && one("rx-gro-list").active);
    assert!(one("rx-checksum").active && !one("rx-checksum").fixed);
}

#[test]
fn drivers_and_their_statistics_are_what_ethtool_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    for name in LINKS {
        let parts = EthtoolParts::DRIVER | EthtoolParts::NIC_STATS;
        let ours = asked(&mut inventory, name, parts);
        let info = ns.try_sh(&format!("ethtool -i {name}"));
        match (&ours.driver, info.status.success()) {
            (Some(driver), true) => {
                let theirs = pairs(&String::from_utf8_lossy(&info.stdout));
                assert_eq!(driver.driver, theirs["driver"], "{name}");
                assert_eq!(driver.version, theirs["version"], "{name}");
                assert_eq!(driver.firmware, theirs["firmware-version"], "{name}");
                assert_eq!(driver.bus, theirs["bus-info"], "{name}");
            }
            (None, false) => assert!(ours.unsupported.contains(EthtoolParts::DRIVER)),
            (ours, _) => panic!("{name}: {ours:?} {info:?}"),
        }
        let told = ns.try_sh(&format!("ethtool -S {name}"));
        let text = String::from_utf8_lossy(&told.stdout);
        let lines = text.lines().skip(1).filter_map(|line| line.trim().rsplit_once(": "));
        let theirs: Vec<_> =
            lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mine = ours.nic_stats.iter().map(|stat| (stat.name.clone(), stat.value.to_string()));
        assert_eq!(mine.collect::<Vec<_>>(), theirs, "{name}");
        assert_eq!(ours.unsupported.contains(EthtoolParts::NIC_STATS), theirs.is_empty(), "{name}");
    }
    let links = inventory.links(&budget()).expect("links").items;
    let vb = links.iter().find(|l| l.name == *"vb").expect("vb").ifindex;
    let va = asked(&mut inventory, "va", EthtoolParts::NIC_STATS);
    let peer = va.nic_stats.iter().find(|stat| stat.name == "peer_ifindex").expect("a peer");
    assert_eq!(peer.value, u64::from(vb));
    assert!(va.nic_stats.len() > 10, "{va:?}");
}

#[test]
fn speed_queues_and_stamps_are_what_ethtool_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    let all = [
        EthtoolParts::PHY,
        EthtoolParts::RINGS,
        EthtoolParts::CHANNELS,
        EthtoolParts::COALESCE,
        EthtoolParts::PAUSE,
        EthtoolParts::TIMESTAMPING,
    ];
    let all = all.into_iter().fold(EthtoolParts::default(), |all, part| all | part);
    let va = asked(&mut inventory, "va", all);
    let phy = va.phy.expect("a speed");
    let told = pairs(&ns.sh("ethtool va"));
    assert_eq!(told["Speed"], format!("{}Mb/s", phy.speed_mbps.expect("a speed")));
    assert_eq!((told["Duplex"].as_str(), phy.duplex), ("Full", Some(Duplex::Full)));
    assert_eq!((told["Link detected"].as_str(), phy.link), ("yes", Some(true)));
    assert_eq!((told["Auto-negotiation"].as_str(), phy.autoneg), ("off", Some(false)));
    let channels = va.channels.expect("queues");
    assert_eq!((channels.rx, channels.tx), (Some(2), Some(3)));
    assert_eq!((channels.rx_max, channels.tx_max), (Some(4), Some(3)));
    assert_eq!(channels.combined, None);
    let stamps = va.timestamping.and_then(|stamps| stamps.capabilities).expect("stamps");
    assert_eq!(stamps, "software-transmit software-receive software-system-clock");
    for (part, flag) in
        [(EthtoolParts::RINGS, "-g"), (EthtoolParts::COALESCE, "-c"), (EthtoolParts::PAUSE, "-a")]
    {
        let refused = !ns.try_sh(&format!("ethtool {flag} va")).status.success();
        assert_eq!(va.unsupported.contains(part), refused, "{flag}");
    }
    ns.sh("ip link set vb down");
    let va = asked(&mut inventory, "va", EthtoolParts::PHY);
    assert_eq!(va.phy.and_then(|phy| phy.link), Some(false));
}

#[test]
fn an_interface_that_has_gone_is_an_error() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    let links = inventory.links(&budget()).expect("links").items;
    let br0 = links.iter().find(|l| l.name == *"br0").expect("br0").clone();
    ns.sh("ip link del br0");
    for part in [EthtoolParts::FEATURES, EthtoolParts::DRIVER] {
        let gone = inventory.ethtool(&br0, part, &budget()).expect_err("no interface");
        assert_eq!(gone.errno(), Some(19), "{gone:?}");
    }
}
