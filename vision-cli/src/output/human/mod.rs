//! Reports as text, one file per verb.

pub mod arp;
pub mod bridge;
pub mod caps;
pub mod capture;
pub mod clock;
pub mod ct;
pub mod ct_more;
pub mod dns;
mod doctor;
pub mod drops;
mod ethtool;
pub mod explain;
pub mod filter;
pub mod fw;
pub mod hosts;
pub mod ipset;
pub mod ipvs;
pub mod legacy;
pub mod link;
pub mod map;
pub mod neigh;
pub mod ns;
pub mod path;
pub mod ping;
pub mod qdisc;
pub mod resolution;
pub mod route;
pub mod scan;
pub mod sock;
mod sock_details;
pub mod sock_local;
pub mod sock_summary;
pub mod stat;
pub mod sweep;
pub mod syn;
mod table;
pub mod tcp;
pub mod udp;
pub mod watch;

use std::io::{self, Write};
use std::time::Duration;

use vision_core::Untrusted;

use super::Style;
use super::text::Put;

/// Puts ` dev NAME`, or the index where it has no name here.
#[inline]
fn dev(
    out: &mut Vec<u8>,
    dev: Option<&Untrusted>,
    ifindex: Option<u32>,
    style: &Style,
) -> io::Result<()> {
    match (dev, ifindex) {
        (Some(dev), _) => {
            out.put(" dev ");
            Style::paint(out, style.name, |out| {
                out.name(dev);
                Ok(())
            })
        }
        (None, Some(index)) => write!(out, " dev if{index}"),
        (None, None) => Ok(()),
    }
}

/// Puts the name of a kernel's number, or the number itself.
#[inline]
fn word(out: &mut Vec<u8>, name: Option<&str>, raw: impl Into<u64>) -> io::Result<()> {
    match name {
        Some(name) => out.put(name),
        None => out.uint(raw.into()),
    }
    Ok(())
}

/// Writes milliseconds with three digits behind the point, as ping does.
fn millis(length: Duration) -> String {
    format!("{:.3}", length.as_secs_f64() * 1e3)
}
