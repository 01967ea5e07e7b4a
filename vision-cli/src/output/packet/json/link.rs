use vision_core::wire::packet::{Arp, Ethernet, Llc, Lldp, Sll, Sll2, Stp, Vlan};

use super::member::Member;

/// The smallest Ethernet type; below stand lengths.
const MIN_TYPE: u16 = 0x600;

fn type_or_length(out: &mut Vec<u8>, value: u16) {
    out.field(if value < MIN_TYPE { "length" } else { "type" }, value);
}

#[inline]
pub(super) fn ethernet(out: &mut Vec<u8>, it: &Ethernet) {
    out.ether("src", &it.src);
    out.ether("dst", &it.dst);
    type_or_length(out, it.type_or_length);
}

pub(super) fn vlan(out: &mut Vec<u8>, it: &Vlan) {
    out.field("id", it.id);
    out.field("priority", it.priority);
    out.flag("drop_eligible", it.drop_eligible);
    type_or_length(out, it.type_or_length);
}

pub(super) fn llc(out: &mut Vec<u8>, it: &Llc) {
    out.field("dsap", it.dsap);
    out.field("ssap", it.ssap);
    out.field("control", it.control);
    if let Some((organisation, kind)) = it.snap {
        out.hex("organisation", &organisation);
        out.field("type", kind);
    }
}

pub(super) fn sll(out: &mut Vec<u8>, it: &Sll) {
    out.field("packet_type", it.packet_type);
    out.field("hardware", it.hardware);
    address(out, &it.address, it.address_len.into());
    out.field("type", it.protocol);
}

pub(super) fn sll2(out: &mut Vec<u8>, it: &Sll2) {
    out.field("packet_type", it.packet_type);
    out.field("hardware", it.hardware);
    out.field("ifindex", it.ifindex);
    address(out, &it.address, it.address_len.into());
    out.field("type", it.protocol);
}

fn address(out: &mut Vec<u8>, address: &[u8; 8], len: usize) {
    match (len, address) {
        (6, [a, b, c, d, e, f, ..]) => out.ether("src", &[*a, *b, *c, *d, *e, *f]),
        (0, _) => {}
        _ => out.hex("src", address.get(..len).unwrap_or(address)),
    }
}

pub(super) fn arp(out: &mut Vec<u8>, it: &Arp) {
    out.field("hardware", it.hardware);
    out.field("protocol", it.protocol);
    out.field("opcode", it.opcode);
    if let Some(mac) = &it.sender_mac {
        out.ether("sender_mac", mac);
    }
    if let Some(ip) = it.sender_ip {
        out.addr("sender_ip", ip);
    }
    if let Some(mac) = &it.target_mac {
        out.ether("target_mac", mac);
    }
    if let Some(ip) = it.target_ip {
        out.addr("target_ip", ip);
    }
}

pub(super) fn lldp(out: &mut Vec<u8>, it: &Lldp<'_>) {
    let mut seen = 0_u128;
    for tlv in it.tlvs() {
        // Names are unique; kinds are below 128.
        let bit = 1 << (tlv.kind & 127);
        if seen & bit != 0 {
            continue;
        }
        seen |= bit;
        match (tlv.kind, tlv.value) {
            (1, [kind, id @ ..]) => identity(out, "chassis", *kind, *kind == 4, id),
            (2, [kind, id @ ..]) => identity(out, "port", *kind, *kind == 3, id),
            (4, text) => out.said("port_description", text),
            (5, text) => out.said("system_name", text),
            (6, text) => out.said("system_description", text),
            _ => {}
        }
    }
    out.maybe("ttl_s", it.ttl_s());
}

/// A chassis or port by its kind of name (IEEE 802.1AB §8.5.2, §8.5.3).
fn identity(out: &mut Vec<u8>, name: &str, kind: u8, is_mac: bool, id: &[u8]) {
    out.key(name);
    out.extend_from_slice(b"{\"kind\":");
    crate::output::text::Put::uint(out, kind.into());
    match id.try_into() {
        Ok(mac) if is_mac => out.ether("mac", mac),
        _ if is_mac || (name == "chassis" && kind == 5) => out.hex("id", id),
        _ => out.said("id", id),
    }
    out.push(b'}');
}

pub(super) fn stp(out: &mut Vec<u8>, it: &Stp) {
    out.field("version", it.version);
    out.field("kind", it.kind);
    if let Some(config) = &it.config {
        out.field("flags", config.flags);
        out.field("root_priority", config.root_priority);
        out.ether("root", &config.root);
        out.field("cost", config.cost);
        out.field("bridge_priority", config.bridge_priority);
        out.ether("bridge", &config.bridge);
        out.field("port", config.port);
    }
}
