//! Networks that work and lose packets, or keep them waiting; and such that only look it.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use vision_lab::{Lab, Node};

use super::Built;
use crate::{
    Result,
    score::{
        container::listen,
        scenario::{Scenario, Site},
    },
};

const LOSS: &str = "loss.path";
const QUEUE: &str = "latency.queue";
const RETRY: &str = "latency.syn-retry";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(LOSS, "router, a rule drops at random, TCP", rule_tcp).seen(),
    Scenario::fault(LOSS, "router, a rule drops at random, ping, v6", rule_ping_v6).seen(),
    Scenario::fault(LOSS, "router, iptables statistic", statistic).seen(),
    Scenario::fault(LOSS, "destination's input, no counter", input_uncounted).seen(),
    Scenario::fault(LOSS, "own output", own_output),
    Scenario::fault(LOSS, "router, the answers only", answers).seen(),
    Scenario::fault(LOSS, "router, every second SYN", every_second_syn).seen(),
    Scenario::fault(LOSS, "bridge host, published way out", bridge_host).seen(),
    Scenario::fault(LOSS, "second router of two, out of sight", out_of_sight),
    Scenario::fault(LOSS, "router, a short queue that is full, ping", short_queue)
        .seen()
        .or(&[QUEUE]),
    Scenario::fault(QUEUE, "router, a long queue that is full", long_queue).seen(),
    Scenario::fault(QUEUE, "own link, a long queue that is full", own_queue),
    Scenario::fault(RETRY, "out of sight, the first SYN of each connection", first_syn).or(&[LOSS]),
    Scenario::fault("firewall.rate-limit", "destination, one connection a second", limited_syn)
        .seen(),
    Scenario::healthy("answers to ping are limited, TCP asked", limited_ping_tcp).seen(),
    Scenario::healthy("answers to ping are limited, ping asked", limited_ping).seen(),
    Scenario::healthy("a shaper with nothing to do", idle_shaper).seen(),
    Scenario::healthy("a rule that drops others at random", others).seen(),
];

const PORT: u16 = 5432;

/// A rule in a base chain of its own.
fn rule(node: &Node, hook: &str, rule: &str) {
    node.sh(&format!(
        "nft 'table inet lossy {{ chain c {{ type filter hook {hook} priority 0; policy accept; {rule}; }}; }}'"
    ));
}

fn asked(a: &Node, b: &Node, at: &Node) -> Built {
    Ok(Site::at(a).keep(listen(b, PORT)?).ask_tcp(b.v4(), PORT).blame(at))
}

fn rule_tcp(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    rule(&r, "forward", "numgen random mod 100 < 12 counter drop");
    asked(&a, &b, &r)
}

fn rule_ping_v6(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    rule(&r, "forward", "numgen random mod 10 < 1 counter drop");
    Ok(Site::at(&a).ask(b.v6()).blame(&r))
}

fn statistic(lab: &Lab) -> Built {
    let [a, _, r, b] = lab.chain(["a", "x", "r", "b"])?;
    r.sh("iptables -A FORWARD -m statistic --mode random --probability 0.15 -j DROP");
    asked(&a, &b, &r)
}

fn input_uncounted(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    rule(&b, "input", "numgen random mod 100 < 20 drop");
    asked(&a, &b, &b)
}

fn own_output(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    rule(&a, "output", "oifname eth0 numgen random mod 100 < 20 counter drop");
    asked(&a, &b, &a)
}

fn answers(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    rule(&r, "forward", &format!("ip saddr {} numgen random mod 100 < 20 counter drop", b.v4()));
    asked(&a, &b, &r)
}

fn every_second_syn(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    rule(&r, "forward", "tcp flags syn / syn,ack numgen inc mod 2 < 1 counter drop");
    asked(&a, &b, &r)
}

fn bridge_host(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    rule(&bridge.host, "forward", "iifname br0 numgen random mod 100 < 15 counter drop");
    asked(web, outside, &bridge.host)
}

fn out_of_sight(lab: &Lab) -> Built {
    let [a, _, r, b] = lab.chain(["a", "x", "r", "b"])?;
    rule(&r, "forward", "numgen random mod 100 < 15 drop");
    Ok(Site::at(&a).keep(listen(&b, PORT)?).ask_tcp(b.v4(), PORT))
}

/// More datagrams than a shaped link takes, until it is dropped.
struct Load {
    over: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

/// Between two datagrams: twice as many as the link takes, and half more than it takes.
const TWICE: Duration = Duration::from_millis(5);
const HALF: Duration = Duration::from_millis(6);

impl Load {
    fn start(from: &Node, to: &Node, every: Duration) -> Result<Self> {
        let socket = from.enter(|| UdpSocket::bind("0.0.0.0:0"))?;
        // Discard (RFC 863); nobody listens.
        socket.connect((to.v4(), 9))?;
        let over = Arc::new(AtomicBool::new(false));
        let sender = thread::spawn({
            let over = Arc::clone(&over);
            move || {
                let start = Instant::now();
                let mut sent: u32 = 0;
                while !over.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(40) {
                    // What this thread was kept from sending is sent now.
                    while every * sent < start.elapsed() {
                        // Refused, or no room: it goes on.
                        let _ = socket.send(&[0; 1172]);
                        sent += 1;
                    }
                    thread::sleep(every);
                }
            }
        });
        Ok(Self { over, sender: Some(sender) })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            let _ = sender.join();
        }
    }
}

/// Until the queue has filled.
fn settle() {
    thread::sleep(Duration::from_secs(3));
}

fn shaped(node: &Node, dev: &str, limit_bytes: u32) {
    node.sh(&format!("tc qdisc add dev {dev} root tbf rate 1mbit burst 4kb limit {limit_bytes}"));
}

fn short_queue(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.sh("tc qdisc add dev eth1 root handle 1: tbf rate 1mbit burst 4kb latency 50ms
          tc qdisc add dev eth1 parent 1:1 pfifo limit 1");
    let load = Load::start(&r, &b, HALF)?;
    settle();
    Ok(Site::at(&a).keep(load).ask(b.v4()).blame(&r))
}

fn long_queue(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    shaped(&r, "eth1", 40_000);
    let load = Load::start(&r, &b, TWICE)?;
    settle();
    Ok(Site::at(&a).keep((load, listen(&b, PORT)?)).ask_tcp(b.v4(), PORT).blame(&r))
}

fn own_queue(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    shaped(&a, "eth0", 30_000);
    let load = Load::start(&a, &b, TWICE)?;
    settle();
    Ok(Site::at(&a).keep((load, listen(&b, PORT)?)).ask_tcp(b.v4(), PORT).blame(&a))
}

fn first_syn(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    rule(&r, "forward", "tcp flags syn / syn,ack numgen inc mod 2 < 1 drop");
    Ok(Site::at(&a).keep(listen(&b, PORT)?).ask_tcp(b.v4(), PORT))
}

fn limited_syn(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let over = "tcp flags syn / syn,ack limit rate over 1/second burst 1 packets counter drop";
    rule(&b, "input", over);
    asked(&a, &b, &b)
}

fn limit(node: &Node) {
    rule(
        node,
        "input",
        "icmp type echo-request limit rate 10/second accept; icmp type echo-request drop",
    );
}

fn limited_ping_tcp(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    limit(&b);
    Ok(Site::at(&a).keep(listen(&b, PORT)?).ask_tcp(b.v4(), PORT))
}

fn limited_ping(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    limit(&b);
    Ok(Site::at(&a).ask(b.v4()))
}

fn idle_shaper(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    shaped(&r, "eth1", 40_000);
    Ok(Site::at(&a).keep(listen(&b, PORT)?).ask_tcp(b.v4(), PORT))
}

fn others(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    rule(&r, "forward", "udp dport 9 numgen random mod 100 < 50 counter drop");
    Ok(Site::at(&a).keep(listen(&b, PORT)?).ask_tcp(b.v4(), PORT))
}
