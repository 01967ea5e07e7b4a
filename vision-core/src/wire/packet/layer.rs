use std::fmt;

use super::app::{Dhcp, Dhcp6, Dns, Http, Http2, Ntp, Quic, Snmp, Tls, WireGuard};
use super::tunnel::{Ah, Esp, Geneve, Gre, Lldp, Mpls, Pppoe, Stp, Vxlan};
use super::{
    Arp, Ethernet, Icmp, Icmp6, Igmp, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, Llc, Loopback, Ppp,
    Sctp, Sll, Sll2, Tcp, Udp, Vlan,
};

/// One header of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layer<'a> {
    /// Where it begins, in bytes from the start of the packet.
    pub offset: usize,
    /// Length of the header in bytes; of the whole message where it has no payload.
    pub len: usize,
    /// It stands in the packet that an ICMP error quotes.
    pub is_quoted: bool,
    /// What it says.
    pub proto: Proto<'a>,
}

macro_rules! layers {
    ($($variant:ident $(<$life:lifetime>)?, $name:literal, $doc:literal;)+) => {
        /// What a header says, by protocol.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Proto<'a> {
            $(#[doc = $doc] $variant($variant $(<$life>)?),)+
        }

        /// The protocol of a header, for faults and statistics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub enum Kind {
            $(#[doc = $doc] #[cfg_attr(feature = "serde", serde(rename = $name))] $variant,)+
        }

        impl Proto<'_> {
            /// Returns which protocol it is.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant(_) => Kind::$variant,)+
                }
            }
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the short name, `ipv4`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

layers! {
    Ethernet, "eth", "Ethernet (IEEE 802.3 §3).";
    Vlan, "vlan", "A VLAN tag (IEEE 802.1Q §9).";
    Llc, "llc", "Logical link control, with SNAP where it is there (IEEE 802.2).";
    Sll, "sll", "A Linux cooked header.";
    Sll2, "sll2", "A Linux cooked header, version 2.";
    Loopback, "null", "The address family in front of BSD loopback packets.";
    Ppp, "ppp", "PPP (RFC 1661).";
    Pppoe, "pppoe", "PPP over Ethernet (RFC 2516).";
    Mpls, "mpls", "One entry of an MPLS label stack (RFC 3032).";
    Arp, "arp", "ARP and RARP (RFC 826, RFC 903).";
    Lldp<'a>, "lldp", "Link layer discovery (IEEE 802.1AB).";
    Stp, "stp", "Spanning tree (IEEE 802.1D §9).";
    Ipv4<'a>, "ipv4", "IPv4 (RFC 791).";
    Ipv6, "ipv6", "IPv6 (RFC 8200).";
    Ipv6Extension<'a>, "ipv6_ext", "An IPv6 extension header with options or a route (RFC 8200 §4).";
    Ipv6Fragment, "ipv6_frag", "The IPv6 fragment header (RFC 8200 §4.5).";
    Ah, "ah", "The IPsec authentication header (RFC 4302).";
    Esp, "esp", "An encrypted IPsec payload (RFC 4303).";
    Icmp<'a>, "icmp", "ICMP (RFC 792).";
    Icmp6<'a>, "icmpv6", "ICMPv6 and neighbour discovery (RFC 4443, RFC 4861).";
    Igmp, "igmp", "Group membership (RFC 2236, RFC 3376).";
    Tcp<'a>, "tcp", "TCP (RFC 9293).";
    Udp, "udp", "UDP and UDP-Lite (RFC 768, RFC 3828).";
    Sctp<'a>, "sctp", "SCTP (RFC 9260).";
    Gre, "gre", "Generic routing encapsulation (RFC 2784, RFC 2890, RFC 2637).";
    Vxlan, "vxlan", "VXLAN (RFC 7348).";
    Geneve<'a>, "geneve", "Geneve (RFC 8926).";
    Dns<'a>, "dns", "A DNS message (RFC 1035), multicast (RFC 6762) and LLMNR (RFC 4795) too.";
    Dhcp<'a>, "dhcp", "DHCP and BOOTP (RFC 2131, RFC 951).";
    Dhcp6<'a>, "dhcpv6", "DHCPv6 (RFC 8415).";
    Tls<'a>, "tls", "TLS records and what the first handshake message says (RFC 8446).";
    Http<'a>, "http", "The first line of HTTP/1 and its host (RFC 9112).";
    Http2, "http2", "The HTTP/2 preface and frame headers (RFC 9113).";
    Quic<'a>, "quic", "A QUIC long header (RFC 9000 §17.2).";
    Ntp, "ntp", "NTP (RFC 5905).";
    Snmp<'a>, "snmp", "SNMP: version, community, kind (RFC 3416).";
    WireGuard, "wireguard", "A WireGuard message.";
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
