//! Expressions made from the grammar, by a seed.

use super::Packets;

/// Makes expressions for a link type out of what its packets hold.
pub struct Maker<'a> {
    state: u64,
    packets: &'a Packets,
    ether: bool,
    /// Where the network header lies.
    network: usize,
}

impl<'a> Maker<'a> {
    pub fn new(seed: u64, packets: &'a Packets, ether: bool, network: usize) -> Self {
        Self { state: seed | 1, packets, ether, network }
    }

    fn next(&mut self, below: usize) -> usize {
        // xorshift64*, Vigna 2014.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let high = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        high as usize % below
    }

    fn one<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of[self.next(of.len())]
    }

    pub fn expression(&mut self, depth: usize) -> String {
        let mut text = self.operand(depth);
        for _ in 0..self.next(3) {
            let join = self.one(&["and", "or", "&&", "||"]);
            text = format!("{text} {join} {}", self.operand(depth));
        }
        text
    }

    fn operand(&mut self, depth: usize) -> String {
        match self.next(8) {
            0 if depth > 0 => format!("not {}", self.operand(depth - 1)),
            1 | 2 if depth > 0 => format!("({})", self.expression(depth - 1)),
            3 | 4 => self.relation(),
            _ => self.primitive(),
        }
    }

    fn way(&mut self) -> &'static str {
        self.one(&["", "", "src ", "dst ", "src or dst ", "src and dst "])
    }

    fn primitive(&mut self) -> String {
        let way = self.way();
        match self.next(12) {
            0 | 1 => {
                let host = self.one(&["host ", "ip host ", "arp host ", "net "]);
                let host = if way.is_empty() { host } else { "" };
                format!("{way}{}{}", if host.is_empty() { "host " } else { host }, self.address())
            }
            2 => {
                let bits = [8, 12, 16, 24, 32][self.next(5)];
                let address: u32 =
                    self.address().parse::<std::net::Ipv4Addr>().map_or(0, u32::from);
                let base = std::net::Ipv4Addr::from(address & (u32::MAX << (32 - bits)));
                format!("{way}net {base}/{bits}")
            }
            3 | 4 => {
                let protocol = self.one(&["", "tcp ", "udp ", "sctp "]);
                let (one, two) = (self.port(), self.port());
                match self.next(3) {
                    0 => format!("{protocol}{way}portrange {one}-{two}"),
                    1 => format!("{protocol}{way}port {one} or {two}"),
                    _ => format!("{protocol}{way}port {one}"),
                }
            }
            5 => {
                let number =
                    self.one(&["1", "2", "6", "17", "58", "47", "50", "132", "0", "\\tcp"]);
                let protocol = self.one(&["", "ip ", "ip6 "]);
                let kind = self.one(&["proto", "proto", "protochain"]);
                format!("{protocol}{kind} {number}")
            }
            6 => {
                let host = self.one(&["fe80::1", "ff02::1", "2001:db8::2", "::"]);
                format!("ip6 {}host {host}", self.one(&["", "src ", "dst "]))
            }
            7 => format!("{} {}", self.one(&["less", "greater"]), 40 + self.next(120)),
            8 if self.ether => match self.next(6) {
                0 => format!("vlan {}", self.next(200)),
                1 => "vlan".to_owned(),
                2 => "mpls".to_owned(),
                3 => self.one(&["pppoes", "pppoed", "geneve", "llc", "llc u"]).to_owned(),
                4 => format!("ether {}host {}", self.one(&["", "src ", "dst "]), self.mac()),
                _ => self.one(&["broadcast", "multicast", "stp", "atalk", "ipx", "iso"]).to_owned(),
            },
            9 => {
                format!("byte {} {} {}", self.next(60), self.one(&["=", "<", ">"]), self.next(256))
            }
            _ => self
                .one(&[
                    "ip", "ip6", "arp", "tcp", "udp", "icmp", "icmp6", "igmp", "rarp", "sctp",
                    "esp",
                ])
                .to_owned(),
        }
    }

    fn relation(&mut self) -> String {
        let (left, right) = (self.number(2), self.number(1));
        format!("{left} {} {right}", self.one(&["=", "!=", "<", ">", "<=", ">=", "=="]))
    }

    fn number(&mut self, depth: usize) -> String {
        if depth > 0 && self.next(2) == 0 {
            let sign = self.one(&["+", "-", "*", "&", "|", "/", "%", "^"]);
            let (left, right) = (self.number(depth - 1), self.number(depth - 1));
            return match self.next(3) {
                0 => format!("({left} {sign} {right})"),
                _ => format!("{left} {sign} {right}"),
            };
        }
        match self.next(6) {
            0 => "len".to_owned(),
            1 => self.next(300).to_string(),
            2 => format!("0x{:x}", self.next(0x1_0000)),
            _ => {
                let protocol = self.one(&["ether", "ip", "ip6", "tcp", "udp", "icmp", "arp"]);
                let size = self.one(&["", ":1", ":2", ":4"]);
                match self.next(5) {
                    0 => format!("{protocol}[ip[0] & 0xf{size}]"),
                    _ => format!("{protocol}[{}{size}]", self.next(24)),
                }
            }
        }
    }

    fn bytes(&mut self, at: usize, count: usize) -> Vec<u8> {
        let packet = self.next(self.packets.0.len());
        let found = self.packets.0[packet].0.get(at..at + count);
        found.map_or_else(|| vec![7; count], <[u8]>::to_vec)
    }

    /// An address of some packet, if it has one there.
    fn address(&mut self) -> String {
        let at = self.network + 12 + 4 * self.next(2);
        let bytes = self.bytes(at, 4);
        bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
    }

    fn mac(&mut self) -> String {
        let at = 6 * self.next(2);
        self.bytes(at, 6).iter().map(|it| format!("{it:02x}")).collect::<Vec<_>>().join(":")
    }

    fn port(&mut self) -> usize {
        let at = self.network + 20 + 2 * self.next(2);
        match self.next(2) {
            0 => [53, 80, 443, 25, 67, 179][self.next(6)],
            _ => self.bytes(at, 2).iter().fold(0, |port, it| (port << 8) | usize::from(*it)),
        }
    }
}
