//! Servers and clients of other people: nsd and dnsmasq answer, dig and drill are the oracle.

use std::net::SocketAddr;
use std::time::Duration;

use vision_core::Budget;
use vision_core::probe::{
    DnsOutcome, DnsQuery, DnsReport, DnssecOk, HostsTable, Letters, Probe, Resolve, ResolveOutcome,
    ResolverConfig, Transport,
};
use vision_core::wire::dns::{Class, Message, Rcode, RecordType};

use crate::net::{Daemon, Net};

const ZONE: &str = r#"$ORIGIN zone.test.
$TTL 3600
@ IN SOA ns.zone.test. admin\.dns.zone.test. 2024010101 7200 3600 1209600 300
@ IN NS ns
@ IN MX 10 mail
@ IN MX 20 mail2.zone.test.
@ IN TXT "v=spf1 -all" "second \"quoted\" \\ part; with semicolon"
@ IN TXT "binary \000\027[31m\255"
@ IN CAA 0 issue "ca.example; policy=ev"
@ IN CAA 128 iodef "mailto:x@zone.test"
ns IN A 127.0.0.1
mail IN A 192.0.2.25
mail IN AAAA 2001:db8::25
www IN CNAME web
web IN A 192.0.2.80
web IN AAAA 2001:db8::80
_http._tcp IN SRV 10 60 8080 web
_sip._udp IN NAPTR 100 50 "s" "SIP+D2U" "" _sip._udp.zone.test.
re IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@zone.test!" .
svc IN HTTPS 1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.80,192.0.2.81 ipv6hint=2001:db8::80
svc IN SVCB 0 web.zone.test.
svc2 IN SVCB 2 svc.zone.test. mandatory=alpn alpn="h2" no-default-alpn key65400="x y"
place IN LOC 42 21 54.123 N 71 06 18.000 W -24.00m 30m 10000m 10m
host IN HINFO "INTEL 386" "Unix"
host IN SSHFP 1 1 123456789abcdef67890123456789abcdef67890
host IN RP admin.zone.test. txt.zone.test.
host IN AFSDB 1 afs.zone.test.
host IN EUI48 00-00-5e-00-53-2a
host IN EUI64 00-00-5e-ef-10-00-00-2a
_443._tcp IN TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
uri IN URI 10 1 "https://zone.test/a b"
alias IN DNAME other.test.
sub IN NS ns.sub
sub IN DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
ns.sub IN A 127.0.0.1
signed IN RRSIG A 5 3 86400 20300322173103 20200220173103 2642 zone.test. oJB1W6WNGv+ldvQ3WDG0MQkg5IEhjRip8WTrPYGv07h108dUKGMeDPKijVCHX3DDKdfb+v6oB9wfuh3DTJXUAfI=
signed IN NSEC next.zone.test. A MX RRSIG NSEC TYPE1234
keys IN DNSKEY 256 3 5 AQPSKmynfzW4kyBv015MUG2DeIQ3Cbl+BBZH4b/0PY1kxkmvHjcZc8nokfzj31GajIQKY+5CptLr3buXA10hWqTkF7H6RfoRqXQeogmMHfpftf6zMv1LyBUgia7za6ZEzOJBOztyvhjL742iU/TpPSEDhm2SNKLijfUppn1UaNvv4w==
keys IN CDS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
keys IN CERT 1 12345 8 AQIDBAU=
keys IN OPENPGPKEY AQIDBAU=
keys IN SMIMEA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971
keys IN NSEC3PARAM 1 0 12 AABBCCDD
keys IN CSYNC 66 3 A NS AAAA
keys IN ZONEMD 2018031500 1 1 A3B69BAD980A3504E1CFFCB0FD6397F93848071C93151F552AE2F6B1711D4BD2D8B39808226D7B9DB71E34B72077F8FE
h9p7u7tr2u91d0v0ljs9l1gidnp90u3h IN NSEC3 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG
odd IN TYPE65280 \# 5 0102030aff
we\.ird\032name IN A 192.0.2.99
big IN TXT "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" "a" "b"
*.wild IN A 192.0.2.42
"#;

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

struct Nsd {
    net: Net,
    _daemon: Daemon,
    dir: std::path::PathBuf,
}

impl Drop for Nsd {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Starts nsd with the zone above and 200 addresses under one more name.
fn nsd(tag: &str) -> Option<Nsd> {
    let net = Net::new()?;
    let dir = std::env::temp_dir().join(format!("vision-dns-{}-{tag}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let many: String = (0..200).map(|n| format!("many IN A 198.51.100.{n}\n")).collect();
    std::fs::write(dir.join("zone"), format!("{ZONE}{many}")).expect("written");
    let at = dir.display();
    let config = format!(
        "server:\n  ip-address: 127.0.0.1@53\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{at}\"\n  \
         pidfile: \"\"\n  zonelistfile: \"{at}/zones\"\n  xfrdfile: \"{at}/xfrd\"\n  xfrdir: \"{at}\"\n  \
         logfile: \"{at}/log\"\n  server-count: 1\n  minimal-responses: no\n\
         remote-control:\n  control-enable: no\nzone:\n  name: \"zone.test\"\n  zonefile: \"zone\"\n"
    );
    std::fs::write(dir.join("conf"), config).expect("written");
    let conf = dir.join("conf");
    let daemon = net.spawn("nsd", &["-d", "-c", conf.to_str().expect("UTF-8")])?;
    net.wait_for_dns(self::at(53));
    Some(Nsd { net, _daemon: daemon, dir })
}

fn ask(net: &Net, query: &DnsQuery) -> DnsReport {
    query.run(&net.target(), &Budget::within(Duration::from_secs(20))).expect("could be asked")
}

fn query(name: &str, rtype: RecordType) -> DnsQuery {
    DnsQuery::new(name.parse().expect("a name"), rtype).server(at(53))
}

/// Records of all sections as `dig` prints them, without blanks inside long values, sorted.
fn ours(message: &Message) -> Vec<String> {
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let lines = sections.into_iter().flatten().map(|record| normal(&record.to_string()));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

fn theirs(output: &str) -> Vec<String> {
    let records = output.lines().filter(|l| !l.is_empty() && !l.starts_with(';'));
    let mut lines: Vec<_> = records.map(normal).collect();
    lines.sort();
    lines
}

/// Name, TTL, class and type, then the data with its blanks and the case of numbers forgotten.
fn normal(line: &str) -> String {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (head, data) = fields.split_at(4);
    let data = data.concat();
    let data = match head[3] {
        "TXT" | "HINFO" | "CAA" | "NAPTR" | "URI" => data,
        "SVCB" | "HTTPS" => data.replace('"', ""),
        _ => data.to_ascii_lowercase(),
    };
    format!("{} {data}", head.join(" "))
}

/// What follows `key` up to one of the characters in `end`.
fn field(output: &str, key: &str, end: &[char]) -> String {
    let after = output.split_once(key).map_or("", |(_, after)| after);
    after.split(end).next().unwrap_or_default().trim().to_owned()
}

#[test]
fn dig_shows_the_same_for_every_type() {
    let Some(server) = nsd("dig") else { return };
    let net = &server.net;
    let mut compared = 0;
    for (name, rtype) in QUESTIONS {
        let rtype: RecordType = rtype.parse().expect("a type");
        let args =
            ["@127.0.0.1", name, &rtype.to_string(), "+nocookie", "+bufsize=1232", "+nosplit"];
        let Some(dig) = net.output("dig", &args) else {
            println!("SKIP: dig is not installed");
            return;
        };
        let report = ask(net, &query(name, rtype).letters(Letters::AsGiven));
        let answer = report.answer().unwrap_or_else(|| panic!("{name} {rtype}: {report:?}"));
        let what = format!("{name} {rtype}\n{dig}");
        assert_eq!(answer.header.rcode.to_string(), field(&dig, "status: ", &[',']), "{what}");
        assert_eq!(answer.header.flags.to_string(), field(&dig, "flags: ", &[';']), "{what}");
        assert_eq!(answer.size_bytes.to_string(), field(&dig, "rcvd: ", &['\n']), "{what}");
        assert_eq!(ours(answer), theirs(&dig), "{what}");
        assert_eq!(answer.stopped, None, "{what}");
        compared += 1;
    }
    println!("{compared} questions agree with dig");
}

#[test]
fn drill_shows_the_same_result_flags_and_records() {
    let Some(server) = nsd("drill") else { return };
    let net = &server.net;
    for (name, rtype) in [("web.zone.test", "AAAA"), ("none.zone.test", "A"), ("zone.test", "MX")] {
        let Some(drill) = net.output("drill", &[name, "@127.0.0.1", rtype]) else {
            println!("SKIP: drill is not installed");
            return;
        };
        let rtype = rtype.parse().expect("a type");
        let report = ask(net, &query(name, rtype).edns(None).letters(Letters::AsGiven));
        let answer = report.answer().expect("an answer");
        assert_eq!(answer.header.rcode.to_string(), field(&drill, "rcode: ", &[',']));
        assert_eq!(answer.header.flags.to_string(), field(&drill, "flags: ", &[';']));
        assert_eq!(answer.size_bytes.to_string(), field(&drill, "rcvd: ", &['\n']));
        assert_eq!(ours(answer), theirs(&drill));
    }
}

#[test]
fn a_large_answer_comes_over_tcp_by_itself_or_on_request() {
    let Some(server) = nsd("tcp") else { return };
    let many = query("many.zone.test", RecordType::A);
    let report = ask(&server.net, &many);
    assert_eq!(report.attempts.len(), 2);
    assert!(report.attempts[0].answer().is_some_and(|m| m.header.flags.tc));
    assert_eq!(report.answer().map(|m| m.answers.len()), Some(200));
    let report = ask(&server.net, &many.clone().transport(Transport::Tcp));
    assert_eq!((report.attempts.len(), report.answer().map(|m| m.answers.len())), (1, Some(200)));
    let report = ask(&server.net, &many.transport(Transport::Udp).dnssec_ok(DnssecOk::Set));
    let answer = report.answer().expect("an answer");
    assert!(answer.header.flags.tc && answer.edns.as_ref().is_some_and(|edns| edns.do_bit));
}

#[test]
fn the_server_says_its_version_in_another_class() {
    let Some(server) = nsd("chaos") else { return };
    let report = ask(&server.net, &query("version.server", RecordType::Txt).class(Class::Ch));
    let answer = report.answer().expect("an answer");
    assert_eq!(answer.answers[0].class, Class::Ch);
    assert!(answer.answers[0].data.to_string().contains("NSD"), "{answer:?}");
}

#[test]
fn a_firewall_that_rejects_is_named() {
    let Some(net) = Net::new() else { return };
    let rule = "add table ip f; add chain ip f i { type filter hook input priority 0; }; \
                add rule ip f i udp dport 53 reject with icmp type admin-prohibited";
    if net.output("nft", &[rule]).is_none() {
        println!("SKIP: nft is not installed");
        return;
    }
    let report = ask(&net, &query("x.test", RecordType::A).tries(1));
    assert!(
        matches!(&report.attempts[0].outcome, DnsOutcome::Unreachable { icmp, .. }
            if (icmp.kind, icmp.code, icmp.from) == (3, 13, Some(at(53).ip()))),
        "{report:?}"
    );
}

#[test]
fn names_resolve_along_the_search_list_of_a_pod() {
    let Some(net) = Net::new() else { return };
    let args = [
        "-k",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--user=root",
        "--pid-file=",
        "--listen-address=127.0.0.1",
        "--bind-interfaces",
        "--local=/local/",
        "--host-record=db.default.svc.cluster.local,10.1.2.3,fd00::3",
        "--host-record=only4.svc.cluster.local,10.1.2.4",
        "--port=53",
        "--cname=alias.default.svc.cluster.local,db.default.svc.cluster.local",
    ];
    let Some(_dnsmasq) = net.spawn("dnsmasq", &args) else {
        return;
    };
    net.wait_for_dns(at(53));
    let config = ResolverConfig {
        search: ["default.svc.cluster.local", "svc.cluster.local"].map(str::to_owned).to_vec(),
        ndots: 5,
        ..ResolverConfig::default()
    };
    let resolve = |name: &str| {
        let budget = Budget::within(Duration::from_secs(20));
        Resolve::new(name)
            .run(&config, &HostsTable::default(), &net.target(), &budget)
            .expect("asked")
    };
    let found = resolve("db");
    let addresses: Vec<_> = found.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.3", "fd00::3"]);
    assert_eq!(found.tried.len(), 2);
    let json = serde_json::to_string(&found).expect("serialises");
    assert_eq!(serde_json::from_str::<vision_core::probe::Resolution>(&json).ok(), Some(found));

    let alias = resolve("alias");
    assert_eq!(
        alias.canonical.map(|n| n.to_string()).as_deref(),
        Some("db.default.svc.cluster.local.")
    );

    let second = resolve("only4");
    let walked: Vec<_> = second.tried.iter().map(|t| (t.name.to_string(), t.rcode)).collect();
    assert_eq!(walked.len(), 4);
    assert_eq!(walked[0], ("only4.default.svc.cluster.local.".to_owned(), Some(Rcode::NxDomain)));
    assert_eq!(second.addresses.len(), 1);

    let missing = resolve("missing.local");
    assert_eq!((missing.outcome, missing.tried.len()), (ResolveOutcome::NoSuchName, 6));
    compare_with_dig(&net, "missing.local");
}

/// The walk that `dig` prints must be the walk that was taken.
fn compare_with_dig(net: &Net, name: &str) {
    let args = [
        "@127.0.0.1",
        name,
        "A",
        "+showsearch",
        "+search",
        "+ndots=5",
        "+nocookie",
        "+domain=svc.cluster.local",
    ];
    let Some(dig) = net.output("dig", &args) else {
        return;
    };
    let asked: Vec<_> =
        dig.lines().filter(|l| l.starts_with(';') && l.ends_with("IN\tA")).collect();
    let config = ResolverConfig {
        search: vec!["svc.cluster.local".into()],
        ndots: 5,
        ..ResolverConfig::default()
    };
    let budget = Budget::within(Duration::from_secs(20));
    let lookup = Resolve::new(name).family(vision_core::Family::V4);
    let ours = lookup.run(&config, &HostsTable::default(), &net.target(), &budget).expect("asked");
    let ours: Vec<_> = ours.tried.iter().map(|t| t.name.to_string()).collect();
    assert_eq!(asked.len(), ours.len(), "{dig}");
    for (theirs, ours) in asked.iter().zip(&ours) {
        assert!(theirs.starts_with(&format!(";{ours}")), "{theirs} against {ours}");
    }
}

const QUESTIONS: &[(&str, &str)] = &[
    ("zone.test", "SOA"),
    ("zone.test", "NS"),
    ("zone.test", "MX"),
    ("zone.test", "TXT"),
    ("zone.test", "CAA"),
    ("zone.test", "ANY"),
    ("mail.zone.test", "A"),
    ("mail.zone.test", "AAAA"),
    ("www.zone.test", "A"),
    ("www.zone.test", "CNAME"),
    ("_http._tcp.zone.test", "SRV"),
    ("_sip._udp.zone.test", "NAPTR"),
    ("re.zone.test", "NAPTR"),
    ("svc.zone.test", "HTTPS"),
    ("svc.zone.test", "SVCB"),
    ("svc2.zone.test", "SVCB"),
    ("place.zone.test", "LOC"),
    ("host.zone.test", "HINFO"),
    ("host.zone.test", "SSHFP"),
    ("host.zone.test", "RP"),
    ("host.zone.test", "AFSDB"),
    ("host.zone.test", "EUI48"),
    ("host.zone.test", "EUI64"),
    ("_443._tcp.zone.test", "TLSA"),
    ("uri.zone.test", "URI"),
    ("x.alias.zone.test", "A"),
    ("alias.zone.test", "DNAME"),
    ("sub.zone.test", "DS"),
    ("a.sub.zone.test", "A"),
    ("signed.zone.test", "RRSIG"),
    ("signed.zone.test", "NSEC"),
    ("keys.zone.test", "DNSKEY"),
    ("keys.zone.test", "CDS"),
    ("keys.zone.test", "CERT"),
    ("keys.zone.test", "OPENPGPKEY"),
    ("keys.zone.test", "SMIMEA"),
    ("keys.zone.test", "NSEC3PARAM"),
    ("keys.zone.test", "CSYNC"),
    ("keys.zone.test", "ZONEMD"),
    ("h9p7u7tr2u91d0v0ljs9l1gidnp90u3h.zone.test", "NSEC3"),
    ("odd.zone.test", "TYPE65280"),
    ("we\\.ird\\032name.zone.test", "A"),
    ("big.zone.test", "TXT"),
    ("any.wild.zone.test", "A"),
    ("none.zone.test", "A"),
    ("none.zone.test", "TYPE999"),
    ("elsewhere.invalid", "A"),
];
