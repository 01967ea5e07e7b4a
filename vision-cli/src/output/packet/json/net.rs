use vision_core::wire::packet::{
    Icmp, Icmp6, Igmp, Ipv4, Ipv6, Ipv6Extension, Ipv6Fragment, NdpOption,
};

use super::member::Member;
use crate::output::text::Put;

#[inline]
pub(super) fn ipv4(out: &mut Vec<u8>, it: &Ipv4<'_>) {
    out.addr("src", it.src);
    out.addr("dst", it.dst);
    out.field("proto", it.protocol);
    out.field("ttl", it.ttl);
    out.field("total_len", it.total_len);
    out.field("header_len", it.header_len);
    out.field("id", it.id);
    out.field("tos", it.tos);
    out.flag("dont_fragment", it.dont_fragment);
    out.flag("more_fragments", it.more_fragments);
    out.field("frag_offset", it.fragment_offset);
    if !it.raw_options.is_empty() {
        out.list("options", it.options(), |out, option| {
            out.put("{\"kind\":");
            out.uint(option.kind.into());
            out.hex("data", option.data);
            out.push(b'}');
        });
    }
}

#[inline]
pub(super) fn ipv6(out: &mut Vec<u8>, it: &Ipv6) {
    out.addr("src", it.src);
    out.addr("dst", it.dst);
    out.field("next_header", it.next_header);
    out.field("hop_limit", it.hop_limit);
    out.field("payload_len", it.payload_len);
    out.field("traffic_class", it.traffic_class);
    out.field("flow_label", it.flow_label);
}

pub(super) fn extension(out: &mut Vec<u8>, it: &Ipv6Extension<'_>) {
    out.field("header", it.header);
    out.field("next_header", it.next_header);
    out.hex("data", it.data);
}

pub(super) fn fragment(out: &mut Vec<u8>, it: &Ipv6Fragment) {
    out.field("next_header", it.next_header);
    out.field("frag_offset", it.fragment_offset);
    out.flag("more_fragments", it.more_fragments);
    out.field("id", it.id);
}

pub(super) fn icmp(out: &mut Vec<u8>, it: &Icmp<'_>) {
    out.field("type", it.kind);
    out.field("code", it.code);
    if let Some((id, seq)) = it.echo() {
        out.field("id", id);
        out.field("seq", seq);
    }
    out.maybe("mtu", it.mtu());
    if let Some(gateway) = it.gateway() {
        out.addr("gateway", gateway);
    }
}

pub(super) fn icmp6(out: &mut Vec<u8>, it: &Icmp6<'_>) {
    out.field("type", it.kind);
    out.field("code", it.code);
    if let Some((id, seq)) = it.echo() {
        out.field("id", id);
        out.field("seq", seq);
    }
    out.maybe("mtu", it.mtu());
    if let Some(target) = it.target() {
        out.addr("target", target);
    }
    if matches!(it.kind, 133..=137) {
        out.list("options", it.options(), ndp_option);
    }
}

fn ndp_option(out: &mut Vec<u8>, option: NdpOption<'_>) {
    out.put("{\"kind\":");
    match option {
        NdpOption::SourceLinkAddr(addr) => {
            out.put("1");
            link_addr(out, addr);
        }
        NdpOption::TargetLinkAddr(addr) => {
            out.put("2");
            link_addr(out, addr);
        }
        NdpOption::Prefix { prefix, len, flags, valid_s, preferred_s } => {
            out.put("3");
            out.addr("prefix", prefix);
            out.field("prefix_len", len);
            out.field("flags", flags);
            out.field("valid_s", valid_s);
            out.field("preferred_s", preferred_s);
        }
        NdpOption::Mtu(bytes) => {
            out.put("5");
            out.field("mtu", bytes);
        }
        NdpOption::Other { kind, data } => {
            out.uint(kind.into());
            out.hex("data", data);
        }
        _ => out.put("null"),
    }
    out.push(b'}');
}

fn link_addr(out: &mut Vec<u8>, addr: &[u8]) {
    match addr.try_into() {
        Ok(mac) => out.ether("mac", mac),
        Err(_) => out.hex("link_addr", addr),
    }
}

pub(super) fn igmp(out: &mut Vec<u8>, it: &Igmp) {
    out.field("type", it.kind);
    match it.records {
        Some(records) => out.field("records", records),
        None => out.addr("group", it.group),
    }
}
