//! Names of ports and protocols.

use std::fmt;
use std::fs;
use std::net::IpAddr;

/// What has ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Udp,
    Sctp,
}

impl Transport {
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    fn of(text: &str) -> Option<Self> {
        Some(match text {
            "tcp" => Self::Tcp,
            "udp" => Self::Udp,
            "sctp" => Self::Sctp,
            _ => return None,
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// Finds a service's port; also the only transport that has it, where nothing was asked for.
///
/// The system's table is asked first, then one that is built in: containers have none.
pub(super) fn port(name: &str, asked: Option<Transport>) -> Option<(u16, Option<Transport>)> {
    let system = fs::read_to_string("/etc/services").unwrap_or_default();
    find(&system, name, asked).or_else(|| find(SERVICES, name, asked))
}

fn find(table: &str, name: &str, asked: Option<Transport>) -> Option<(u16, Option<Transport>)> {
    let lines = table.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (first, number) = (words.next()?, words.next()?);
        let named = first == name || words.any(|it| it == name);
        let (port, transport) = number.split_once('/').filter(|_| named)?;
        Some((port.parse::<u16>().ok()?, Transport::of(transport)?))
    });
    let found: Vec<_> = lines.collect();
    if let Some(asked) = asked {
        return found.iter().find(|it| it.1 == asked).map(|it| (it.0, Some(asked)));
    }
    let (port, transport) = *found.first()?;
    let others = found.iter().any(|it| it.1 != transport && it.0 == port);
    Some((port, (!others).then_some(transport)))
}

/// The addresses of a host by the system's own table (hosts(5)); nobody else is asked.
pub(super) fn hosts(name: &str) -> Vec<IpAddr> {
    let table = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|it| it.eq_ignore_ascii_case(name)).then_some(address)
    };
    table.lines().filter_map(line).collect()
}

/// A station's address by the system's own table (ethers(5)).
pub(super) fn station(name: &str) -> Option<[u8; 6]> {
    let table = fs::read_to_string("/etc/ethers").unwrap_or_default();
    table.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (address, named) = (words.next()?, words.next()?);
        let mut bytes = [0; 6];
        let mut parts = address.split(':');
        for byte in &mut bytes {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        named.eq_ignore_ascii_case(name).then_some(bytes)
    })
}

/// A network's number by the system's own table (networks(5)); parts at its end may be missing.
pub(super) fn network(name: &str) -> Option<u32> {
    let table = fs::read_to_string("/etc/networks").unwrap_or_default();
    table.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (first, address) = (words.next()?, words.next()?);
        let named = first == name || words.any(|it| it == name);
        let parts = address.split('.').map(|it| it.parse::<u8>().ok());
        let parts: Option<Vec<_>> = parts.collect();
        let parts = parts.filter(|it| named && it.len() <= 4)?;
        Some(parts.iter().fold(0, |all, it| (all << 8) | u32::from(*it)))
    })
}

/// An IP protocol's number.
pub(super) fn protocol(name: &str) -> Option<u8> {
    let system = fs::read_to_string("/etc/protocols").unwrap_or_default();
    let known = |table: &str| {
        table.lines().find_map(|line| {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let (first, number) = (words.next()?, words.next()?);
            let named = first == name || words.any(|it| it == name);
            number.parse().ok().filter(|_| named)
        })
    };
    known(&system).or_else(|| known(PROTOCOLS))
}

/// An Ethernet type, or an SAP of 802.2.
pub(super) fn ether_type(name: &str) -> Option<u32> {
    const TYPES: &[(&str, u32)] = &[
        ("aarp", 0x80f3),
        ("arp", 0x0806),
        ("atalk", 0x809b),
        ("decnet", 0x6003),
        ("ip", 0x0800),
        ("ip6", 0x86dd),
        ("lat", 0x6004),
        ("lldp", 0x88cc),
        ("loopback", 0x9000),
        ("mopdl", 0x6001),
        ("moprc", 0x6002),
        ("pup", 0x0200),
        ("rarp", 0x8035),
        ("sca", 0x6007),
        ("slow", 0x8809),
        ("sprite", 0x0500),
        ("trail", 0x1000),
        ("vexp", 0x805b),
        ("vprod", 0x805c),
        ("xns", 0x0600),
        ("iso", 0xfe),
        ("stp", 0x42),
        ("ipx", 0xe0),
        ("netbeui", 0xf0),
    ];
    TYPES.iter().find(|it| it.0 == name).map(|it| it.1)
}

/// The ports people ask for by name
/// (<https://www.iana.org/assignments/service-names-port-numbers>).
const SERVICES: &str = "\
echo 7/tcp\necho 7/udp\ndiscard 9/tcp\ndiscard 9/udp\ndaytime 13/tcp\nftp-data 20/tcp\nftp 21/tcp
ssh 22/tcp\ntelnet 23/tcp\nsmtp 25/tcp mail\ntime 37/tcp\ntime 37/udp\nwhois 43/tcp\ntacacs 49/tcp
tacacs 49/udp\ndomain 53/tcp\ndomain 53/udp\nbootps 67/udp\nbootpc 68/udp\ntftp 69/udp
finger 79/tcp\nhttp 80/tcp www\nkerberos 88/tcp\nkerberos 88/udp\npop3 110/tcp\nsunrpc 111/tcp
sunrpc 111/udp\nauth 113/tcp\nntp 123/udp\nnetbios-ns 137/udp\nnetbios-dgm 138/udp
netbios-ssn 139/tcp\nimap2 143/tcp imap\nsnmp 161/tcp\nsnmp 161/udp\nsnmp-trap 162/tcp snmptrap
snmp-trap 162/udp snmptrap\nbgp 179/tcp\nldap 389/tcp\nldap 389/udp\nhttps 443/tcp\nhttps 443/udp
microsoft-ds 445/tcp\nmicrosoft-ds 445/udp\nsubmissions 465/tcp\nisakmp 500/udp\nsyslog 514/udp
shell 514/tcp\nprinter 515/tcp\nrip 520/udp route\nsubmission 587/tcp\nipp 631/tcp\nldaps 636/tcp
ldaps 636/udp\ndomain-s 853/tcp\ndomain-s 853/udp\nrsync 873/tcp\nimaps 993/tcp\npop3s 995/tcp
socks 1080/tcp\nopenvpn 1194/tcp\nopenvpn 1194/udp\nradius 1812/udp\nradius-acct 1813/udp
nfs 2049/tcp\nnfs 2049/udp\nmysql 3306/tcp\nipsec-nat-t 4500/udp\nsip 5060/tcp\nsip 5060/udp
sip-tls 5061/tcp\nsip-tls 5061/udp\nxmpp-client 5222/tcp\nmdns 5353/udp\npostgresql 5432/tcp
amqps 5671/tcp\namqp 5672/tcp\namqp 5672/udp\namqp 5672/sctp\nx11 6000/tcp\nredis 6379/tcp
http-alt 8080/tcp webcache\nhttp-alt 8080/udp\nzabbix-agent 10050/tcp\nzabbix-trapper 10051/tcp
";

/// <https://www.iana.org/assignments/protocol-numbers>
const PROTOCOLS: &str = "\
ip 0\nicmp 1\nigmp 2\nggp 3\nipencap 4\nst 5\ntcp 6\negp 8\nigp 9 igrp\npup 12\nudp 17\nhmp 20
xns-idp 22\nrdp 27\niso-tp4 29\ndccp 33\nxtp 36\nddp 37\nidpr-cmtp 38\nipv6 41\nipv6-route 43
ipv6-frag 44\nidrp 45\nrsvp 46\ngre 47\nesp 50\nah 51\nskip 57\nipv6-icmp 58 icmp6 icmpv6
ipv6-nonxt 59\nipv6-opts 60\nrspf 73\nvmtp 81\neigrp 88\nospf 89\nax.25 93\nipip 94\netherip 97
encap 98\npim 103\nipcomp 108\nvrrp 112 carp\nl2tp 115\nisis 124\nsctp 132\nfc 133
mobility-header 135\nudplite 136\nmpls-in-ip 137\nmanet 138\nhip 139\nshim6 140\nwesp 141\nrohc 142
";
