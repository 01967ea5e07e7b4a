//! Arguments of `vision ns`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// `vision ns`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision ns ls\n  vision ns exec pid:4242 -- ip addr")]
pub struct NsArgs {
    /// What to do with namespaces.
    #[command(subcommand)]
    pub verb: NsVerb,
}

/// What to do with namespaces.
#[derive(Debug, Subcommand)]
pub enum NsVerb {
    /// List the network namespaces that have a process or a name
    #[command(after_help = "Examples:\n  vision ns ls\n  vision ns ls --all --json")]
    Ls {
        /// Also those nobody lives in: mounted elsewhere, held by a descriptor or a socket
        #[arg(long)]
        all: bool,
    },
    /// Show how namespaces hang together: links, veth pairs, bridges, uplinks
    #[command(after_help = "Examples:\n  vision ns map\n  vision ns map --svg > map.svg\n  \
                            vision ns map --mermaid")]
    Map {
        /// Also namespaces nobody lives in, as ns ls --all finds them
        #[arg(long)]
        all: bool,
        /// As a picture
        #[arg(long, conflicts_with = "global-json")]
        svg: bool,
        /// As a Mermaid flowchart
        #[arg(long, conflicts_with_all = ["svg", "global-json"])]
        mermaid: bool,
    },
    /// Say which network namespace a target is in
    #[command(after_help = "Examples:\n  vision ns of pid:4242\n  vision ns of blue --json")]
    Of {
        /// The target; the same as --in
        #[arg(value_name = "SEL")]
        target: Option<String>,
    },
    /// Show one namespace: who it is, its interfaces and where they lead, files and settings
    #[command(after_help = "Examples:\n  vision ns show ctr:web --files\n  \
                            vision ns show pid:4242 --sysctl net.ipv4.conf.eth0 --json")]
    Show {
        /// The target; the same as --in
        #[arg(value_name = "SEL")]
        target: Option<String>,
        /// Its resolv.conf, hosts and nsswitch.conf as well
        #[arg(long)]
        files: bool,
        /// The settings whose names begin so as well, such as net.ipv4; may be repeated
        #[arg(long, value_name = "PREFIX")]
        sysctl: Vec<String>,
    },
    /// Write what a namespace holds as JSON, to be compared later
    #[command(after_help = "Examples:\n  vision ns snapshot ctr:web > before.json\n  \
                            vision ns diff before.json ctr:web")]
    Snapshot {
        /// The target; the same as --in
        #[arg(value_name = "SEL")]
        target: Option<String>,
    },
    /// Say what differs between two namespaces, or between one and a snapshot of it
    #[command(after_help = "The exit code is 1 when they differ.\n\nExamples:\n  \
                            vision ns diff ctr:a ctr:b\n  vision ns diff before.json ctr:web")]
    Diff {
        /// A target, or a file that ns snapshot wrote
        #[arg(value_name = "A")]
        first: String,
        /// A target, or a file that ns snapshot wrote
        #[arg(value_name = "B")]
        second: String,
    },
    /// Run a command inside the network namespace of a target
    ///
    /// Nothing but the network changes: files, /sys and users stay the caller's. The exit code is
    /// the command's; 127 if it does not exist, 126 if it cannot be run.
    #[command(after_help = "Examples:\n  vision ns exec pid:4242 -- ip addr\n  \
                            vision ns exec ctr:web -- curl -s http://10.0.0.2\n  \
                            vision ns exec --new --rootless -- sh")]
    #[command(override_usage = "vision ns exec SEL -- CMD...\n       \
                                vision ns exec --new [--rootless] -- CMD...")]
    Exec {
        /// In a new network namespace, which has nothing but a loopback interface that is down
        #[arg(long)]
        new: bool,
        /// As root of a new user namespace, which takes no privilege
        #[arg(long, requires = "new")]
        rootless: bool,
        /// The target
        // With --new this is the first word of the command.
        #[arg(value_name = "SEL", required = true)]
        target: Option<OsString>,
        /// The command and its arguments
        #[arg(value_name = "CMD", required_unless_present = "new", trailing_var_arg = true)]
        command: Vec<OsString>,
    },
}
