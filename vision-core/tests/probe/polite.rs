//! No probe floods anybody without being told to.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use vision_core::probe::{NeighProbe, Ping, Probe, TcpProbe};
use vision_core::{Error, Result, Selector, Target};

use crate::{budget, lab, ms, target};

fn refusal<T>(result: Result<T>) -> String {
    match result {
        Err(Error::Invalid { why, .. }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[test]
fn intervals_below_the_floor_are_refused() {
    let own = Target::resolve(&Selector::Current, &budget()).expect("own");
    let addr = |text: &str| text.parse::<IpAddr>().expect(text);
    let ping = |to: &str, every: Duration| Ping::new(addr(to)).interval(every).start(&own);
    assert!(refusal(ping("127.0.0.1", Duration::from_micros(1999))).contains("2ms"));
    for group in ["ff02::1", "224.0.0.1", "255.255.255.255"] {
        assert!(refusal(ping(group, ms(999))).contains("1s"), "{group}");
    }
    let tcp = TcpProbe::new(addr("127.0.0.1"), [9]).count(2).interval(ms(1));
    assert!(refusal(tcp.start(&own)).contains("2ms"));
    let arp = NeighProbe::new(addr("127.0.0.1"), "lo").interval(ms(199));
    assert!(refusal(arp.start(&own)).contains("200ms"));
}

#[test]
fn a_range_of_ports_is_tried_at_a_hundred_a_second() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    b.sh("nft 'add table inet t
          add chain inet t i { type filter hook input priority 0 ; }
          add rule inet t i tcp flags syn counter'");
    let began = Instant::now();
    let report = TcpProbe::new(b.v4().into(), 1..=164).run(&target(&a), &budget()).expect("asked");
    assert_eq!(report.summary().refused, 164);
    // 64 at once, then one every 10 ms.
    assert!(began.elapsed() >= ms(990), "{:?}", began.elapsed());
    assert!(b.sh("nft list chain inet t i").contains("packets 164 "));
}
