//! What the library holds is never inherited by a program its caller starts.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use vision_core::base::EventSource;
use vision_core::inventory::{Inventory, SocketFilter};
use vision_core::probe::{DnsQuery, NeighProbe, Ping, Probe, TcpProbe};
use vision_core::wire::dns::{Name, RecordType};
use vision_core::{Budget, Cancel, Selector, Target};
use vision_lab::{Lab, require};

fn descriptors() -> BTreeSet<u32> {
    let names = std::fs::read_dir("/proc/self/fd").expect("own descriptors").flatten();
    names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Whether a descriptor is closed when another program takes over; `None` when it is gone.
fn closes_on_exec(fd: u32) -> Option<bool> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = u32::from_str_radix(flags.trim(), 8).ok()?;
    Some(flags & nix::libc::O_CLOEXEC as u32 != 0)
}

#[test]
fn every_descriptor_of_the_library_closes_on_exec() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes on a wire");
    let sleeper = a.sleeper();
    let before = descriptors();
    let budget = Budget::within(Duration::from_secs(10));
    let target = Target::resolve(&Selector::Pid(sleeper.pid()), &budget).expect("alive");
    let netns = target.open().expect("opened");
    let cancel = Cancel::new().expect("a switch");
    let mut inventory = Inventory::open(&target).expect("opened");
    inventory.links(&budget).expect("links");
    inventory.sockets(&SocketFilter::default(), &budget).expect("sockets");
    inventory.conntrack_count(&budget).expect("connections");
    let to = b.v4().into();
    let mut ping = Ping::new(to).endless().start(&target).expect("started");
    let mut tcp = TcpProbe::new(Ipv4Addr::new(10, 1, 0, 99).into(), [1, 2, 3])
        .start(&target)
        .expect("started");
    let neigh = NeighProbe::new(to, "eth0").start(&target).expect("started");
    let name: Name = "db.lab".parse().expect("a name");
    let server = (b.v4(), 53).into();
    let dns = DnsQuery::new(name, RecordType::A).server(server).timeout(Duration::from_millis(400));
    ping.try_recv().expect("alive");
    tcp.try_recv().expect("alive");
    let mut most = 0;
    std::thread::scope(|scope| {
        // Silence, for a question has its sockets only while it is asked.
        b.sh("ip addr flush dev eth0");
        let asked = scope.spawn(|| dns.run(&target, &budget));
        while !asked.is_finished() {
            let held: Vec<_> = descriptors().difference(&before).copied().collect();
            most = most.max(held.len());
            // One that is gone by now was closed meanwhile.
            let open: Vec<_> =
                held.iter().filter(|fd| closes_on_exec(**fd) == Some(false)).collect();
            assert!(open.is_empty(), "{open:?} of {held:?}");
        }
    });
    assert!(most > 15, "{most} at most");
    drop((netns, cancel, inventory, ping, tcp, neigh));
}
