//! How much processor time the control groups of a namespace's processes may have, and how often they had to wait for more.

use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::NetnsId;
use super::proc::{ProcDir, pids};
use crate::base::{Budget, Untrusted};

const ROOT: &str = "/sys/fs/cgroup";
/// Groups looked at; a namespace of one pod has a few.
const GROUPS: usize = 32;

/// A control group with a limit of processor time.
#[derive(Debug, Clone)]
pub(crate) struct CpuGroup {
    folder: PathBuf,
    /// Its path below the root of the hierarchy.
    pub(crate) path: String,
    /// The lowest process of the namespace in it, and what it calls itself.
    pub(crate) process: (u32, Untrusted),
    /// How long its processes may run in each period.
    pub(crate) quota: Duration,
    /// The period (100 ms unless set).
    pub(crate) period: Duration,
    pub(crate) stat: CpuStat,
}

/// What `cpu.stat` counts (kernel/sched/core.c, `cpu_cfs_stat_show`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuStat {
    /// Periods in which something ran.
    pub(crate) periods: u64,
    /// Of them, those in which the time allowed was used up.
    pub(crate) throttled: u64,
    /// How long processes waited for the next one.
    pub(crate) waited: Duration,
}

impl CpuGroup {
    fn read(folder: PathBuf, path: &str, process: (u32, Untrusted)) -> Option<Self> {
        let (quota, period) = limit(&folder)?;
        let stat = CpuStat::read(&folder)?;
        Some(Self { folder, path: path.to_owned(), process, quota, period, stat })
    }

    /// Reads the counters again.
    pub(crate) fn now(&self) -> Option<CpuStat> {
        CpuStat::read(&self.folder)
    }
}

impl CpuStat {
    fn read(folder: &Path) -> Option<Self> {
        Some(Self::parse(&read_to_string(folder.join("cpu.stat")).ok()?))
    }

    /// Both versions' spelling of the time is known.
    fn parse(text: &str) -> Self {
        let mut stat = Self::default();
        for line in text.lines() {
            let Some((key, Ok(value))) =
                line.split_once(' ').map(|(key, value)| (key, value.trim().parse()))
            else {
                continue;
            };
            match key {
                "nr_periods" => stat.periods = value,
                "nr_throttled" => stat.throttled = value,
                "throttled_usec" => stat.waited = Duration::from_micros(value),
                "throttled_time" => stat.waited = Duration::from_nanos(value),
                _ => {}
            }
        }
        stat
    }

    /// What was counted since an earlier look.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(earlier.periods),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            waited: self.waited.saturating_sub(earlier.waited),
        }
    }
}

/// Quota and period of a group, if it has a limit: `cpu.max`, or `cpu.cfs_quota_us` with the first version.
fn limit(folder: &Path) -> Option<(Duration, Duration)> {
    let read = |name: &str| read_to_string(folder.join(name)).ok();
    let (quota, period) = match read("cpu.max") {
        Some(both) => {
            let (quota, period) = both.trim().split_once(' ')?;
            (quota.parse().ok()?, period.parse().ok()?)
        }
        None => {
            let quota = read("cpu.cfs_quota_us")?.trim().parse().ok()?;
            (quota, read("cpu.cfs_period_us")?.trim().parse().ok()?)
        }
    };
    Some((Duration::from_micros(quota), Duration::from_micros(period)))
}

/// The groups of which `/proc/PID/cgroup` tells, the innermost first: a limit may be on any of them.
fn lineage(cgroup: &str) -> Vec<(PathBuf, &str)> {
    let lines = cgroup.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let mut all = Vec::new();
    for (controllers, path) in lines {
        let root = match controllers {
            "" => Path::new(ROOT).to_owned(),
            _ if controllers.split(',').any(|it| it == "cpu") => Path::new(ROOT).join(controllers),
            _ => continue,
        };
        // Out of sight from this control group namespace (cgroup_namespaces(7)).
        if path.split('/').any(|part| part == "..") {
            continue;
        }
        let mut path = path;
        while let Some((above, _)) = path.rsplit_once('/').filter(|_| path.len() > 1) {
            all.push((root.join(path.trim_start_matches('/')), path));
            path = above;
        }
    }
    all
}

/// Tells whether a process is in a group of that path, or in one below it.
pub(crate) fn holds(path: &[u8], pid: u32) -> bool {
    let cgroup = ProcDir::open(pid).and_then(|dir| dir.read("cgroup")).unwrap_or_default();
    lineage(&String::from_utf8_lossy(&cgroup)).iter().any(|(_, own)| own.as_bytes() == path)
}

/// Finds the control groups with a limit of processor time that hold processes of a namespace.
pub(crate) fn groups(id: NetnsId, budget: &Budget) -> Vec<CpuGroup> {
    let mut found: BTreeMap<PathBuf, CpuGroup> = BTreeMap::new();
    for pid in pids().unwrap_or_default() {
        if budget.remaining().is_err() || found.len() >= GROUPS {
            break;
        }
        let Ok(dir) = ProcDir::open(pid) else { continue };
        if dir.netns().ok() != Some(id) {
            continue;
        }
        let Ok(cgroup) = dir.read("cgroup") else { continue };
        for (folder, path) in lineage(&String::from_utf8_lossy(&cgroup)) {
            if !found.contains_key(&folder) {
                let process = (pid, dir.comm().unwrap_or_default());
                let group = CpuGroup::read(folder.clone(), path, process);
                found.extend(group.map(|group| (folder, group)));
            }
        }
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_counters_are_read() {
        let one = "nr_periods 7\nnr_throttled 5\nthrottled_time 4000000\nnr_bursts 0\n";
        let two = "usage_usec 9\nnr_periods 7\nnr_throttled 5\nthrottled_usec 4000\n";
        let read = CpuStat { periods: 7, throttled: 5, waited: Duration::from_millis(4) };
        assert_eq!((CpuStat::parse(one), CpuStat::parse(two)), (read, read));
        assert_eq!(read.since(CpuStat { periods: 6, ..read }).periods, 1);
        assert_eq!(CpuStat::parse("usage_usec 9\n"), CpuStat::default());
    }

    #[test]
    fn a_limit_may_be_on_any_group_above() {
        let paths = |text| lineage(text).into_iter().map(|it| it.0).collect::<Vec<_>>();
        let two = paths("0::/kubepods/pod7/c1\n");
        let under = |path: &str| Path::new(ROOT).join(path);
        assert_eq!(two, [under("kubepods/pod7/c1"), under("kubepods/pod7"), under("kubepods")]);
        let one = paths("9:name=systemd:/x\n4:cpuset:/y\n3:cpu,cpuacct:/docker/a\n0::/\n");
        assert_eq!(one, [under("cpu,cpuacct/docker/a"), under("cpu,cpuacct/docker")]);
        assert!(paths("0::/../other\n").is_empty());
    }
}
