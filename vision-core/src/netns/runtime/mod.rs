//! Containers and pods by the names people know: from the control groups of their processes, from
//! what the engines keep on disk, and, where that is not enough, from the engines themselves.

mod book;
mod cgroup;
#[cfg(feature = "cri")]
mod cri;
mod docker;
mod engine;
pub(super) mod find;
mod http;
mod model;
mod oci;
mod places;
mod root;
mod scan;
mod storage;
mod survey;
#[cfg(test)]
mod tests;
mod watcher;

pub use model::{Container, Engine, Pod, Role, Source};
pub use survey::{Containers, Lookup};
