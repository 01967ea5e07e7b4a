use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vision_core::inventory::{
    Consistency, CtCounters, CtEntry, CtFilter, CtProtocol, CtStatus, CtTuple, Dump,
};
use vision_core::{Error, Family, Timestamp};

use super::ns::{Ns, budget};

struct Held {
    _tcp: Vec<TcpListener>,
    _udp: Vec<UdpSocket>,
    _streams: Vec<TcpStream>,
}

/// Rules that make the kernel track, mark, label, translate and tell zones apart.
const RULES: &str = "table inet f {
  chain early { type filter hook output priority -300
    udp dport 5300 ct zone set 7
    udp dport 5302 ct original zone set 3
  }
  chain every { type filter hook output priority 0
    ct state new tcp dport 8080 ct mark set 0x2a
    ct state new udp dport 5301 ct label set 5
    ct state new accept
  }
  chain nat { type nat hook output priority -100
    tcp dport 8081 dnat ip to 127.0.0.1:8080
  }
}";

/// A namespace with connections of every kind, in both IP versions; nothing leaves it.
fn tracked() -> Option<(Ns, Held)> {
    let ns = Ns::new()?;
    ns.sh(&format!(
        "sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1
        nft '{RULES}'"
    ));
    let held = ns.within(|| {
        let mut held = Held { _tcp: vec![], _udp: vec![], _streams: vec![] };
        for host in ["127.0.0.1", "[::1]"] {
            let server = TcpListener::bind(format!("{host}:8080")).expect("listener");
            let mut client = TcpStream::connect(format!("{host}:8080")).expect("connected");
            client.write_all(&[7; 1000]).expect("written");
            let closed = TcpStream::connect(format!("{host}:8080")).expect("connected");
            drop(closed);
            held._streams.push(client);
            held._tcp.push(server);
            let answering = UdpSocket::bind(format!("{host}:5301")).expect("udp");
            for port in [5300, 5301, 5302] {
                let udp = UdpSocket::bind(format!("{host}:0")).expect("udp");
                udp.send_to(b"question", format!("{host}:{port}")).expect("sent");
                held._udp.push(udp);
            }
            let (_, from) = answering.recv_from(&mut [0; 64]).expect("received");
            answering.send_to(b"answer", from).expect("sent");
            held._udp.push(answering);
        }
        held._streams.push(TcpStream::connect("127.0.0.1:8081").expect("translated"));
        held
    });
    ns.sh("ping -q -c1 127.0.0.1; ping -q -c1 ::1");
    Some((ns, held))
}

/// Text between two marks, each of which is there once.
fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner)
}

fn element(text: &str, name: &str) -> Option<String> {
    between(text, &format!("<{name}>"), &format!("</{name}>")).map(str::to_owned)
}

fn shown<T: ToString>(field: Option<T>) -> Option<String> {
    field.map(|value| value.to_string())
}

/// One direction: version, protocol, addresses, ports, packets and bytes.
type Direction = (String, String, [Option<String>; 6]);

fn ours(entry: &CtEntry, tuple: &CtTuple, counters: Option<CtCounters>) -> Direction {
    let version = match entry.family {
        Family::V4 => "2",
        Family::V6 => "10",
    };
    let rest = [
        Some(tuple.src.to_string()),
        Some(tuple.dst.to_string()),
        shown(tuple.src_port),
        shown(tuple.dst_port),
        shown(counters.map(|c| c.packets)),
        shown(counters.map(|c| c.bytes)),
    ];
    (version.to_owned(), entry.protocol.raw().to_string(), rest)
}

fn theirs(flow: &str, direction: &str) -> Direction {
    let open = format!("<meta direction=\"{direction}\">");
    let meta = between(flow, &open, "</meta>").expect("a direction");
    let number = |layer: &str| {
        between(meta, &format!("<{layer} protonum=\""), "\"").expect("a number").to_owned()
    };
    let names = ["src", "dst", "sport", "dport", "packets", "bytes"];
    (number("layer3"), number("layer4"), names.map(|name| element(meta, name)))
}

/// What `conntrack -L -o xml,id` has, by number.
fn flows(ns: &Ns, options: &str) -> HashMap<String, String> {
    let text = ns.sh(&format!("conntrack -L {options} -o xml,id 2>/dev/null"));
    let flows = text.split("<flow>").skip(1).map(str::to_owned);
    flows.map(|flow| (element(&flow, "id").expect("a number"), flow)).collect()
}

/// A flow without what time alone changes.
fn steady(flow: &str) -> String {
    let mut flow = flow.to_owned();
    for name in ["timeout", "deltatime", "use"] {
        if let Some(text) = element(&flow, name) {
            flow = flow.replace(&format!("<{name}>{text}</{name}>"), "");
        }
    }
    flow
}

/// Connections, when they were read, and what `conntrack` has both before and after: the kernel
/// still counts acknowledgements while the first reading is done.
fn at_rest(ns: &Ns) -> (Dump<CtEntry>, Timestamp, HashMap<String, String>) {
    let still = |flows: &HashMap<String, String>| -> HashMap<String, String> {
        flows.iter().map(|(id, flow)| (id.clone(), steady(flow))).collect()
    };
    for _ in 0..50 {
        let before = flows(ns, "");
        let dump = ns.inventory().conntrack(&CtFilter::default(), &budget()).expect("connections");
        let (now, after) = (Timestamp::now(), flows(ns, ""));
        if still(&before) == still(&after) {
            return (dump, now, after);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the connections never come to rest");
}

#[test]
fn every_field_of_every_connection_is_what_conntrack_shows() {
    let Some((ns, _held)) = tracked() else { return };
    let (dump, now, flows) = at_rest(&ns);
    assert_eq!((dump.consistent, dump.unreadable), (Consistency::Unknown, 0));
    assert_eq!(dump.items.len(), flows.len());
    assert!(dump.items.len() >= 13, "{}", dump.items.len());
    for entry in &dump.items {
        let flow = &flows[&entry.id.expect("a number").to_string()];
        let original = ours(entry, &entry.original, entry.original_counters);
        assert_eq!(original, theirs(flow, "original"), "{flow}");
        let reply = ours(entry, &entry.reply, entry.reply_counters);
        assert_eq!(reply, theirs(flow, "reply"), "{flow}");
        let meta = between(flow, "<meta direction=\"independent\">", "</meta>").expect("the rest");
        let number = |name| element(meta, name).and_then(|text| text.parse::<i64>().ok());
        assert_eq!(shown(entry.tcp.map(|tcp| tcp.state)), element(meta, "state"), "{flow}");
        assert_eq!(shown(entry.mark), element(meta, "mark"), "{flow}");
        assert_eq!(shown(entry.zone), element(meta, "zone"), "{flow}");
        assert_eq!(entry.is_unreplied(), meta.contains("<unreplied/>"), "{flow}");
        let assured = entry.status.contains(CtStatus::ASSURED);
        assert_eq!(assured, meta.contains("<assured/>"), "{flow}");
        // Both were asked within a moment.
        let timeout = i64::from(entry.timeout_s.expect("a timeout"));
        assert!((timeout - number("timeout").expect("theirs")).abs() <= 2, "{timeout} {flow}");
        let uses = i64::from(entry.uses.expect("uses"));
        assert!((uses - number("use").expect("theirs")).abs() <= 1, "{uses} {flow}");
        let start = entry.started_at.expect("timestamps are on").as_unix_nanos();
        let age = (now.as_unix_nanos() - start) / 1_000_000_000;
        assert!((age - number("deltatime").expect("theirs")).abs() <= 2, "{age} {flow}");
    }
}

#[test]
fn what_only_the_text_form_shows_is_there_as_well() {
    let Some((ns, _held)) = tracked() else { return };
    let dump = ns.inventory().conntrack(&CtFilter::default(), &budget()).expect("connections");
    let text = ns.sh("conntrack -L -o id 2>/dev/null");
    let line = |entry: &CtEntry| {
        let id = format!("id={}", entry.id.expect("a number"));
        let found = text.lines().find(|line| line.split_whitespace().any(|word| word == id));
        found.unwrap_or_else(|| panic!("{id} in {text}"))
    };
    let mut icmp = 0;
    for entry in &dump.items {
        let line = line(entry);
        for (key, tuple) in [("zone-orig=", entry.original), ("zone-reply=", entry.reply)] {
            let theirs = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            assert_eq!(tuple.zone.map(|z| z.to_string()).as_deref(), theirs, "{line}");
            if let Some(found) = tuple.icmp {
                let wanted = format!("type={} code={} id={}", found.kind, found.code, found.id);
                assert!(line.contains(&wanted), "{wanted}: {line}");
                icmp += 1;
            }
        }
    }
    assert_eq!(icmp, 4);
    let labelled: Vec<_> = dump.items.iter().filter(|e| !e.labels.is_empty()).collect();
    assert_eq!(labelled.len(), 2);
    let at_5301 = |e: &&CtEntry| e.labels == [5] && e.original.dst_port == Some(5301);
    assert!(labelled.iter().all(at_5301), "{labelled:#?}");
    let translated = |e: &&CtEntry| e.status.contains(CtStatus::DST_NAT);
    let translated: Vec<_> = dump.items.iter().filter(translated).collect();
    assert_eq!(translated.len(), 1);
    assert_eq!(translated[0].original.dst_port, Some(8081));
    assert_eq!(translated[0].reply.src_port, Some(8080));
}

#[test]
fn filters_give_what_the_same_filters_of_conntrack_give() {
    let Some((ns, _held)) = tracked() else { return };
    let mut inventory = ns.inventory();
    let all = inventory.conntrack(&CtFilter::default(), &budget()).expect("connections").items;
    let client = all.iter().find_map(|e| e.original.src_port).expect("a port");
    let filter = CtFilter::default;
    let host = Ipv4Addr::LOCALHOST.to_string().parse().expect("an address");
    let host_v6 = "::1".parse().expect("an address");
    let network = "127.0.0.0/8".parse().expect("a network");
    for (filter, options) in [
        (filter().protocol(CtProtocol::Tcp), "-p tcp"),
        (filter().protocol(CtProtocol::Udp).dst_port(5301), "-p udp --dport 5301"),
        (filter().protocol(CtProtocol::Icmpv6), "-f ipv6 -p icmpv6"),
        (filter().family(Family::V6), "-f ipv6"),
        (filter().src(host), "-s 127.0.0.1"),
        (filter().dst(host_v6), "-f ipv6 -d ::1"),
        (filter().src(network).dst(host), "-s 127.0.0.0/8 -d 127.0.0.1"),
        (
            filter().protocol(CtProtocol::Tcp).dst(host).dst_port(8080),
            "-p tcp -d 127.0.0.1 --dport 8080",
        ),
    ] {
        let dump = inventory.conntrack(&filter, &budget()).expect("connections");
        let mine: BTreeSet<_> = dump.items.iter().map(|e| shown(e.id)).collect();
        let theirs: BTreeSet<_> = flows(&ns, options).into_keys().map(Some).collect();
        assert_eq!(mine, theirs, "{options}");
        assert!(!mine.is_empty(), "{options}");
    }
    let by_port = inventory.conntrack(&filter().src_port(client), &budget()).expect("some");
    assert!(by_port.items.iter().all(|e| e.original.src_port == Some(client)));
    assert!(!by_port.items.is_empty());
}

#[test]
fn the_count_is_that_of_conntrack_and_the_limit_that_of_the_kernel() {
    let Some((ns, _held)) = tracked() else { return };
    let count = ns.inventory().conntrack_count(&budget()).expect("a count");
    assert_eq!(count.count.to_string(), ns.sh("conntrack -C").trim());
    let max = ns.sh("cat /proc/sys/net/netfilter/nf_conntrack_max");
    assert_eq!(shown(count.max).as_deref(), Some(max.trim()));
    let percent = count.percent().expect("a limit");
    assert!(percent > 0.0 && percent < 1.0, "{percent}");
}

#[test]
fn stable_connections_appear_exactly_once_while_others_come() {
    let Some(ns) = Ns::new() else { return };
    ns.sh("sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1
        nft 'table inet f { chain i { type filter hook output priority 0; ct state new accept; }; }'
        for i in 1 2 3 4 5 6 7 8 9 10; do for j in $(seq 1 100); do
            echo \"-I -p udp -s 10.9.$i.$j -d 10.8.0.1 --sport 99 --dport 98 -t 600 -u ASSURED\"
        done; done > /tmp/vision-ct-$$; conntrack -R /tmp/vision-ct-$$; rm /tmp/vision-ct-$$");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ns.within(|| {
                let udp = UdpSocket::bind("127.0.0.1:0").expect("udp");
                let mut port = 1024;
                while !done.load(Ordering::Relaxed) {
                    port = if port == u16::MAX { 1024 } else { port + 1 };
                    // Refused or not, it is tracked.
                    let _ = udp.send_to(b"x", ("127.0.0.1", port));
                }
            });
        });
        let mut inventory = ns.inventory();
        let dumps: Vec<_> =
            (0..20).map(|_| inventory.conntrack(&CtFilter::default(), &budget())).collect();
        // Before anything can fail: the other thread would never end.
        done.store(true, Ordering::Relaxed);
        for dump in dumps {
            let dump = dump.expect("connections");
            let stable = dump.items.iter().filter(|e| e.original.dst_port == Some(98));
            let seen: Vec<_> = stable.map(|e| e.original.src).collect();
            let distinct: BTreeSet<_> = seen.iter().collect();
            assert_eq!((seen.len(), distinct.len()), (1000, 1000));
        }
    });
}

#[cfg(feature = "serde")]
#[test]
fn connections_survive_json() {
    let Some((ns, _held)) = tracked() else { return };
    for entry in ns.inventory().conntrack(&CtFilter::default(), &budget()).expect("some").items {
        let text = serde_json::to_string(&entry).expect("serialises");
        assert!(!text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<CtEntry>(&text).ok(), Some(entry), "{text}");
    }
}

#[test]
fn a_spent_budget_is_said_and_spoils_nothing() {
    let Some((ns, _held)) = tracked() else { return };
    let mut inventory = ns.inventory();
    let spent = vision_core::Budget::within(Duration::ZERO);
    let ended = inventory.conntrack_each(&CtFilter::default(), &spent, |_| {});
    assert!(matches!(ended, Err(Error::Elapsed)), "{ended:?}");
    let dump = inventory.conntrack(&CtFilter::default(), &budget()).expect("connections");
    assert!(!dump.items.is_empty());
}
