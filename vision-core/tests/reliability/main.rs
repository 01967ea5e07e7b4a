//! What others, or an exhausted system, may do to the library without making it lie.

mod churn;
mod forger;
mod gone;
mod handles;
mod netlink;
mod scarce;
mod visits;

use vision_core::{Netns, Target};
use vision_lab::Node;

fn target_of(node: &Node) -> Target {
    let fd = node.netns_fd().expect("a descriptor");
    Target::of(Netns::from_fd(fd).expect("a network namespace"))
}
