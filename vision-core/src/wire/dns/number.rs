use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Result};

/// Declares an enum over an IANA registry; numbers it does not list are kept in `Other` and
/// printed with the registry's generic prefix, `TYPE65280` (RFC 3597 §5), and serialised alike.
macro_rules! registry {
    (
        $(#[$meta:meta])*
        pub enum $name:ident: $raw:ty, $what:literal, $prefix:literal {
            $($(#[$vmeta:meta])* $variant:ident = $value:literal, $text:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A number this version does not know.
            Other($raw),
        }

        impl $name {
            /// Reads the number of the wire.
            pub fn from_raw(raw: $raw) -> Self {
                match raw {
                    $($value => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            /// Returns the number of the wire.
            pub fn raw(self) -> $raw {
                match self {
                    $(Self::$variant => $value,)+
                    Self::Other(raw) => raw,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.pad($text),)+
                    Self::Other(raw) => f.pad(&format!(concat!($prefix, "{}"), raw)),
                }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Takes a mnemonic in any case, or the generic form with its number.
            fn from_str(text: &str) -> Result<Self> {
                $(if text.eq_ignore_ascii_case($text) { return Ok(Self::$variant); })+
                let upper = text.to_ascii_uppercase();
                let number = upper.strip_prefix($prefix).unwrap_or_default().parse();
                number.map(Self::from_raw).map_err(|_| {
                    let why = format!(concat!("`{}` is neither a known name nor ", $prefix, "N"), text);
                    Error::invalid($what, why)
                })
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

registry! {
    /// The type of a record or question (IANA, Resource Record (RR) TYPEs).
    #[allow(missing_docs, reason = "variants are the mnemonics of the registry")]
    pub enum RecordType: u16, "record type", "TYPE" {
        A = 1, "A"; Ns = 2, "NS"; Md = 3, "MD"; Mf = 4, "MF"; Cname = 5, "CNAME"; Soa = 6, "SOA";
        Mb = 7, "MB"; Mg = 8, "MG"; Mr = 9, "MR"; Null = 10, "NULL"; Wks = 11, "WKS";
        Ptr = 12, "PTR"; Hinfo = 13, "HINFO"; Minfo = 14, "MINFO"; Mx = 15, "MX"; Txt = 16, "TXT";
        Rp = 17, "RP"; Afsdb = 18, "AFSDB"; X25 = 19, "X25"; Isdn = 20, "ISDN"; Rt = 21, "RT";
        Nsap = 22, "NSAP"; NsapPtr = 23, "NSAP-PTR"; Sig = 24, "SIG"; Key = 25, "KEY";
        Px = 26, "PX"; Gpos = 27, "GPOS"; Aaaa = 28, "AAAA"; Loc = 29, "LOC"; Nxt = 30, "NXT";
        Srv = 33, "SRV"; Naptr = 35, "NAPTR"; Kx = 36, "KX"; Cert = 37, "CERT"; A6 = 38, "A6";
        Dname = 39, "DNAME"; Opt = 41, "OPT"; Apl = 42, "APL"; Ds = 43, "DS"; Sshfp = 44, "SSHFP";
        Ipseckey = 45, "IPSECKEY"; Rrsig = 46, "RRSIG"; Nsec = 47, "NSEC"; Dnskey = 48, "DNSKEY";
        Dhcid = 49, "DHCID"; Nsec3 = 50, "NSEC3"; Nsec3Param = 51, "NSEC3PARAM"; Tlsa = 52, "TLSA";
        Smimea = 53, "SMIMEA"; Hip = 55, "HIP"; Cds = 59, "CDS"; Cdnskey = 60, "CDNSKEY";
        OpenPgpKey = 61, "OPENPGPKEY"; Csync = 62, "CSYNC"; Zonemd = 63, "ZONEMD"; Svcb = 64, "SVCB";
        Https = 65, "HTTPS"; Spf = 99, "SPF"; Nid = 104, "NID"; L32 = 105, "L32"; L64 = 106, "L64";
        Lp = 107, "LP"; Eui48 = 108, "EUI48"; Eui64 = 109, "EUI64"; Tkey = 249, "TKEY";
        Tsig = 250, "TSIG"; Ixfr = 251, "IXFR"; Axfr = 252, "AXFR"; Mailb = 253, "MAILB";
        Maila = 254, "MAILA"; Any = 255, "ANY"; Uri = 256, "URI"; Caa = 257, "CAA"; Avc = 258, "AVC";
        Ta = 32768, "TA"; Dlv = 32769, "DLV";
    }
}

registry! {
    /// The class of a record or question (IANA, DNS CLASSes).
    ///
    /// Multicast DNS uses the top bit as a flag (RFC 6762 §10.2, §18.12): `CLASS32769` is `IN`
    /// with it; see [`Class::without_mdns_flag`].
    pub enum Class: u16, "class", "CLASS" {
        /// The Internet.
        In = 1, "IN";
        /// Chaos, in which servers tell their version.
        Ch = 3, "CH";
        /// Hesiod.
        Hs = 4, "HS";
        /// No class (RFC 2136 §2.4).
        None = 254, "NONE";
        /// Any class.
        Any = 255, "ANY";
    }
}

impl Class {
    /// Takes off the bit by which multicast DNS asks for unicast replies or a cache flush.
    pub fn without_mdns_flag(self) -> Self {
        Self::from_raw(self.raw() & 0x7fff)
    }
}

registry! {
    /// What kind of request a message is (IANA, DNS OpCodes).
    pub enum Opcode: u8, "opcode", "OPCODE" {
        /// A standard query.
        Query = 0, "QUERY";
        /// An inverse query (obsolete, RFC 3425).
        Iquery = 1, "IQUERY";
        /// A server status request.
        Status = 2, "STATUS";
        /// A zone change notification (RFC 1996).
        Notify = 4, "NOTIFY";
        /// A dynamic update (RFC 2136).
        Update = 5, "UPDATE";
        /// Stateful operations (RFC 8490).
        Dso = 6, "DSO";
    }
}

registry! {
    /// The result of a query, with the upper eight bits of EDNS (IANA, DNS RCODEs; RFC 6891 §6.1.3).
    pub enum Rcode: u16, "rcode", "RCODE" {
        /// No error.
        NoError = 0, "NOERROR";
        /// The server could not understand the query.
        FormErr = 1, "FORMERR";
        /// The server failed.
        ServFail = 2, "SERVFAIL";
        /// The name does not exist.
        NxDomain = 3, "NXDOMAIN";
        /// The server does not implement this.
        NotImp = 4, "NOTIMP";
        /// The server does not want to.
        Refused = 5, "REFUSED";
        /// A name exists that should not (RFC 2136 §2.2).
        YxDomain = 6, "YXDOMAIN";
        /// A record set exists that should not (RFC 2136 §2.2).
        YxRrset = 7, "YXRRSET";
        /// A record set that should exist does not (RFC 2136 §2.2).
        NxRrset = 8, "NXRRSET";
        /// The server is not authoritative, or the request not authorised (RFC 2136, RFC 8945).
        NotAuth = 9, "NOTAUTH";
        /// A name is not in the zone (RFC 2136 §2.2).
        NotZone = 10, "NOTZONE";
        /// The DSO type is not implemented (RFC 8490).
        DsoTypeNi = 11, "DSOTYPENI";
        /// The EDNS version is not implemented (RFC 6891 §9); in TSIG, a bad signature.
        BadVers = 16, "BADVERS";
        /// The key is not known (RFC 8945).
        BadKey = 17, "BADKEY";
        /// The signature lies outside its time (RFC 8945).
        BadTime = 18, "BADTIME";
        /// The TKEY mode is bad (RFC 2930).
        BadMode = 19, "BADMODE";
        /// The key name is a duplicate (RFC 2930).
        BadName = 20, "BADNAME";
        /// The algorithm is not supported (RFC 2930).
        BadAlg = 21, "BADALG";
        /// The truncation is bad (RFC 8945).
        BadTrunc = 22, "BADTRUNC";
        /// The server cookie is missing or bad (RFC 7873).
        BadCookie = 23, "BADCOOKIE";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_type_prints_and_parses_with_its_number() {
        assert_eq!(RecordType::from_raw(65280).to_string(), "TYPE65280");
        assert_eq!("type65280".parse::<RecordType>().ok(), Some(RecordType::Other(65280)));
        assert_eq!("TYPE28".parse::<RecordType>().ok(), Some(RecordType::Aaaa));
        assert_eq!("https".parse::<RecordType>().ok(), Some(RecordType::Https));
        assert!("TYPE70000".parse::<RecordType>().is_err());
        assert!("wrong".parse::<RecordType>().is_err());
    }

    #[test]
    fn the_multicast_bit_comes_off() {
        let class = Class::from_raw(0x8001);
        assert_eq!(class.to_string(), "CLASS32769");
        assert_eq!(class.without_mdns_flag(), Class::In);
    }
}
