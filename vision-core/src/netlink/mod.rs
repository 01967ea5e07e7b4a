//! Netlink: attribute codec, one request socket, and the message families the inventory reads.
//!
//! Decoders yield raw numbers and borrowed bytes; what they mean is the inventory's business.
//! Nothing here trusts a length: structures may be shorter or longer than the ones this was
//! written against, unknown attributes are skipped, and no message can take a whole dump with it.
#![deny(clippy::indexing_slicing)]

pub(crate) mod attr;
mod channel;
pub(crate) mod conntrack;
pub(crate) mod conntrack_more;
pub(crate) mod ethtool;
pub(crate) mod header;
pub(crate) mod ipset;
pub(crate) mod ipvs;
pub(crate) mod local_diag;
pub(crate) mod nft;
pub(crate) mod rtnl;
pub(crate) mod sock_diag;
mod socket;

pub(crate) use channel::Channel;
pub(crate) use socket::{KernelSocket, Protocol, Transport};
