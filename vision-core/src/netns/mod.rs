//! Network namespaces: handles, what a user calls them, and files as their processes see them.

#[cfg(feature = "dns")]
pub(crate) mod cpu;
mod file;
mod handle;
mod hidden;
mod list;
pub(crate) mod proc;
mod resolve;
mod runtime;
mod selector;
pub(crate) mod sockets;
mod target;

pub use file::{FileOrigin, TargetFile};
pub use handle::{Netns, NetnsId};
pub use hidden::NetnsHolder;
pub use list::{Listing, NamespaceInfo, list};
pub use runtime::{Container, Containers, Engine, Lookup, Pod, Role, Source};
pub use selector::Selector;
pub use target::Target;
