use super::dns::answered_with;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::wire::dns::Rcode;

const DOCS: &str = "\
The nameserver answered REFUSED: it does not serve this client or this name.

How it shows: lookups fail at once.
Why it happens: an authoritative server was configured as a resolver, or its access list does not
contain this client's address.
What to do: name a resolver in resolv.conf that serves this network, or extend its access list.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsRefused, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsRefused;

impl Rule for DnsRefused {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        answered_with(scene, META.cause, Rcode::Refused)
    }
}
