use clap::Args;

/// `vision filter`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  vision filter -d 'vlan and not icmp'\n  \
                        vision filter --check --link LINUX_SLL2 'tcp port 80'")]
pub struct FilterArgs {
    /// The filter, as tcpdump takes it
    #[arg(value_name = "EXPR")]
    pub filter: Vec<String>,
}
