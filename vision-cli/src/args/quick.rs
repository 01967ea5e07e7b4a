//! Parsing with a description of the one verb that is meant.
//!
//! Describing all of them takes clap longer than most verbs take to answer.

use std::ffi::OsString;

use clap::{Args, Command, FromArgMatches};

use super::{
    ArpArgs, BridgeArgs, CaptureArgs, Cli, CtArgs, DecodeArgs, DnsArgs, DoctorArgs, DropsArgs,
    ExplainArgs, FilterArgs, FwArgs, Global, IpvsArgs, LinkArgs, NeighArgs, NsArgs, PathArgs,
    PingArgs, QdiscArgs, RouteArgs, ScanArgs, SockArgs, StatArgs, TcpArgs, UdpArgs, WatchArgs,
};

/// A verb's name, and what adds its arguments.
type Verb = (&'static str, fn(Command) -> Command);

const VERBS: &[Verb] = &[
    ("doctor", DoctorArgs::augment_args),
    ("explain", ExplainArgs::augment_args),
    ("ns", NsArgs::augment_args),
    ("link", LinkArgs::augment_args),
    ("route", RouteArgs::augment_args),
    ("neigh", NeighArgs::augment_args),
    ("sock", SockArgs::augment_args),
    ("ct", CtArgs::augment_args),
    ("bridge", BridgeArgs::augment_args),
    ("qdisc", QdiscArgs::augment_args),
    ("stat", StatArgs::augment_args),
    ("fw", FwArgs::augment_args),
    ("ipvs", IpvsArgs::augment_args),
    ("ping", PingArgs::augment_args),
    ("path", PathArgs::augment_args),
    ("tcp", TcpArgs::augment_args),
    ("scan", ScanArgs::augment_args),
    ("udp", UdpArgs::augment_args),
    ("arp", ArpArgs::augment_args),
    ("dns", DnsArgs::augment_args),
    ("capture", CaptureArgs::augment_args),
    ("decode", DecodeArgs::augment_args),
    ("filter", FilterArgs::augment_args),
    ("watch", WatchArgs::augment_args),
    ("drops", DropsArgs::augment_args),
    ("caps", |command| command),
];

/// Reads a command line whose first word that is a verb's name is the verb; `None` for every other
/// one, and for what asks for help or is not right, of which the whole description says more.
pub fn parse(words: &[OsString]) -> Option<Cli> {
    let known = |word: &OsString| VERBS.iter().find(|(name, _)| word == *name);
    let (name, augment) = words.iter().skip(1).find_map(known)?;
    let command = Global::augment_args(Command::new("vision").disable_help_subcommand(true));
    let command = command.subcommand_required(true).subcommand(augment(Command::new(*name)));
    let matches = command.try_get_matches_from(words).ok()?;
    Cli::from_arg_matches(&matches).ok()
}

/// Answers what asks for the version and nothing else.
pub fn version(words: &[OsString]) -> Option<clap::Error> {
    let [_, word] = words else { return None };
    if word != "--version" && word != "-V" {
        return None;
    }
    let command = Command::new("vision").version(env!("CARGO_PKG_VERSION"));
    command.try_get_matches_from(words).err()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn quick(line: &str) -> Option<String> {
        let words: Vec<_> = line.split(' ').map(OsString::from).collect();
        parse(&words).map(|cli| format!("{cli:?}"))
    }

    #[test]
    fn every_verb_is_described_as_in_the_whole() {
        let whole = Cli::command();
        let names = |command: &Command| -> Vec<String> {
            let ids = command.get_arguments().map(|arg| format!("{arg:?}"));
            ids.chain(command.get_subcommands().map(|sub| format!("{sub:?}"))).collect()
        };
        for verb in whole.get_subcommands() {
            let found = VERBS.iter().find(|(name, _)| *name == verb.get_name());
            let (name, augment) = found.unwrap_or_else(|| panic!("no {}", verb.get_name()));
            assert_eq!(names(&augment(Command::new(*name))), names(verb), "{name}");
        }
        assert_eq!(VERBS.len(), whole.get_subcommands().count());
    }

    #[test]
    fn the_version_is_that_of_the_whole() {
        for word in ["-V", "--version"] {
            let words = ["vision", word].map(OsString::from);
            let quick = version(&words).expect("a version");
            let whole = Cli::command().try_get_matches_from(&words).expect_err("a version");
            assert_eq!((quick.kind(), quick.to_string()), (whole.kind(), whole.to_string()));
        }
        assert!(version(&["vision", "link"].map(OsString::from)).is_none());
    }

    #[test]
    fn what_it_reads_is_what_the_whole_reads() {
        use clap::Parser;
        for line in [
            "vision link",
            "vision --in link link --json",
            "vision link link",
            "vision ping link -c 3 -4",
            "vision --pid 7 dns link @10.0.0.1 --short",
            "vision ns exec pid:7 -- vision link",
            "vision capture -i link -w ping tcp port 80",
            "vision fw --why 10.0.0.1:1->10.0.0.2:2/tcp",
            "vision caps",
            "vision --in ctr:link --where name==link neigh",
        ] {
            let whole = Cli::try_parse_from(line.split(' ')).map(|cli| format!("{cli:?}"));
            assert!(whole.is_ok(), "{line}");
            assert_eq!(quick(line), whole.ok(), "{line}");
        }
        // A word before the verb that is another one's name: left to the whole description.
        let line = "vision --in ping link";
        assert!(quick(line).is_none() && Cli::try_parse_from(line.split(' ')).is_ok());
        for line in ["vision", "vision pign", "vision --help", "vision link --help", "vision -V"] {
            assert!(quick(line).is_none(), "{line}");
        }
        for line in [
            "vision ping",
            "vision link --no-such",
            "vision ping ::1 -c 0",
            "vision link extra words",
        ] {
            assert!(
                quick(line).is_none() && Cli::try_parse_from(line.split(' ')).is_err(),
                "{line}"
            );
        }
    }
}
