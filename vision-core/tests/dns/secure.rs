//! DNS over TLS and over HTTPS against BIND.

#![cfg(feature = "tls")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vision_core::Budget;
use vision_core::probe::{DnsOutcome, DnsQuery, DnsReport, DnsTls, DnsTransport, Probe};
use vision_core::wire::dns::RecordType;

use crate::net::{Daemon, Net};

struct Bind {
    net: Net,
    dir: PathBuf,
    _daemon: Daemon,
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn openssl(dir: &Path, args: &[&str]) -> Option<()> {
    let output = Command::new("openssl").args(args).current_dir(dir).output().ok()?;
    assert!(output.status.success(), "openssl {args:?}: {output:?}");
    Some(())
}

/// Starts BIND on TLS and HTTPS with a certificate of an authority of its own.
fn bind(tag: &str) -> Option<Bind> {
    if Command::new("named").arg("-v").output().is_err() {
        println!("SKIP: named is not installed");
        return None;
    }
    let net = Net::new()?;
    let dir = std::env::temp_dir().join(format!("vision-bind-{}-{tag}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let at = dir.display();
    let authority = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    let names = ["-nodes", "-days", "9", "-subj", "/CN=lab", "-keyout", "ca.key", "-out", "ca.pem"];
    openssl(&dir, &[&authority[..], &names].concat())?;
    let request = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let names = ["-subj", "/CN=dns.test", "-keyout", "key.pem", "-out", "req.pem"];
    openssl(&dir, &[&request[..], &names].concat())?;
    fs::write(dir.join("ext"), "subjectAltName=DNS:dns.test,IP:127.0.0.1\n").expect("written");
    let signed = ["x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "ca.key"];
    let names = ["-CAcreateserial", "-days", "9", "-extfile", "ext", "-out", "cert.pem"];
    openssl(&dir, &[&signed[..], &names].concat())?;
    let zone = "$ORIGIN zone.test.\n$TTL 60\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\n\
                ns A 127.0.0.1\nwww A 192.0.2.1\n";
    fs::write(dir.join("zone"), zone).expect("written");
    let config = format!(
        "tls lab {{ key-file \"{at}/key.pem\"; cert-file \"{at}/cert.pem\"; }};\n\
         http lab {{ endpoints {{ \"/dns-query\"; }}; }};\n\
         options {{ directory \"{at}\"; pid-file none; session-keyfile \"{at}/session\";\n\
         listen-on port 53 {{ 127.0.0.1; }}; listen-on port 853 tls lab {{ 127.0.0.1; }};\n\
         listen-on port 443 tls lab http lab {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
         recursion no; dnssec-validation no; }};\ncontrols {{ }};\n\
         zone \"zone.test\" {{ type primary; file \"{at}/zone\"; }};\n"
    );
    fs::write(dir.join("conf"), config).expect("written");
    let conf = dir.join("conf");
    let daemon = net.spawn("named", &["-f", "-c", conf.to_str().expect("UTF-8"), "-u", "root"])?;
    for port in [53, 853, 443] {
        net.wait_for(([127, 0, 0, 1], port).into());
    }
    let bind = Bind { net, dir, _daemon: daemon };
    // It listens before it has read the zone.
    let is_served = (0..100).any(|_| {
        let served = bind.plainly().answer().is_some_and(|answer| !answer.answers.is_empty());
        if !served {
            std::thread::sleep(Duration::from_millis(100));
        }
        served
    });
    assert!(is_served, "the zone is not read");
    Some(bind)
}

impl Bind {
    fn query(port: u16) -> DnsQuery {
        let query = DnsQuery::new("www.zone.test".parse().expect("a name"), RecordType::A);
        let query = query.server(([127, 0, 0, 1], port).into());
        query.timeout(Duration::from_secs(5)).tries(1)
    }

    fn run(&self, query: &DnsQuery) -> DnsReport {
        query.run(&self.net.target(), &Budget::within(Duration::from_secs(20))).expect("asked")
    }

    fn plainly(&self) -> DnsReport {
        self.run(&Self::query(53))
    }

    fn ask(&self, port: u16, tls: DnsTls) -> DnsReport {
        self.run(&Self::query(port).tls(tls))
    }

    fn trusted(&self) -> DnsTls {
        let pem = fs::read(self.dir.join("ca.pem")).expect("the authority");
        DnsTls::new().authorities(&pem).expect("a certificate")
    }
}

#[test]
fn an_answer_comes_over_tls_and_over_https() {
    let Some(bind) = bind("good") else { return };
    let by_name = bind.trusted().name("dns.test");
    let cases = [
        (853, bind.trusted(), DnsTransport::Tls),
        (853, by_name.clone(), DnsTransport::Tls),
        (443, bind.trusted().https("/dns-query"), DnsTransport::Https),
        (443, by_name.https("/dns-query"), DnsTransport::Https),
    ];
    for (port, tls, transport) in cases {
        let report = bind.ask(port, tls);
        let answer = report.answer().unwrap_or_else(|| panic!("{report:?}"));
        assert_eq!(answer.answers[0].data.to_string(), "192.0.2.1");
        let attempt = &report.attempts[0];
        let secured = attempt.secured.as_ref().expect("secured");
        assert_eq!((attempt.transport, secured.version.as_str()), (transport, "TLS 1.3"));
        assert!(attempt.connect.is_some() && !secured.handshake.is_zero(), "{attempt:?}");
    }
}

#[test]
fn a_certificate_that_does_not_fit_is_no_answer() {
    let Some(bind) = bind("bad") else { return };
    let why = |report: &DnsReport| match &report.attempts[0].outcome {
        DnsOutcome::NotSecured { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    let stranger = bind.ask(853, DnsTls::new());
    assert!(why(&stranger).contains("UnknownIssuer"), "{stranger:?}");
    let other_name = bind.ask(853, bind.trusted().name("other.test"));
    assert!(why(&other_name).contains("not valid for name"), "{other_name:?}");
    assert!(bind.ask(853, DnsTls::new().unverified()).answer().is_some());
    let lost = bind.ask(443, bind.trusted().https("/elsewhere"));
    assert_eq!(why(&lost), "the server answers HTTP 404");
    // A server of plain DNS that is spoken to in TLS, and one of TLS that speaks no HTTP/2.
    let plain = bind.ask(53, bind.trusted());
    assert!(plain.answer().is_none(), "{plain:?}");
    assert!(DnsTls::new().authorities(b"no certificate").is_err());
}
