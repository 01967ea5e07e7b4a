//! Bytes to typed packets and back; no input or output.

pub(crate) mod arp;
#[cfg(feature = "dns")]
pub mod dns;
pub(crate) mod icmp;
mod link_type;
pub(crate) mod ndp;
pub mod packet;
pub(crate) mod quote;
pub(crate) mod segment;
pub(crate) mod timestamp;

pub use self::link_type::LinkType;
#[doc(hidden)]
pub use self::quote::read_icmp_error;

/// The Internet checksum of some bytes (RFC 1071), zero when a correct sum is included.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
            [last] => u32::from(*last) << 8,
            _ => 0,
        })
        .fold(0, |sum, word| sum.wrapping_add(word));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_example_of_rfc_1071_sums_up() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&bytes), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
    }
}
