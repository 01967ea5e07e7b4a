//! The DNS server, seen by `dig`.

use std::{
    net::{IpAddr, UdpSocket},
    time::Duration,
};

use vision_lab::{
    DnsServer, Lab, Node,
    dns::{Behaviour, DnsScript, Forgery, Rdata, Transport, Type},
    require,
};

fn dig(node: &Node, server: &Node, args: &str) -> String {
    node.try_sh(&format!("dig +tries=1 +time=1 @{} {args}", server.v4()))
        .unwrap_or_else(|error| error.stdout)
}

#[test]
fn dns_answers_truthfully() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, b] = lab.pair().expect("a pair");
    let soa = Rdata::Soa { mname: "ns.lab.test".into(), rname: "me.lab.test".into(), serial: 7 };
    let script = DnsScript::new()
        .record("lab.test", soa)
        .record("lab.test", Rdata::Mx { preference: 10, exchange: "mail.lab.test".into() })
        .record("lab.test", Rdata::Ns("ns.lab.test".into()))
        .record("lab.test", Rdata::Txt(vec!["x".repeat(200), "y".repeat(255), "z".repeat(255)]))
        .a("www.lab.test", [192, 0, 2, 1].into())
        .aaaa("www.lab.test", b.v6())
        .cname("alias.lab.test.", "WWW.lab.test")
        .record("1.2.0.192.in-addr.arpa", Rdata::Ptr("www.lab.test".into()))
        .record(
            "_http._tcp.lab.test",
            Rdata::Srv { priority: 1, weight: 2, port: 80, target: "www.lab.test".into() },
        );
    let server = DnsServer::start(&b, "0.0.0.0:53", script).expect("a server");
    let short = |args: &str| dig(&a, &b, &format!("+short {args}"));
    assert_eq!(short("www.lab.test"), "192.0.2.1\n");
    assert_eq!(short("alias.lab.test"), "WWW.lab.test.\n192.0.2.1\n");
    assert_eq!(short("+tcp www.lab.test AAAA"), format!("{}\n", b.v6()));
    assert_eq!(short("lab.test MX"), "10 mail.lab.test.\n");
    assert_eq!(short("-x 192.0.2.1"), "www.lab.test.\n");
    assert_eq!(short("_http._tcp.lab.test SRV"), "1 2 80 www.lab.test.\n");
    let nodata = dig(&a, &b, "_tcp.lab.test A");
    assert!(
        nodata.contains("NOERROR") && nodata.contains("ANSWER: 0") && nodata.contains("SOA"),
        "{nodata}"
    );
    let missing = dig(&a, &b, "no.lab.test");
    assert!(
        missing.contains("NXDOMAIN") && missing.contains("lab.test.\t\t60\tIN\tSOA"),
        "{missing}"
    );
    server.forget();
    assert!(short("+noedns lab.test TXT").contains("zzz"), "too big for 512 bytes, so over TCP");
    let asked = server.queries();
    assert_eq!(
        asked.iter().map(|q| q.transport).collect::<Vec<_>>(),
        [Transport::Udp, Transport::Tcp]
    );
    assert_eq!(
        (asked[0].name.as_str(), asked[0].kind, asked[0].edns_bytes),
        ("lab.test", Type::Txt, None)
    );
    assert_eq!(asked[0].from.ip(), IpAddr::from(a.v4()));
}

#[test]
fn dns_lies_as_scripted() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, b] = lab.pair().expect("a pair");
    let cases = [
        (Behaviour::NxDomain, "NXDOMAIN"),
        (Behaviour::ServFail, "SERVFAIL"),
        (Behaviour::Refused, "REFUSED"),
        (Behaviour::NoData, "ANSWER: 0"),
        (Behaviour::Silent, "timed out"),
        (Behaviour::Slow(Duration::from_millis(300)), "Query time: 3"),
        (Behaviour::Truncate, "Truncated, retrying in TCP"),
        (Behaviour::Forged(Forgery::Id), "ID mismatch"),
        (Behaviour::Forged(Forgery::Source), "timed out"),
        (Behaviour::Forged(Forgery::Case), "N0.LAB.TEST"),
        (Behaviour::Forged(Forgery::Name), "o0.mbc.uftu"),
        (Behaviour::Forged(Forgery::Address), "192.0.2.66"),
        (Behaviour::ForgedFirst(Forgery::Address), "192.0.2.66"),
        (Behaviour::Garbage, "bad packet"),
        (Behaviour::FormErrOnEdns, "FORMERR"),
    ];
    let script = DnsScript::new().a("n0.lab.test", [192, 0, 2, 1].into());
    for (behaviour, shown) in cases {
        let script = script.clone().otherwise(behaviour.clone());
        let _server = DnsServer::start(&b, "0.0.0.0:53", script).expect("a server");
        let got = dig(&a, &b, "n0.lab.test 2>&1");
        assert!(got.contains(shown), "{behaviour:?} shows no `{shown}`: {got}");
    }
    let forged = script.clone().otherwise(Behaviour::Forged(Forgery::Source));
    let server = DnsServer::start(&b, "0.0.0.0:53", forged).expect("a server");
    let socket = a.enter(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
    socket
        .send_to(
            b"\x01\x02\x01\0\0\x01\0\0\0\0\0\0\x02n0\x03lab\x04test\0\0\x01\0\x01",
            (b.v4(), 53),
        )
        .expect("sent");
    let (_, from) = socket.recv_from(&mut [0; 512]).expect("a reply");
    assert!(from.ip() == b.v4() && from.port() != 53, "{from}");
    drop(server);
    let script = script
        .behave_for("n0.lab.test", Type::Aaaa, Behaviour::Silent)
        .otherwise(Behaviour::ServFailFirst(1));
    let _server = DnsServer::start(&b, "0.0.0.0:53", script).expect("a server");
    assert!(dig(&a, &b, "n0.lab.test").contains("SERVFAIL"));
    assert!(dig(&a, &b, "n0.lab.test").contains("192.0.2.1"));
    assert!(dig(&a, &b, "n0.lab.test AAAA").contains("timed out"));
}

#[test]
fn a_dns_server_survives_junk() {
    let Some(lab) = require(Lab::new()) else {
        return;
    };
    let [a, b] = lab.pair().expect("a pair");
    let script = DnsScript::new().otherwise(Behaviour::Forged(Forgery::Name));
    let server = DnsServer::start(&b, "[::]:53", script).expect("a server");
    let socket = a.enter(|| UdpSocket::bind("[::]:0")).expect("a socket");
    let header = |counts: [u8; 6]| [&[1, 2, 1, 0, 0, 1][..], &counts].concat();
    let junk: [Vec<u8>; 4] = [
        vec![],
        vec![0; 13],
        [header([0xff; 6]), vec![1, b'a', 0, 0, 1, 0, 1, 0xc0, 0x0c]].concat(),
        // A name that points at itself, and one that points into the header.
        [header([0; 6]), vec![0xc0, 12, 0, 1, 0, 1]].concat(),
    ];
    for message in junk.iter().chain([&[header([0; 6]), vec![0xc0, 3, 0, 1, 0, 1]].concat()]) {
        socket.send_to(message, (b.v6(), 53)).expect("sent");
    }
    assert!(dig(&a, &b, "still.lab.test").contains("NXDOMAIN") || !server.queries().is_empty());
    assert!(server.queries().iter().any(|query| query.name == "still.lab.test"));
}
