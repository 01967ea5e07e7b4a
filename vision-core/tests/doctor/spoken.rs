//! What is said over connections that stand.

use std::net::SocketAddr;

use vision_core::probe::{Authorities, CertificateFault, Probe, TlsOutcome, TlsProbe};
use vision_core::{Budget, Netns, Target};
use vision_lab::{Authority, Lab, Node, Signed, TcpBehaviour, TcpServer, TlsServer, require};

use super::*;

/// A lab with two nodes on a wire; nothing without `openssl`.
fn with_openssl() -> Option<(Lab, Node, Node, Authority)> {
    let lab = require(Lab::new())?;
    let Ok(authority) = Authority::new() else {
        assert!(std::env::var_os("VISION_FORBID_SKIP").is_none(), "no openssl");
        println!("SKIP: openssl is not installed");
        return None;
    };
    let [a, b] = lab.pair().expect("two nodes");
    Some((lab, a, b, authority))
}

/// Does a handshake for `db.lab.test`, with these authorities or those of browsers.
fn handshake(from: &Node, to: SocketAddr, trusted: Option<&[u8]>) -> vision_core::probe::TlsReport {
    let netns = Netns::from_fd(from.netns_fd().expect("a descriptor")).expect("a namespace");
    let mut probe = TlsProbe::new(to).name("db.lab.test".parse().expect("a name"));
    if let Some(pem) = trusted {
        probe = probe.authorities(Authorities::from_pem("lab", pem).expect("certificates"));
    }
    let budget = Budget::within(Duration::from_secs(10));
    probe.run(&Target::of(netns), &budget).expect("asked")
}

#[test]
fn a_certificate_is_judged_as_openssl_judges_it() {
    let Some((_lab, a, b, authority)) = with_openssl() else { return };
    let pem = std::fs::read(authority.file()).expect("its certificate");
    let cases = [
        ("db.lab.test", "DNS:db.lab.test", Signed::Properly, "0"),
        ("x", "DNS:*.lab.test", Signed::Properly, "0"),
        ("db.lab.test", "DNS:db.lab.test", Signed::Formerly, "10"),
        ("db.lab.test", "DNS:db.lab.test", Signed::TooEarly, "9"),
        ("db.lab.test", "DNS:db.lab.test", Signed::ByItself, "18"),
        ("db.lab.test", "DNS:web.test", Signed::Properly, "62"),
        ("db.lab.test", "DNS:*.db.lab.test", Signed::Properly, "62"),
    ];
    for (n, (subject, names, signed, code)) in cases.into_iter().enumerate() {
        let certificate = authority.certificate(subject, names, signed).expect("made");
        let port = 4430 + u16::try_from(n).expect("a few");
        let _server = TlsServer::start(&b, port, &certificate, "").expect("listens");
        let said = a.sh(&format!(
            "openssl s_client -connect {}:{port} -servername db.lab.test -verify_hostname db.lab.test \
             -CAfile {} </dev/null 2>/dev/null | grep -m 1 'Verify return code'",
            b.v4(),
            authority.file().display()
        ));
        assert!(said.contains(&format!("code: {code} ")), "{names} {signed:?}: {said}");
        let report = handshake(&a, (b.v4(), port).into(), Some(&pem));
        assert_eq!(report.outcome, TlsOutcome::Completed, "{names} {signed:?}");
        assert_eq!(report.version.as_deref(), Some("TLS 1.3"));
        let seen = report.certificate.as_ref().expect("a certificate");
        assert_eq!(seen.subject.as_ref().expect("a name").as_bytes(), subject.as_bytes());
        let as_wanted = match (code, seen.faults.as_slice()) {
            ("0", []) => report.is_good(),
            ("10", [CertificateFault::Expired { not_after, .. }]) => {
                not_after.to_string() == "2021-01-01T00:00:00Z"
            }
            ("9", [CertificateFault::NotYetValid { not_before, .. }]) => {
                not_before.to_string() == "2099-01-01T00:00:00Z"
            }
            ("18", [CertificateFault::Untrusted]) => seen.self_signed,
            ("62", [CertificateFault::WrongName { presented }]) => {
                names.ends_with(&presented[0].escaped().to_string())
            }
            _ => false,
        };
        assert!(as_wanted, "{names} {signed:?}: {seen:?}");
        // Browsers know nothing of the lab.
        let report = handshake(&a, (b.v4(), port).into(), None);
        let seen = report.certificate.expect("a certificate");
        assert!(seen.faults.contains(&CertificateFault::Untrusted), "{seen:?}");
    }
}

#[test]
fn a_handshake_with_what_is_no_tls_server_says_so() {
    let Some((_lab, a, b, _authority)) = with_openssl() else { return };
    let banner = TcpBehaviour::Banner(b"220 mail.test ESMTP\r\n".to_vec());
    let cases = [
        (banner, TlsOutcome::NotTls),
        (TcpBehaviour::Accept, TlsOutcome::Silent),
        (TcpBehaviour::CloseAtOnce, TlsOutcome::Closed { reason: None }),
    ];
    for (behaviour, outcome) in cases {
        let server = TcpServer::start(&b, "0.0.0.0:0", behaviour.clone()).expect("listens");
        let to = SocketAddr::new(b.v4().into(), server.addr().port());
        let report = handshake(&a, to, None);
        let closed = matches!(report.outcome, TlsOutcome::Closed { .. })
            && behaviour == TcpBehaviour::CloseAtOnce;
        assert!(report.outcome == outcome || closed, "{behaviour:?}: {report:?}");
    }
    let report = handshake(&a, SocketAddr::new(b.v4().into(), 9), None);
    assert_eq!(report.outcome, TlsOutcome::Unconnected);
}

#[test]
fn a_container_is_judged_by_its_own_authorities_and_variables() {
    let Some((_lab, a, b, authority)) = with_openssl() else { return };
    let names = format!("DNS:db.test,IP:{}", b.v4());
    let certificate = authority.certificate("db.test", &names, Signed::Properly).expect("made");
    let _server = TlsServer::start(&b, 443, &certificate, "").expect("listens");
    let asked = format!("https://{}/", b.v4());
    let with = |variables: &str| a.spawn(&format!("env {variables} sleep 1000"));
    let trusts = format!("SSL_CERT_FILE={}", authority.file().display());
    must_be_healthy(&examine_process(&a, &with(&trusts), &asked));
    let stranger = Authority::new().expect("another");
    let distrusts = format!("SSL_CERT_FILE={}", stranger.file().display());
    must_prove(&examine_process(&a, &with(&distrusts), &asked), "tls.untrusted");
    // A folder counts as well as a file.
    let folder = format!("{distrusts} SSL_CERT_DIR={}", authority.dir().display());
    must_be_healthy(&examine_process(&a, &with(&folder), &asked));
    let dead = format!("{trusts} https_proxy=http://{}:3128", b.v4());
    must_prove(&examine_process(&a, &with(&dead), &asked), "http.proxy-dead");
    let exempt = format!("{dead} no_proxy={}", b.v4());
    must_be_healthy(&examine_process(&a, &with(&exempt), &asked));
    let mine = format!("tls:{}:443", b.v4());
    must_be_healthy(&examine_process(&a, &with(&dead), &mine));
}

#[test]
fn a_service_that_is_late_or_silent_is_no_fault_of_the_network() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let answer = |after| TcpBehaviour::Answer { after, bytes: bytes.clone() };
    let serve = |port: u16, behaviour| {
        TcpServer::start(&b, &format!("0.0.0.0:{port}"), behaviour).expect("listens")
    };
    let _servers = [
        serve(80, answer(Duration::ZERO)),
        serve(81, answer(Duration::from_millis(1500))),
        serve(82, TcpBehaviour::Accept),
        serve(83, TcpBehaviour::CloseAtOnce),
    ];
    let asked = |port: u16| examine(&a, &format!("http://{}:{port}/", b.v4()));
    must_be_healthy(&asked(80));
    let late = asked(81);
    assert_eq!(late.findings[0].cause, Cause::AppSlow, "{late:#?}");
    assert_eq!(late.findings[0].severity, Severity::Warning);
    must_name(&asked(82), "app.slow");
    let closed = asked(83);
    assert_eq!(closed.verdict, Verdict::Inconclusive, "{closed:#?}");
    let why = closed.unchecked.iter().find(|it| it.what == "http").expect("said");
    assert!(why.why.contains("without an answer") || why.why.contains("broke"), "{why:?}");
}
