//! A veth hands packets over before their TCP and UDP checksums are computed; a relay has to do that.

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Fills in the TCP or UDP checksum of a frame; leaves all else (fragments, other protocols) alone.
pub(super) fn complete(frame: &mut [u8]) {
    let _ = try_complete(frame);
}

fn try_complete(frame: &mut [u8]) -> Option<()> {
    let (addresses, proto, start, end) = match frame.get(12..14)? {
        [0x08, 0x00] => {
            let fragment = u16_at(frame, 20)? & 0x3fff != 0;
            let start = 14 + usize::from(frame.get(14)? & 15) * 4;
            (
                26..34,
                (!fragment).then_some(*frame.get(23)?)?,
                start,
                14 + usize::from(u16_at(frame, 16)?),
            )
        }
        [0x86, 0xdd] => (22..54, *frame.get(20)?, 54, 54 + usize::from(u16_at(frame, 18)?)),
        _ => return None,
    };
    let field = start
        + match proto {
            TCP => 16,
            UDP => 6,
            _ => return None,
        };
    // Zero says that a UDP sender over IPv4 wants none.
    if proto == UDP && u16_at(frame, field)? == 0 {
        return None;
    }
    let length = end.checked_sub(start)?;
    frame.get_mut(field..field + 2)?.fill(0);
    let pseudo = sum(frame.get(addresses)?) + u64::from(proto) + length as u64;
    let value = !fold(pseudo + sum(frame.get(start..end)?));
    // A computed zero is sent as all ones (RFC 768).
    let value = if value == 0 && proto == UDP { 0xffff } else { value };
    frame.get_mut(field..field + 2)?.copy_from_slice(&value.to_be_bytes());
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn sum(bytes: &[u8]) -> u64 {
    let word = |pair: &[u8]| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    bytes.chunks(2).map(word).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
