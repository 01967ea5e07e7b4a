//! Asks the same of many pods at once, as an operator on the node would: tokio, no cluster client.
//!
//! ```sh
//! cargo run -p vision-examples --example operator_probe -- 10.96.0.10:53 pid:4242 netns:blue
//! ```
//!
//! Each selector names a namespace; entering those of others needs `CAP_SYS_ADMIN` and
//! `CAP_SYS_PTRACE`. One JSON line per namespace, in the order in which they answer. What watches
//! the cluster and turns pods into process numbers is somebody else's affair.

use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use vision_core::probe::{Ping, Probe, TcpProbe};
use vision_core::{Budget, Endpoint, Host, Result, Selector, Target, aio};

/// For one namespace.
const LIMIT: Duration = Duration::from_secs(5);

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: operator_probe ADDRESS:PORT SELECTOR…";
    let endpoint: Endpoint = words.next().ok_or(usage)?.parse()?;
    let selectors: Result<Vec<Selector>> = words.map(|word| word.parse()).collect();
    let selectors = selectors?;
    // Two threads carry any number of probes: each only waits for the network.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let healthy = runtime.block_on(all(endpoint, selectors));
    std::process::exit(i32::from(!healthy));
}

/// Asks from all namespaces at once and says whether all of them got through.
async fn all(endpoint: Endpoint, selectors: Vec<Selector>) -> bool {
    let (sender, mut answers) = mpsc::unbounded_channel();
    for selector in selectors {
        let (endpoint, sender) = (endpoint.clone(), sender.clone());
        tokio::spawn(async move {
            let name = selector.to_string();
            let asked = aio::run(LIMIT, move |budget| ask(&selector, &endpoint, budget)).await;
            // Nobody listens any more only when the program ends.
            let _ = sender.send((name, asked));
        });
    }
    drop(sender);
    let mut healthy = true;
    while let Some((name, asked)) = answers.recv().await {
        let (ok, line) = match asked {
            Ok((ok, found)) => (ok, found),
            Err(error) => (false, json!({ "error": error.to_string(), "kind": error.kind() })),
        };
        healthy &= ok;
        println!("{}", json!({ "target": name, "ok": ok, "found": line }));
    }
    healthy
}

/// Runs on a thread of its own; ends with the budget, or when the process behind it dies.
fn ask(selector: &Selector, endpoint: &Endpoint, budget: &Budget) -> Result<(bool, Value)> {
    let target = Target::resolve(selector, budget)?;
    let Host::Addr(to, _) = endpoint.host else {
        let why = "give an address; names mean something else in each pod".to_owned();
        return Err(vision_core::Error::Invalid { what: "endpoint", why });
    };
    let tcp = TcpProbe::new(to, endpoint.ports()).run(&target, budget)?;
    let ok = tcp.attempts.iter().all(|attempt| attempt.succeeded());
    if ok {
        return Ok((true, json!({ "tcp": tcp })));
    }
    // Not reachable at all, or only not on this port? Without CAP_NET_RAW nobody can say.
    let ping = Ping::new(to).count(2).interval(Duration::from_millis(200)).run(&target, budget);
    Ok((false, json!({ "tcp": tcp, "ping": ping.ok() })))
}
