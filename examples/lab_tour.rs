//! Builds a small network, breaks it in four ways, and prints what the doctor says to each.
//!
//! ```sh
//! unshare -Urnm cargo run -p vision-examples --example lab_tour
//! ```
//!
//! Needs the root of a user namespace, as above, or real root. Every namespace is anonymous:
//! nothing is left behind, whatever happens.

use std::error::Error;
use std::time::Duration;

use vision_core::doctor::{CaseFile, Diagnosis, Vantages, Verdict, diagnose};
use vision_core::{Budget, Selector, Target};
use vision_lab::{Family, Fault, Lab, Node, RouteKind, TcpBehaviour, TcpServer};

fn main() -> Result<(), Box<dyn Error>> {
    let lab = Lab::new()?;
    tour(&lab, "nothing is broken", |_, _| Ok(()))?;
    tour(&lab, "the client has no default route", |lab, [client, ..]| {
        lab.fault(client, Fault::NoDefaultRoute { family: Family::V4 })
    })?;
    tour(&lab, "the client's device is down", |lab, [client, ..]| {
        lab.fault(client, Fault::LinkDown { dev: "eth0" })
    })?;
    tour(
        &lab,
        "the router's neighbour entry for the server is wrong",
        |lab, [_, router, server]| {
            lab.fault(router, Fault::WrongNeighbour { dev: "eth1", ip: server.v4().into() })
        },
    )?;
    tour(&lab, "the client has a route that swallows packets", |lab, [client, _, server]| {
        let prefix = &format!("{}/32", server.v4());
        lab.fault(client, Fault::Route { kind: RouteKind::Blackhole, prefix })
    })
}

/// A client, a router and a server with a database; `break_it` breaks one thing.
fn tour(
    lab: &Lab,
    title: &str,
    break_it: impl FnOnce(&Lab, [&Node; 3]) -> vision_lab::Result<()>,
) -> Result<(), Box<dyn Error>> {
    let [client, router, server] = lab.chain(["client", "router", "server"])?;
    let _database = TcpServer::start(&server, "0.0.0.0:5432", TcpBehaviour::Accept)?;
    break_it(lab, [&client, &router, &server])?;
    println!("== {title}");
    // The doctor finds namespaces through the processes in them.
    let _inhabitants = [router.sleeper(), server.sleeper()];
    show(&ask(&client, &format!("{}:5432", server.v4()))?);
    Ok(())
}

/// Asks from inside the client, through a process in it, as for a container.
fn ask(client: &Node, question: &str) -> Result<Diagnosis, Box<dyn Error>> {
    let budget = Budget::within(Duration::from_secs(20));
    let process = client.sleeper();
    let target = Target::resolve(&Selector::Pid(process.pid()), &budget)?;
    let case = CaseFile::new(question.parse()?);
    let (_, diagnosis) = diagnose(case, &Vantages::of(&target).named("client"), &budget)?;
    Ok(diagnosis)
}

fn show(diagnosis: &Diagnosis) {
    let word = match diagnosis.verdict {
        Verdict::Healthy => "healthy",
        Verdict::Faulty => "faulty",
        Verdict::Inconclusive => "cannot tell",
    };
    println!("{word}, after {:.1} s", diagnosis.elapsed.as_secs_f64());
    for finding in &diagnosis.findings {
        println!("  {}: {}", finding.cause, finding.summary);
        let fix = finding.fix.as_ref().and_then(|fix| fix.command.as_ref().or(fix.prose.as_ref()));
        if let Some(fix) = fix {
            println!("    fix: {fix}");
        }
    }
}
