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

/// Where a frame came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameSource {
    pub(crate) ifindex: u32,
    pub(crate) mac: Option<[u8; 6]>,
    pub(crate) outgoing: bool,
}

/// Reads the address `recvfrom` gave for a packet socket.
pub(crate) fn source(addr: &SockAddr) -> Option<FrameSource> {
    if i32::from(addr.family()) != libc::AF_PACKET
        || (addr.len() as usize) < size_of::<libc::sockaddr_ll>()
    {
        return None;
    }
    // SAFETY: the family and the length, checked above, say that a sockaddr_ll is there.
    let ll = unsafe { &*addr.as_ptr().cast::<libc::sockaddr_ll>() };
    let mac = (ll.sll_halen == 6)
        .then(|| ll.sll_addr.first_chunk::<6>().copied())
        .flatten();
    let outgoing = ll.sll_pkttype == libc::PACKET_OUTGOING;
    Some(FrameSource {
        ifindex: u32::try_from(ll.sll_ifindex).ok()?,
        mac,
        outgoing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        let addr = address(7, 0x0806, Some([1, 2, 3, 4, 5, 6]));
        let expected = FrameSource {
            ifindex: 7,
            mac: Some([1, 2, 3, 4, 5, 6]),
            outgoing: false,
        };
        assert_eq!(source(&addr), Some(expected));
        let inet: std::net::SocketAddr = "127.0.0.1:1".parse().expect("address");
        assert_eq!(source(&inet.into()), None);
    }
}
