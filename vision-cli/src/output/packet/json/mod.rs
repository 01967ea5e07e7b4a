//! Packets as JSON, one object a line, written straight into the buffer.

mod app;
mod checksum;
mod link;
mod member;
mod net;
#[cfg(test)]
mod tests;
mod transport;
mod tunnel;

use vision_core::capture::{Direction, Frame, Hit};
use vision_core::wire::packet::{Fault, Layer, Packet, Proto};

use self::member::Member;
use crate::output::text::Put;

/// Writes packets, keeping the memory of one for the next.
#[derive(Debug, Default)]
pub struct Lines {
    memory: Packet<'static>,
}

impl Lines {
    /// Writes a packet as one JSON object and a line feed.
    pub fn packet(
        &mut self,
        out: &mut Vec<u8>,
        number: u64,
        frame: &Frame<'_>,
        hit: Option<&Hit<'_>>,
    ) {
        let memory = std::mem::take(&mut self.memory);
        let packet = memory.reuse(frame.link_type, frame.data, frame.len as usize);
        head(out, number, frame);
        out.put(",\"layers\":[");
        for (at, found) in packet.layers.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            layer(out, &packet, at, found);
        }
        out.push(b']');
        tail(out, &packet);
        if let Some(hit) = hit {
            matched(out, hit);
        }
        out.put("}\n");
        self.memory = packet.into_memory();
    }
}

fn head(out: &mut Vec<u8>, number: u64, frame: &Frame<'_>) {
    out.put("{\"type\":\"event\",\"number\":");
    out.uint(number);
    if let Some(time) = frame.time {
        let nanos = time.as_unix_nanos();
        out.put(",\"time\":\"");
        out.int(nanos.div_euclid(1_000_000_000));
        out.push(b'.');
        fraction(out, nanos.rem_euclid(1_000_000_000) as u32);
        out.push(b'"');
    }
    out.field("len", frame.len);
    out.field("caplen", frame.data.len() as u64);
    out.field("interface", frame.interface);
    match frame.direction {
        Some(Direction::In) => out.word("direction", "in"),
        Some(Direction::Out) => out.word("direction", "out"),
        None => {}
    }
    if let Some(name) = frame.link_type.name() {
        out.word("link_type", name);
    } else {
        out.field("link_type", frame.link_type.0);
    }
}

/// Nine digits.
fn fraction(out: &mut Vec<u8>, mut nanos: u32) {
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (nanos % 10) as u8;
        nanos /= 10;
    }
    out.extend_from_slice(&digits);
}

fn tail(out: &mut Vec<u8>, packet: &Packet<'_>) {
    if packet.payload_len > 0 {
        out.put(",\"payload\":{\"offset\":");
        out.uint(packet.payload_offset as u64);
        out.field("len", packet.payload_len as u64);
        out.push(b'}');
    }
    if let Some(fault) = packet.fault {
        fault_of(out, fault);
    }
}

/// Where the match lies in the packet, and what it is.
#[cold]
fn matched(out: &mut Vec<u8>, hit: &Hit<'_>) {
    if hit.follows {
        out.flag("follows", true);
    }
    let Some(found) = &hit.found else { return };
    out.put(",\"match\":{\"offset\":");
    out.uint((hit.offset + found.start) as u64);
    out.field("len", found.len() as u64);
    out.said("text", hit.payload.get(found.clone()).unwrap_or_default());
    out.push(b'}');
}

fn fault_of(out: &mut Vec<u8>, fault: Fault) {
    out.put(",\"fault\":{\"layer\":\"");
    out.put(fault.layer.name());
    out.push(b'"');
    out.field("offset", fault.offset as u64);
    out.field("needed", fault.needed as u64);
    out.field("available", fault.available as u64);
    out.flag("cut", fault.is_cut);
    out.push(b'}');
}

fn layer(out: &mut Vec<u8>, packet: &Packet<'_>, at: usize, layer: &Layer<'_>) {
    out.put("{\"layer\":\"");
    out.put(layer.proto.kind().name());
    out.put("\",\"offset\":");
    out.uint(layer.offset as u64);
    if layer.is_quoted {
        out.flag("quoted", true);
    }
    match &layer.proto {
        Proto::Ethernet(it) => link::ethernet(out, it),
        Proto::Vlan(it) => link::vlan(out, it),
        Proto::Llc(it) => link::llc(out, it),
        Proto::Sll(it) => link::sll(out, it),
        Proto::Sll2(it) => link::sll2(out, it),
        Proto::Loopback(it) => out.field("family", it.family),
        Proto::Ppp(it) => out.field("protocol", it.protocol),
        Proto::Pppoe(it) => tunnel::pppoe(out, it),
        Proto::Mpls(it) => tunnel::mpls(out, it),
        Proto::Arp(it) => link::arp(out, it),
        Proto::Lldp(it) => link::lldp(out, it),
        Proto::Stp(it) => link::stp(out, it),
        Proto::Ipv4(it) => net::ipv4(out, it),
        Proto::Ipv6(it) => net::ipv6(out, it),
        Proto::Ipv6Extension(it) => net::extension(out, it),
        Proto::Ipv6Fragment(it) => net::fragment(out, it),
        Proto::Ah(it) => tunnel::ah(out, it),
        Proto::Esp(it) => tunnel::esp(out, it),
        Proto::Icmp(it) => net::icmp(out, it),
        Proto::Icmp6(it) => net::icmp6(out, it),
        Proto::Igmp(it) => net::igmp(out, it),
        Proto::Tcp(it) => transport::tcp(out, it),
        Proto::Udp(it) => transport::udp(out, it),
        Proto::Sctp(it) => transport::sctp(out, it),
        Proto::Gre(it) => tunnel::gre(out, it),
        Proto::Vxlan(it) => tunnel::vxlan(out, it),
        Proto::Geneve(it) => tunnel::geneve(out, it),
        Proto::Dns(it) => app::dns(out, it),
        Proto::Dhcp(it) => app::dhcp(out, it),
        Proto::Dhcp6(it) => app::dhcp6(out, it),
        Proto::Tls(it) => app::tls(out, it),
        Proto::Http(it) => app::http(out, it),
        Proto::Http2(it) => app::http2(out, it),
        Proto::Quic(it) => app::quic(out, it),
        Proto::Ntp(it) => app::ntp(out, it),
        Proto::Snmp(it) => app::snmp(out, it),
        Proto::WireGuard(it) => app::wireguard(out, it),
        _ => {}
    }
    checksum::checksum(out, packet, at);
    out.push(b'}');
}
