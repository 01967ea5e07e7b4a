//! Watches a dependency from inside a pod: one JSON line per attempt, a summary at the end.
//!
//! ```sh
//! cargo run -p vision-examples --example sidecar_watch -- db:5432 --every 10s --count 6
//! ```
//!
//! Needs no capability and no runtime; see `sidecar.yaml`. The name is resolved anew for each
//! attempt, as the pod's programs would: addresses of a service come and go.

use std::error::Error;
use std::time::{Duration, Instant};

use serde_json::json;
use vision_core::base::parse_duration;
use vision_core::inventory::Inventory;
use vision_core::probe::{HostsTable, Probe, Resolve, ResolverConfig, TcpProbe};
use vision_core::{Budget, Endpoint, Host, Selector, Target, Timestamp};

/// What the command line says.
struct Args {
    endpoint: Endpoint,
    every: Duration,
    count: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = arguments()?;
    let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
    let mut succeeded = 0;
    for round in 1..=args.count {
        let began = Instant::now();
        let budget = Budget::within(args.every.max(Duration::from_secs(1)));
        let (line, ok) = match attempt(&args.endpoint, &target, &budget) {
            Ok(report) => {
                (json!({ "report": report }), report.attempts.iter().all(|a| a.succeeded()))
            }
            // A failed look-up is an event like any other: the next may succeed.
            Err(error) => (json!({ "error": error.to_string() }), false),
        };
        succeeded += u64::from(ok);
        println!(
            "{}",
            json!({ "type": "event", "at": Timestamp::now(), "round": round, "ok": ok, "event": line })
        );
        if round < args.count {
            std::thread::sleep(args.every.saturating_sub(began.elapsed()));
        }
    }
    println!("{}", json!({ "type": "summary", "rounds": args.count, "succeeded": succeeded }));
    std::process::exit(i32::from(succeeded < args.count));
}

fn attempt(
    endpoint: &Endpoint,
    target: &Target,
    budget: &Budget,
) -> vision_core::Result<vision_core::probe::TcpReport> {
    let to = match &endpoint.host {
        Host::Addr(addr, _) => *addr,
        Host::Name(name) => {
            let inventory = Inventory::open(target)?;
            let config = ResolverConfig::from_file(&inventory.resolver(budget)?, |_| None);
            let hosts = HostsTable::from(&inventory.hosts(budget)?);
            let found = Resolve::new(name).run(&config, &hosts, target, budget)?;
            let missing = || vision_core::Error::NotFound(format!("address of {name}"));
            *found.addresses.first().ok_or_else(missing)?
        }
    };
    TcpProbe::new(to, endpoint.ports()).run(target, budget)
}

fn arguments() -> Result<Args, Box<dyn Error>> {
    let usage = "usage: sidecar_watch HOST:PORT [--every TIME] [--count N]";
    let mut words = std::env::args().skip(1);
    let endpoint = words.next().ok_or(usage)?.parse()?;
    let mut args = Args { endpoint, every: Duration::from_secs(10), count: u64::MAX };
    while let Some(flag) = words.next() {
        let value = words.next().ok_or(usage)?;
        match flag.as_str() {
            "--every" => args.every = parse_duration(&value)?,
            "--count" => args.count = value.parse()?,
            _ => return Err(usage.into()),
        }
    }
    Ok(args)
}
