//! `vision caps`

use std::fs;

use vision_core::Capability::{
    self, DacReadSearch, NetAdmin, NetRaw, Perfmon, SysAdmin, SysPtrace,
};
use vision_core::Error;
use vision_core::base::Op;

use super::Ended;
use crate::context::Context;
use crate::exit::Outcome;
use crate::hint;
use crate::output::human::caps::{Ability, CapsReport, Grant};

/// Says what this process may do, verb by verb, and where to grant what is missing.
pub fn run(context: &mut Context) -> Ended {
    let status = fs::read_to_string("/proc/self/status");
    let status = status.map_err(|source| Error::Sys { op: Op::ReadProc, source })?;
    let have = effective(&status);
    let is_root_of_all = fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| is_initial(&map));
    let verbs = NEEDS.iter().map(|row| ability(row, &have)).collect();
    let missing: Vec<_> =
        Capability::ALL.into_iter().filter(|cap| is_needed(*cap) && !have.contains(cap)).collect();
    let grants = missing.iter().map(|cap| grant(*cap)).collect();
    let report =
        CapsReport { effective: have, missing, user_namespace: !is_root_of_all, verbs, grants };
    context.out.report(&report)?;
    Ok(Outcome::Yes)
}

/// What is asked for, by what it is for; all of a row's capabilities are needed.
const NEEDS: &[(&str, &[Capability])] = &[
    ("doctor ns link route neigh sock bridge qdisc stat watch", &[]),
    ("tcp udp dns path scan decode filter explain", &[]),
    ("ping", &[NetRaw]),
    ("arp, and neighbour probes of doctor", &[NetRaw]),
    ("capture", &[NetRaw]),
    ("tcp --syn, scan --syn, ping --clock", &[NetRaw]),
    ("scan --hosts by the link", &[NetRaw]),
    ("path by ICMP, and what routers quote", &[NetRaw]),
    ("ct", &[NetAdmin]),
    ("fw", &[NetAdmin]),
    ("watch ct", &[NetAdmin]),
    ("drops", &[Perfmon]),
    ("marks of packets", &[NetAdmin]),
    ("--in a process of another user", &[SysPtrace, SysAdmin]),
    ("--in a namespace by name or path", &[SysAdmin]),
    ("names of other users' processes", &[SysPtrace, DacReadSearch]),
];

fn ability((verbs, needs): &(&'static str, &'static [Capability]), have: &[Capability]) -> Ability {
    let missing: Vec<_> = needs.iter().filter(|cap| !have.contains(cap)).copied().collect();
    let without = (*verbs == "ping" && ping_group_allows()).then_some("net.ipv4.ping_group_range");
    Ability { verbs, needs, possible: missing.is_empty() || without.is_some(), missing, without }
}

fn is_needed(capability: Capability) -> bool {
    NEEDS.iter().any(|(_, needs)| needs.contains(&capability))
}

fn grant(capability: Capability) -> Grant {
    let (pod, docker) = hint::grants(capability);
    Grant { capability, pod, docker }
}

fn effective(status: &str) -> Vec<Capability> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    Capability::ALL.into_iter().filter(|cap| bits & (1 << cap.bit()) != 0).collect()
}

/// The initial user namespace maps all four billion numbers to themselves.
fn is_initial(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn ping_group_allows() -> bool {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let mut ends = range.split_whitespace().map(str::parse::<u32>);
    let (Some(Ok(first)), Some(Ok(last))) = (ends.next(), ends.next()) else {
        return false;
    };
    let groups = nix::unistd::getgroups().unwrap_or_default();
    let own = nix::unistd::getegid();
    groups.iter().chain([&own]).any(|gid| (first..=last).contains(&gid.as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_status_are_read() {
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000002000\n"), [NetRaw]);
        assert_eq!(effective("CapEff:\t0000000000000000\n"), []);
        assert!(is_initial("         0          0 4294967295\n"));
        assert!(!is_initial("         0       1000          1\n"));
    }
}
