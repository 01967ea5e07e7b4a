use vision_core::wire::packet::{Ah, Esp, Geneve, Gre, Mpls, Pppoe, Vxlan};

use super::member::Member;

pub(super) fn pppoe(out: &mut Vec<u8>, it: &Pppoe) {
    out.field("code", it.code);
    out.field("session", it.session);
    out.field("length", it.length);
}

pub(super) fn mpls(out: &mut Vec<u8>, it: &Mpls) {
    out.field("label", it.label);
    out.field("traffic_class", it.traffic_class);
    out.flag("bottom", it.is_bottom);
    out.field("ttl", it.ttl);
}

pub(super) fn ah(out: &mut Vec<u8>, it: &Ah) {
    out.field("next_header", it.next_header);
    out.field("spi", it.spi);
    out.field("seq", it.seq);
}

pub(super) fn esp(out: &mut Vec<u8>, it: &Esp) {
    out.field("spi", it.spi);
    out.field("seq", it.seq);
}

pub(super) fn gre(out: &mut Vec<u8>, it: &Gre) {
    out.field("proto", it.protocol);
    out.field("version", it.version);
    out.maybe("key", it.key);
    out.maybe("seq", it.seq);
    out.maybe("ack", it.ack);
}

pub(super) fn vxlan(out: &mut Vec<u8>, it: &Vxlan) {
    out.field("vni", it.vni);
    out.field("flags", it.flags);
    out.field("group", it.group);
}

pub(super) fn geneve(out: &mut Vec<u8>, it: &Geneve<'_>) {
    out.field("vni", it.vni);
    out.field("proto", it.protocol);
    out.flag("control", it.is_control);
    out.flag("critical", it.is_critical);
    if !it.raw_options.is_empty() {
        out.hex("options", it.raw_options);
    }
}
