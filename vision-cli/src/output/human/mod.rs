//! Reports as text, one file per verb.

pub mod arp;
pub mod caps;
pub mod dns;
mod doctor;
pub mod explain;
pub mod link;
pub mod neigh;
pub mod ns;
pub mod ping;
pub mod resolution;
pub mod route;
pub mod sock;
mod table;
pub mod tcp;

use std::time::Duration;

/// Writes milliseconds with three digits behind the point, as ping does.
fn millis(length: Duration) -> String {
    format!("{:.3}", length.as_secs_f64() * 1e3)
}
