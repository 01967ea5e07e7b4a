use std::fmt::{self, Formatter, Result};

use super::{Naptr, Nsec3, RData, Rrsig, Soa, Srv, Tkey};
use crate::wire::dns::Opaque;
use crate::wire::dns::text::{base32hex, base64};

impl fmt::Display for RData {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::A(addr) => addr.fmt(f),
            Self::Aaaa(addr) => addr.fmt(f),
            Self::Cname(name) | Self::Dname(name) | Self::Ns(name) | Self::Ptr(name) => name.fmt(f),
            Self::Soa(soa) => soa.fmt(f),
            Self::Mx { preference, exchange: name } | Self::Preference { preference, name } => {
                write!(f, "{preference} {name}")
            }
            Self::Txt(parts) => joined(parts, f),
            Self::Srv(srv) => srv.fmt(f),
            // A tag is letters and digits (RFC 8659 §4.1); others come out quoted and escaped.
            Self::Caa { flags, tag, value } => write!(f, "{flags} {} {value}", bare(tag)),
            Self::Hinfo { cpu, os } => write!(f, "{cpu} {os}"),
            Self::Naptr(naptr) => naptr.fmt(f),
            Self::Sshfp { algorithm, fingerprint_type, fingerprint } => {
                write!(f, "{algorithm} {fingerprint_type} {}", upper(fingerprint))
            }
            Self::Tlsa { usage, selector, matching, data } => {
                write!(f, "{usage} {selector} {matching} {}", upper(data))
            }
            Self::Svcb { priority, target, params } => {
                write!(f, "{priority} {target}")?;
                params.iter().try_for_each(|param| write!(f, " {param}"))
            }
            Self::Ds { key_tag, algorithm, digest_type, digest } => {
                write!(f, "{key_tag} {algorithm} {digest_type} {}", upper(digest))
            }
            Self::Dnskey { flags, protocol, algorithm, key } => {
                write!(f, "{flags} {protocol} {algorithm} {}", base64(key.as_bytes()))
            }
            Self::Rrsig(rrsig) => rrsig.fmt(f),
            Self::Nsec { next, types } => write!(f, "{next}{types}"),
            Self::Nsec3(nsec3) => nsec3.fmt(f),
            Self::Nsec3Param { algorithm, flags, iterations, salt } => {
                write!(f, "{algorithm} {flags} {iterations} {}", or_dash(salt))
            }
            Self::Zonemd { serial, scheme, algorithm, digest } => {
                write!(f, "{serial} {scheme} {algorithm} {}", upper(digest))
            }
            Self::Csync { serial, flags, types } => write!(f, "{serial} {flags}{types}"),
            Self::Loc(loc) => loc.fmt(f),
            Self::Uri { priority, weight, target } => write!(f, "{priority} {weight} {target}"),
            Self::Pair { first, second } => write!(f, "{first} {second}"),
            Self::Eui(addr) => {
                let parts: Vec<_> = addr.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
                f.write_str(&parts.join("-"))
            }
            Self::Base64(bytes) => f.write_str(&base64(bytes.as_bytes())),
            Self::Cert { kind, key_tag, algorithm, certificate } => {
                let kind = named(&CERT_KINDS, *kind);
                let algorithm = named(&ALGORITHMS, u16::from(*algorithm));
                write!(f, "{kind} {key_tag} {algorithm} {}", base64(certificate.as_bytes()))
            }
            Self::Tkey(tkey) => tkey.fmt(f),
            Self::Empty => Ok(()),
            Self::Unknown { bytes, .. } => match bytes.as_bytes().len() {
                0 => f.write_str("\\# 0"),
                length => write!(f, "\\# {length} {bytes}"),
            },
        }
    }
}

impl fmt::Display for Soa {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { mname, rname, serial, refresh_s, retry_s, expire_s, minimum_s } = self;
        write!(f, "{mname} {rname} {serial} {refresh_s} {retry_s} {expire_s} {minimum_s}")
    }
}

impl fmt::Display for Srv {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {} {} {}", self.priority, self.weight, self.port, self.target)
    }
}

impl fmt::Display for Naptr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { order, preference, flags, services, regexp, replacement } = self;
        write!(f, "{order} {preference} {flags} {services} {regexp} {replacement}")
    }
}

impl fmt::Display for Rrsig {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {} {} {} ", self.covers, self.algorithm, self.labels, self.original_ttl_s)?;
        time(self.expires_unix_s, f)?;
        f.write_str(" ")?;
        time(self.inception_unix_s, f)?;
        write!(f, " {} {} {}", self.key_tag, self.signer, base64(self.signature.as_bytes()))
    }
}

impl fmt::Display for Nsec3 {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {} {} ", self.algorithm, self.flags, self.iterations)?;
        let next = base32hex(self.next_hashed.as_bytes());
        write!(f, "{} {next}{}", or_dash(&self.salt), self.types)
    }
}

impl fmt::Display for Tkey {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (key, other) = (base64(self.key.as_bytes()), base64(self.other.as_bytes()));
        write!(f, "{} {} ", self.algorithm, self.inception_unix_s)?;
        write!(f, "{} {} {} {key}", self.expires_unix_s, self.mode, self.error)?;
        if other.is_empty() { Ok(()) } else { write!(f, " {other}") }
    }
}

fn joined(parts: &[impl fmt::Display], f: &mut Formatter<'_>) -> Result {
    for (n, part) in parts.iter().enumerate() {
        write!(f, "{}{part}", if n == 0 { "" } else { " " })?;
    }
    Ok(())
}

fn bare(tag: &crate::wire::dns::CharString) -> String {
    match tag.as_bytes() {
        bytes if bytes.iter().all(u8::is_ascii_alphanumeric) => {
            bytes.iter().map(|b| char::from(*b)).collect()
        }
        _ => tag.to_string(),
    }
}

/// Gives the mnemonic of a number, as certificate records alone are printed.
fn named(names: &[(u16, &str)], number: u16) -> String {
    let known = names.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

fn upper(bytes: &Opaque) -> String {
    bytes.to_string().to_ascii_uppercase()
}

fn or_dash(salt: &Opaque) -> String {
    if salt.as_bytes().is_empty() { "-".to_owned() } else { upper(salt) }
}

/// YYYYMMDDHHmmSS in UTC (RFC 4034 §3.2); days to a date after Howard Hinnant's `civil_from_days`.
pub(super) fn time(unix_s: u32, f: &mut Formatter<'_>) -> Result {
    let (days, seconds) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    write!(f, "{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// RFC 4398 §2.1.
const CERT_KINDS: [(u16, &str); 10] = [
    (1, "PKIX"),
    (2, "SPKI"),
    (3, "PGP"),
    (4, "IPKIX"),
    (5, "ISPKI"),
    (6, "IPGP"),
    (7, "ACPKIX"),
    (8, "IACPKIX"),
    (253, "URI"),
    (254, "OID"),
];

/// IANA, DNS Security Algorithm Numbers.
const ALGORITHMS: [(u16, &str); 13] = [
    (1, "RSAMD5"),
    (2, "DH"),
    (3, "DSA"),
    (5, "RSASHA1"),
    (6, "NSEC3DSA"),
    (7, "NSEC3RSASHA1"),
    (8, "RSASHA256"),
    (10, "RSASHA512"),
    (12, "ECCGOST"),
    (13, "ECDSAP256SHA256"),
    (14, "ECDSAP384SHA384"),
    (15, "ED25519"),
    (16, "ED448"),
];
