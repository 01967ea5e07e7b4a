//! Ports.

use super::Builder;
use super::host::directed;
use super::layer::Place;
use super::layer::carried;
use crate::capture::filter::cond::{Compare, Cond};
use crate::capture::filter::error::Checked;
use crate::capture::filter::names::{self, Transport};
use crate::capture::filter::tree::{Id, Qualifiers, Sort, Way};
use crate::capture::filter::value::{self, Op, Size, Value};
use crate::capture::filter::words::Protocol;

/// Ports of a transport protocol, or of any.
#[derive(Debug, Clone, Copy)]
struct Ports {
    first: u32,
    last: u32,
    transport: Option<Transport>,
}

impl Builder<'_> {
    pub(super) fn ports(&mut self, qualifiers: Qualifiers, id: &Id) -> Checked<Cond> {
        let range = qualifiers.kind == Some(Sort::Portrange);
        let kind = if range { "portrange" } else { "port" };
        let asked = match qualifiers.protocol {
            None => None,
            Some(Protocol::Tcp) => Some(Transport::Tcp),
            Some(Protocol::Udp) => Some(Transport::Udp),
            Some(Protocol::Sctp) => Some(Transport::Sctp),
            other => return self.unfit(other, kind),
        };
        if let Some(Way::Wireless(word)) = qualifiers.direction {
            return self.fail(format!("`{word}` cannot stand before {kind}"));
        }
        let ports = match id {
            Id::Number(number) => {
                let port = self.port_number(*number)?;
                Ports { first: port, last: port, transport: asked }
            }
            Id::Name(name) if range => self.range(name, asked)?,
            Id::Name(name) => {
                let (port, transport) = self.named_port(name, asked)?;
                Ports { first: port, last: port, transport }
            }
            _ => return self.fail(format!("{kind} goes with a number or a name of a service")),
        };
        let ip6 = self.ports6(ports, qualifiers.direction)?;
        Ok(ip6.or(self.ports4(ports, qualifiers.direction)?))
    }

    fn port_number(&self, number: u32) -> Checked<u32> {
        match u16::try_from(number) {
            Ok(_) => Ok(number),
            Err(_) => self.fail(format!("a port is at most 65535, not {number}")),
        }
    }

    fn range(&self, text: &str, asked: Option<Transport>) -> Checked<Ports> {
        // Names of services have hyphens, too.
        let ends = text.match_indices('-').find_map(|(at, _)| {
            let (first, last) = (text.get(..at)?, text.get(at + 1..)?);
            let first = self.named_port(first, asked).ok()?;
            Some((first, self.named_port(last, asked).ok()?))
        });
        let ends = match (ends, text.split_once('-')) {
            (Some(ends), _) => ends,
            (None, None) => {
                let both = self.named_port(text, asked)?;
                (both, both)
            }
            (None, Some((first, last))) => {
                (self.named_port(first, asked)?, self.named_port(last, asked)?)
            }
        };
        let ((one, transport), (other, _)) = ends;
        let transport = if transport == ends.1.1 { transport } else { asked };
        Ok(Ports { first: one.min(other), last: one.max(other), transport })
    }

    /// A port by its number or name; the name may be one of TCP or UDP only.
    fn named_port(
        &self,
        name: &str,
        asked: Option<Transport>,
    ) -> Checked<(u32, Option<Transport>)> {
        if !name.is_empty() && name.bytes().all(|it| it.is_ascii_digit()) {
            let number = name.parse().unwrap_or(u32::MAX);
            return Ok((self.port_number(number)?, asked));
        }
        let shown: String = name.chars().take(80).collect();
        let Some((port, only)) = names::port(name, asked) else {
            return match names::port(name, None) {
                Some((_, Some(only))) => {
                    self.fail(format!("`{shown}` is a port of {only}, not of what is asked"))
                }
                _ => self.fail(format!("`{shown}` is no port known by name")),
            };
        };
        Ok((u32::from(port), asked.or(only)))
    }

    fn ports4(&mut self, ports: Ports, way: Option<Way>) -> Checked<Cond> {
        let ip = self.link_type(carried::IP)?;
        let transport = self.transports(9, ports.transport);
        let first = self.first_fragment();
        let src = self.transport(0, Size::Half);
        let dst = self.transport(2, Size::Half);
        let (src, dst) = (self.within(src, ports), self.within(dst, ports));
        Ok(Cond::All(vec![ip, transport, first, directed(way, src, dst)]))
    }

    fn ports6(&mut self, ports: Ports, way: Option<Way>) -> Checked<Cond> {
        let ip = self.link_type(carried::IP6)?;
        let transport = self.transports(6, ports.transport);
        let network = self.network();
        let src = self.load(network, 40, Size::Half);
        let dst = self.load(network, 42, Size::Half);
        let (src, dst) = (self.within(src, ports), self.within(dst, ports));
        Ok(Cond::All(vec![ip, transport, directed(way, src, dst)]))
    }

    fn transports(&mut self, at: u32, only: Option<Transport>) -> Cond {
        let network = self.network();
        match only {
            Some(only) => self.equal(network, at, Size::Byte, only.number()),
            None => {
                let all = [Transport::Sctp, Transport::Tcp, Transport::Udp];
                let any = all.map(|it| self.equal(network, at, Size::Byte, it.number()));
                Cond::Any(any.to_vec())
            }
        }
    }

    fn within(&mut self, port: value::Id, ports: Ports) -> Cond {
        if ports.first == ports.last {
            return self.compare(Compare::Equal, port, ports.first);
        }
        let least = self.compare(Compare::AtLeast, port, ports.first);
        least.and(self.compare(Compare::Greater, port, ports.last).not())
    }

    /// The fragment with the transport header, or all of it.
    pub(super) fn first_fragment(&mut self) -> Cond {
        let network = self.network();
        let flags = self.load(network, 6, Size::Half);
        self.compare(Compare::Bits, flags, 0x1fff).not()
    }

    /// So many bytes behind an IPv4 header.
    pub(super) fn transport(&mut self, offset: u32, size: Size) -> value::Id {
        let place = self.transport_place();
        self.load(place, offset, size)
    }

    pub(super) fn transport_place(&mut self) -> Place {
        let network = self.network();
        let length = match network.behind {
            None => self.values.add(Value::Nibble(network.constant)),
            Some(base) => {
                let first = self.load(network, 0, Size::Byte);
                let mask = self.values.constant(0x0f);
                let words = self.values.of(Op::And, first, mask);
                let two = self.values.constant(2);
                let bytes = self.values.of(Op::Shl, words, two);
                self.values.of(Op::Add, bytes, base)
            }
        };
        Place { constant: network.constant, behind: Some(length) }
    }
}
