use super::dns::answered_with;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::wire::dns::Rcode;

const DOCS: &str = "\
The nameserver answered SERVFAIL: it tried and failed to find out.

How it shows: lookups fail, often after a while; other names may work.
Why it happens: the server's own upstream is unreachable, a zone's servers are lame, or validation
with DNSSEC failed.
What to do: ask the server's operator, or try another server: `vision dns NAME @SERVER`.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsServfail, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsServfail;

impl Rule for DnsServfail {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        answered_with(scene, META.cause, Rcode::ServFail)
    }
}
