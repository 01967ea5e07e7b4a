//! Record data read by `hickory-proto`, which only this file and `verify.rs` name.

use hickory_proto::rr::{self, RData as Theirs};
use hickory_proto::serialize::binary::{BinDecoder, Restrict};

use super::{Naptr, RData, Soa, Srv, svcb};
use crate::base::Escaped;
use crate::wire::dns::cursor::Cursor;
use crate::wire::dns::{CharString, Name, Opaque, RecordType};

/// Reads `data` if this library knows `rtype`; its reason for a refusal is kept as text.
pub(super) fn decode(data: Cursor<'_>, rtype: RecordType) -> Option<Result<RData, String>> {
    use RecordType as T;
    let known = matches!(
        rtype,
        T::A | T::Aaaa
            | T::Cname
            | T::Ns
            | T::Ptr
            | T::Soa
            | T::Mx
            | T::Txt
            | T::Srv
            | T::Caa
            | T::Hinfo
            | T::Naptr
            | T::Sshfp
            | T::Tlsa
            | T::Smimea
            | T::Svcb
            | T::Https
            | T::OpenPgpKey
    );
    known.then(|| {
        let theirs = read(data, rtype)?;
        convert(theirs, data).ok_or_else(|| "not of the form its type has".to_owned())
    })
}

fn read(data: Cursor<'_>, rtype: RecordType) -> Result<Theirs, String> {
    // Compression pointers reach 16383 only, but the data itself may lie anywhere below 65536.
    let offset = u16::try_from(data.position()).map_err(|_| "beyond 64 KiB".to_owned())?;
    let length = u16::try_from(data.left()).map_err(|_| "longer than 64 KiB".to_owned())?;
    // Cut at the end of the data, so that nothing is read from the next record.
    let end = data.position() + data.left();
    let message = data.message().get(..end).unwrap_or_default();
    let mut decoder = BinDecoder::new(message).clone(offset);
    Theirs::read(&mut decoder, rr::RecordType::from(rtype.raw()), Restrict::new(length))
        // The library may quote what it read.
        .map_err(|error| Escaped::new(error.to_string().as_bytes()).to_string())
}

fn convert(theirs: Theirs, data: Cursor<'_>) -> Option<RData> {
    Some(match theirs {
        Theirs::A(a) => RData::A(a.0),
        Theirs::AAAA(aaaa) => RData::Aaaa(aaaa.0),
        Theirs::CNAME(cname) => RData::Cname(name(&cname.0)?),
        Theirs::NS(ns) => RData::Ns(name(&ns.0)?),
        Theirs::PTR(ptr) => RData::Ptr(name(&ptr.0)?),
        Theirs::SOA(soa) => RData::Soa(convert_soa(&soa)?),
        Theirs::MX(mx) => RData::Mx { preference: mx.preference, exchange: name(&mx.exchange)? },
        // At least one string is required (RFC 1035 §3.3.14); the library takes none as well.
        Theirs::TXT(txt) if txt.txt_data.is_empty() => return None,
        Theirs::TXT(txt) => RData::Txt(txt.txt_data.iter().map(|part| string(part)).collect()),
        Theirs::SRV(srv) => RData::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: name(&srv.target)?,
        }),
        Theirs::CAA(caa) => {
            let (tag, value) = (string(caa.tag.as_bytes()), string(&caa.value));
            RData::Caa { flags: caa.flags(), tag, value }
        }
        Theirs::HINFO(hinfo) => RData::Hinfo { cpu: string(&hinfo.cpu), os: string(&hinfo.os) },
        Theirs::NAPTR(naptr) => RData::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: string(&naptr.flags),
            services: string(&naptr.services),
            regexp: string(&naptr.regexp),
            replacement: name(&naptr.replacement)?,
        }),
        Theirs::SSHFP(sshfp) => RData::Sshfp {
            algorithm: sshfp.algorithm.into(),
            fingerprint_type: sshfp.fingerprint_type.into(),
            fingerprint: Opaque::new(sshfp.fingerprint),
        },
        Theirs::TLSA(tlsa) => convert_tlsa(&tlsa),
        Theirs::SMIMEA(smimea) => convert_tlsa(&smimea.0),
        Theirs::SVCB(_) | Theirs::HTTPS(_) => svcb::decode(data).ok()?,
        Theirs::OPENPGPKEY(_) => RData::Base64(Opaque::new({ data }.rest())),
        _ => return None,
    })
}

fn convert_soa(soa: &rr::rdata::SOA) -> Option<Soa> {
    // Seconds are unsigned on the wire; the library's sign is an artefact.
    Some(Soa {
        mname: name(&soa.mname)?,
        rname: name(&soa.rname)?,
        serial: soa.serial,
        refresh_s: soa.refresh.cast_unsigned(),
        retry_s: soa.retry.cast_unsigned(),
        expire_s: soa.expire.cast_unsigned(),
        minimum_s: soa.minimum,
    })
}

fn convert_tlsa(tlsa: &rr::rdata::TLSA) -> RData {
    RData::Tlsa {
        usage: tlsa.cert_usage.into(),
        selector: tlsa.selector.into(),
        matching: tlsa.matching.into(),
        data: Opaque::new(tlsa.cert_data.as_slice()),
    }
}

fn name(theirs: &rr::Name) -> Option<Name> {
    Name::from_labels(theirs.iter())
}

fn string(bytes: &[u8]) -> CharString {
    CharString::new(bytes)
}
