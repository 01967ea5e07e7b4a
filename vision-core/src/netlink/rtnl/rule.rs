//! Policy routing rules (linux/fib_rules.h).

use std::net::IpAddr;

use netlink_bindings::rt_rule::{FibRuleAttrs, OpGetruleDump};

use super::fixed;
use crate::netlink::attr::{Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

pub(crate) const RTM_NEWRULE: u16 = 32;
const RTM_GETRULE: u16 = 34;

/// `struct fib_rule_hdr`.
const FIXED: usize = 12;

/// One rule as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct RuleMsg<'a> {
    pub(crate) family: u8,
    pub(crate) dst_bits: u8,
    pub(crate) src_bits: u8,
    pub(crate) tos: u8,
    pub(crate) table: u32,
    pub(crate) action: u8,
    pub(crate) flags: u32,
    pub(crate) dst: Option<IpAddr>,
    pub(crate) src: Option<IpAddr>,
    pub(crate) iif: Option<&'a [u8]>,
    pub(crate) oif: Option<&'a [u8]>,
    pub(crate) goto: Option<u32>,
    pub(crate) priority: Option<u32>,
    pub(crate) fwmark: Option<u32>,
    pub(crate) fwmask: Option<u32>,
    pub(crate) tun_id: Option<u64>,
    pub(crate) suppress_ifgroup: Option<u32>,
    pub(crate) suppress_prefix_bits: Option<u32>,
    pub(crate) l3mdev: bool,
    pub(crate) uid_range: Option<(u32, u32)>,
    pub(crate) protocol: Option<u8>,
    pub(crate) ip_proto: Option<u8>,
    pub(crate) sport: Option<(u16, u16)>,
    pub(crate) dport: Option<(u16, u16)>,
    pub(crate) dscp: Option<u8>,
}

/// Asks for all rules of one family.
pub(crate) fn dump(family: u8) -> Request {
    let mut head = [0; FIXED];
    head[0] = family;
    Request::new("RTM_GETRULE", RTM_GETRULE, NLM_F_DUMP, &head)
}

/// Reads one rule; `None` when the message is of another type.
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<RuleMsg<'a>> {
    if message.kind != RTM_NEWRULE {
        return None;
    }
    let head: [u8; FIXED] = fixed(message.body);
    let [family, dst_bits, src_bits, tos, table, _, _, action, ..] = head;
    let mut rule = RuleMsg {
        family,
        dst_bits,
        src_bits,
        tos,
        table: table.into(),
        action,
        flags: u32::from_ne_bytes(read(&head, 8)?),
        ..RuleMsg::default()
    };
    for attr in OpGetruleDump::decode_request(message.body).1.flatten() {
        take(&mut rule, attr);
    }
    Some(rule)
}

fn take<'a>(rule: &mut RuleMsg<'a>, attr: FibRuleAttrs<'a>) {
    match attr {
        FibRuleAttrs::Dst(v) => rule.dst = Some(v),
        FibRuleAttrs::Src(v) => rule.src = Some(v),
        FibRuleAttrs::Iifname(v) => rule.iif = Some(v.to_bytes()),
        FibRuleAttrs::Oifname(v) => rule.oif = Some(v.to_bytes()),
        FibRuleAttrs::Goto(v) => rule.goto = Some(v),
        FibRuleAttrs::Priority(v) => rule.priority = Some(v),
        FibRuleAttrs::Fwmark(v) => rule.fwmark = Some(v),
        FibRuleAttrs::Fwmask(v) => rule.fwmask = Some(v),
        FibRuleAttrs::TunId(v) => rule.tun_id = Some(u64::from_be(v)),
        FibRuleAttrs::SuppressIfgroup(v) => rule.suppress_ifgroup = Some(v),
        FibRuleAttrs::SuppressPrefixlen(v) => rule.suppress_prefix_bits = Some(v),
        // The header has room for tables below 256 only.
        FibRuleAttrs::Table(v) => rule.table = v,
        FibRuleAttrs::L3mdev(v) => rule.l3mdev = v != 0,
        FibRuleAttrs::UidRange(v) => rule.uid_range = Some((v.start, v.end)),
        FibRuleAttrs::Protocol(v) => rule.protocol = Some(v),
        FibRuleAttrs::IpProto(v) => rule.ip_proto = Some(v),
        FibRuleAttrs::SportRange(v) => rule.sport = Some((v.start, v.end)),
        FibRuleAttrs::DportRange(v) => rule.dport = Some((v.start, v.end)),
        FibRuleAttrs::Dscp(v) => rule.dscp = Some(v),
        _ => {}
    }
}
