use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use vision_core::inventory::CtStatus;
use vision_core::watch::{Change, Row, Table};
use vision_lab::{Node, Proc};

use crate::{lab, rows, watch};

/// What a program that follows events printed, once it is silent.
struct Peer {
    _process: Proc,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Peer {
    fn start(node: &Node, command: &str) -> Self {
        let mut process = node.spawn_piped(command);
        let stdout = process.stdout().expect("piped");
        let (send, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { _process: process, lines }
    }

    /// Waits until it reports what `poke` does, so that it is known to listen.
    fn listens(&self, mut poke: impl FnMut()) {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            poke();
            if self.lines.recv_timeout(Duration::from_millis(100)).is_ok() {
                self.lines();
                return;
            }
        }
        panic!("the program to compare with says nothing");
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_millis(400)) {
            lines.push(line);
        }
        lines
    }
}

/// `ip monitor all` labels each line: `[ROUTE]Deleted 10.0.0.0/24 …`.
fn kind(line: &str) -> Option<(Table, bool)> {
    let (label, rest) = line.strip_prefix('[')?.split_once(']')?;
    let table = match label {
        "LINK" => Table::Link,
        "ADDR" => Table::Addr,
        "ROUTE" => Table::Route,
        "RULE" => Table::Rule,
        "NEIGH" => Table::Neigh,
        _ => return None,
    };
    Some((table, rest.starts_with("Deleted")))
}

#[test]
fn kinds_and_order_are_those_of_ip_monitor() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    a.sh("ip neigh flush dev eth0");
    let peer = Peer::start(&a, "stdbuf -oL ip monitor label link address route rule neigh");
    peer.listens(|| {
        a.sh("ip rule add from 10.99.0.1 lookup 99; ip rule del from 10.99.0.1 lookup 99");
    });
    let tables = [Table::Link, Table::Addr, Table::Route, Table::Rule, Table::Neigh];
    let mut watcher = watch(&a, &tables);
    a.sh(&format!(
        "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
         ip addr add 10.8.0.1/24 dev v0; ip -6 addr add fd00:8::1/64 dev v0 nodad
         ip route add 192.0.2.0/24 via 10.8.0.9; ip route replace 192.0.2.0/24 via 10.8.0.8
         ip rule add from 10.8.0.1 lookup 100; ping -n -c1 -W1 {}
         ip rule del from 10.8.0.1 lookup 100; ip route del 192.0.2.0/24
         ip addr del 10.8.0.1/24 dev v0; ip link del v0",
        b.v4()
    ));
    let ours: Vec<_> = rows(&mut watcher)
        .iter()
        .filter(|row| row.learned == vision_core::watch::Learned::Told)
        .map(|row| {
            let gone = matches!(row.change, Change::Removed | Change::Moved);
            (row.row.table(), gone)
        })
        .collect();
    let theirs: Vec<_> = peer.lines().iter().filter_map(|line| kind(line)).collect();
    assert!(theirs.len() > 25, "{theirs:?}");
    assert_eq!(ours, theirs);
}

#[test]
fn connections_are_those_of_conntrack_e() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    a.sh("nft 'add table inet t; add chain inet t c { type filter hook output priority 0 ; }
          add rule inet t c ct state new accept'");
    let peer = Peer::start(&a, "stdbuf -oL conntrack -E");
    peer.listens(|| {
        a.sh(&format!("ping -n -c1 -W1 {}; conntrack -D -p icmp || true", b.v4()));
    });
    a.sh("conntrack -F");
    peer.lines();
    let mut watcher = watch(&a, &[Table::Ct]);
    let server = b.spawn("nc -l -p 7777");
    std::thread::sleep(Duration::from_millis(200));
    a.sh(&format!("ping -n -c1 -W1 {0}; echo hi | nc -N {0} 7777 || true; conntrack -F", b.v4()));
    drop(server);
    let rows = rows(&mut watcher);
    let theirs = peer.lines();
    let count = |label: &str| theirs.iter().filter(|line| line.contains(label)).count();
    let ours = |change: Change| rows.iter().filter(|row| row.change == change).count();
    let updates = ours(Change::Changed) + ours(Change::Repeated);
    assert!(count("[NEW]") >= 2, "{theirs:?}");
    assert_eq!(
        (ours(Change::Added), updates, ours(Change::Removed)),
        (count("[NEW]"), count("[UPDATE]"), count("[DESTROY]")),
        "{theirs:#?} {rows:#?}"
    );
    // A connection that is answered changes its status, and that is said.
    let answered = rows.iter().any(|row| match &row.row {
        Row::Ct(entry) => {
            row.change == Change::Changed
                && entry.status.contains(CtStatus::SEEN_REPLY)
                && row.differences.iter().any(|d| d.field == "status")
        }
        _ => false,
    });
    assert!(answered, "{rows:#?}");
}
