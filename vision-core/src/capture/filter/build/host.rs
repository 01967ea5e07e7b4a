//! Hosts and networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Builder;
use super::layer::carried;
use crate::capture::filter::cond::Cond;
use crate::capture::filter::error::Checked;
use crate::capture::filter::names;
use crate::capture::filter::tree::{Id, Qualifiers, Sort, Way};
use crate::capture::filter::value::Size;
use crate::capture::filter::words::Protocol;

impl Builder<'_> {
    /// A name, number or address with its qualifiers.
    pub(super) fn id(&mut self, qualifiers: Qualifiers, id: &Id) -> Checked<Cond> {
        match qualifiers.kind {
            Some(Sort::Port | Sort::Portrange) => self.ports(qualifiers, id),
            Some(Sort::Proto | Sort::Protochain) => self.carries(qualifiers, id),
            Some(Sort::Gateway) => {
                let why = "gateway needs names of hosts in two tables: write \
                           `ether host MAC and not host ADDRESS`";
                self.fail(why)
            }
            kind => self.address(qualifiers, kind == Some(Sort::Net), id),
        }
    }

    fn address(&mut self, qualifiers: Qualifiers, net: bool, id: &Id) -> Checked<Cond> {
        let kind = if net { "net" } else { "host" };
        let decnet = qualifiers.protocol == Some(Protocol::Decnet);
        match id {
            Id::Mac(address) if !net && qualifiers.protocol == Some(Protocol::Link) => {
                self.ether_host(*address, qualifiers.direction)
            }
            Id::Mac(_) => self.fail("an Ethernet address goes with `ether host`"),
            Id::Arcnet(address) if !net && qualifiers.protocol == Some(Protocol::Link) => {
                self.station(*address, qualifiers.direction)
            }
            Id::Arcnet(_) => self.fail("an address of one byte goes with `ether host`"),
            Id::Number(node) if decnet => self.decnet(*node, qualifiers.direction),
            Id::Dotted(text) if decnet => match decnet_address(text) {
                Some(node) => self.decnet(node, qualifiers.direction),
                None => self.fail(format!("`{text}` is no DECnet address such as 50.764")),
            },
            Id::Number(number) => {
                let (address, mask) = if net { short(*number) } else { (*number, u32::MAX) };
                self.ip4(qualifiers, kind, address, mask)
            }
            Id::Dotted(text) => {
                let (address, mask) = self.dotted(text)?;
                self.ip4(qualifiers, kind, address, mask)
            }
            Id::Prefix(text, length) => {
                let Some(mask) = prefix_mask(*length) else {
                    return self.fail(format!("a prefix has at most 32 bits, not {length}"));
                };
                self.network4(qualifiers, net, text, mask)
            }
            Id::Masked(text, mask) => {
                let (mask, _) = self.dotted(mask)?;
                self.network4(qualifiers, net, text, mask)
            }
            Id::Ip6(address) => self.ip6(qualifiers, kind, *address, u128::MAX),
            Id::Prefix6(address, length) => {
                let mask = match length {
                    0 => 0,
                    1..=128 => u128::MAX << (128 - length),
                    _ => return self.fail(format!("a prefix has at most 128 bits, not {length}")),
                };
                if !net && *length != 128 {
                    return self.fail(format!("a network goes with `net`: net {address}/{length}"));
                }
                if u128::from(*address) & !mask != 0 {
                    let base = Ipv6Addr::from(u128::from(*address) & mask);
                    let why = format!("{address}/{length} has bits behind the prefix: {base}?");
                    return self.fail(why);
                }
                self.ip6(qualifiers, kind, *address, mask)
            }
            Id::Name(name) => self.named(qualifiers, net, name),
        }
    }

    fn network4(&mut self, q: Qualifiers, net: bool, text: &str, mask: u32) -> Checked<Cond> {
        let (address, _) = self.dotted(text)?;
        if address & !mask != 0 {
            let (base, mask) = (Ipv4Addr::from(address & mask), Ipv4Addr::from(mask));
            let why = format!("{text} has bits that the mask {mask} has not: {base}?");
            return self.fail(why);
        }
        match net {
            true => self.ip4(q, "net", address, mask),
            false => self.fail(format!("a network goes with `net`: net {text}")),
        }
    }

    /// Two to four numbers: the first ones of an address, and the mask that they make.
    fn dotted(&self, text: &str) -> Checked<(u32, u32)> {
        let parts: Option<Vec<u8>> = text.split('.').map(|it| it.parse().ok()).collect();
        let Some(parts) = parts else { return self.fail(format!("`{text}` is no IPv4 address")) };
        let mut address = 0;
        for part in &parts {
            address = (address << 8) | u32::from(*part);
        }
        let missing = 32 - 8 * parts.len() as u32;
        let mask = u32::MAX.checked_shl(missing).unwrap_or(0);
        Ok((address.checked_shl(missing).unwrap_or(0), mask))
    }

    fn named(&mut self, qualifiers: Qualifiers, net: bool, name: &str) -> Checked<Cond> {
        let shown: String = name.chars().take(80).collect();
        let files = self.request.files;
        match qualifiers.protocol {
            Some(Protocol::Link) if !net => {
                return match names::station(name).filter(|_| files) {
                    Some(address) => self.ether_host(address, qualifiers.direction),
                    None => self.fail(format!("`{shown}` is no Ethernet address")),
                };
            }
            Some(Protocol::Decnet) => {
                return self.fail(format!("`{shown}` is no DECnet address such as 50.764"));
            }
            _ if net => {
                return match names::network(name).filter(|_| files) {
                    Some(number) => {
                        let (address, mask) = short(number);
                        self.ip4(qualifiers, "net", address, mask)
                    }
                    None => self.fail(format!("`{shown}` is no network such as 10.0.0.0/8")),
                };
            }
            _ => {}
        }
        let addresses = match self.request.resolve {
            Some(resolve) => resolve(name),
            None if files => names::hosts(name),
            None => return self.fail(format!("`{shown}` is no address, and names are not known")),
        };
        let mut any = Vec::new();
        for address in addresses {
            match (address, qualifiers.protocol) {
                (IpAddr::V4(_), Some(Protocol::Ip6)) => {}
                (IpAddr::V6(_), Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp)) => {}
                (IpAddr::V4(it), _) => {
                    any.push(self.ip4(qualifiers, "host", it.into(), u32::MAX)?);
                }
                (IpAddr::V6(it), _) => any.push(self.ip6(qualifiers, "host", it, u128::MAX)?),
            }
        }
        match any.is_empty() {
            true => self.fail(format!("`{shown}` is no address, and no host known here")),
            false => Ok(Cond::Any(any)),
        }
    }

    fn ip4(&mut self, q: Qualifiers, kind: &str, address: u32, mask: u32) -> Checked<Cond> {
        if let Some(Way::Wireless(word)) = q.direction {
            return self.wireless(word);
        }
        let address = address & mask;
        match q.protocol {
            None => {
                let ip = self.ip4_in(carried::IP, [12, 16], q.direction, address, mask)?;
                if self.labels > 0 {
                    return Ok(ip);
                }
                let arp = self.ip4_in(carried::ARP, [14, 24], q.direction, address, mask)?;
                let rarp = self.ip4_in(carried::RARP, [14, 24], q.direction, address, mask)?;
                Ok(ip.or(arp).or(rarp))
            }
            Some(Protocol::Ip) => self.ip4_in(carried::IP, [12, 16], q.direction, address, mask),
            Some(Protocol::Arp) => self.ip4_in(carried::ARP, [14, 24], q.direction, address, mask),
            Some(Protocol::Rarp) => {
                self.ip4_in(carried::RARP, [14, 24], q.direction, address, mask)
            }
            other => self.unfit(other, &format!("{kind} with an IPv4 address")),
        }
    }

    fn ip4_in(
        &mut self,
        carried: u32,
        [src, dst]: [u32; 2],
        way: Option<Way>,
        address: u32,
        mask: u32,
    ) -> Checked<Cond> {
        let link = self.link_type(carried)?;
        let network = self.network();
        let src = self.masked(network, src, Size::Word, address, mask);
        let dst = self.masked(network, dst, Size::Word, address, mask);
        Ok(link.and(directed(way, src, dst)))
    }

    fn ip6(&mut self, q: Qualifiers, kind: &str, address: Ipv6Addr, mask: u128) -> Checked<Cond> {
        if let Some(Way::Wireless(word)) = q.direction {
            return self.wireless(word);
        }
        if !matches!(q.protocol, None | Some(Protocol::Ip6)) {
            return self.unfit(q.protocol, &format!("{kind} with an IPv6 address"));
        }
        let link = self.link_type(carried::IP6)?;
        let src = self.words6(8, address.into(), mask);
        let dst = self.words6(24, address.into(), mask);
        Ok(link.and(directed(q.direction, src, dst)))
    }

    fn words6(&mut self, offset: u32, address: u128, mask: u128) -> Cond {
        let network = self.network();
        let mut all = Vec::new();
        for word in 0..4 {
            let shift = 96 - 32 * word;
            let (part, mask) = ((address >> shift) as u32, (mask >> shift) as u32);
            if mask != 0 {
                all.push(self.masked(network, offset + 4 * word, Size::Word, part, mask));
            }
        }
        Cond::All(all)
    }

    /// The long and the short header, each with a byte of padding before it or not. Addresses are
    /// little endian.
    fn decnet(&mut self, address: u32, way: Option<Way>) -> Checked<Cond> {
        if let Some(Way::Wireless(word)) = way {
            return self.wireless(word);
        }
        let node = u32::from((address as u16).swap_bytes());
        let link = self.link_type(carried::DECNET)?;
        let src = self.decnet_at(15, 3, node);
        let dst = self.decnet_at(7, 1, node);
        Ok(link.and(directed(way, src, dst)))
    }

    fn decnet_at(&mut self, long: u32, short: u32, node: u32) -> Cond {
        let network = self.network();
        let mut any = Vec::new();
        for (flags, offset) in [(0x06, long), (0x02, short)] {
            let padded = self.masked(network, 2, Size::Half, 0x8100 | flags, 0xff07);
            any.push(padded.and(self.equal(network, 3 + offset, Size::Half, node)));
            let bare = self.masked(network, 2, Size::Byte, flags, 0x07);
            any.push(bare.and(self.equal(network, 2 + offset, Size::Half, node)));
        }
        Cond::Any(any)
    }
}

pub(super) fn directed(way: Option<Way>, src: Cond, dst: Cond) -> Cond {
    match way {
        Some(Way::Src) => src,
        Some(Way::Dst) => dst,
        Some(Way::Both) => src.and(dst),
        _ => src.or(dst),
    }
}

/// `net 10` is 10.0.0.0/8.
fn short(mut number: u32) -> (u32, u32) {
    let mut mask = u32::MAX;
    while number != 0 && number & 0xff00_0000 == 0 {
        number <<= 8;
        mask <<= 8;
    }
    (number, mask)
}

fn prefix_mask(length: u32) -> Option<u32> {
    match length {
        0 => Some(0),
        1..=32 => Some(u32::MAX << (32 - length)),
        _ => None,
    }
}

fn decnet_address(text: &str) -> Option<u32> {
    let (area, node) = text.split_once('.')?;
    let (area, node): (u32, u32) = (area.parse().ok()?, node.parse().ok()?);
    (area < 64 && node < 1024).then_some((area << 10) | node)
}
