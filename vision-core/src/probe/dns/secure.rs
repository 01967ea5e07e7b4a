//! Connections to nameservers secured by TLS; with the handshakes of `probe/tls`, all that names `rustls`.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use super::http2::Exchange;
use crate::base::{Error, Escaped, Result};

/// How a connection to a server is secured: DNS over TLS (RFC 7858) or over HTTPS (RFC 8484).
///
/// Unless told otherwise the server's certificate must be valid for its address and come from an
/// authority that browsers trust.
///
/// ```
/// use vision_core::probe::DnsTls;
///
/// let tls = DnsTls::new().name("dns.example.com").https("/dns-query");
/// ```
#[derive(Debug, Clone, Default)]
pub struct DnsTls {
    name: Option<String>,
    authorities: Vec<CertificateDer<'static>>,
    unverified: bool,
    path: Option<String>,
}

impl DnsTls {
    /// DNS over TLS with a certificate that is checked.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects this name in the certificate, and sends it along, instead of the address.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Trusts these authorities, certificates in PEM, instead of those of browsers.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no certificate in the text, or a bad one.
    pub fn authorities(mut self, pem: &[u8]) -> Result<Self> {
        let why = |why: String| Error::invalid("certificate authorities", why);
        for certificate in CertificateDer::pem_slice_iter(pem) {
            self.authorities.push(certificate.map_err(|error| why(error.to_string()))?);
        }
        match self.authorities.is_empty() {
            false => Ok(self),
            true => Err(why("no certificate in PEM form".to_owned())),
        }
    }

    /// Takes any certificate, as the opportunistic profile does (RFC 7858 §4.1).
    pub fn unverified(self) -> Self {
        Self { unverified: true, ..self }
    }

    /// Asks over HTTPS, with HTTP/2, at this path.
    pub fn https(self, path: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..self }
    }

    pub(super) fn is_https(&self) -> bool {
        self.path.is_some()
    }

    pub(super) fn client(&self) -> Result<Client> {
        let invalid = |error: &dyn std::fmt::Display| Error::invalid("TLS", error.to_string());
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|e| invalid(&e))?;
        let mut roots = RootCertStore::empty();
        match self.authorities.as_slice() {
            [] => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            own => {
                for certificate in own {
                    roots.add(certificate.clone()).map_err(|e| invalid(&e))?;
                }
            }
        }
        let mut config = match self.unverified {
            false => builder.with_root_certificates(roots).with_no_client_auth(),
            true => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
                .with_no_client_auth(),
        };
        let protocol = if self.is_https() { "h2" } else { "dot" };
        config.alpn_protocols = vec![protocol.into()];
        let name = self.name.clone();
        if let Some(name) = &name {
            ServerName::try_from(name.as_str()).map_err(|e| {
                Error::invalid("TLS name", format!("`{}`: {e}", name.escape_debug()))
            })?;
        }
        Ok(Client { config: Arc::new(config), name, path: self.path.clone() })
    }
}

/// Makes secured connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    name: Option<String>,
    path: Option<String>,
}

/// What a secured connection has to tell.
pub(super) enum Told<'a> {
    /// The handshake is over, with this version.
    Ready(&'a str),
    /// A piece of answers, each after its length.
    Bytes(&'a [u8]),
    /// No answer will come.
    Fault(String),
}

/// One secured connection with one query.
pub(super) struct Session {
    tls: ClientConnection,
    query: Vec<u8>,
    http: Option<Exchange>,
    ready: bool,
}

impl Client {
    /// Begins a connection; `query` comes after its length.
    pub(super) fn session(&self, to: SocketAddr, query: &[u8]) -> Result<Session, String> {
        let name = match &self.name {
            Some(name) => ServerName::try_from(name.clone()).map_err(|e| e.to_string())?,
            None => ServerName::from(to.ip()),
        };
        let tls = ClientConnection::new(Arc::clone(&self.config), name);
        let tls = tls.map_err(|e| text(&e))?;
        let http = self.path.as_ref().map(|path| {
            let authority = match &self.name {
                Some(name) if to.port() == 443 => name.clone(),
                Some(name) => format!("{name}:{}", to.port()),
                None => to.to_string(),
            };
            Exchange::new(&authority, path, query.get(2..).unwrap_or_default())
        });
        let query = if http.is_some() { Vec::new() } else { query.to_vec() };
        Ok(Session { tls, query, http, ready: false })
    }
}

impl Session {
    /// Moves what can be moved without blocking; `true` means that nothing more will come.
    pub(super) fn turn<S: Read + Write>(
        &mut self,
        socket: &mut S,
        told: &mut dyn FnMut(Told<'_>),
    ) -> io::Result<bool> {
        let mut ended = false;
        loop {
            self.write(socket)?;
            match self.tls.read_tls(socket) {
                Ok(0) => ended = true,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            }
            if let Err(error) = self.tls.process_new_packets() {
                // The alert that says why is worth a try.
                let _ = self.write(socket);
                told(Told::Fault(text(&error)));
                return Ok(true);
            }
            if !self.ready && !self.tls.is_handshaking() {
                self.ready = true;
                told(Told::Ready(self.version()));
                if let Some(fault) = self.begin()? {
                    told(Told::Fault(fault));
                    return Ok(true);
                }
            }
            if self.read(told)? || ended {
                break;
            }
        }
        self.write(socket)?;
        Ok(ended)
    }

    pub(super) fn wants_write(&self) -> bool {
        self.tls.wants_write()
    }

    fn write<S: Write>(&mut self, socket: &mut S) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(socket) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn version(&self) -> &'static str {
        match self.tls.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        }
    }

    /// Sends the query; the reason if the server speaks the wrong protocol.
    fn begin(&mut self) -> io::Result<Option<String>> {
        let Some(http) = &mut self.http else {
            return self.tls.writer().write_all(&self.query).map(|()| None);
        };
        if self.tls.alpn_protocol() != Some(b"h2") {
            return Ok(Some("the server does not speak HTTP/2".to_owned()));
        }
        self.tls.writer().write_all(&http.take_output()).map(|()| None)
    }

    /// Hands over what was decrypted; `true` when that was the end.
    fn read(&mut self, told: &mut dyn FnMut(Told<'_>)) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            let bytes = match self.tls.reader().read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                Err(e) => return Err(e),
            };
            let Some(http) = &mut self.http else {
                told(Told::Bytes(bytes));
                continue;
            };
            match http.receive(bytes) {
                Err(why) => {
                    told(Told::Fault(why));
                    return Ok(true);
                }
                Ok(None) => {}
                Ok(Some(message)) => {
                    let length = u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes();
                    told(Told::Bytes(&[&length, message.as_slice()].concat()));
                }
            }
            let output = http.take_output();
            self.tls.writer().write_all(&output)?;
        }
    }
}

/// The library may quote what the server sent.
fn text(error: &rustls::Error) -> String {
    Escaped::new(error.to_string().as_bytes()).to_string()
}

/// Takes any certificate, but insists that its key signed the handshake.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
