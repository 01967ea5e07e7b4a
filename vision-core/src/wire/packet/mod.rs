//! Captured packets, layer by layer.
//!
//! Two depths. [`Packet::decode`] gives every header as a typed [`Layer`] with its place, through
//! tunnels, up to the application's first words, and the [`Fault`] where a packet is cut or makes
//! no sense. [`flow`] gives addresses, ports, lengths and TCP flags alone and allocates nothing.
//! Both take any bytes: they neither panic nor recurse, and their work is linear in the packet.
//!
//! ```
//! use vision_core::wire::LinkType;
//! use vision_core::wire::packet::{Packet, Proto};
//!
//! let bytes = [
//!     0x45, 0, 0, 32, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
//!     0xd4, 0x31, 0x23, 0x82, 0, 12, 0, 0, b'p', b'i', b'n', b'g', // UDP
//! ];
//! let packet = Packet::decode(LinkType::RAW, &bytes);
//! let Some(Proto::Udp(udp)) = packet.layers.last().map(|layer| &layer.proto) else { panic!() };
//! assert_eq!((udp.src_port, udp.dst_port), (54321, 9090));
//! assert_eq!((packet.payload, packet.fault), (&b"ping"[..], None));
//! ```

mod app;
mod arp;
mod checksum;
mod fault;
mod flow;
mod icmp;
mod ipv4;
mod ipv6;
mod layer;
mod link;
mod part;
mod sctp;
mod tcp;
mod tunnel;
mod udp;
mod walk;

pub use self::app::{
    Alpn, ClientHello, Dhcp, Dhcp6, Dhcp6Option, Dhcp6Options, DhcpOption, DhcpOptions, Dns, Hello,
    Http, Http2, Http2Frame, HttpLine, Ntp, Quic, ServerHello, Snmp, Tls, WireGuard,
};
pub use self::arp::Arp;
pub use self::checksum::{Checksum, Unchecked, Verdict};
pub use self::fault::Fault;
pub use self::flow::{Flow, FlowKey, flow};
pub use self::icmp::{Icmp, Icmp6, Igmp, NdpOption, NdpOptions};
pub use self::ipv4::{Ipv4, Ipv4Option, Ipv4Options};
pub use self::ipv6::{Ipv6, Ipv6Extension, Ipv6Fragment};
pub use self::layer::{Kind, Layer, Proto};
pub use self::link::{Ethernet, Llc, Loopback, Ppp, Sll, Sll2, Vlan};
pub use self::sctp::{Sctp, SctpChunk, SctpChunks};
pub use self::tcp::{Tcp, TcpOption, TcpOptions};
pub use self::tunnel::{
    Ah, Esp, Geneve, Gre, Lldp, LldpTlv, LldpTlvs, Mpls, Pppoe, Stp, StpConfig, Vxlan,
};
pub use self::udp::Udp;
pub use self::walk::Packet;
