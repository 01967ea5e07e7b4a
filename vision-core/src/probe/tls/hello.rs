//! The client's side of a handshake that never trusts and tells all; with the one for DNS, the only file that names
//! `rustls`.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use webpki::{EndEntityCert, Error as Flaw, KeyUsage};

use super::names;
use super::{CertificateFault, TlsCertificate};
use crate::base::{Error, Escaped, Host, Result, Timestamp, Untrusted};

/// Names of a certificate that are kept.
const NAMES: usize = 16;
/// Certificates of a chain that are looked at (reliability of the path builder).
const CHAIN: usize = 16;

/// Whose word is taken for a certificate: the authorities that browsers trust, or those of a file.
#[derive(Debug, Clone)]
pub struct Authorities {
    origin: String,
    anchors: Arc<[TrustAnchor<'static>]>,
    /// Of a file only: what is trusted as it is, though no authority.
    itself: Arc<[CertificateDer<'static>]>,
}

impl Authorities {
    /// The authorities that browsers trust, as known when this crate was built.
    pub fn built_in() -> Self {
        let anchors = webpki_roots::TLS_SERVER_ROOTS.to_vec().into();
        Self { origin: "built in".to_owned(), anchors, itself: Arc::new([]) }
    }

    /// The certificates of a text in PEM, such as `/etc/ssl/certs/ca-certificates.crt`; what cannot be read among
    /// them is passed over.
    ///
    /// # Errors
    /// [`Error::Invalid`] when there is no certificate in the text.
    pub fn from_pem(origin: impl Into<String>, pem: &[u8]) -> Result<Self> {
        let all = CertificateDer::pem_slice_iter(pem).filter_map(std::result::Result::ok);
        let itself: Vec<_> = all.take(4096).collect();
        let anchor = |der: &CertificateDer<'static>| {
            webpki::anchor_from_trusted_cert(der).ok().map(|anchor| anchor.to_owned())
        };
        let anchors: Vec<_> = itself.iter().filter_map(anchor).collect();
        match anchors.is_empty() {
            false => {
                let origin = origin.into();
                Ok(Self { origin, anchors: anchors.into(), itself: itself.into() })
            }
            true => Err(Error::invalid("certificate authorities", "no certificate in PEM form")),
        }
    }
}

/// Tells whether a certificate can have this name.
pub(super) fn is_name(name: &str) -> bool {
    ServerName::try_from(name.trim_end_matches('.')).is_ok()
}

/// One handshake under way.
pub(super) struct Hello {
    tls: ClientConnection,
    seen: Arc<Mutex<Option<TlsCertificate>>>,
}

/// How a handshake goes on.
pub(super) enum Turn {
    More,
    Done,
    Alert(String),
    Failed(String),
}

impl Hello {
    pub(super) fn new(name: &Host, authorities: &Authorities) -> Result<Self, String> {
        let provider = Arc::new(ring::default_provider());
        let seen = Arc::default();
        let clerk = Clerk {
            name: name.clone(),
            provider: Arc::clone(&provider),
            authorities: authorities.clone(),
            seen: Arc::clone(&seen),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| text(&e))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(clerk))
            .with_no_client_auth();
        let asked = match name {
            Host::Addr(addr, _) => ServerName::from(*addr),
            Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|e| e.to_string())?,
        };
        let tls = ClientConnection::new(Arc::new(config), asked).map_err(|e| text(&e))?;
        Ok(Self { tls, seen })
    }

    /// What is to be sent now.
    pub(super) fn output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut bytes).is_err() {
                break;
            }
        }
        bytes
    }

    /// Takes what came.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Turn {
        while !bytes.is_empty() {
            match self.tls.read_tls(&mut bytes) {
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Turn::Failed(e.to_string()),
            }
            match self.tls.process_new_packets() {
                Ok(_) => {}
                Err(rustls::Error::AlertReceived(alert)) => {
                    return Turn::Alert(format!("{alert:?}"));
                }
                Err(error) => return Turn::Failed(text(&error)),
            }
            if !self.tls.is_handshaking() {
                return Turn::Done;
            }
        }
        Turn::More
    }

    pub(super) fn version(&self) -> Option<&'static str> {
        match self.tls.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_3 => Some("TLS 1.3"),
            rustls::ProtocolVersion::TLSv1_2 => Some("TLS 1.2"),
            _ => None,
        }
    }

    pub(super) fn cipher(&self) -> Option<String> {
        self.tls.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))
    }

    pub(super) fn certificate(&self) -> Option<TlsCertificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The library may quote what the server sent.
fn text(error: &rustls::Error) -> String {
    Escaped::new(error.to_string().as_bytes()).to_string()
}

/// Writes down what is wrong with a certificate and lets the handshake go on.
#[derive(Debug)]
struct Clerk {
    name: Host,
    provider: Arc<CryptoProvider>,
    authorities: Authorities,
    seen: Arc<Mutex<Option<TlsCertificate>>>,
}

impl Clerk {
    fn note(&self, fault: CertificateFault) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = &mut *seen {
            seen.faults.push(fault);
        }
    }

    fn look(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> TlsCertificate {
        let mut seen = TlsCertificate {
            subject: None,
            issuer: None,
            self_signed: false,
            names: Vec::new(),
            intermediates: rest.len(),
            trusted: self.authorities.origin.clone(),
            faults: Vec::new(),
        };
        let other = |flaw: Flaw| CertificateFault::Other { why: flaw.to_string() };
        let certificate = match EndEntityCert::try_from(first) {
            Ok(certificate) => certificate,
            Err(flaw) => {
                seen.faults.push(other(flaw));
                return seen;
            }
        };
        seen.subject = names::common_name(certificate.subject());
        seen.issuer = names::common_name(certificate.issuer());
        seen.self_signed = certificate.subject() == certificate.issuer();
        let shown = certificate.valid_dns_names().take(NAMES);
        seen.names = shown.map(|name| Untrusted::from(name.as_bytes())).collect();
        let (mut at, itself) = (now, self.authorities.itself.iter().any(|it| it == first));
        // The dates come first; what else is wrong shows at a time they allow.
        for _ in 0..2 {
            let Err(flaw) = self.chain(&certificate, rest, at) else { break };
            match flaw {
                Flaw::CertExpired { not_after, .. } if at == now => {
                    let (not_after, now) = (timestamp(not_after), timestamp(now));
                    seen.faults.push(CertificateFault::Expired { not_after, now });
                    at = second_before(not_after);
                }
                Flaw::CertNotValidYet { not_before, .. } if at == now => {
                    seen.faults.push(CertificateFault::NotYetValid {
                        not_before: timestamp(not_before),
                        now: timestamp(now),
                    });
                    at = not_before;
                }
                // A client that is told to trust this very certificate does.
                _ if itself => break,
                Flaw::UnknownIssuer | Flaw::InvalidSignatureForPublicKey => {
                    seen.faults.push(CertificateFault::Untrusted);
                    break;
                }
                _ if seen.self_signed => {
                    seen.faults.push(CertificateFault::Untrusted);
                    break;
                }
                flaw => {
                    seen.faults.push(other(flaw));
                    break;
                }
            }
        }
        seen.faults.extend(self.wrong_name(&certificate, &seen));
        seen
    }

    fn chain(
        &self,
        certificate: &EndEntityCert<'_>,
        rest: &[CertificateDer<'_>],
        at: UnixTime,
    ) -> Result<(), Flaw> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let rest = rest.get(..CHAIN.min(rest.len())).unwrap_or_default();
        let (anchors, usage) = (&self.authorities.anchors, KeyUsage::server_auth());
        certificate.verify_for_usage(algorithms, anchors, rest, at, usage, None, None).map(|_| ())
    }

    fn wrong_name(
        &self,
        certificate: &EndEntityCert<'_>,
        seen: &TlsCertificate,
    ) -> Option<CertificateFault> {
        let name = match &self.name {
            Host::Addr(addr, _) => ServerName::from(*addr),
            Host::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).ok()?,
        };
        let presented = match certificate.verify_is_valid_for_subject_name(&name) {
            Ok(()) => return None,
            Err(Flaw::CertNotValidForName(context)) => context.presented,
            Err(flaw) => return Some(CertificateFault::Other { why: flaw.to_string() }),
        };
        let subject = seen.subject.as_ref().map(Untrusted::as_bytes).unwrap_or_default();
        // Without any name but the subject's, some clients take that (RFC 9525 §6.3 says no).
        if presented.is_empty() && names::matches(subject, &self.name.to_string()) {
            let why = "it is for its subject's common name only, which not all clients take";
            return Some(CertificateFault::Other { why: why.to_owned() });
        }
        let mut presented: Vec<_> = presented.iter().take(NAMES).map(|n| bare(n)).collect();
        if presented.is_empty() && !subject.is_empty() {
            presented.push(Untrusted::from(subject));
        }
        Some(CertificateFault::WrongName { presented })
    }
}

/// `DnsName("a.test")` without what the library puts around it.
fn bare(shown: &str) -> Untrusted {
    let inner = shown.split_once('(').map_or(shown, |(_, rest)| rest.trim_end_matches(')'));
    Untrusted::from(inner.trim_matches('"'))
}

fn timestamp(at: UnixTime) -> Timestamp {
    let nanos = i64::try_from(at.as_secs()).ok().and_then(|secs| secs.checked_mul(1_000_000_000));
    Timestamp::from_unix_nanos(nanos.unwrap_or(i64::MAX))
}

fn second_before(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_unix_nanos() / 1_000_000_000).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.saturating_sub(1)))
}

impl ServerCertVerifier for Clerk {
    fn verify_server_cert(
        &self,
        first: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let looked = self.look(first, rest, now);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(looked);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.signed(verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.signed(verify_tls13_signature(message, certificate, signature, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Clerk {
    /// A key that did not sign is written down too; nothing secret is sent to it.
    fn signed(
        &self,
        verified: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if let Err(error) = verified {
            self.note(CertificateFault::Other { why: text(&error) });
        }
        Ok(HandshakeSignatureValid::assertion())
    }
}
