//! What is said over connections that stand: TLS, HTTP, and the proxies that programs are told to use.

use std::time::Duration;

use vision_lab::{Authority, Lab, Node, Proc, Signed, TcpBehaviour, TcpServer, TlsServer};

use super::Built;
use crate::{
    Result,
    score::{
        container::{answering, beside},
        scenario::{Scenario, Site},
    },
};

const EXPIRED: &str = "tls.expired";
const NAME: &str = "tls.name-mismatch";
const UNTRUSTED: &str = "tls.untrusted";
const NOT_TLS: &str = "tls.not-tls";
const SILENT: &str = "tls.silent";
const SLOW: &str = "app.slow";
const PROXY: &str = "http.proxy-dead";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(EXPIRED, "wire, its time was over years ago", expired),
    Scenario::fault(EXPIRED, "chain, v6, URL, its time comes", too_early).seen(),
    Scenario::fault(NAME, "wire, another name", other_name),
    Scenario::fault(NAME, "wire, asked by an address that is not in it", other_address),
    Scenario::fault(NAME, "wire, a self-signed certificate of another name", default_certificate),
    Scenario::fault(UNTRUSTED, "wire, the authority is not installed", private_authority),
    Scenario::fault(UNTRUSTED, "bridge, self-signed", self_signed).seen(),
    Scenario::fault(NOT_TLS, "wire, plain HTTP", plain_http),
    Scenario::fault(NOT_TLS, "chain, a server that speaks first", banner).seen(),
    Scenario::fault(SILENT, "wire, a service that waits for other words", silent),
    Scenario::fault(SILENT, "chain, v6", silent_v6).seen(),
    Scenario::fault("socket.fd-limit", "TLS asked, no descriptor left", no_descriptor).seen(),
    Scenario::fault(SLOW, "wire, HTTP after two seconds", slow),
    Scenario::fault(SLOW, "chain, v6, no answer at all", never).seen(),
    Scenario::fault(PROXY, "wire, a proxy that refuses", proxy_refuses),
    Scenario::fault(PROXY, "wire, a proxy that is not there", proxy_gone),
    Scenario::unnamed("wire, the connection is closed without an answer", &[], closed),
    Scenario::healthy("TLS 1.3 with a certificate of an authority", good),
    Scenario::healthy("TLS 1.2, by address", good_old).seen(),
    Scenario::healthy("chain, v6, URL", good_v6).seen(),
    Scenario::healthy("a self-signed certificate that is trusted", pinned),
    Scenario::healthy("HTTP after half a second", quick),
    Scenario::healthy("a dead proxy that the destination is exempt from", exempt),
    Scenario::healthy("a dead proxy, TCP asked", proxy_unused),
    Scenario::healthy("a proxy that takes connections", proxy_alive),
];

/// A process with these variables that knows `db.test` by an address.
fn client(node: &Node, address: impl std::fmt::Display, variables: &str) -> Result<Proc> {
    let hosts = format!("{address} db.test");
    crate::score::container::with_variables(node, &hosts, variables)
}

/// A TLS server for `db.test` and what asks it, which trusts the authority.
fn tls(lab: &Lab, subject: &str, names: &str, signed: Signed) -> Built {
    let [a, b] = lab.pair()?;
    let authority = Authority::new()?;
    let certificate = authority.certificate(subject, names, signed)?;
    let server = TlsServer::start(&b, 443, &certificate, "")?;
    let trusts = format!("SSL_CERT_FILE={}", authority.file().display());
    let process = client(&a, b.v4(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, server)).ask("tls:db.test:443"))
}

fn expired(lab: &Lab) -> Built {
    tls(lab, "db.test", "DNS:db.test", Signed::Formerly)
}

fn too_early(lab: &Lab) -> Built {
    tls_v6(lab, Signed::TooEarly)
}

fn good_v6(lab: &Lab) -> Built {
    tls_v6(lab, Signed::Properly)
}

fn tls_v6(lab: &Lab, signed: Signed) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let authority = Authority::new()?;
    let certificate = authority.certificate("db.test", "DNS:x.test,DNS:db.test", signed)?;
    let server = TlsServer::start(&b, 8443, &certificate, "")?;
    let trusts = format!("SSL_CERT_FILE={}", authority.file().display());
    let process = client(&a, b.v6(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, server)).ask("https://db.test:8443/health"))
}

fn other_name(lab: &Lab) -> Built {
    tls(lab, "web.test", "DNS:web.test,DNS:*.web.test", Signed::Properly)
}

fn other_address(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let authority = Authority::new()?;
    let certificate = authority.certificate("db.test", "DNS:db.test", Signed::Properly)?;
    let server = TlsServer::start(&b, 443, &certificate, "")?;
    let trusts = format!("SSL_CERT_FILE={}", authority.file().display());
    let process = client(&a, b.v4(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, server)).ask(format!("tls:{}:443", b.v4())))
}

fn default_certificate(lab: &Lab) -> Built {
    tls(lab, "Ingress Default", "DNS:ingress.local", Signed::ByItself)
}

fn self_signed(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let authority = Authority::new()?;
    let certificate = authority.certificate("db.test", "DNS:db.test", Signed::ByItself)?;
    let server = TlsServer::start(db, 443, &certificate, "")?;
    let trusts = format!("SSL_CERT_FILE={}", authority.file().display());
    let process = client(web, db.v4(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, server)).ask("https://db.test"))
}

fn private_authority(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let (authority, known) = (Authority::new()?, Authority::new()?);
    let certificate = authority.certificate("db.test", "DNS:db.test", Signed::Properly)?;
    let server = TlsServer::start(&b, 443, &certificate, "")?;
    // Both are called `Lab CA`; the keys differ.
    let trusts = format!("SSL_CERT_FILE={}", known.file().display());
    let process = client(&a, b.v4(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, known, server)).ask("tls:db.test:443"))
}

fn good(lab: &Lab) -> Built {
    tls(lab, "db.test", "DNS:db.test", Signed::Properly)
}

fn good_old(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let authority = Authority::new()?;
    let names = format!("DNS:db.test,IP:{}", b.v4());
    let certificate = authority.certificate("db.test", &names, Signed::Properly)?;
    let server = TlsServer::start(&b, 443, &certificate, "-tls1_2")?;
    let trusts = format!("SSL_CERT_FILE={}", authority.file().display());
    let process = client(&a, b.v4(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, server)).ask(format!("https://{}/", b.v4())))
}

fn pinned(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let authority = Authority::new()?;
    let certificate = authority.certificate("db.test", "DNS:db.test", Signed::ByItself)?;
    let server = TlsServer::start(&b, 443, &certificate, "")?;
    let trusts = format!("SSL_CERT_FILE={}", certificate.file.display());
    let process = client(&a, b.v4(), &trusts)?;
    Ok(Site::in_process(process).keep((authority, server)).ask("tls:db.test:443"))
}

fn plain_http(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = answering(&b, 8080, Duration::ZERO)?;
    Ok(Site::at(&a).keep(server).ask(format!("tls:{}:8080", b.v4())))
}

fn banner(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let words = TcpBehaviour::Banner(b"SSH-2.0-lab\r\n".to_vec());
    let server = TcpServer::start(&b, "[::]:443", words)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask(format!("https://{}/", b.v4())))
}

fn silent(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = TcpServer::start(&b, "[::]:5432", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask(format!("tls:{}:5432", b.v4())))
}

fn silent_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = TcpServer::start(&b, "[::]:443", TcpBehaviour::Accept)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask(format!("tls:[{}]:443", b.v6())))
}

fn no_descriptor(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = super::spent::out_of_files(&b, 16)?;
    Ok(Site::at(&a).keep(server).ask(format!("tls:{}:80", b.v4())).blame(&b))
}

fn slow(lab: &Lab) -> Built {
    http(lab, Duration::from_secs(2))
}

fn quick(lab: &Lab) -> Built {
    http(lab, Duration::from_millis(500))
}

fn http(lab: &Lab, after: Duration) -> Built {
    let [a, b] = lab.pair()?;
    let server = answering(&b, 80, after)?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}/", b.v4())))
}

fn never(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = TcpServer::start(&b, "[::]:8080", TcpBehaviour::Accept)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask(format!("http://[{}]:8080/x", b.v6())))
}

fn closed(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = TcpServer::start(&b, "[::]:80", TcpBehaviour::CloseAtOnce)?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}/", b.v4())))
}

/// HTTP that works, asked by a process with these variables.
fn proxied(lab: &Lab, variables: impl Fn(&Node, &Node) -> String) -> Built {
    let [a, b] = lab.pair()?;
    let server = answering(&b, 80, Duration::ZERO)?;
    let process = client(&a, b.v4(), &variables(&a, &b))?;
    Ok(Site::in_process(process).keep(server).ask("http://db.test/"))
}

fn proxy_refuses(lab: &Lab) -> Built {
    proxied(lab, |_, b| format!("http_proxy=http://user:word@{}:3128/", b.v4()))
}

fn proxy_gone(lab: &Lab) -> Built {
    proxied(lab, |_, b| format!("ALL_PROXY=socks5://{}:1080", beside(b, 77)))
}

fn exempt(lab: &Lab) -> Built {
    proxied(lab, |_, b| format!("http_proxy=http://{}:3128 no_proxy=.test,10.0.0.0/8", b.v4()))
}

fn proxy_alive(lab: &Lab) -> Built {
    proxied(lab, |_, b| format!("http_proxy={}:80", b.v4()))
}

fn proxy_unused(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = answering(&b, 80, Duration::ZERO)?;
    let process = client(&a, b.v4(), &format!("http_proxy=http://{}:3128", b.v4()))?;
    Ok(Site::in_process(process).keep(server).ask_tcp(b.v4(), 80))
}
