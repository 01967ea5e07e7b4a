//! Where the root zone is served (www.internic.net/domain/named.root, June 2024).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::dns::Name;

const ROOTS: [(&str, Ipv4Addr, Ipv6Addr); 13] = [
    ("a", v4(198, 41, 0, 4), v6(0x2001_0503_ba3e, 0x0002_0030)),
    ("b", v4(170, 247, 170, 2), v6(0x2801_01b8_0010, 0x0000_000b)),
    ("c", v4(192, 33, 4, 12), v6(0x2001_0500_0002, 0x0000_000c)),
    ("d", v4(199, 7, 91, 13), v6(0x2001_0500_002d, 0x0000_000d)),
    ("e", v4(192, 203, 230, 10), v6(0x2001_0500_00a8, 0x0000_000e)),
    ("f", v4(192, 5, 5, 241), v6(0x2001_0500_002f, 0x0000_000f)),
    ("g", v4(192, 112, 36, 4), v6(0x2001_0500_0012, 0x0000_0d0d)),
    ("h", v4(198, 97, 190, 53), v6(0x2001_0500_0001, 0x0000_0053)),
    ("i", v4(192, 36, 148, 17), v6(0x2001_07fe_0000, 0x0000_0053)),
    ("j", v4(192, 58, 128, 30), v6(0x2001_0503_0c27, 0x0002_0030)),
    ("k", v4(193, 0, 14, 129), v6(0x2001_07fd_0000, 0x0000_0001)),
    ("l", v4(199, 7, 83, 42), v6(0x2001_0500_009f, 0x0000_0042)),
    ("m", v4(202, 12, 27, 33), v6(0x2001_0dc3_0000, 0x0000_0035)),
];

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

/// The first 48 and the last 32 bits; those between are zero.
const fn v6(site: u64, host: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits((site as u128) << 80 | host as u128)
}

/// Lists all of them, each with its IPv4 and its IPv6 address.
pub(super) fn all(port: u16) -> Vec<(Option<Name>, SocketAddr)> {
    let servers = ROOTS.iter().flat_map(|(letter, v4, v6)| {
        let name = format!("{letter}.root-servers.net").parse::<Name>().ok();
        let addresses: [IpAddr; 2] = [(*v4).into(), (*v6).into()];
        addresses.map(|addr| (name.clone(), SocketAddr::new(addr, port)))
    });
    let mut servers: Vec<_> = servers.collect();
    // Every IPv4 address before the first of IPv6: many networks have no way there.
    servers.sort_by_key(|(_, addr)| addr.is_ipv6());
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_those_of_the_published_file() {
        let all = all(53);
        let text: Vec<_> = all.iter().map(|(_, addr)| addr.ip().to_string()).collect();
        assert_eq!((all.len(), text[0].as_str()), (26, "198.41.0.4"));
        for addr in ["2001:503:ba3e::2:30", "2801:1b8:10::b", "2001:500:12::d0d", "2001:7fe::53"] {
            assert!(text.contains(&addr.to_owned()), "{addr}");
        }
        for addr in ["2001:503:c27::2:30", "2001:7fd::1", "2001:500:9f::42", "2001:dc3::35"] {
            assert!(text.contains(&addr.to_owned()), "{addr}");
        }
    }
}
