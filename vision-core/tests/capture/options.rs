//! What the request asks for.

use vision_core::base::EventSource;
use vision_core::capture::{Capture, CaptureEvent};

use crate::{budget, lab, ms, rest, send, target};

/// `udp dst port PORT` over IPv4 without options, on Ethernet.
fn to_port(port: u16) -> Vec<(u16, u8, u8, u32)> {
    vec![
        (0x28, 0, 0, 12),
        (0x15, 0, 5, 0x0800),
        (0x30, 0, 0, 23),
        (0x15, 0, 3, 17),
        (0x28, 0, 0, 36),
        (0x15, 0, 1, port.into()),
        (0x06, 0, 0, 262_144),
        (0x06, 0, 0, 0),
    ]
}

#[test]
fn no_packet_comes_before_the_filter() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let at = target(&b);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                send(&a, &b, 200, 64);
            }
        });
        let _done = vision_lab::AtEnd(&done);
        std::thread::sleep(ms(50));
        for threads in [0, 2] {
            for _ in 0..15 {
                let request = Capture::on("eth0").program(to_port(1)).buffer_bytes(1 << 20);
                let mut captures = match threads {
                    0 => vec![request.start(&at).expect("starts")],
                    n => request.start_many(&at, n).expect("start"),
                };
                std::thread::sleep(ms(5));
                for capture in &mut captures {
                    assert_eq!(rest(capture), []);
                    assert_eq!(capture.stats().expect("counted").received, 0);
                }
            }
        }
    });
    // The same filter lets its own port through.
    let request = Capture::on("eth0").program(to_port(4242)).snap_bytes(50);
    let mut capture = request.start(&at).expect("starts");
    send(&a, &b, 10, 64);
    let packets = rest(&mut capture);
    assert_eq!(packets.len(), 10);
    assert!(packets.iter().all(|it| it.data.len() == 50 && it.len == 14 + 28 + 64), "{packets:?}");
}

#[test]
fn captures_that_share_an_interface_divide_its_packets() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let request = Capture::on("eth0").program(to_port(4242)).buffer_bytes(1 << 20);
    let mut captures = request.start_many(&target(&b), 4).expect("start");
    for _ in 0..40 {
        // A flow each: the port is new.
        send(&a, &b, 25, 64);
    }
    let counts: Vec<_> = captures.iter_mut().map(|capture| rest(capture).len()).collect();
    println!("{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), 1000);
    assert!(counts.iter().filter(|n| **n > 0).count() > 1, "{counts:?}");
    // Whole flows.
    assert!(counts.iter().all(|n| n % 25 == 0), "{counts:?}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let request = Capture::on("eth0").program(to_port(4242)).buffer_bytes(1);
    let mut capture = request.start(&target(&b)).expect("starts");
    assert_eq!(capture.buffer_bytes(), 512 << 10);
    send(&a, &b, 5000, 1000);
    let packets = rest(&mut capture);
    let stats = capture.stats().expect("counted");
    assert!(stats.dropped > 3000 && stats.frozen > 0, "{stats:?}");
    assert_eq!(stats.received, 5000, "{stats:?}");
    assert_eq!(stats.received - stats.dropped, packets.len() as u64, "{stats:?}");
    assert_eq!(capture.lost(), stats.dropped);
    // What came is in order, and from the beginning.
    let number = |n: usize| u32::from_be_bytes(packets[n].data[42..46].try_into().expect("four"));
    assert!((0..packets.len()).all(|n| number(n) == n as u32));
}

#[test]
fn stamps_are_nanoseconds_of_now() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let mut capture = Capture::on("eth0").program(to_port(4242)).start(&target(&b)).expect("on");
    let before = vision_core::Timestamp::now();
    send(&a, &b, 100, 64);
    let after = vision_core::Timestamp::now();
    let times: Vec<_> = rest(&mut capture).iter().filter_map(|packet| packet.time).collect();
    assert_eq!(times.len(), 100);
    assert!(times.is_sorted() && before <= times[0] && times[99] <= after);
    assert!(times.iter().any(|time| time.as_unix_nanos() % 1000 != 0));
}

#[test]
fn a_packet_is_seen_soon_and_as_an_event() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let mut capture = Capture::on("eth0").program(to_port(4242)).start(&target(&b)).expect("on");
    assert!(capture.try_recv().expect("runs").is_none());
    for _ in 0..5 {
        let began = std::time::Instant::now();
        send(&a, &b, 1, 64);
        let event = capture.recv(&budget()).expect("runs").expect("an event");
        let took = began.elapsed();
        let CaptureEvent::Packet(packet) = event else { panic!("{event:?}") };
        assert_eq!(packet.frame().len, 106);
        assert!(took < ms(300), "{took:?}");
    }
}

#[test]
fn promiscuous_is_asked_for_and_given_back() {
    let Some(lab) = lab() else { return };
    let [_a, b] = lab.pair().expect("two nodes");
    let users = || {
        let text = b.sh("ip -d link show eth0");
        let (_, rest) = text.split_once("promiscuity ").expect("told");
        rest.split(' ').next().expect("a number").to_owned()
    };
    let plain = Capture::on("eth0").start(&target(&b)).expect("starts");
    assert_eq!(users(), "0");
    let loud = Capture::on("eth0").promiscuous().start(&target(&b)).expect("starts");
    assert_eq!(users(), "1");
    drop((plain, loud));
    assert_eq!(users(), "0");
}

#[test]
fn bad_requests_say_what_is_wrong() {
    let Some(lab) = lab() else { return };
    let [_a, b] = lab.pair().expect("two nodes");
    let at = target(&b);
    let refused = |request: vision_core::capture::CaptureRequest| {
        request.start(&at).err().expect("refused").to_string()
    };
    assert_eq!(refused(Capture::on("eth7")), "interface `eth7` not found");
    assert_eq!(refused(Capture::on_index(99)), "interface number 99 not found");
    let endless = Capture::on("eth0").program([(0x05, 0, 0, u32::MAX)]);
    assert!(refused(endless).contains("the kernel refuses its 1 instructions"));
    assert!(Capture::on("eth0").start_many(&at, 0).is_err());
}
