use super::narrow::{self, Narrow};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
A service listens on the port, but only for one IP version: on 0.0.0.0, or on [::] for IPv6 alone.

How it shows: the name works with one family and is refused with the other.
How it is proved: the destination's socket table has a listener of the other family only.
What to do: have the service listen on [::] without the v6only option, or on both.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketFamilyOnly, needs: Sections::SOCKETS, docs: DOCS };

static NARROW: Narrow = Narrow {
    cause: Cause::SocketFamilyOnly,
    applies: |sock, flow| {
        let outside = !sock.local.is_loopback() || flow.dst.is_loopback();
        outside && Family::of(sock.local) != Family::of(flow.dst)
    },
    does: "listens on the other IP version only",
    fix: "have the service listen on both IP versions",
};

pub(super) struct SocketFamilyOnly;

impl Rule for SocketFamilyOnly {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        narrow::check(scene, &NARROW)
    }
}
