//! The programs the tests compare against, as Debian packages.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

use crate::Result;

/// A program and the package that has it.
const ORACLES: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("tc", "iproute2"),
    ("ping", "iputils-ping"),
    ("arping", "iputils-arping"),
    ("tracepath", "iputils-tracepath"),
    ("clockdiff", "iputils-clockdiff"),
    ("traceroute", "traceroute"),
    ("tcptraceroute", "tcptraceroute"),
    ("mtr", "mtr-tiny"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("tcpdump", "tcpdump"),
    ("ngrep", "ngrep"),
    ("jq", "jq"),
    ("dig", "bind9-dnsutils"),
    ("drill", "ldnsutils"),
    ("dnsmasq", "dnsmasq-base"),
    ("nsd", "nsd"),
    ("unbound", "unbound"),
    ("ps", "procps"),
    ("script", "bsdutils"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("capsh", "libcap2-bin"),
    ("strace", "strace"),
    ("nc.openbsd", "netcat-openbsd"),
    ("fping", "fping"),
    ("nmap", "nmap"),
    ("hping3", "hping3"),
    ("runc", "runc"),
    ("ctr", "containerd"),
    ("dockerd", "docker.io"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("named", "bind9"),
    ("delv", "bind9-dnsutils"),
    ("iptables-nft", "iptables"),
    ("iptables-legacy", "iptables"),
    ("ipset", "ipset"),
    ("ethtool", "ethtool"),
    ("openssl", "openssl"),
    ("python3", "python3"),
    ("gzip", "gzip"),
    ("zstd", "zstd"),
];

/// Installs what is missing. Without the rights to it, says what to install; `forbid` makes that an error.
pub(super) fn ensure(forbid: bool) -> Result<()> {
    let packages = missing();
    if packages.is_empty() {
        println!("all present");
        return Ok(());
    }
    println!("missing: {}", packages.join(" "));
    let reason = if !in_path("apt-get") {
        "there is no apt-get here"
    } else if !is_root() {
        "only root may install packages"
    } else {
        apt(&["update", "-qq"])?;
        let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
        install.extend(&packages);
        apt(&install)?;
        let still = missing();
        if still.is_empty() {
            return Ok(());
        }
        return Err(format!("still missing after the installation: {}", still.join(" ")).into());
    };
    let advice = format!("{reason}; install these packages yourself: {}", packages.join(" "));
    if forbid {
        return Err(advice.into());
    }
    println!("{advice}\ntests that need them will be skipped");
    Ok(())
}

fn missing() -> Vec<&'static str> {
    let mut packages: Vec<_> = ORACLES
        .iter()
        .filter(|(program, _)| !in_path(program))
        .map(|&(_, package)| package)
        .collect();
    packages.dedup();
    packages
}

fn in_path(program: &str) -> bool {
    let path = env::var("PATH").unwrap_or_default();
    let dirs = path.split(':').chain(["/usr/sbin", "/sbin"]);
    dirs.into_iter().any(|dir| Path::new(dir).join(program).exists())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt(args: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("apt-get {}: {status}", args.join(" ")).into())
}
