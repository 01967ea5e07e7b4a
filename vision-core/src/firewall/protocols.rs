//! Names of IP protocols and of ICMP messages, as the tools around netfilter write them.

/// Numbers of IANA under the names of /etc/protocols.
#[rustfmt::skip]
const PROTOCOLS: &[(u8, &str)] = &[
    (1, "icmp"), (2, "igmp"), (3, "ggp"), (4, "ipencap"), (5, "st"), (6, "tcp"), (8, "egp"), (9, "igp"),
    (12, "pup"), (17, "udp"), (20, "hmp"), (22, "xns-idp"), (27, "rdp"), (29, "iso-tp4"), (33, "dccp"),
    (36, "xtp"), (37, "ddp"), (38, "idpr-cmtp"), (41, "ipv6"), (43, "ipv6-route"), (44, "ipv6-frag"),
    (45, "idrp"), (46, "rsvp"), (47, "gre"), (50, "esp"), (51, "ah"), (57, "skip"), (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"), (60, "ipv6-opts"), (73, "rspf"), (81, "vmtp"), (88, "eigrp"), (89, "ospf"),
    (93, "ax.25"), (94, "ipip"), (97, "etherip"), (98, "encap"), (103, "pim"), (108, "ipcomp"),
    (112, "vrrp"), (115, "l2tp"), (124, "isis"), (132, "sctp"), (133, "fc"), (135, "mobility-header"),
    (136, "udplite"), (137, "mpls-in-ip"), (138, "manet"), (139, "hip"), (140, "shim6"), (141, "wesp"),
    (142, "rohc"), (143, "ethernet"),
];

/// Types and codes of ICMP (RFC 792, RFC 1812) under ipset's names.
#[rustfmt::skip]
const ICMP: &[(u8, u8, &str)] = &[
    (0, 0, "echo-reply"), (3, 0, "network-unreachable"), (3, 1, "host-unreachable"),
    (3, 2, "protocol-unreachable"), (3, 3, "port-unreachable"), (3, 4, "fragmentation-needed"),
    (3, 5, "source-route-failed"), (3, 6, "network-unknown"), (3, 7, "host-unknown"),
    (3, 9, "network-prohibited"), (3, 10, "host-prohibited"), (3, 11, "TOS-network-unreachable"),
    (3, 12, "TOS-host-unreachable"), (3, 13, "communication-prohibited"),
    (3, 14, "host-precedence-violation"), (3, 15, "precedence-cutoff"), (4, 0, "source-quench"),
    (5, 0, "network-redirect"), (5, 1, "host-redirect"), (5, 2, "TOS-network-redirect"),
    (5, 3, "TOS-host-redirect"), (8, 0, "echo-request"), (9, 0, "router-advertisement"),
    (10, 0, "router-solicitation"), (11, 0, "ttl-zero-during-transit"),
    (11, 1, "ttl-zero-during-reassembly"), (12, 0, "ip-header-bad"), (12, 1, "required-option-missing"),
    (13, 0, "timestamp-request"), (14, 0, "timestamp-reply"), (17, 0, "address-mask-request"),
    (18, 0, "address-mask-reply"),
];

/// Types and codes of ICMPv6 (RFC 4443, RFC 4861) under ipset's names.
#[rustfmt::skip]
const ICMPV6: &[(u8, u8, &str)] = &[
    (1, 0, "no-route"), (1, 1, "communication-prohibited"), (1, 3, "address-unreachable"),
    (1, 4, "port-unreachable"), (2, 0, "packet-too-big"), (3, 0, "ttl-zero-during-transit"),
    (3, 1, "ttl-zero-during-reassembly"), (4, 0, "bad-header"), (4, 1, "unknown-header-type"),
    (4, 2, "unknown-option"), (128, 0, "echo-request"), (129, 0, "echo-reply"),
    (133, 0, "router-solicitation"), (134, 0, "router-advertisement"),
    (135, 0, "neighbour-solicitation"), (136, 0, "neighbour-advertisement"), (137, 0, "redirect"),
];

pub(super) const ICMP_NUMBER: u8 = 1;
pub(super) const ICMPV6_NUMBER: u8 = 58;

/// The protocol's name, or its number.
pub(super) fn name(number: u8) -> String {
    let known = PROTOCOLS.iter().find(|row| row.0 == number);
    known.map_or_else(|| number.to_string(), |row| row.1.to_owned())
}

/// The protocol's number from its name or its number.
pub(super) fn number(text: &str) -> Option<u8> {
    let text = if text == "icmpv6" { "ipv6-icmp" } else { text };
    let known = PROTOCOLS.iter().find(|row| row.1 == text).map(|row| row.0);
    known.or_else(|| text.parse().ok())
}

fn messages(six: bool) -> &'static [(u8, u8, &'static str)] {
    if six { ICMPV6 } else { ICMP }
}

/// The name of an ICMP message, or `type/code`.
pub(super) fn icmp(six: bool, kind: u8, code: u8) -> String {
    let known = messages(six).iter().find(|row| (row.0, row.1) == (kind, code));
    known.map_or_else(|| format!("{kind}/{code}"), |row| row.2.to_owned())
}

/// Type and code of an ICMP message from its name or from `type/code`.
pub(super) fn icmp_number(six: bool, text: &str) -> Option<(u8, u8)> {
    let text = if text == "ping" { "echo-request" } else { text };
    let text = if text == "pong" { "echo-reply" } else { text };
    let known = messages(six).iter().find(|row| row.2 == text).map(|row| (row.0, row.1));
    known.or_else(|| {
        let (kind, code) = text.split_once('/').unwrap_or((text, "0"));
        Some((kind.parse().ok()?, code.parse().ok()?))
    })
}
