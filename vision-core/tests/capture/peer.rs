//! What tcpdump takes at the same time on the same interface is the measure.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vision_core::capture::{Capture, Direction, Packet};
use vision_core::wire::LinkType;
use vision_lab::{Node, Proc};

use crate::{has, lab, ms, rest, send, target};

/// tcpdump, writing to a file.
struct Tcpdump {
    process: Proc,
    file: PathBuf,
}

impl Tcpdump {
    fn start(node: &Node, args: &str, name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("{name}-{}.pcap", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let line = format!("tcpdump -nn -U -B 65536 {args} -w {}", file.display());
        let process = node.spawn(&line);
        let end = Instant::now() + Duration::from_secs(5);
        // The header is written once the socket is open.
        while std::fs::metadata(&file).map_or(0, |meta| meta.len()) < 24 {
            assert!(Instant::now() < end, "tcpdump does not start");
            std::thread::sleep(ms(5));
        }
        Self { process, file }
    }

    /// Ends it and returns its link type and what it took: bytes, length.
    fn end(mut self) -> (u16, Vec<(Vec<u8>, u32)>) {
        std::thread::sleep(ms(1200));
        let pid = nix::unistd::Pid::from_raw(self.process.pid() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("sent");
        self.process.wait(Duration::from_secs(5)).expect("ended");
        let bytes = std::fs::read(&self.file).expect("its file");
        let _ = std::fs::remove_file(&self.file);
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four"));
        let (mut at, mut packets) = (24, Vec::new());
        while at + 16 <= bytes.len() {
            let kept = word(at + 8) as usize;
            packets.push((bytes[at + 16..at + 16 + kept].to_vec(), word(at + 12)));
            at += 16 + kept;
        }
        (word(20) as u16, packets)
    }
}

fn plain(packets: Vec<Packet>) -> Vec<(Vec<u8>, u32)> {
    packets.into_iter().map(|packet| (packet.data, packet.len)).collect()
}

/// Packets in their order, by interface and link-layer source: what two senders send at once passes two sockets in
/// either order.
fn by_sender(
    packets: Vec<(Vec<u8>, u32)>,
    link_type: u16,
) -> BTreeMap<Vec<u8>, Vec<(Vec<u8>, u32)>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for packet in packets {
        let sender = match LinkType(link_type) {
            LinkType::ETHERNET => packet.0.get(6..12),
            LinkType::LINUX_SLL2 => packet.0.get(4..20),
            _ => None,
        };
        all.entry(sender.unwrap_or_default().to_vec()).or_default().push(packet);
    }
    all
}

/// Takes the same traffic both ways and compares every byte; tells how many packets there were.
fn same(
    node: &Node,
    name: &str,
    args: &str,
    capture: &mut Capture,
    traffic: impl FnOnce(),
) -> usize {
    let tcpdump = Tcpdump::start(node, args, name);
    traffic();
    let (link_type, theirs) = tcpdump.end();
    let ours = plain(rest(capture));
    assert_eq!(capture.link_type(), LinkType(link_type));
    let stats = capture.stats().expect("counted");
    assert_eq!((stats.received, stats.dropped), (ours.len() as u64, 0), "{name}");
    let count = theirs.len();
    assert!(count > 0, "{name}: no packets");
    let mut ours = by_sender(ours, link_type);
    for (sender, theirs) in by_sender(theirs, link_type) {
        let ours = ours.remove(&sender).unwrap_or_default();
        // Ours began before theirs and ended after them.
        let begin = ours.iter().position(|packet| packet == &theirs[0]);
        let begin = begin.expect("the first packet of theirs");
        for (n, (ours, theirs)) in ours[begin..].iter().zip(&theirs).enumerate() {
            assert_eq!(ours, theirs, "{name}: packet {n} of {sender:x?}");
        }
        assert!(ours.len() - begin >= theirs.len(), "{name}: {} {}", ours.len(), theirs.len());
    }
    count
}

#[test]
fn an_interface_gives_what_tcpdump_takes() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    if !has("tcpdump") {
        return;
    }
    std::thread::sleep(ms(300));
    let mut capture = Capture::on("eth0").start(&target(&b)).expect("starts");
    let count = same(&b, "plain", "-i eth0", &mut capture, || {
        send(&a, &b, 500, 64);
        send(&a, &b, 50, 1400);
        send(&b, &a, 50, 3000);
        a.sh(&format!("ping -c 3 -i 0.05 {}", b.v6()));
    });
    assert!(count >= 650, "{count}");
    assert_eq!(capture.stats().expect("counted").interface_dropped, Some(0));
}

#[test]
fn any_gives_what_tcpdump_takes_with_cooked_headers() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    if !has("tcpdump") {
        return;
    }
    std::thread::sleep(ms(300));
    let mut capture = Capture::any().start(&target(&b)).expect("starts");
    let count = same(&b, "any", "-i any", &mut capture, || {
        send(&a, &b, 100, 64);
        send(&b, &b, 100, 64);
        a.sh(&format!("ping -c 2 -i 0.05 {}", b.v6()));
    });
    // Refusals come at a limited rate.
    assert!(count >= 210, "{count}");
}

#[test]
fn the_loopback_gives_each_packet_once() {
    let Some(lab) = lab() else { return };
    let [_a, b] = lab.pair().expect("two nodes");
    if !has("tcpdump") {
        return;
    }
    let mut capture = Capture::on("lo").start(&target(&b)).expect("starts");
    let count = same(&b, "lo", "-i lo", &mut capture, || send(&b, &b, 100, 64));
    assert!(count >= 200, "{count}");
}

#[test]
fn a_direction_and_a_snap_length_give_what_tcpdump_takes() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    if !has("tcpdump") {
        return;
    }
    std::thread::sleep(ms(300));
    let at = target(&b);
    for (name, way, direction) in [("in", "in", Direction::In), ("out", "out", Direction::Out)] {
        let request = Capture::on("eth0").direction(direction).snap_bytes(60);
        let mut capture = request.start(&at).expect("starts");
        let args = format!("-i eth0 -Q {way} -s 60");
        let count = same(&b, name, &args, &mut capture, || {
            send(&a, &b, 40, 300);
            send(&b, &a, 70, 300);
        });
        assert!(count >= 40, "{way}: {count}");
    }
}

#[test]
fn tags_the_kernel_took_out_are_put_back() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    if !has("tcpdump") {
        return;
    }
    let mut capture = Capture::on("eth0").start(&target(&b)).expect("starts");
    let tag = |kind: u16, id: u16| [kind.to_be_bytes(), id.to_be_bytes()].concat();
    let (inner, outer) = (tag(0x8100, 7), tag(0x88a8, 0x6009));
    let tags = [vec![], inner.clone(), outer.clone(), [outer, inner.clone()].concat(), inner];
    let count = same(&b, "vlan", "-i eth0", &mut capture, || {
        a.enter(|| tags.iter().for_each(|tags| send_raw("eth0", tags)));
    });
    assert!(count >= 5, "{count}");
}

/// Sends an Ethernet frame with these tags to everyone.
fn send_raw(name: &str, tags: &[u8]) {
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, sendto, socket};
    use std::os::fd::AsRawFd;
    let mut all = nix::ifaddrs::getifaddrs().expect("interfaces");
    let link = all
        .find_map(|it| it.address.filter(|_| it.interface_name == name)?.as_link_addr().copied());
    let kind = SockType::Raw;
    let socket = socket(AddressFamily::Packet, kind, SockFlag::SOCK_CLOEXEC, None).expect("root");
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, 1]);
    frame.extend(tags);
    frame.extend([0x08, 0x00]);
    frame.extend([0x45; 60]);
    let to = link.expect("its address");
    let sent = sendto(socket.as_raw_fd(), &frame, &to, MsgFlags::empty());
    assert_eq!(sent, Ok(frame.len()));
}

#[test]
fn a_tunnel_without_a_header_gives_what_tcpdump_takes() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    if !has("tcpdump") {
        return;
    }
    for (node, own, far) in [(&a, 1, &b), (&b, 2, &a)] {
        let (local, remote) = (node.v4(), far.v4());
        let made = node.try_sh(&format!(
            "ip link add t0 type ipip local {local} remote {remote}; ip link set t0 up
             ip addr add 10.88.0.{own}/24 dev t0"
        ));
        if made.is_err() {
            println!("NOT RUN: this kernel has no ipip");
            return;
        }
    }
    std::thread::sleep(ms(300));
    let mut capture = Capture::on("t0").start(&target(&b)).expect("starts");
    assert_eq!(capture.link_type(), LinkType::RAW);
    let count = same(&b, "ipip", "-i t0", &mut capture, || {
        a.sh("ping -n -c 5 -i 0.02 10.88.0.2");
    });
    assert!(count >= 10, "{count}");
}
