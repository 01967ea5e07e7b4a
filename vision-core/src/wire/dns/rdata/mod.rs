//! The data of a record: typed where the type is known, raw bytes and a reason where not.

mod bitmap;
mod foreign;
mod loc;
mod native;
mod show;
mod svcb;

use std::net::{Ipv4Addr, Ipv6Addr};

pub use bitmap::TypeBitmap;
pub use loc::Loc;
pub use svcb::{SvcParam, SvcParamKey};

use super::cursor::Cursor;
use super::{CharString, Class, Name, Opaque, RecordType};

/// The data of one record; `Display` gives the zone-file form that `dig` prints.
///
/// Long hexadecimal and base 64 parts are printed without the blanks that `dig` puts into them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[allow(missing_docs, reason = "fields have the names of the RFC each variant cites")]
#[non_exhaustive]
pub enum RData {
    /// An IPv4 address (RFC 1035 §3.4.1).
    A(Ipv4Addr),
    /// An IPv6 address (RFC 3596 §2.2).
    Aaaa(Ipv6Addr),
    /// The name this one stands for (RFC 1035 §3.3.1).
    Cname(Name),
    /// The subtree this one stands for (RFC 6672).
    Dname(Name),
    /// A server of the zone (RFC 1035 §3.3.11).
    Ns(Name),
    /// The name that belongs to an address (RFC 1035 §3.3.12).
    Ptr(Name),
    /// The start of a zone.
    Soa(Soa),
    /// A mail server; lower preference first (RFC 1035 §3.3.9).
    Mx { preference: u16, exchange: Name },
    /// Text (RFC 1035 §3.3.14); `SPF` and `AVC` records too.
    Txt(Vec<CharString>),
    /// Where a service is.
    Srv(Srv),
    /// Which authorities may issue certificates (RFC 8659 §4.1).
    Caa { flags: u8, tag: CharString, value: CharString },
    /// Processor and system (RFC 1035 §3.3.2), or the answer to ANY (RFC 8482).
    Hinfo { cpu: CharString, os: CharString },
    /// A rewriting rule.
    Naptr(Naptr),
    /// The fingerprint of a host key (RFC 4255 §3.1).
    Sshfp { algorithm: u8, fingerprint_type: u8, fingerprint: Opaque },
    /// A certificate association (RFC 6698 §2.1); `SMIMEA` too (RFC 8162).
    Tlsa { usage: u8, selector: u8, matching: u8, data: Opaque },
    /// How to reach a service (RFC 9460 §2); `HTTPS` too. Priority zero is an alias.
    Svcb { priority: u16, target: Name, params: Vec<SvcParam> },
    /// A delegation signer (RFC 4034 §5.1); `CDS`, `DLV` and `TA` too.
    Ds { key_tag: u16, algorithm: u8, digest_type: u8, digest: Opaque },
    /// A zone key (RFC 4034 §2.1); `CDNSKEY` and `KEY` too.
    Dnskey { flags: u16, protocol: u8, algorithm: u8, key: Opaque },
    /// A signature; `SIG` too.
    Rrsig(Rrsig),
    /// The next existing name and the types of this one (RFC 4034 §4.1).
    Nsec { next: Name, types: TypeBitmap },
    /// The next existing hashed name.
    Nsec3(Nsec3),
    /// How a zone hashes names (RFC 5155 §4.2).
    Nsec3Param { algorithm: u8, flags: u8, iterations: u16, salt: Opaque },
    /// A digest over the zone (RFC 8976 §2.2).
    Zonemd { serial: u32, scheme: u8, algorithm: u8, digest: Opaque },
    /// Types to copy to the parent (RFC 7477 §2.1).
    Csync { serial: u32, flags: u16, types: TypeBitmap },
    /// A place on Earth.
    Loc(Loc),
    /// A service as a URI (RFC 7553 §4).
    Uri { priority: u16, weight: u16, target: CharString },
    /// Two names: a mailbox and a text, `RP` (RFC 1183 §2.2) or `MINFO` (RFC 1035 §3.3.7).
    Pair { first: Name, second: Name },
    /// A number and a name: `AFSDB`, `RT` (RFC 1183), `KX` (RFC 2230), `LP` (RFC 6742).
    Preference { preference: u16, name: Name },
    /// A hardware address, `EUI48` or `EUI64` (RFC 7043).
    Eui(Opaque),
    /// A public key, `OPENPGPKEY` (RFC 7929) or `DHCID` (RFC 4701): base 64.
    Base64(Opaque),
    /// A certificate (RFC 4398 §2).
    Cert { kind: u16, key_tag: u16, algorithm: u8, certificate: Opaque },
    /// Key agreement (RFC 2930 §2).
    Tkey(Tkey),
    /// Nothing: how an update names a record set or deletes one (RFC 2136 §2.4, §2.5).
    Empty,
    /// Data kept as it came (RFC 3597), with the reason when a known type could not be read.
    Unknown { bytes: Opaque, fault: Option<String> },
}

/// The start of a zone of authority (RFC 1035 §3.3.13).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "fields have the names of the RFC")]
#[non_exhaustive]
pub struct Soa {
    pub mname: Name,
    pub rname: Name,
    pub serial: u32,
    pub refresh_s: u32,
    pub retry_s: u32,
    pub expire_s: u32,
    /// How long a negative answer may be kept (RFC 2308 §4).
    pub minimum_s: u32,
}

/// Where a service is (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "fields have the names of the RFC")]
#[non_exhaustive]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: Name,
}

/// A rewriting rule (RFC 3403 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "fields have the names of the RFC")]
#[non_exhaustive]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: CharString,
    pub services: CharString,
    pub regexp: CharString,
    pub replacement: Name,
}

/// A signature over a record set (RFC 4034 §3.1); times in seconds since 1970, modulo 2³².
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "fields have the names of the RFC")]
#[non_exhaustive]
pub struct Rrsig {
    pub covers: RecordType,
    pub algorithm: u8,
    pub labels: u8,
    pub original_ttl_s: u32,
    pub expires_unix_s: u32,
    pub inception_unix_s: u32,
    pub key_tag: u16,
    pub signer: Name,
    pub signature: Opaque,
}

/// A moment as signatures have it, printed as in a zone file: `20261231235959`, UTC.
#[cfg(feature = "dnssec")]
pub(crate) struct Moment(pub(crate) u32);

#[cfg(feature = "dnssec")]
impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        show::time(self.0, f)
    }
}

/// The next existing hashed name and the types of this one (RFC 5155 §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "fields have the names of the RFC")]
#[non_exhaustive]
pub struct Nsec3 {
    pub algorithm: u8,
    pub flags: u8,
    pub iterations: u16,
    pub salt: Opaque,
    pub next_hashed: Opaque,
    pub types: TypeBitmap,
}

/// Key agreement (RFC 2930 §2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(missing_docs, reason = "fields have the names of the RFC")]
#[non_exhaustive]
pub struct Tkey {
    pub algorithm: Name,
    pub inception_unix_s: u32,
    pub expires_unix_s: u32,
    pub mode: u16,
    pub error: u16,
    pub key: Opaque,
    pub other: Opaque,
}

impl RData {
    /// Reads the whole of `data`; what does not fit its type comes back as [`RData::Unknown`].
    pub(super) fn decode(mut data: Cursor<'_>, rtype: RecordType, class: Class) -> Self {
        if data.left() == 0 && matches!(class, Class::None | Class::Any) {
            return Self::Empty;
        }
        let raw = data;
        let read = if !defined_in(rtype, class) {
            Ok(None)
        } else if let Some(read) = foreign::decode(data, rtype) {
            read.map(Some)
        } else {
            native::decode(&mut data, rtype)
        };
        let unknown = |fault| Self::Unknown { bytes: Opaque::new({ raw }.rest()), fault };
        match read {
            Ok(Some(rdata)) => rdata,
            Ok(None) => unknown(None),
            Err(fault) => unknown(Some(fault)),
        }
    }

    /// Returns the address of an A or AAAA record.
    pub fn addr(&self) -> Option<std::net::IpAddr> {
        match self {
            Self::A(v4) => Some((*v4).into()),
            Self::Aaaa(v6) => Some((*v6).into()),
            _ => None,
        }
    }
}

/// Tells whether the data of `rtype` has its usual form in `class`.
///
/// Some types exist in the Internet class only (RFC 3597 §4, IANA); updates use them with the
/// classes ANY and NONE, multicast DNS with its flag in the class.
fn defined_in(rtype: RecordType, class: Class) -> bool {
    use RecordType as T;
    let internet_only = matches!(
        rtype,
        T::A | T::Aaaa | T::Srv | T::Naptr | T::Svcb | T::Https | T::Kx | T::Dhcid | T::Wks
    );
    !internet_only || matches!(class.without_mdns_flag(), Class::In | Class::None | Class::Any)
}
