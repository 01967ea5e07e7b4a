//! Where the other ends of interfaces are.

use std::collections::BTreeSet;

use super::{Inventory, Link};
use crate::base::{Budget, Error, Result, Untrusted};
use crate::netns::{Listing, NetnsId, Target};

/// The interface at the other end, in another namespace: a veth's peer, what a macvlan sits on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LinkPeer {
    /// The interface here.
    pub ifindex: u32,
    /// The namespace of the other end.
    pub netns: NetnsId,
    /// What a person would call that namespace.
    pub namespace: Option<String>,
    /// The other end's number there.
    pub peer_ifindex: u32,
    /// Its name there.
    pub peer: Option<Untrusted>,
}

impl Inventory {
    /// Returns where the other ends of `links` are, for those in a namespace of `listing`.
    ///
    /// Namespaces that may not be entered are passed over: their links have no peer in the answer.
    /// Needs what entering a namespace needs.
    ///
    /// # Errors
    /// [`Error::Elapsed`] or [`Error::Cancelled`].
    pub fn link_peers(
        &mut self,
        links: &[Link],
        listing: &Listing,
        budget: &Budget,
    ) -> Result<Vec<LinkPeer>> {
        let mut wanted: BTreeSet<i32> = links.iter().filter_map(|l| l.link_netnsid).collect();
        let mut found = Vec::new();
        for info in &listing.namespaces {
            if wanted.is_empty() {
                break;
            }
            let Some(selector) = info.selector() else { continue };
            let opened = Target::resolve(&selector, budget).and_then(|t| Ok((t.open()?, t)));
            let (netns, target) = match opened {
                Ok(opened) if opened.0.id() == info.id => opened,
                Err(e @ (Error::Elapsed | Error::Cancelled)) => return Err(e),
                _ => continue,
            };
            let Some(nsid) = self.nsid_of(&netns, budget)?.filter(|nsid| wanted.remove(nsid))
            else {
                continue;
            };
            let there = Self::open(&target).and_then(|mut there| there.links(budget));
            let there = there.map(|dump| dump.items).unwrap_or_default();
            let here = links.iter().filter(|link| link.link_netnsid == Some(nsid));
            found.extend(here.filter_map(|link| {
                let peer_ifindex = link.link_ifindex?;
                let peer = there.iter().find(|peer| peer.ifindex == peer_ifindex);
                Some(LinkPeer {
                    ifindex: link.ifindex,
                    netns: info.id,
                    namespace: info.called(),
                    peer_ifindex,
                    peer: peer.map(|peer| peer.name.clone()),
                })
            }));
        }
        Ok(found)
    }
}
