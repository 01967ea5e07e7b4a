//! Routes without the machinery of serialization: there may be half a million, and each takes
//! longer to write that way than the kernel takes to find it.
//!
//! The form is the library's, field by field; a route that has more than most goes the long way.

use vision_core::Family;
use vision_core::inventory::{Route, RouteFlags};

use super::append;
use crate::output::text::Put;

/// Puts an object that is not closed yet; `false`, and nothing put, for a route with rare members.
pub fn open(out: &mut Vec<u8>, route: &Route) -> bool {
    if !is_common(route) {
        return false;
    }
    out.put(match route.family {
        Family::V4 => "{\"family\":\"v4\",\"table\":",
        Family::V6 => "{\"family\":\"v6\",\"table\":",
    });
    word(out, route.table.name(), route.table.raw());
    out.put(",\"kind\":");
    word(out, route.kind.name(), route.kind.raw());
    out.put(",\"dst\":\"");
    out.prefix(route.dst);
    out.put("\",\"tos\":");
    out.uint(route.tos.into());
    out.put(",\"protocol\":");
    word(out, route.protocol.name(), route.protocol.raw());
    out.put(",\"scope\":");
    word(out, route.scope.name(), route.scope.raw());
    if let Some(gateway) = route.gateway {
        out.put(",\"gateway\":\"");
        out.ip(gateway);
        out.put("\"");
    }
    if let Some(index) = route.oif_ifindex {
        out.put(",\"oif_ifindex\":");
        out.uint(index.into());
    }
    if let Some(source) = route.prefsrc {
        out.put(",\"prefsrc\":\"");
        out.ip(source);
        out.put("\"");
    }
    if let Some(metric) = route.metric {
        out.put(",\"metric\":");
        out.uint(metric.into());
    }
    flags(out, route.flags);
    if let Some(preference) = route.preference {
        out.put(",\"preference\":");
        word(out, preference.name(), preference.raw());
    }
    true
}

/// Tells whether it has no other members than those above.
#[inline]
fn is_common(route: &Route) -> bool {
    let way = route.src.is_none()
        && route.iif_ifindex.is_none()
        && route.nexthops.is_empty()
        && route.nexthop_id.is_none()
        && route.encap.is_none();
    let use_of_it = route.metrics.is_none() && route.realm.is_none() && route.error.is_none();
    let answer = route.mark.is_none() && route.uid.is_none() && route.expires_ms.is_none();
    way && use_of_it && answer
}

#[inline]
fn word(out: &mut Vec<u8>, name: Option<&'static str>, raw: impl Into<u64>) {
    match name {
        // A word of the library's, in which nothing is to be escaped.
        Some(name) => {
            out.put("\"");
            out.put(name);
            out.put("\"");
        }
        None => out.uint(raw.into()),
    }
}

#[inline]
fn flags(out: &mut Vec<u8>, flags: RouteFlags) {
    if flags.is_empty() {
        return out.put(",\"flags\":[]");
    }
    out.put(",\"flags\":");
    // A vector takes all, and flags have a form.
    drop(append(out, &flags));
}

#[cfg(test)]
mod tests {
    use vision_core::inventory::{
        Encap, Recorded, RecordedProtocol, RecordedRow, RoutePreference, RouteProtocol, RouteTable,
    };

    use super::super::append_noting;
    use super::*;

    fn recorded() -> Vec<Route> {
        let seed = include_bytes!("../../../../fuzz/seeds/netlink/route.bin");
        // The first byte says of which protocol it is.
        let rows = Recorded::read(RecordedProtocol::Route, seed.get(1..).unwrap_or_default());
        let routes = rows.filter_map(|message| match message.row {
            RecordedRow::Route(route) => Some(*route),
            _ => None,
        });
        routes.collect()
    }

    /// Recorded routes, and what each becomes with one more member or another value.
    fn varied() -> Vec<Route> {
        let changes: &[fn(&mut Route)] = &[
            |_| {},
            |it| it.table = RouteTable::Other(70_000),
            |it| it.protocol = RouteProtocol::Other(77),
            |it| it.tos = 16,
            |it| it.metric = Some(u32::MAX),
            |it| it.flags = RouteFlags::DEAD | RouteFlags::LINKDOWN,
            |it| it.flags = RouteFlags::from_bits(0x4000_0001),
            |it| it.gateway = "fe80::1".parse().ok(),
            |it| it.gateway = "10.1.2.3".parse().ok(),
            |it| it.prefsrc = "192.168.100.200".parse().ok(),
            |it| it.preference = Some(RoutePreference::Low),
            |it| it.src = "10.0.0.0/8".parse().ok(),
            |it| it.iif_ifindex = Some(7),
            |it| it.oif_ifindex = None,
            |it| it.nexthop_id = Some(5),
            |it| it.encap = Some(Encap::Mpls),
            |it| it.realm = Some(3),
            |it| it.mark = Some(0x10),
            |it| it.uid = Some(1000),
            |it| it.expires_ms = Some(1),
        ];
        let changed = |route: &Route| {
            let with = |change: &fn(&mut Route)| {
                let mut route = route.clone();
                change(&mut route);
                route
            };
            changes.iter().map(with).collect::<Vec<_>>()
        };
        recorded().iter().flat_map(changed).collect()
    }

    fn long_way(route: &Route) -> Vec<u8> {
        let mut out = Vec::new();
        append(&mut out, route).expect("a vector takes all");
        out
    }

    #[test]
    fn both_ways_write_the_same() {
        let mut short = 0;
        for route in varied() {
            let mut out = b"before".to_vec();
            if open(&mut out, &route) {
                short += 1;
                out.push(b'}');
                let (out, wanted) = (out.get(6..).unwrap_or_default(), long_way(&route));
                assert_eq!(String::from_utf8_lossy(out), String::from_utf8_lossy(&wanted));
            } else {
                assert_eq!(out, b"before");
            }
        }
        assert!(short > 20, "{short} of the recorded routes are common ones");
    }

    /// A member that the library adds has to be added here, or to those that are rare.
    #[test]
    fn the_library_has_no_other_members() {
        let (mut out, mut absent) = (Vec::new(), Vec::new());
        for route in varied() {
            append_noting(&mut out, &route, &mut absent).expect("a vector takes all");
        }
        absent.sort_unstable();
        absent.dedup();
        let optional = [
            "encap",
            "error",
            "expires_ms",
            "gateway",
            "iif_ifindex",
            "mark",
            "metric",
            "metrics",
            "nexthop_id",
            "nexthops",
            "oif_ifindex",
            "preference",
            "prefsrc",
            "realm",
            "src",
            "uid",
        ];
        assert_eq!(absent, optional);
    }
}
