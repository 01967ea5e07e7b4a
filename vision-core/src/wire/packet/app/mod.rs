//! The first words of applications, by port or by shape.

mod dhcp;
mod dhcp6;
mod dns;
mod http;
mod http2;
mod ntp;
mod quic;
mod snmp;
mod tls;
mod wireguard;

pub use self::dhcp::{Dhcp, DhcpOption, DhcpOptions};
pub use self::dhcp6::{Dhcp6, Dhcp6Option, Dhcp6Options};
pub use self::dns::Dns;
pub use self::http::{Http, HttpLine};
pub use self::http2::{Http2, Http2Frame};
pub use self::ntp::Ntp;
pub use self::quic::Quic;
pub use self::snmp::Snmp;
pub use self::tls::{Alpn, ClientHello, Hello, ServerHello, Tls};
pub use self::wireguard::WireGuard;

use super::part::Part;
use super::walk::{Next, Step};
use super::{Kind, tunnel};

/// Names what a TCP segment carries.
#[inline]
pub(super) fn over_tcp(src_port: u16, dst_port: u16, data: &[u8]) -> Next {
    match data {
        [] => Next::Nothing,
        _ if [src_port, dst_port].iter().any(|port| matches!(port, 53 | 5353)) => Next::DnsOverTcp,
        [0x14..=0x18, 3, 0..=4, ..] => Next::App(Kind::Tls),
        [b'A'..=b'Z', ..] if http2::is_preface(data) => Next::App(Kind::Http2),
        [b'A'..=b'Z', ..] if http::is_first_line(data) => Next::App(Kind::Http),
        _ => Next::Nothing,
    }
}

/// Names what a UDP datagram carries: by either port, then by shape.
#[inline]
pub(super) fn over_udp(src_port: u16, dst_port: u16, data: &[u8]) -> Next {
    let (low, high) = (src_port.min(dst_port), src_port.max(dst_port));
    let by_port = |port| match port {
        53 | 5353 | 5355 => Some(Next::App(Kind::Dns)),
        67 | 68 => Some(Next::App(Kind::Dhcp)),
        546 | 547 => Some(Next::App(Kind::Dhcp6)),
        123 => Some(Next::App(Kind::Ntp)),
        161 | 162 => Some(Next::App(Kind::Snmp)),
        1900 if http::is_first_line(data) => Some(Next::App(Kind::Http)),
        4500 => Some(nat_traversal(data)),
        4754 => Some(Next::Protocol(47)),
        4789 | 4790 | 8472 => Some(Next::Vxlan(port)),
        6081 => Some(Next::App(Kind::Geneve)),
        6635 => Some(Next::Mpls),
        51820 if wireguard::is_message(data) => Some(Next::App(Kind::WireGuard)),
        _ if quic::is_long_header(data) => Some(Next::App(Kind::Quic)),
        _ => None,
    };
    match data {
        [] => Next::Nothing,
        _ => by_port(low).or_else(|| by_port(high)).unwrap_or(Next::Nothing),
    }
}

/// Encrypted payloads, key exchange behind four zeroes, and lone 0xff (RFC 3948 §2).
fn nat_traversal(data: &[u8]) -> Next {
    match data {
        [0, 0, 0, 0, ..] | [0xff] => Next::Nothing,
        _ => Next::Protocol(50),
    }
}

pub(super) fn read(kind: Kind, part: Part<'_>) -> Step<'_> {
    match kind {
        Kind::Dns => dns::dns(part),
        Kind::Dhcp => dhcp::dhcp(part),
        Kind::Dhcp6 => dhcp6::dhcp6(part),
        Kind::Tls => tls::tls(part),
        Kind::Http => http::http(part),
        Kind::Http2 => http2::http2(part),
        Kind::Quic => quic::quic(part),
        Kind::Ntp => ntp::ntp(part),
        Kind::Snmp => snmp::snmp(part),
        Kind::WireGuard => wireguard::wireguard(part),
        Kind::Geneve => tunnel::geneve(part),
        Kind::Stp => tunnel::stp(part),
        _ => Ok(None),
    }
}

pub(super) use self::dns::over_tcp as dns_over_tcp;
