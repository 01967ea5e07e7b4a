//! Compiled filters in front of live packets: on an interface and on all of them at once.

use vision_core::capture::filter::Filter;
use vision_core::capture::{Capture, CaptureRequest};

use crate::{lab, rest, send, target};

/// How many of 20 short and 30 long packets to two ports a filter lets through.
fn taken(request: impl Fn() -> CaptureRequest, expressions: &[(&str, usize)]) {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let at = target(&b);
    for (expression, count) in expressions {
        let request = request();
        let link = request.link_type(&at).expect("a link type");
        let filter = Filter::on(link).live().compile(expression).expect(expression);
        let program = filter.program().instructions().iter().map(|it| (*it).into());
        let request = request.program(program).buffer_bytes(1 << 20);
        let mut capture = request.start(&at).expect("starts");
        send(&a, &b, 20, 64);
        send(&a, &b, 30, 600);
        std::thread::sleep(crate::ms(200));
        let frames = rest(&mut capture);
        let stats = capture.stats().expect("counts");
        assert_eq!((frames.len(), stats.received), (*count, *count as u64), "{expression}");
    }
}

#[test]
fn filters_run_in_the_kernel() {
    let expressions = [
        ("udp and dst port 4242 and greater 500", 30),
        ("udp dst port 4242 and not vlan", 50),
        ("udp dst port 4242 and vlan", 0),
        ("inbound and udp dst port 4242", 50),
        ("outbound and udp dst port 4242", 0),
        ("ip protochain 17 and dst port 4242", 50),
    ];
    taken(|| Capture::on("eth0"), &expressions);
}

#[test]
fn on_all_interfaces_what_the_kernel_cannot_tell_is_asked_here() {
    let expressions = [
        ("udp dst port 4242", 50),
        ("inbound and udp dst port 4242 and ether[8:2] = 1", 50),
        ("udp dst port 4242 and ether[8:2] = 772", 0),
        // The length counts the cooked header, and the address is in it alone.
        ("udp dst port 4242 and greater 500", 30),
        ("udp dst port 4242 and less 500", 20),
        ("udp dst port 4242 and ether[11] = 6 and ether[12:4] + 1 > 0", 50),
        ("udp dst port 4242 and ip[2:2] = len - 20 and udp[4:2] > 500", 30),
    ];
    taken(Capture::any, &expressions);
}
