//! Where the fields of headers lie, and what nft calls them.

use super::types::{
    ARP_OP, BOOLEAN, ETHER, ETHER_TYPE, ICMP_TYPE, ICMPV6_TYPE, IFINDEX, IFNAME, INTEGER, IPV4,
    IPV6, MARK, PROTO, SERVICE, STRING, TCP_FLAG, Type,
};

/// A field: its name, offset and length in bits, type.
pub(super) type Field = (&'static str, u32, u32, Type);

/// A header: nft's name, its base (0 link, 1 network, 2 transport), fields.
type Header = (&'static str, u32, &'static [Field]);

/// Finds the fields of a header.
pub(super) fn header(name: &str) -> Option<&'static Header> {
    HEADERS.iter().find(|header| header.0 == name)
}

/// The header an IP protocol number stands for.
pub(super) fn transport(protocol: u64) -> Option<&'static str> {
    let names = [
        (1, "icmp"),
        (2, "igmp"),
        (6, "tcp"),
        (17, "udp"),
        (33, "dccp"),
        (50, "esp"),
        (51, "ah"),
        (58, "icmpv6"),
        (108, "comp"),
        (132, "sctp"),
        (136, "udplite"),
    ];
    names.iter().find(|(number, _)| *number == protocol).map(|(_, name)| *name)
}

const SPORT: Field = ("sport", 0, 16, SERVICE);
const DPORT: Field = ("dport", 16, 16, SERVICE);

#[rustfmt::skip]
const HEADERS: &[Header] = &[
    ("ether", 0, &[("daddr", 0, 48, ETHER), ("saddr", 48, 48, ETHER), ("type", 96, 16, ETHER_TYPE)]),
    ("vlan", 0, &[("pcp", 112, 3, INTEGER), ("dei", 115, 1, INTEGER), ("id", 116, 12, INTEGER),
        ("type", 128, 16, ETHER_TYPE)]),
    ("ip", 1, &[("version", 0, 4, INTEGER), ("hdrlength", 4, 4, INTEGER), ("dscp", 8, 6, 36),
        ("ecn", 14, 2, 37), ("length", 16, 16, INTEGER), ("id", 32, 16, INTEGER),
        ("frag-off", 48, 16, INTEGER), ("ttl", 64, 8, INTEGER), ("protocol", 72, 8, PROTO),
        ("checksum", 80, 16, INTEGER), ("saddr", 96, 32, IPV4), ("daddr", 128, 32, IPV4)]),
    ("ip6", 1, &[("version", 0, 4, INTEGER), ("dscp", 4, 6, 36), ("ecn", 10, 2, 37),
        ("flowlabel", 12, 20, INTEGER), ("length", 32, 16, INTEGER), ("nexthdr", 48, 8, PROTO),
        ("hoplimit", 56, 8, INTEGER), ("saddr", 64, 128, IPV6), ("daddr", 192, 128, IPV6)]),
    ("arp", 1, &[("htype", 0, 16, INTEGER), ("ptype", 16, 16, ETHER_TYPE), ("hlen", 32, 8, INTEGER),
        ("plen", 40, 8, INTEGER), ("operation", 48, 16, ARP_OP), ("saddr ether", 64, 48, ETHER),
        ("saddr ip", 112, 32, IPV4), ("daddr ether", 144, 48, ETHER), ("daddr ip", 192, 32, IPV4)]),
    ("tcp", 2, &[SPORT, DPORT, ("sequence", 32, 32, INTEGER), ("ackseq", 64, 32, INTEGER),
        ("doff", 96, 4, INTEGER), ("reserved", 100, 4, INTEGER), ("flags", 104, 8, TCP_FLAG),
        ("window", 112, 16, INTEGER), ("checksum", 128, 16, INTEGER), ("urgptr", 144, 16, INTEGER)]),
    ("udp", 2, &[SPORT, DPORT, ("length", 32, 16, INTEGER), ("checksum", 48, 16, INTEGER)]),
    ("udplite", 2, &[SPORT, DPORT, ("csumcov", 32, 16, INTEGER), ("checksum", 48, 16, INTEGER)]),
    ("sctp", 2, &[SPORT, DPORT, ("vtag", 32, 32, INTEGER), ("checksum", 64, 32, INTEGER)]),
    ("dccp", 2, &[SPORT, DPORT, ("type", 67, 4, 16)]),
    ("icmp", 2, &[("type", 0, 8, ICMP_TYPE), ("code", 8, 8, 32), ("checksum", 16, 16, INTEGER),
        ("id", 32, 16, INTEGER), ("sequence", 48, 16, INTEGER), ("gateway", 32, 32, INTEGER)]),
    ("icmpv6", 2, &[("type", 0, 8, ICMPV6_TYPE), ("code", 8, 8, 33), ("checksum", 16, 16, INTEGER),
        ("id", 32, 16, INTEGER), ("sequence", 48, 16, INTEGER), ("mtu", 32, 32, INTEGER)]),
    ("igmp", 2, &[("type", 0, 8, 42), ("mrt", 8, 8, INTEGER), ("checksum", 16, 16, INTEGER),
        ("group", 32, 32, IPV4)]),
    ("ah", 2, &[("nexthdr", 0, 8, PROTO), ("hdrlength", 8, 8, INTEGER), ("reserved", 16, 16, INTEGER),
        ("spi", 32, 32, INTEGER), ("sequence", 64, 32, INTEGER)]),
    ("esp", 2, &[("spi", 0, 32, INTEGER), ("sequence", 32, 32, INTEGER)]),
    ("comp", 2, &[("nexthdr", 0, 8, PROTO), ("flags", 8, 8, INTEGER), ("cpi", 16, 16, INTEGER)]),
    ("th", 2, &[SPORT, DPORT]),
];

/// Keys of `meta`: name, bits, type (linux/netfilter/nf_tables.h `enum nft_meta_keys`).
#[rustfmt::skip]
pub(super) const META: &[(&str, u32, Type)] = &[
    ("meta length", 32, INTEGER), ("meta protocol", 16, ETHER_TYPE), ("meta priority", 32, 23),
    ("meta mark", 32, MARK), ("iif", 32, IFINDEX), ("oif", 32, IFINDEX), ("iifname", 128, IFNAME),
    ("oifname", 128, IFNAME), ("iiftype", 16, 21), ("oiftype", 16, 21), ("meta skuid", 32, 24),
    ("meta skgid", 32, 25), ("meta nftrace", 8, INTEGER), ("meta rtclassid", 32, 22),
    ("meta secmark", 32, INTEGER), ("meta nfproto", 8, 2), ("meta l4proto", 8, PROTO),
    ("meta ibrname", 128, IFNAME), ("meta obrname", 128, IFNAME), ("meta pkttype", 8, 31),
    ("meta cpu", 32, INTEGER), ("iifgroup", 32, 35), ("oifgroup", 32, 35),
    ("meta cgroup", 32, INTEGER), ("meta random", 32, INTEGER), ("meta secpath", 8, BOOLEAN),
    ("meta iifkind", 128, IFNAME), ("meta oifkind", 128, IFNAME), ("meta ibrpvid", 16, INTEGER),
    ("meta ibrvproto", 16, ETHER_TYPE), ("meta time", 64, 43), ("meta day", 8, 45),
    ("meta hour", 32, 44), ("meta sdif", 32, IFINDEX), ("meta sdifname", 128, IFNAME),
    ("meta broute", 8, INTEGER),
];

/// Keys of `ct`: name, bits, type (`enum nft_ct_keys`).
#[rustfmt::skip]
pub(super) const CT: &[(&str, u32, Type)] = &[
    ("state", 32, 26), ("direction", 8, 27), ("status", 32, 28), ("mark", 32, MARK),
    ("secmark", 32, INTEGER), ("expiration", 32, 18), ("helper", 128, STRING), ("l3proto", 8, 2),
    ("saddr", 128, INTEGER), ("daddr", 128, INTEGER), ("protocol", 8, PROTO),
    ("proto-src", 16, SERVICE), ("proto-dst", 16, SERVICE), ("label", 128, 30),
    ("packets", 64, INTEGER), ("bytes", 64, INTEGER), ("avgpkt", 64, INTEGER), ("zone", 16, INTEGER),
    ("event", 32, 40), ("ip saddr", 32, IPV4), ("ip daddr", 32, IPV4), ("ip6 saddr", 128, IPV6),
    ("ip6 daddr", 128, IPV6), ("id", 32, INTEGER),
];

/// Extension headers of IPv6, TCP options, IPv4 options, SCTP chunks: operation, number, name.
#[rustfmt::skip]
pub(super) const EXTENSIONS: &[(u64, u64, &str, &[Field])] = &[
    (0, 0, "hbh", &[("nexthdr", 0, 8, PROTO), ("hdrlength", 8, 8, INTEGER)]),
    (0, 43, "rt", &[("nexthdr", 0, 8, PROTO), ("hdrlength", 8, 8, INTEGER), ("type", 16, 8, INTEGER),
        ("seg-left", 24, 8, INTEGER)]),
    (0, 44, "frag", &[("nexthdr", 0, 8, PROTO), ("reserved", 8, 8, INTEGER),
        ("frag-off", 16, 13, INTEGER), ("reserved2", 29, 2, INTEGER), ("more-fragments", 31, 1, INTEGER),
        ("id", 32, 32, INTEGER)]),
    (0, 60, "dst", &[("nexthdr", 0, 8, PROTO), ("hdrlength", 8, 8, INTEGER)]),
    (0, 135, "mh", &[("nexthdr", 0, 8, PROTO), ("hdrlength", 8, 8, INTEGER), ("type", 16, 8, 17),
        ("reserved", 24, 8, INTEGER), ("checksum", 32, 16, INTEGER)]),
    (1, 0, "tcp option eol", &[("kind", 0, 8, INTEGER)]),
    (1, 1, "tcp option nop", &[("kind", 0, 8, INTEGER)]),
    (1, 2, "tcp option maxseg", &[("kind", 0, 8, INTEGER), ("length", 8, 8, INTEGER), ("size", 16, 16, INTEGER)]),
    (1, 3, "tcp option window", &[("kind", 0, 8, INTEGER), ("length", 8, 8, INTEGER), ("count", 16, 8, INTEGER)]),
    (1, 4, "tcp option sack-perm", &[("kind", 0, 8, INTEGER), ("length", 8, 8, INTEGER)]),
    (1, 5, "tcp option sack", &[("kind", 0, 8, INTEGER), ("length", 8, 8, INTEGER),
        ("left", 16, 32, INTEGER), ("right", 48, 32, INTEGER)]),
    (1, 8, "tcp option timestamp", &[("kind", 0, 8, INTEGER), ("length", 8, 8, INTEGER),
        ("tsval", 16, 32, INTEGER), ("tsecr", 48, 32, INTEGER)]),
    (1, 30, "tcp option mptcp", &[("kind", 0, 8, INTEGER), ("length", 8, 8, INTEGER), ("subtype", 16, 4, INTEGER)]),
    (2, 7, "ip option rr", OPTION), (2, 131, "ip option lsrr", OPTION), (2, 137, "ip option ssrr", OPTION),
    (2, 148, "ip option ra", &[("type", 0, 8, INTEGER), ("length", 8, 8, INTEGER), ("value", 16, 16, INTEGER)]),
    (3, 0, "sctp chunk data", CHUNK), (3, 1, "sctp chunk init", CHUNK), (3, 2, "sctp chunk init-ack", CHUNK),
    (3, 3, "sctp chunk sack", CHUNK), (3, 4, "sctp chunk heartbeat", CHUNK),
    (3, 5, "sctp chunk heartbeat-ack", CHUNK), (3, 6, "sctp chunk abort", CHUNK),
    (3, 7, "sctp chunk shutdown", CHUNK), (3, 8, "sctp chunk shutdown-ack", CHUNK),
    (3, 9, "sctp chunk error", CHUNK), (3, 10, "sctp chunk cookie-echo", CHUNK),
    (3, 11, "sctp chunk cookie-ack", CHUNK), (3, 12, "sctp chunk ecne", CHUNK),
    (3, 13, "sctp chunk cwr", CHUNK), (3, 14, "sctp chunk shutdown-complete", CHUNK),
];
const OPTION: &[Field] = &[
    ("type", 0, 8, INTEGER),
    ("length", 8, 8, INTEGER),
    ("ptr", 16, 8, INTEGER),
    ("addr", 24, 32, INTEGER),
];
const CHUNK: &[Field] =
    &[("type", 0, 8, INTEGER), ("flags", 8, 8, INTEGER), ("length", 16, 16, INTEGER)];

/// Headers by nft's numbers for them (nftables proto.h `enum proto_desc_id`), and the names of
/// their fields by the numbers of the header's own list.
#[rustfmt::skip]
const DESCRIBED: &[(u32, &str, &[&str])] = &[
    (1, "ah", &["", "nexthdr", "hdrlength", "reserved", "spi", "sequence"]),
    (2, "esp", &["", "spi", "sequence"]),
    (3, "comp", &["", "nexthdr", "flags", "cpi"]),
    (4, "icmp", &["", "type", "code", "checksum", "id", "sequence"]),
    (5, "igmp", &["", "type", "checksum", "mrt", "group"]),
    (6, "udp", &["", "sport", "dport", "length", "checksum"]),
    (7, "udplite", &["", "sport", "dport", "length", "checksum", "csumcov"]),
    (8, "tcp", &["", "sport", "dport", "sequence", "ackseq", "doff", "reserved", "flags", "window", "checksum", "urgptr"]),
    (9, "dccp", &["", "sport", "dport", "type"]),
    (10, "sctp", &["", "sport", "dport", "vtag", "checksum"]),
    (11, "th", &["", "sport", "dport"]),
    (12, "ip", &["", "version", "hdrlength", "dscp", "ecn", "length", "id", "frag-off", "ttl", "protocol", "checksum", "saddr", "daddr"]),
    (13, "ip6", &["", "version", "dscp", "ecn", "flowlabel", "length", "nexthdr", "hoplimit", "saddr", "daddr"]),
    (14, "icmpv6", &["", "type", "code", "checksum", "mtu", "id", "sequence"]),
    (15, "arp", &["", "htype", "ptype", "hlen", "plen", "operation", "saddr ether", "daddr ether", "saddr ip", "daddr ip"]),
    (16, "vlan", &["", "pcp", "dei", "", "id", "type"]),
    (17, "ether", &["", "daddr", "saddr", "type"]),
];

/// The words, bits and type of a field by nft's numbers.
pub(super) fn described(header: u32, field: u32) -> Option<(String, u32, Type)> {
    let (_, name, order) = DESCRIBED.iter().find(|row| row.0 == header)?;
    let wanted = order.get(field as usize).filter(|it| !it.is_empty())?;
    let (_, _, fields) = self::header(name)?;
    let field = fields.iter().find(|field| field.0 == *wanted)?;
    Some((format!("{name} {wanted}"), field.2, field.3))
}
