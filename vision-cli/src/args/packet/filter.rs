use std::net::Ipv4Addr;
use std::str::FromStr;

use clap::{ArgAction, Args};
use vision_core::wire::LinkType;
use vision_core::{Error, Result};

/// `vision filter`
#[derive(Debug, Args)]
#[command(after_help = "Without -d and --check it prints the program, as with -d.\n\n\
                        Examples:\n  vision filter -d 'vlan and not icmp'\n  \
                        vision filter --check --link LINUX_SLL2 'tcp port 80'\n  \
                        vision filter -ddd --live 'inbound and udp'")]
pub struct FilterArgs {
    /// The filter, as tcpdump takes it; none takes every packet
    #[arg(value_name = "EXPR")]
    pub filter: Vec<String>,
    /// Print the program; -dd as a C array, -ddd as numbers
    #[arg(short = 'd', action = ArgAction::Count)]
    pub dump: u8,
    /// Say only by the exit code whether the filter makes sense
    #[arg(long, conflicts_with = "dump")]
    pub check: bool,
    /// What packets begin with, such as EN10MB, RAW or LINUX_SLL2, or its number
    #[arg(long, value_name = "LINKTYPE", default_value = "EN10MB")]
    pub link: LinkType,
    /// The network's mask, which `ip broadcast` needs; - if it is not known
    #[arg(long, value_name = "MASK", default_value = "-", allow_hyphen_values = true)]
    pub netmask: Netmask,
    /// Compile for the kernel: what it knows beside the bytes can be asked for
    #[arg(long)]
    pub live: bool,
    /// Leave the program as it comes
    #[arg(short = 'O', long)]
    pub unoptimised: bool,
}

/// The mask of a network, if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netmask(pub Option<Ipv4Addr>);

impl FromStr for Netmask {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let why = || format!("`{text}` is neither a mask such as 255.255.255.0 nor -");
        let invalid = |_| Error::Invalid { what: "netmask", why: why() };
        match text {
            "-" => Ok(Self(None)),
            _ => text.parse().map(|it| Self(Some(it))).map_err(invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_may_be_unknown() {
        assert_eq!("-".parse::<Netmask>().expect("none"), Netmask(None));
        let mask = Ipv4Addr::new(255, 255, 0, 0);
        assert_eq!("255.255.0.0".parse::<Netmask>().expect("a mask"), Netmask(Some(mask)));
        assert!("255.255".parse::<Netmask>().is_err());
    }
}
