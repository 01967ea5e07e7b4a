//! Live capture over real links, beside tcpdump doing the same.

mod faults;
mod filters;
mod options;
mod peer;

use std::time::Duration;

use vision_core::capture::{Capture, Packet, Taken};
use vision_core::{Budget, Error, Netns, Target};
use vision_lab::{Lab, Node, require, whole_machine};

fn target(node: &Node) -> Target {
    Target::of(Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace"))
}

fn lab() -> Option<Lab> {
    require(Lab::new())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

/// Stops a capture and returns all that it still held.
fn rest(capture: &mut Capture) -> Vec<Packet> {
    capture.stop().expect("stops");
    let mut packets = Vec::new();
    while let Some(frame) = capture.next_frame(&budget()).expect("runs to its end") {
        packets.push(Packet::from(frame));
    }
    packets
}

/// Takes packets until there has been none for `quiet`.
fn until_quiet(capture: &mut Capture, quiet: Duration) -> (Vec<Packet>, Vec<String>) {
    let (mut packets, mut notices) = (Vec::new(), Vec::new());
    loop {
        match capture.next_taken(&Budget::within(quiet)) {
            Ok(Some(Taken::Frame(frame))) => packets.push(frame.into()),
            Ok(Some(Taken::Notice(notice))) => notices.push(notice.to_string()),
            Ok(Some(_)) => {}
            Ok(None) | Err(Error::Elapsed) => return (packets, notices),
            Err(e) => panic!("{e}"),
        }
    }
}

/// Whether a program to compare with is here; says SKIP where it is not.
fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin"])
        .any(|dir| std::path::Path::new(dir).join(program).exists());
    if !found {
        println!("SKIP: {program} is not installed");
    }
    // It turns to a user of its own.
    found && require(whole_machine()).is_some()
}

/// Sends `count` UDP datagrams of `size` bytes from one node to the other, numbered.
fn send(from: &Node, to: &Node, count: u32, size: usize) {
    let at = (to.v4(), 4242);
    from.enter(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        for n in 0..count {
            let mut bytes = vec![0; size.max(4)];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            // The far end says that nobody listens, which comes back on a later call.
            let _ = socket.send_to(&bytes, at);
        }
    });
}
