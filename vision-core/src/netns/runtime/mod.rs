//! Containers and pods by the names people know: from the control groups of their processes, from
//! what the engines keep on disk, and, where that is not enough, from the engines themselves.

mod cgroup;
mod model;
mod root;

pub use model::{Container, Engine, Pod, Role, Source};
