use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Reason, Timestamp, Untrusted};
use crate::netns::NetnsId;
use crate::probe::TcpOutcome;

/// What a TLS handshake found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TlsReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: SocketAddr,
    /// The name or address that the certificate has to be for.
    pub name: String,
    /// When the connect was started.
    pub at: Timestamp,
    /// What became of the TCP connection.
    pub connection: TcpOutcome,
    /// What became of the handshake.
    pub outcome: TlsOutcome,
    /// From the ClientHello to the first byte back.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            rename = "first_byte_ns",
            with = "crate::base::nanos::option",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub first_byte: Option<Duration>,
    /// The version agreed on, such as `TLS 1.3`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub version: Option<String>,
    /// The cipher suite agreed on, by its registered name.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub cipher: Option<String>,
    /// What the server showed of itself.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub certificate: Option<TlsCertificate>,
    /// The first bytes that came, at most 64, where they are no TLS.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub received: Option<Untrusted>,
}

/// What became of a TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TlsOutcome {
    /// There was no connection to try it on.
    Unconnected,
    /// It was completed; whether the certificate is any good is another question.
    Completed,
    /// What came back is no TLS record.
    NotTls,
    /// Not a byte came back within the wait.
    Silent,
    /// It had begun, and nothing more came within the wait.
    Stalled,
    /// The server refused with an alert (RFC 8446 §6.2).
    Alert {
        /// Its name, such as `HandshakeFailure`.
        name: String,
    },
    /// The connection was closed, or broke, before the end of the handshake.
    Closed {
        /// Why it broke; absent where it was closed in order.
        reason: Option<Reason>,
    },
    /// The server broke the protocol.
    Failed {
        /// How.
        why: String,
    },
    /// The run was ended meanwhile.
    Cut,
}

/// The certificate of a server, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TlsCertificate {
    /// The common name of its subject.
    pub subject: Option<Untrusted>,
    /// The common name of who signed it.
    pub issuer: Option<Untrusted>,
    /// Whether it is signed by nobody but itself.
    pub self_signed: bool,
    /// The DNS names it is for, at most 16.
    pub names: Vec<Untrusted>,
    /// Certificates that came with it.
    pub intermediates: usize,
    /// Whose word was taken: the file with the authorities, or `built in`.
    pub trusted: String,
    /// All that is wrong with it.
    pub faults: Vec<CertificateFault>,
}

/// Something that makes a client refuse a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CertificateFault {
    /// Its time is over, by the clock of this host.
    Expired {
        /// The last moment of its validity.
        not_after: Timestamp,
        /// The time of this host.
        now: Timestamp,
    },
    /// Its time has not come, by the clock of this host.
    NotYetValid {
        /// The first moment of its validity.
        not_before: Timestamp,
        /// The time of this host.
        now: Timestamp,
    },
    /// It is for other names.
    WrongName {
        /// The names and addresses it is for, at most 16.
        presented: Vec<Untrusted>,
    },
    /// Of a certificate it rests on, the time is over.
    ChainExpired {
        /// The common name of that one's subject.
        name: Option<Untrusted>,
        /// The last moment of that one's validity.
        not_after: Timestamp,
        /// The time of this host.
        now: Timestamp,
    },
    /// Its subject's common name is the only name it has and fits, which not all clients take (RFC 9525 §6.3).
    CommonNameOnly,
    /// Nobody who is trusted has signed it.
    Untrusted,
    /// Something else, which other clients may judge in another way.
    Other {
        /// What.
        why: String,
    },
}

impl TlsReport {
    /// Tells whether a client would be content.
    pub fn is_good(&self) -> bool {
        self.outcome == TlsOutcome::Completed
            && self.certificate.as_ref().is_some_and(|it| it.faults.is_empty())
    }
}
