use std::mem::size_of;

use nix::libc;
use socket2::{SockAddr, SockAddrStorage};

/// Builds the link-layer address a packet socket is bound to or sends to (packet(7)).
pub(crate) fn address(ifindex: u32, ethertype: u16, to: Option<[u8; 6]>) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: every bit pattern is a valid sockaddr_ll, and it fits the storage.
    let ll = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    ll.sll_family = libc::AF_PACKET as u16;
    ll.sll_protocol = ethertype.to_be();
    ll.sll_ifindex = ifindex as i32;
    if let Some(mac) = to {
        ll.sll_halen = 6;
        ll.sll_addr[..6].copy_from_slice(&mac);
    }
    // SAFETY: the storage holds a whole sockaddr_ll, whose size is given.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_length_and_family_the_kernel_expects() {
        let addr = address(7, 0x0806, Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(addr.len() as usize, size_of::<libc::sockaddr_ll>());
        assert_eq!(i32::from(addr.family()), libc::AF_PACKET);
    }
}
