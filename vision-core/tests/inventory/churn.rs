use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vision_core::inventory::Consistency;
use vision_core::{Budget, Error};

use super::ns::{Ns, budget};

/// Many routes, written by one command.
fn fill(ns: &Ns, count: u32) {
    ns.sh(&format!(
        "ip link add va type veth peer name vb; ip link set va up
        i=0; awk 'BEGIN {{ for (i = 0; i < {count}; i++)
            printf \"route add 10.%d.%d.%d/32 dev va\\n\", i / 65536, i / 256 % 256, i % 256 }}' \
            | ip -batch -"
    ));
}

#[test]
fn stable_routes_appear_exactly_once_while_others_come_and_go() {
    let Some(ns) = Ns::new() else { return };
    fill(&ns, 3000);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                ns.sh("for i in 1 2 3 4 5 6 7 8 9; do
                    ip route add 11.0.0.$i dev va; ip route del 11.0.0.$i; done");
            }
        });
        let _done = vision_lab::AtEnd(&done);
        let mut inventory = ns.inventory();
        let mut flagged = 0;
        for _ in 0..20 {
            let dump = inventory.routes(&budget()).expect("routes");
            flagged += u32::from(dump.consistent == Consistency::No);
            let stable = dump.items.iter().filter(|r| r.dst.to_string().starts_with("10."));
            let seen: Vec<_> = stable.map(|r| r.dst).collect();
            let distinct: HashSet<_> = seen.iter().collect();
            assert_eq!((seen.len(), distinct.len()), (3000, 3000));
        }
        println!("{flagged} of 20 dumps flagged");
    });
    let dump = ns.inventory().routes(&budget()).expect("routes");
    assert_eq!(dump.consistent, Consistency::Yes);
}

#[test]
fn a_dump_given_up_half_way_does_not_spoil_the_next() {
    let Some(ns) = Ns::new() else { return };
    fill(&ns, 20_000);
    let mut inventory = ns.inventory();
    let mut early = 0;
    for micros in [50, 200, 500, 1000, 2000] {
        let short = Budget::within(Duration::from_micros(micros));
        let ended = inventory.routes_each(&short, |_| {});
        early += u32::from(matches!(ended, Err(Error::Elapsed)));
        let mut count = 0;
        inventory.routes_each(&budget(), |_| count += 1).expect("routes");
        assert!(count >= 20_000, "{count}");
    }
    assert!(early > 0);
}

#[test]
fn a_stream_in_many_threads_stays_in_its_namespaces() {
    let (Some(a), Some(b)) = (Ns::new(), Ns::new()) else {
        return;
    };
    a.sh("ip link add only-a type bridge");
    b.sh("ip link add only-b type bridge");
    std::thread::scope(|scope| {
        for (ns, name) in [(&a, "only-a"), (&b, "only-b"), (&a, "only-a"), (&b, "only-b")] {
            scope.spawn(move || {
                let mut inventory = ns.inventory();
                for _ in 0..50 {
                    let links = inventory.links(&budget()).expect("links").items;
                    assert_eq!(links.len(), 2);
                    assert!(links.iter().any(|l| l.name == *name));
                }
            });
        }
    });
}
