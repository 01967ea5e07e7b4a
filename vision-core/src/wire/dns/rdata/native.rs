//! Record data of the types that the library leaves alone: DNSSEC, newer and rarer ones.

use super::{Loc, Nsec3, RData, Rrsig, Tkey, TypeBitmap};
use crate::base::DecodeError;
use crate::wire::dns::cursor::Cursor;
use crate::wire::dns::{CharString, Opaque, RecordType};

type Read<T> = Result<T, DecodeError>;

/// Reads the whole of `data`; `None` for a type without a form of its own.
pub(super) fn decode(data: &mut Cursor<'_>, rtype: RecordType) -> Result<Option<RData>, String> {
    let rdata = read(data, rtype).map_err(|error| error.to_string())?;
    match (rdata, data.left()) {
        (Some(_), left @ 1..) => Err(format!("{left} bytes too many")),
        (rdata, _) => Ok(rdata),
    }
}

fn read(data: &mut Cursor<'_>, rtype: RecordType) -> Read<Option<RData>> {
    use RecordType as T;
    Ok(Some(match rtype {
        T::Dname => RData::Dname(data.name()?),
        T::Spf | T::Avc => text(data)?,
        T::Ds | T::Cds | T::Dlv | T::Ta => ds(data)?,
        T::Dnskey | T::Cdnskey | T::Key => dnskey(data)?,
        T::Rrsig | T::Sig => rrsig(data)?,
        T::Nsec => RData::Nsec { next: data.name()?, types: TypeBitmap::decode(data)? },
        T::Nsec3 => nsec3(data)?,
        T::Nsec3Param => nsec3param(data)?,
        T::Zonemd => zonemd(data)?,
        T::Csync => csync(data)?,
        T::Loc => return Ok(Loc::decode(data)?.map(RData::Loc)),
        T::Uri => uri(data)?,
        T::Rp | T::Minfo => RData::Pair { first: data.name()?, second: data.name()? },
        T::Afsdb | T::Rt | T::Kx | T::Lp => {
            RData::Preference { preference: data.u16()?, name: data.name()? }
        }
        T::Eui48 => RData::Eui(Opaque::new(data.bytes(6)?)),
        T::Eui64 => RData::Eui(Opaque::new(data.bytes(8)?)),
        T::Dhcid => RData::Base64(Opaque::new(data.rest())),
        T::Cert => cert(data)?,
        T::Tkey => tkey(data)?,
        _ => return Ok(None),
    }))
}

fn text(data: &mut Cursor<'_>) -> Read<RData> {
    let mut parts = vec![CharString::new(data.counted()?)];
    while data.left() > 0 {
        parts.push(CharString::new(data.counted()?));
    }
    Ok(RData::Txt(parts))
}

fn ds(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Ds {
        key_tag: data.u16()?,
        algorithm: data.u8()?,
        digest_type: data.u8()?,
        digest: Opaque::new(data.rest()),
    })
}

fn dnskey(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Dnskey {
        flags: data.u16()?,
        protocol: data.u8()?,
        algorithm: data.u8()?,
        key: Opaque::new(data.rest()),
    })
}

fn rrsig(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Rrsig(Rrsig {
        covers: RecordType::from_raw(data.u16()?),
        algorithm: data.u8()?,
        labels: data.u8()?,
        original_ttl_s: data.u32()?,
        expires_unix_s: data.u32()?,
        inception_unix_s: data.u32()?,
        key_tag: data.u16()?,
        signer: data.name()?,
        signature: Opaque::new(data.rest()),
    }))
}

fn nsec3(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Nsec3(Nsec3 {
        algorithm: data.u8()?,
        flags: data.u8()?,
        iterations: data.u16()?,
        salt: Opaque::new(data.counted()?),
        next_hashed: Opaque::new(data.counted()?),
        types: TypeBitmap::decode(data)?,
    }))
}

fn nsec3param(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Nsec3Param {
        algorithm: data.u8()?,
        flags: data.u8()?,
        iterations: data.u16()?,
        salt: Opaque::new(data.counted()?),
    })
}

fn zonemd(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Zonemd {
        serial: data.u32()?,
        scheme: data.u8()?,
        algorithm: data.u8()?,
        digest: Opaque::new(data.rest()),
    })
}

fn csync(data: &mut Cursor<'_>) -> Read<RData> {
    let (serial, flags) = (data.u32()?, data.u16()?);
    Ok(RData::Csync { serial, flags, types: TypeBitmap::decode(data)? })
}

fn uri(data: &mut Cursor<'_>) -> Read<RData> {
    let (priority, weight) = (data.u16()?, data.u16()?);
    Ok(RData::Uri { priority, weight, target: CharString::new(data.rest()) })
}

fn cert(data: &mut Cursor<'_>) -> Read<RData> {
    Ok(RData::Cert {
        kind: data.u16()?,
        key_tag: data.u16()?,
        algorithm: data.u8()?,
        certificate: Opaque::new(data.rest()),
    })
}

fn tkey(data: &mut Cursor<'_>) -> Read<RData> {
    let block = |data: &mut Cursor<'_>| {
        let length = data.u16()?;
        data.bytes(usize::from(length)).map(Opaque::new)
    };
    Ok(RData::Tkey(Tkey {
        algorithm: data.name()?,
        inception_unix_s: data.u32()?,
        expires_unix_s: data.u32()?,
        mode: data.u16()?,
        error: data.u16()?,
        key: block(data)?,
        other: block(data)?,
    }))
}
