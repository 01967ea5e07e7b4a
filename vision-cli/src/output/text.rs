//! Text put together in memory: numbers and addresses in the lines of long lists, where the
//! formatting machinery would take most of the time. What is rare goes through `write!`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vision_core::base::Escaped;
use vision_core::{LinkAddr, Prefix, Untrusted};

/// What can be put at the end of a buffer.
pub trait Put {
    /// Puts text as it is.
    fn put(&mut self, text: &str);

    /// Puts a number.
    fn uint(&mut self, number: u64);

    /// Puts a number with its sign.
    fn int(&mut self, number: i64);

    /// Puts an address.
    fn ip(&mut self, addr: IpAddr);

    /// Puts an address and its length.
    fn prefix(&mut self, prefix: Prefix);

    /// Puts the address of an interface.
    fn mac(&mut self, addr: LinkAddr);

    /// Puts a name that somebody else chose, made safe.
    fn name(&mut self, name: &Untrusted);

    /// Fills up with blanks on the left of what was put after `start`.
    fn right(&mut self, start: usize, width: usize);

    /// Fills up with blanks what was put after `start`.
    fn left(&mut self, start: usize, width: usize);
}

impl Put for Vec<u8> {
    #[inline]
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn uint(&mut self, mut number: u64) {
        if let Ok(number) = u16::try_from(number) {
            return short(self, number);
        }
        let mut digits = [0; 20];
        let mut free = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            free -= 1;
            if number == 0 {
                break;
            }
        }
        self.extend_from_slice(digits.get(free..).unwrap_or_default());
    }

    #[inline]
    fn int(&mut self, number: i64) {
        if number < 0 {
            self.push(b'-');
        }
        self.uint(number.unsigned_abs());
    }

    #[inline]
    fn ip(&mut self, addr: IpAddr) {
        match addr {
            IpAddr::V4(addr) => v4(self, addr),
            IpAddr::V6(addr) => v6(self, addr),
        }
    }

    #[inline]
    fn prefix(&mut self, prefix: Prefix) {
        self.ip(prefix.addr());
        self.push(b'/');
        octet(self, prefix.bits());
    }

    #[inline]
    fn mac(&mut self, addr: LinkAddr) {
        let bytes = addr.as_bytes();
        for byte in bytes {
            self.extend_from_slice(&[nibble(byte >> 4), nibble(byte & 15), b':']);
        }
        self.truncate(self.len() - usize::from(!bytes.is_empty()));
    }

    #[inline]
    fn name(&mut self, name: &Untrusted) {
        let bytes = name.as_bytes();
        match bytes.iter().all(|byte| matches!(byte, b' '..=b'~') && *byte != b'\\') {
            true => self.extend_from_slice(bytes),
            // A vector takes all.
            false => drop(write!(self, "{}", Escaped::new(bytes))),
        }
    }

    #[inline]
    fn right(&mut self, start: usize, width: usize) {
        let len = self.len().saturating_sub(start);
        self.left(start, width);
        if let Some(field) = self.get_mut(start..)
            && let Some(blanks) = width.checked_sub(len)
        {
            field.copy_within(..len, blanks);
            field.iter_mut().take(blanks).for_each(|byte| *byte = b' ');
        }
    }

    #[inline]
    fn left(&mut self, start: usize, width: usize) {
        if self.len() < start + width {
            self.resize(start + width, b' ');
        }
    }
}

/// The digits of each byte from the left with a point behind them, lowest byte first, and how many
/// bytes that is.
const OCTETS: [(u32, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut n = 0;
    while n < 256 {
        let (a, b, c) = (b'0' + (n / 100) as u8, b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8);
        table[n] = match n {
            0..10 => (u32::from_le_bytes([c, b'.', 0, 0]), 2),
            10..100 => (u32::from_le_bytes([b, c, b'.', 0]), 3),
            _ => (u32::from_le_bytes([a, b, c, b'.']), 4),
        };
        n += 1;
    }
    table
};

/// Puts the beginning of a small array: its whole copy is one instruction, a part of it a call.
#[inline]
fn first<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N], len: usize) {
    let end = out.len() + len;
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

#[inline]
fn octet(out: &mut Vec<u8>, byte: u8) {
    let (digits, len) = OCTETS[usize::from(byte)];
    first(out, digits.to_le_bytes(), usize::from(len) - 1);
}

/// Numbers of up to five digits, such as ports.
#[inline]
fn short(out: &mut Vec<u8>, number: u16) {
    let ten = u64::from(number);
    let [a, b, c, d, e] = [ten / 10_000, ten / 1000 % 10, ten / 100 % 10, ten / 10 % 10, ten % 10];
    let digits = a | b << 8 | c << 16 | d << 24 | e << 32;
    // The first digit that counts is the lowest byte that is not zero; the last one always does.
    let zeros = (digits.trailing_zeros() / 8).min(4) as usize;
    let text = ((digits | 0x30_3030_3030) >> (8 * zeros)).to_le_bytes();
    first(out, text, 5 - zeros);
}

/// Puts it together in two registers: what is written to memory in small pieces cannot be read
/// back in a large one before all of them have arrived there.
#[inline]
fn v4(out: &mut Vec<u8>, addr: Ipv4Addr) {
    let [a, b, c, d] = addr.octets().map(|byte| OCTETS[usize::from(byte)]);
    let pair = |(left, len): (u32, u8), (right, more): (u32, u8)| {
        (u64::from(left) | u64::from(right) << (8 * u32::from(len)), usize::from(len + more))
    };
    let ((left, len), (right, more)) = (pair(a, b), pair(c, d));
    first(out, left.to_le_bytes(), len);
    first(out, right.to_le_bytes(), more - 1);
}

fn v6(out: &mut Vec<u8>, addr: Ipv6Addr) {
    if addr.to_ipv4_mapped().is_some() {
        return drop(write!(out, "{addr}"));
    }
    // RFC 5952: the longest run of two and more zeros is left out, the first of equal ones.
    let segments = addr.segments();
    let (mut gap, mut run) = (0..0, 0..0);
    for (n, segment) in segments.iter().enumerate() {
        run = if *segment == 0 { run.start..n + 1 } else { n + 1..n + 1 };
        if run.len() > gap.len() && run.len() > 1 {
            gap = run.clone();
        }
    }
    for (n, segment) in segments.iter().enumerate() {
        if gap.contains(&n) {
            if n == gap.start {
                out.extend_from_slice(b"::");
            }
            continue;
        }
        if n > 0 && n != gap.end {
            out.push(b':');
        }
        hex(out, *segment);
    }
}

#[inline]
fn hex(out: &mut Vec<u8>, number: u16) {
    let digits = [12, 8, 4, 0].map(|shift| nibble((number >> shift & 15) as u8));
    let zeros = (number.leading_zeros() / 4).min(3) as usize;
    out.extend_from_slice(digits.get(zeros..).unwrap_or_default());
}

#[inline]
fn nibble(value: u8) -> u8 {
    b"0123456789abcdef"[usize::from(value & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_and_addresses_are_what_the_standard_library_writes() {
        for number in (0..=65_536).chain([1_000_000, 4_294_967_295, u64::MAX]) {
            assert_eq!(shown(|out| out.uint(number)), number.to_string());
        }
        for number in [0, -1, -255, -256, i64::MIN, i64::MAX] {
            assert_eq!(shown(|out| out.int(number)), number.to_string());
        }
        for n in 0..=u32::from(u16::MAX) {
            let addr = Ipv4Addr::from(n.wrapping_mul(0x9e37_79b1));
            assert_eq!(shown(|out| out.ip(addr.into())), addr.to_string());
        }
        // Every pattern of zero segments, with small and large ones between.
        for pattern in 0..=u16::from(u8::MAX) {
            for value in [1, 0x10, 0xabc, 0xffff] {
                let bit = |n: u16| if pattern >> n & 1 == 1 { value } else { 0 };
                let addr = Ipv6Addr::from([0, 1, 2, 3, 4, 5, 6, 7].map(bit));
                assert_eq!(shown(|out| out.ip(addr.into())), addr.to_string());
            }
        }
        for addr in ["::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::a00:1"] {
            let addr: IpAddr = addr.parse().expect("an address");
            assert_eq!(shown(|out| out.ip(addr)), addr.to_string());
        }
        let mac: LinkAddr = "02:0a:ff:00:9b:01".parse().expect("a MAC");
        assert_eq!(shown(|out| out.mac(mac)), mac.to_string());
        let net: Prefix = "fd00::/64".parse().expect("a prefix");
        assert_eq!(shown(|out| out.prefix(net)), net.to_string());
    }

    #[test]
    fn fields_are_filled_up_and_names_escaped() {
        let field = |put: fn(&mut Vec<u8>)| {
            shown(|out| {
                out.put("a|");
                put(out);
                out.put("|");
            })
        };
        assert_eq!(field(|out| [out.put("xy"), out.right(2, 4)][0]), "a|  xy|");
        assert_eq!(field(|out| [out.put("xy"), out.left(2, 4)][0]), "a|xy  |");
        assert_eq!(field(|out| [out.put("xyz"), out.right(2, 2)][0]), "a|xyz|");
        assert_eq!(shown(|out| out.name(&"e\x1b\\0".into())), "e\\x1b\\\\0");
        assert_eq!(shown(|out| out.name(&"eth0".into())), "eth0");
    }
}
