//! Sets and elements in ipset's words, and back.

use std::fmt::Write;
use std::net::IpAddr;

use super::model::{Ipset, IpsetElement, IpsetFamily};
use crate::base::{Error, LinkAddr, Result};
use crate::firewall::protocols::{self, ICMP_NUMBER, ICMPV6_NUMBER};
use crate::netlink::attr::{NESTED, encode};
use crate::netlink::ipset::NET;

impl Ipset {
    /// Returns the lines above the members, as `ipset list` writes them.
    pub fn header(&self) -> String {
        format!(
            "Name: {}\nType: {}\nRevision: {}\nHeader: {}\nSize in memory: {}\nReferences: {}\n\
             Number of entries: {}\n",
            self.name.escaped(),
            self.kind.escaped(),
            self.revision,
            self.options(),
            self.memory,
            self.references,
            self.count,
        )
    }

    /// Returns what the set was created with, as `ipset save` writes it.
    pub fn options(&self) -> String {
        let mut words = Vec::new();
        let mut number = |name: &str, value: Option<u32>| {
            words.extend(value.map(|value| format!("{name} {value}")));
        };
        number("size", self.size);
        let hash = self.kind.as_bytes().starts_with(b"hash:");
        if hash {
            words.push(format!("family {}", self.family));
        }
        words.extend(self.range.map(|(low, high)| format!("range {low}-{high}")));
        let ports = self.ports.filter(|_| self.range.is_none());
        words.extend(ports.map(|(low, high)| format!("range {low}-{high}")));
        words.extend(self.markmask.map(|mask| format!("markmask {mask:#010x}")));
        let mut number = |name: &str, value: Option<u32>| {
            words.extend(value.map(|value| format!("{name} {value}")));
        };
        number("hashsize", self.hashsize);
        number("maxelem", self.maxelem);
        number("netmask", self.netmask.map(u32::from));
        words.extend(self.bitmask.map(|mask| format!("bitmask {mask}")));
        words.extend(self.timeout.map(|seconds| format!("timeout {seconds}")));
        for (on, word) in [
            (self.counters, "counters"),
            (self.comment, "comment"),
            (self.forceadd, "forceadd"),
            (self.skbinfo, "skbinfo"),
        ] {
            words.extend(on.then(|| word.to_owned()));
        }
        words.extend(self.bucketsize.map(|size| format!("bucketsize {size}")));
        words.extend(self.initval.map(|value| format!("initval {value:#010x}")));
        words.join(" ")
    }

    /// Returns an element of this set in ipset's words, without what it counts and the like.
    pub fn element(&self, element: &IpsetElement) -> String {
        let (mut parts, mut addresses) = (Vec::new(), 0);
        for dimension in self.dimensions() {
            let part = match dimension {
                "ip" | "net" => {
                    addresses += 1;
                    let second = addresses > 1;
                    let (ip, prefix) = match second {
                        true => (element.ip2, element.prefix2),
                        false => (element.ip, element.prefix),
                    };
                    ip.map(|ip| with_prefix(ip, prefix))
                }
                "port" => element.port.map(|port| service(element.proto, port)),
                "mac" => element.mac.map(|mac| mac.to_string().to_uppercase()),
                "mark" => element.mark.map(|mark| format!("{mark:#010x}")),
                "set" => element.set.as_ref().map(|set| set.escaped().to_string()),
                "iface" => element.iface.as_ref().map(|name| {
                    let port = if element.physdev { "physdev:" } else { "" };
                    let wild = if element.wildcard { " wildcard" } else { "" };
                    format!("{port}{}{wild}", name.escaped())
                }),
                _ => None,
            };
            parts.extend(part);
        }
        parts.join(",")
    }

    /// Returns the line of an element, as `ipset list` writes it.
    pub fn member(&self, element: &IpsetElement) -> String {
        let mut out = self.element(element);
        if element.nomatch {
            out.push_str(" nomatch");
        }
        if let Some(seconds) = element.timeout {
            let _ = write!(out, " timeout {seconds}");
        }
        if let Some(counter) = element.counter {
            let _ = write!(out, " packets {} bytes {}", counter.packets, counter.bytes);
        }
        if let Some(comment) = &element.comment {
            let _ = write!(out, " comment \"{}\"", comment.escaped());
        }
        match element.skbmark {
            Some((mark, u32::MAX)) => _ = write!(out, " skbmark {mark:#x}"),
            Some((mark, mask)) => _ = write!(out, " skbmark {mark:#x}/{mask:#x}"),
            None => {}
        }
        if let Some(class) = element.skbprio {
            let _ = write!(out, " skbprio {:x}:{:x}", class >> 16, class & 0xffff);
        }
        if let Some(queue) = element.skbqueue {
            let _ = write!(out, " skbqueue {queue}");
        }
        out
    }

    /// What an element is made of: the words after the colon of the type.
    fn dimensions(&self) -> impl Iterator<Item = &str> {
        let kind = std::str::from_utf8(self.kind.as_bytes()).unwrap_or_default();
        kind.split_once(':').map_or("", |it| it.1).split(',')
    }

    fn six(&self) -> bool {
        self.family == IpsetFamily::Inet6
    }

    /// Puts an element in ipset's words into the attributes of a question.
    pub(super) fn question(&self, text: &str) -> Result<Vec<u8>> {
        let (mut out, mut addresses) = (Vec::new(), 0);
        let mut parts = text.split(',');
        let bitmap = self.kind.as_bytes().starts_with(b"bitmap:");
        for dimension in self.dimensions() {
            let Some(part) = parts.next() else {
                // The hardware address of an entry of bitmap:ip,mac may be left out.
                if bitmap && dimension == "mac" {
                    break;
                }
                return Err(self.invalid(text, "parts are missing"));
            };
            let taken = match dimension {
                "ip" | "net" => {
                    addresses += 1;
                    let [ip, cidr] = if addresses == 1 { [1, 3] } else { [20, 21] };
                    self.ask_address(part, ip, cidr, &mut out)
                }
                "port" => self.ask_port(part, bitmap, &mut out),
                "mac" => part.parse::<LinkAddr>().ok().map(|mac| {
                    out.extend(encode(17, mac.as_bytes()));
                }),
                "mark" => {
                    number(part).map(|mark| out.extend(encode(NET | 10, &mark.to_be_bytes())))
                }
                "set" => {
                    out.extend(encode(18, &[part.as_bytes(), &[0]].concat()));
                    Some(())
                }
                "iface" => {
                    let (port, name) =
                        part.strip_prefix("physdev:").map_or((false, part), |it| (true, it));
                    out.extend(encode(23, &[name.as_bytes(), &[0]].concat()));
                    let flags = if port { 2_u32 } else { 0 };
                    out.extend(encode(NET | 8, &flags.to_be_bytes()));
                    Some(())
                }
                _ => None,
            };
            taken.ok_or_else(|| self.invalid(text, &format!("{part:?} is no {dimension}")))?;
        }
        match parts.next() {
            None => Ok(out),
            Some(_) => Err(self.invalid(text, "there are too many parts")),
        }
    }

    fn invalid(&self, text: &str, why: &str) -> Error {
        let (kind, family) = (self.kind.escaped(), self.family);
        let form = kind.to_string();
        let form = form.split_once(':').map_or("", |it| it.1).to_owned();
        let why = format!("{text:?}: {why}; a set of type {kind} ({family}) holds {form}");
        Error::Invalid { what: "element", why }
    }

    fn ask_address(&self, text: &str, ip: u16, cidr: u16, out: &mut Vec<u8>) -> Option<()> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |it| (it.0, Some(it.1)));
        let address: IpAddr = address.parse().ok()?;
        if address.is_ipv6() != self.six() {
            return None;
        }
        let nest = match address {
            IpAddr::V4(address) => encode(NET | 1, &address.octets()),
            IpAddr::V6(address) => encode(NET | 2, &address.octets()),
        };
        out.extend(encode(NESTED | ip, &nest));
        if let Some(prefix) = prefix {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= most)?;
            out.extend(encode(cidr, &[prefix]));
        }
        Some(())
    }

    fn ask_port(&self, text: &str, bitmap: bool, out: &mut Vec<u8>) -> Option<()> {
        const TCP: u8 = 6;
        let (proto, port) = match text.split_once(':') {
            Some((proto, port)) => (protocols::number(proto)?, port),
            None => (TCP, text),
        };
        let port: u16 = match proto {
            ICMP_NUMBER | ICMPV6_NUMBER => {
                let (kind, code) = protocols::icmp_number(proto == ICMPV6_NUMBER, port)?;
                u16::from_be_bytes([kind, code])
            }
            _ => port.parse().ok()?,
        };
        if !bitmap {
            out.extend(encode(7, &[proto]));
        }
        out.extend(encode(NET | 4, &port.to_be_bytes()));
        Some(())
    }
}

fn with_prefix(ip: IpAddr, prefix: Option<u8>) -> String {
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    match prefix.filter(|prefix| *prefix != whole) {
        Some(prefix) => format!("{ip}/{prefix}"),
        None => ip.to_string(),
    }
}

fn service(proto: Option<u8>, port: u16) -> String {
    let [kind, code] = port.to_be_bytes();
    match proto {
        None => port.to_string(),
        Some(proto @ (ICMP_NUMBER | ICMPV6_NUMBER)) => {
            let message = protocols::icmp(proto == ICMPV6_NUMBER, kind, code);
            format!("{}:{message}", protocols::name(proto))
        }
        Some(proto) => format!("{}:{port}", protocols::name(proto)),
    }
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
