//! The words of the language and the numbers that have names in it.

/// A word that is not free to be a host's or a port's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Protocol(Protocol),
    Src,
    Dst,
    /// `addr1` to `addr4`, `ra` and `ta`: 802.11 only.
    Wireless(&'static str),
    Host,
    Net,
    Mask,
    Port,
    Portrange,
    Proto,
    Protochain,
    Gateway,
    Less,
    Greater,
    Byte,
    Broadcast,
    Multicast,
    And,
    Or,
    Not,
    Len,
    Inbound,
    Outbound,
    Ifindex,
    Vlan,
    Mpls,
    Pppoed,
    Pppoes,
    Geneve,
    Vxlan,
    Llc,
    /// What exists on other link types only, and where: `oam` on ATM.
    Foreign(&'static str, &'static str),
}

macro_rules! protocols {
    ($($name:ident $text:literal)+) => {
        /// What can stand before a direction, a kind of address or `[`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Protocol { $($name,)+ }

        impl Protocol {
            pub(super) fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            fn of(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$name),)+
                    "link" | "ppp" | "slip" | "fddi" | "tr" | "wlan" => Some(Self::Link),
                    "es-is" => Some(Self::Esis),
                    "is-is" => Some(Self::Isis),
                    _ => None,
                }
            }
        }
    };
}

protocols! {
    Link "ether" Ip "ip" Arp "arp" Rarp "rarp" Sctp "sctp" Tcp "tcp" Udp "udp" Icmp "icmp"
    Igmp "igmp" Igrp "igrp" Pim "pim" Vrrp "vrrp" Carp "carp" Radio "radio" Ip6 "ip6"
    Icmp6 "icmp6" Ah "ah" Esp "esp" Atalk "atalk" Aarp "aarp" Decnet "decnet" Lat "lat" Sca "sca"
    Moprc "moprc" Mopdl "mopdl" Iso "iso" Esis "esis" Isis "isis" L1 "l1" L2 "l2" Iih "iih"
    Lsp "lsp" Snp "snp" Csnp "csnp" Psnp "psnp" Clnp "clnp" Stp "stp" Ipx "ipx" Netbeui "netbeui"
}

const ATM: &str = "ATM";
const SS7: &str = "SS7 links";
const PF: &str = "pf's log";
const WIRELESS: &str = "802.11";

/// Tells which word it is.
pub(super) fn word(text: &str) -> Option<Word> {
    if let Some(protocol) = Protocol::of(text) {
        return Some(Word::Protocol(protocol));
    }
    Some(match text {
        "src" => Word::Src,
        "dst" => Word::Dst,
        "host" => Word::Host,
        "net" => Word::Net,
        "mask" => Word::Mask,
        "port" => Word::Port,
        "portrange" => Word::Portrange,
        "proto" => Word::Proto,
        "protochain" => Word::Protochain,
        "gateway" => Word::Gateway,
        "less" => Word::Less,
        "greater" => Word::Greater,
        "byte" => Word::Byte,
        "broadcast" => Word::Broadcast,
        "multicast" => Word::Multicast,
        "and" => Word::And,
        "or" => Word::Or,
        "not" => Word::Not,
        "len" | "length" => Word::Len,
        "inbound" => Word::Inbound,
        "outbound" => Word::Outbound,
        "ifindex" => Word::Ifindex,
        "vlan" => Word::Vlan,
        "mpls" => Word::Mpls,
        "pppoed" => Word::Pppoed,
        "pppoes" => Word::Pppoes,
        "geneve" => Word::Geneve,
        "vxlan" => Word::Vxlan,
        "llc" => Word::Llc,
        _ => return foreign(text),
    })
}

fn foreign(text: &str) -> Option<Word> {
    const WORDS: &[(&str, &[&str])] = &[
        (WIRELESS, &["type", "subtype", "direction", "dir"]),
        (ATM, &["lane", "metac", "bcc", "oam", "oamf4", "oamf4ec", "oamf4sc", "sc", "ilmic"]),
        (ATM, &["vpi", "vci", "connectmsg", "metaconnect"]),
        (PF, &["on", "ifname", "rset", "ruleset", "rnr", "rulenum", "srnr", "subrulenum"]),
        (PF, &["reason", "action"]),
        (SS7, &["fisu", "lssu", "lsu", "msu", "hfisu", "hlssu", "hmsu", "sio", "opc", "dpc"]),
        (SS7, &["sls", "hsio", "hopc", "hdpc", "hsls"]),
    ];
    const ADDRESSES: [&str; 10] = [
        "addr1", "addr2", "addr3", "addr4", "address1", "address2", "address3", "address4", "ra",
        "ta",
    ];
    if let Some(found) = ADDRESSES.iter().find(|it| **it == text) {
        return Some(Word::Wireless(found));
    }
    WORDS.iter().find_map(|(only, words)| {
        let found = words.iter().find(|it| **it == text)?;
        Some(Word::Foreign(found, only))
    })
}

/// Offsets and values with names: `tcpflags`, `tcp-syn`, `icmp-echo`.
pub(super) fn constant(text: &str) -> Option<u32> {
    let (list, name) = match (text.strip_prefix("icmp6-"), text.strip_prefix("icmp-")) {
        (Some(rest), _) => (ICMP6, rest),
        (None, Some(rest)) => (ICMP, rest),
        _ => (PLAIN, text),
    };
    list.iter().find(|it| it.0 == name).map(|it| it.1)
}

const PLAIN: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];
/// Behind `icmp-` (RFC 792).
const ICMP: &[(&str, u32)] = &[
    ("echoreply", 0),
    ("unreach", 3),
    ("sourcequench", 4),
    ("redirect", 5),
    ("echo", 8),
    ("routeradvert", 9),
    ("routersolicit", 10),
    ("timxceed", 11),
    ("paramprob", 12),
    ("tstamp", 13),
    ("tstampreply", 14),
    ("ireq", 15),
    ("ireqreply", 16),
    ("maskreq", 17),
    ("maskreply", 18),
];
/// Behind `icmp6-` (RFC 4443, RFC 4861).
const ICMP6: &[(&str, u32)] = &[
    ("destinationunreach", 1),
    ("packettoobig", 2),
    ("timeexceeded", 3),
    ("parameterproblem", 4),
    ("echo", 128),
    ("echoreply", 129),
    ("multicastlistenerquery", 130),
    ("multicastlistenerreportv1", 131),
    ("multicastlistenerdone", 132),
    ("routersolicit", 133),
    ("routeradvert", 134),
    ("neighborsolicit", 135),
    ("neighboradvert", 136),
    ("redirect", 137),
    ("routerrenum", 138),
    ("nodeinformationquery", 139),
    ("nodeinformationresponse", 140),
    ("ineighbordiscoverysolicit", 141),
    ("ineighbordiscoveryadvert", 142),
    ("multicastlistenerreportv2", 143),
    ("homeagentdiscoveryrequest", 144),
    ("homeagentdiscoveryreply", 145),
    ("mobileprefixsolicit", 146),
    ("mobileprefixadvert", 147),
    ("certpathsolicit", 148),
    ("certpathadvert", 149),
    ("multicastrouteradvert", 151),
    ("multicastroutersolicit", 152),
    ("multicastrouterterm", 153),
];
