//! TLS handshakes: whether one is possible, and what is wrong with the certificate.

#[cfg(feature = "tls")]
mod hello;
#[cfg(feature = "tls")]
mod machine;
#[cfg(feature = "tls")]
mod names;
#[cfg(feature = "tls")]
mod probe;
mod report;
#[cfg(all(test, feature = "tls"))]
mod tests;

#[cfg(feature = "tls")]
pub use self::hello::Authorities;
#[cfg(feature = "tls")]
pub use self::probe::TlsProbe;
pub use self::report::{CertificateFault, TlsCertificate, TlsOutcome, TlsReport};
