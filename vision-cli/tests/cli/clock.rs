//! A wall clock that jumps by two hours, back and forth, at every look.

use std::time::{Duration, Instant};

use serde_json::Value;
use vision_lab::dns::DnsScript;
use vision_lab::{DnsServer, TcpBehaviour, TcpServer};

use crate::run::pair;
use crate::tools::{Preloaded, script};

const JUMPING: &str = "
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static void jump(time_t *seconds) {
  static unsigned looks;
  *seconds += __atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED) % 2 ? 7200 : -7200;
}
int clock_gettime(clockid_t id, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, id, now);
  if (!failed && id == CLOCK_REALTIME) jump(&now->tv_sec);
  return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
  struct timespec real;
  clock_gettime(CLOCK_REALTIME, &real);
  now->tv_sec = real.tv_sec;
  now->tv_usec = real.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *at) {
  struct timespec real;
  clock_gettime(CLOCK_REALTIME, &real);
  if (at) *at = real.tv_sec;
  return real.tv_sec;
}
";

/// Every number of nanoseconds called a round trip.
fn round_trips(value: &Value, found: &mut Vec<u64>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| round_trips(one, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_u64().filter(|_| name.contains("rtt") || name.ends_with("_ns")) {
                    Some(ns) => found.push(ns),
                    None => round_trips(field, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn round_trips_and_deadlines_do_not_follow_the_wall_clock() {
    let Some((_lab, a, b)) = pair() else { return };
    let Some(clock) = Preloaded::build("clock", JUMPING) else { return };
    let _web = TcpServer::start(&b, &format!("{}:8080", b.v4()), TcpBehaviour::Accept);
    let names = DnsScript::new().a("db.lab", b.v4());
    let _dns = DnsServer::start(&b, &format!("{}:53", b.v4()), names);
    let host = b.v4();
    // It does jump, or nothing is shown here.
    let at = |line: &str| clock.run(&a, line).expect(0).json()["at"].to_string();
    let hours: std::collections::BTreeSet<_> =
        ["link --json", "neigh --json"].iter().map(|line| at(line)[..14].to_owned()).collect();
    let plain = script(&a, "exec \"$V\" link --json").json()["at"].to_string();
    assert!(!hours.contains(&plain[..14]), "{hours:?} {plain}");
    for (line, wanted) in [
        (format!("ping {host} -c 10 -i 20ms --json"), 10),
        (format!("tcp {host}:8080 --json"), 1),
        (format!("dns db.lab @{host} --json"), 1),
        (format!("dns db.lab @{host} --tcp --json"), 1),
        (format!("arp {host} -I eth0 -c 3 -i 200ms --json"), 3),
    ] {
        let run = clock.run(&a, &line).expect(0);
        let mut found = Vec::new();
        for object in run.out.lines() {
            round_trips(&serde_json::from_str(object).expect("JSON"), &mut found);
        }
        assert!(found.len() >= wanted, "{line}: {found:?}: {run:?}");
        // A second is what a busy machine takes, hours what the clock would make of it.
        assert!(found.iter().all(|ns| *ns < 1_000_000_000), "{line}: {found:?}");
        assert!(!run.out.contains("stalled") || run.out.contains("\"stalls\":[]"), "{run:?}");
    }
    let text = clock.run(&a, &format!("ping {host} -c 5 -i 20ms")).expect(0).out;
    let time = text.split("packet loss, time ").nth(1).and_then(|rest| rest.split("ms").next());
    let time: u64 = time.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    assert!((80..5000).contains(&time), "{text}");
    for (line, code, least) in [
        (format!("ping {host} -i 50ms -w 0.4"), 0, 400),
        ("ping 10.1.0.99 -c 1 -W 300ms".to_owned(), 1, 300),
        (format!("dns db.lab @{host}:54 -W 300ms"), 1, 0),
        ("tcp 10.1.0.99:1 -W 300ms".to_owned(), 1, 0),
    ] {
        let began = Instant::now();
        clock.run(&a, &line).expect(code);
        let took = began.elapsed();
        let allowed = Duration::from_millis(least)..Duration::from_secs(6);
        assert!(allowed.contains(&took), "{line}: {took:?}");
    }
    let doctor = clock.run(&a, &format!("doctor {host}:8080")).expect(0);
    assert!(doctor.err.is_empty(), "{doctor:?}");
}
