mod dns;

use vision_core::wire::packet::{
    Dhcp, Dhcp6, Hello, Http, Http2, HttpLine, Ntp, Quic, Snmp, Tls, WireGuard,
};

pub(super) use self::dns::dns;
use super::member::Member;
use crate::output::json;
use crate::output::text::Put;

pub(super) fn dhcp(out: &mut Vec<u8>, it: &Dhcp<'_>) {
    out.field("op", it.op);
    out.maybe("message_type", it.message_type());
    out.field("xid", it.xid);
    out.field("secs", it.secs);
    out.addr("client_ip", it.client);
    out.addr("your_ip", it.yours);
    out.addr("server_ip", it.server);
    out.addr("relay_ip", it.relay);
    if let Some(mac) = &it.client_mac {
        out.ether("client_mac", mac);
    }
    out.list("options", it.options(), |out, option| {
        out.put("{\"code\":");
        out.uint(option.code.into());
        match option.code {
            12 | 15 | 17 | 56 | 60 | 64 | 66 | 67 => out.said("text", option.data),
            _ => out.hex("data", option.data),
        }
        out.push(b'}');
    });
}

pub(super) fn dhcp6(out: &mut Vec<u8>, it: &Dhcp6<'_>) {
    out.field("message_type", it.kind);
    match it.relay {
        Some((link, peer)) => {
            out.addr("link", link);
            out.addr("peer", peer);
        }
        None => out.field("xid", it.xid),
    }
    out.list("options", it.options(), |out, option| {
        out.put("{\"code\":");
        out.uint(option.code.into());
        out.hex("data", option.data);
        out.push(b'}');
    });
}

pub(super) fn tls(out: &mut Vec<u8>, it: &Tls<'_>) {
    out.field("content_type", it.content_type);
    out.field("record_version", it.version);
    out.field("records", it.records);
    match &it.hello {
        Some(Hello::Client(hello)) => {
            out.word("hello", "client");
            out.field("version", hello.version);
            if let Some(name) = hello.sni {
                out.said("sni", name);
            }
            strings(out, "alpn", hello.alpn);
            out.list("ciphers", hello.raw_ciphers.chunks_exact(2), |out, pair| {
                out.uint(pair.try_into().map(u16::from_be_bytes).unwrap_or_default().into());
            });
        }
        Some(Hello::Server(hello)) => {
            out.word("hello", "server");
            out.field("version", hello.version);
            out.field("cipher", hello.cipher);
            strings(out, "alpn", hello.alpn);
        }
        None => {}
    }
    if let Some((level, description)) = it.alert {
        out.field("alert_level", level);
        out.field("alert", description);
    }
}

/// A list of texts; bytes that are none are escaped.
fn strings<'a>(out: &mut Vec<u8>, name: &str, items: impl Iterator<Item = &'a [u8]>) {
    out.list(name, items, |out, item| json::string(out, &String::from_utf8_lossy(item)));
}

pub(super) fn http(out: &mut Vec<u8>, it: &Http<'_>) {
    match it.line {
        HttpLine::Request { method, target, version } => {
            out.said("method", method);
            out.said("target", target);
            out.said("version", version);
        }
        HttpLine::Response { version, status, reason } => {
            out.said("version", version);
            out.field("status", status);
            out.said("reason", reason);
        }
    }
    if let Some(host) = it.host {
        out.said("host", host);
    }
}

pub(super) fn http2(out: &mut Vec<u8>, it: &Http2) {
    out.flag("preface", true);
    out.field("frames", it.frames);
    if let Some(first) = it.first {
        out.put(",\"first\":{\"kind\":");
        out.uint(first.kind.into());
        out.field("length", first.length);
        out.field("flags", first.flags);
        out.field("stream", first.stream);
        out.push(b'}');
    }
}

pub(super) fn quic(out: &mut Vec<u8>, it: &Quic<'_>) {
    out.field("version", it.version);
    out.field("kind", it.kind);
    out.hex("dcid", it.dcid);
    out.hex("scid", it.scid);
}

pub(super) fn ntp(out: &mut Vec<u8>, it: &Ntp) {
    out.field("version", it.version);
    out.field("mode", it.mode);
    if it.mode < 6 {
        out.field("leap", it.leap);
        out.field("stratum", it.stratum);
        out.hex("reference", &it.reference);
        out.field("transmitted", it.transmitted);
    }
}

pub(super) fn snmp(out: &mut Vec<u8>, it: &Snmp<'_>) {
    out.field("version", it.version);
    if let Some(community) = it.community {
        out.said("community", community);
    }
    out.maybe("pdu", it.pdu);
    if let Some(id) = it.request_id {
        out.key("request_id");
        out.int(id.into());
    }
}

pub(super) fn wireguard(out: &mut Vec<u8>, it: &WireGuard) {
    out.field("kind", it.kind);
    out.maybe("sender", it.sender);
    out.maybe("receiver", it.receiver);
    out.maybe("counter", it.counter);
}
