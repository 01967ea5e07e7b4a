//! The client's side of a handshake that never trusts and tells all; with the one for DNS, the only file that names
//! `rustls`.

use std::collections::HashSet;
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
        // A folder has most of them under two names.
        let mut known = HashSet::new();
        let fresh = all.filter(|der| known.insert(der.as_ref().to_vec()));
        let itself: Vec<_> = fresh.take(4096).collect();
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
        let rest = rest.get(..CHAIN.min(rest.len())).unwrap_or_default();
        // The dates come first; what else is wrong shows at a time they allow.
        let mut at = now;
        while let Some(fault) = self.fault(&certificate, (first, rest), (at, now)) {
            let next = match &fault {
                CertificateFault::Expired { not_after, .. }
                | CertificateFault::ChainExpired { not_after, .. } => second_before(*not_after),
                CertificateFault::NotYetValid { not_before, .. } => unix_time(*not_before),
                _ => now,
            };
            seen.faults.push(fault);
            if at != now || next == now {
                break;
            }
            at = next;
        }
        seen.faults.extend(self.wrong_name(&certificate, &seen));
        seen
    }

    /// What keeps the chain from an authority to a certificate from being valid at a time; at another one than
    /// now, dates are no longer looked at.
    fn fault(
        &self,
        certificate: &EndEntityCert<'_>,
        (first, rest): (&CertificateDer<'_>, &[CertificateDer<'_>]),
        (at, now): (UnixTime, UnixTime),
    ) -> Option<CertificateFault> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let (anchors, usage) = (&self.authorities.anchors, KeyUsage::server_auth());
        let verified =
            certificate.verify_for_usage(algorithms, anchors, rest, at, usage, None, None);
        let flaw = match verified {
            Ok(path) => return self.spent(path.anchor(), now).filter(|_| at == now),
            Err(flaw) => flaw,
        };
        let (moment, dated) = (timestamp(now), at == now);
        match flaw {
            Flaw::CertExpired { not_after, .. } if dated => {
                let own = names::validity(first).is_none_or(|[_, end]| is_at(end, not_after));
                let not_after = timestamp(not_after);
                Some(match own {
                    true => CertificateFault::Expired { not_after, now: moment },
                    false => {
                        let name = rest.iter().find_map(|der| ended(der, not_after)).flatten();
                        CertificateFault::ChainExpired { name, not_after, now: moment }
                    }
                })
            }
            Flaw::CertNotValidYet { not_before, .. } if dated => {
                let not_before = timestamp(not_before);
                Some(CertificateFault::NotYetValid { not_before, now: moment })
            }
            Flaw::CertExpired { .. } | Flaw::CertNotValidYet { .. } => None,
            // A client that is told to trust this very certificate does.
            _ if self.authorities.itself.contains(first) => None,
            Flaw::UnknownIssuer | Flaw::InvalidSignatureForPublicKey => {
                Some(CertificateFault::Untrusted)
            }
            _ if certificate.subject() == certificate.issuer() => Some(CertificateFault::Untrusted),
            flaw => Some(CertificateFault::Other { why: flaw.to_string() }),
        }
    }

    /// An authority whose own time is over, by all the certificates there are of it: for the verifier, authorities
    /// have no dates.
    fn spent(&self, anchor: &TrustAnchor<'_>, now: UnixTime) -> Option<CertificateFault> {
        let same = |der: &&CertificateDer<'static>| {
            webpki::anchor_from_trusted_cert(der).is_ok_and(|it| {
                it.subject == anchor.subject
                    && it.subject_public_key_info == anchor.subject_public_key_info
            })
        };
        let ends = self.authorities.itself.iter().filter(same).map(|der| names::validity(der));
        let last = ends.map(|validity| validity.map_or(i64::MAX, |[_, end]| end)).max()?;
        let over = u64::try_from(last).is_ok_and(|last| last < now.as_secs());
        over.then(|| CertificateFault::ChainExpired {
            name: names::common_name(&anchor.subject),
            not_after: seconds(last),
            now: timestamp(now),
        })
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
            return Some(CertificateFault::CommonNameOnly);
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
    seconds(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
}

fn seconds(since_1970: i64) -> Timestamp {
    Timestamp::from_unix_nanos(since_1970.saturating_mul(1_000_000_000))
}

fn is_at(since_1970: i64, at: UnixTime) -> bool {
    u64::try_from(since_1970).is_ok_and(|seconds| seconds == at.as_secs())
}

/// The common name of a certificate whose time ends then.
fn ended(der: &CertificateDer<'_>, at: Timestamp) -> Option<Option<Untrusted>> {
    let [_, end] = names::validity(der)?;
    let certificate = EndEntityCert::try_from(der).ok().filter(|_| seconds(end) == at)?;
    Some(names::common_name(certificate.subject()))
}

fn unix_time(at: Timestamp) -> UnixTime {
    let seconds = u64::try_from(at.as_unix_nanos() / 1_000_000_000).unwrap_or(0);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn second_before(at: Timestamp) -> UnixTime {
    let seconds = unix_time(at).as_secs().saturating_sub(1);
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
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
