//! One file per verb: take the arguments, call the library, hand the report to the output.

mod arp;
mod bridge;
mod caps;
mod capture;
mod clock;
mod ct;
mod decode;
mod destination;
mod dns;
mod doctor;
mod drops;
mod explain;
mod filter;
mod fw;
mod ipvs;
mod link;
pub mod names;
mod neigh;
mod ns;
mod path;
mod ping;
mod qdisc;
mod resolver;
mod route;
mod scan;
mod search;
mod sock;
mod stat;
mod stream;
mod sweep;
mod syn;
mod targets;
mod tcp;
mod udp;
mod watch;

use std::process::ExitCode;

use crate::args::{Cli, Verb};
use crate::context::Context;
use crate::exit::{Failure, Outcome, code};
use crate::output::Output;

/// What a verb returns: how it ended, or what kept it from its answer.
pub type Ended = Result<Outcome, Failure>;

/// Carries out what the command line asks for and returns the exit code.
pub fn run(cli: Cli) -> ExitCode {
    let Cli { mut global, verb } = cli;
    global.json |= global.query.is_some();
    let out = Output::new(&global, verb.schema());
    let mut context = Context { global, out };
    let query = context.global.query.as_deref();
    let result = query.map_or(Ok(()), |text| context.out.query(text));
    let result = result.and_then(|()| verb.check(&context.global)).map_err(Failure::from);
    let ended = result.and_then(|()| dispatch(verb, &mut context));
    let told = match &ended {
        Ok(_) => Ok(()),
        Err(failure) => context.out.failure(failure),
    };
    let outcome = match (ended, told.and_then(|()| context.out.finish())) {
        (Ok(outcome), Ok(())) => outcome,
        (Err(failure), Ok(())) => Outcome::Failed(failure),
        (_, Err(e)) => {
            let failure = Failure::Output(e);
            // To standard error, for standard output is what failed.
            let _ = context.out.failure(&failure);
            Outcome::Failed(failure)
        }
    };
    code(&outcome).into()
}

fn dispatch(verb: Verb, context: &mut Context) -> Ended {
    match verb {
        Verb::Ns(args) => ns::run(args, context),
        Verb::Link(args) => link::run(&args, context),
        Verb::Route(args) => route::run(&args, context),
        Verb::Neigh(args) => neigh::run(&args, context),
        Verb::Sock(args) => sock::run(&args, context),
        Verb::Ct(args) => ct::run(&args, context),
        Verb::Bridge(args) => bridge::run(&args, context),
        Verb::Qdisc(args) => qdisc::run(&args, context),
        Verb::Stat(args) => stat::run(&args, context),
        Verb::Fw(args) => fw::run(&args, context),
        Verb::Ipvs(args) => ipvs::run(&args, context),
        Verb::Ping(args) => ping::run(&args, context),
        Verb::Path(args) => path::run(&args, context),
        Verb::Tcp(args) => tcp::run(&args, context),
        Verb::Scan(args) => scan::run(&args, context),
        Verb::Udp(args) => udp::run(&args, context),
        Verb::Arp(args) => arp::run(&args, context),
        Verb::Dns(args) => dns::run(&args, context),
        Verb::Doctor(args) => doctor::run(&args, context),
        Verb::Explain(args) => explain::run(&args, context),
        Verb::Capture(args) => capture::run(&args, context),
        Verb::Decode(args) => decode::run(&args, context),
        Verb::Filter(args) => filter::run(&args, context),
        Verb::Drops(args) => drops::run(&args, context),
        Verb::Watch(args) => watch::run(&args, context),
        Verb::Caps => caps::run(context),
    }
}
