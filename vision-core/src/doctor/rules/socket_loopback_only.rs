use super::narrow::{self, Narrow};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
A service listens on the port, but only on the loopback address, so nobody outside its own network
namespace can reach it.

How it shows: `curl localhost` works inside the container, everybody else is refused.
How it is proved: the destination's socket table has a listener on 127.0.0.1 or ::1 and none on
another address, and the destination sends a reset.
What to do: have the service listen on 0.0.0.0 or [::], or on the container's address.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketLoopbackOnly, needs: Sections::SOCKETS, docs: DOCS };

static NARROW: Narrow = Narrow {
    cause: Cause::SocketLoopbackOnly,
    applies: |sock, flow| sock.local.is_loopback() && !flow.dst.is_loopback(),
    does: "listens on the loopback only",
    fix: "have the service listen on all addresses",
};

pub(super) struct SocketLoopbackOnly;

impl Rule for SocketLoopbackOnly {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        narrow::check(scene, &NARROW)
    }
}
