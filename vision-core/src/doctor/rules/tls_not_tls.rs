use super::text::evidence;
use super::tls::{BEYOND, Handshake, handshakes, heard};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::greeting::first_line;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::probe::TlsOutcome;

const DOCS: &str = "\
What answers on the port does not speak TLS.

How it shows: TCP connects, TLS clients say `wrong version number` or `first record does not look
like a TLS handshake`.
How it is proved: the answer to a ClientHello is no TLS record (RFC 8446 section 5.1); its first
bytes are shown.
Why it happens: the port serves plain HTTP or another protocol, or a proxy before it ends TLS.
What to do: ask another port, or without TLS; or switch TLS on at the service.";

static META: RuleMeta = RuleMeta { cause: Cause::TlsNotTls, needs: Sections::NONE, docs: DOCS };

pub(super) struct TlsNotTls;

impl Rule for TlsNotTls {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let hits = handshakes(scene)
            .filter(|handshake| handshake.report.outcome == TlsOutcome::NotTls)
            .map(|handshake| finding(scene, &handshake));
        heard(scene, hits.collect(), "what came back were TLS records")
    }
}

fn finding(scene: &Scene<'_>, handshake: &Handshake<'_, '_>) -> super::Hit {
    let (place, service) = (&scene.target.name, handshake.service());
    let summary = format!("{place}: what answers on {service} does not speak TLS");
    let mut draft = handshake.draft(META.cause, summary);
    if let Some(received) = &handshake.report.received {
        let (here, at) = (&handshake.flow.hops[0], handshake.report.at);
        draft = draft.evidence(evidence(here, at, "first bytes", first_line(received)));
    }
    draft.prose("ask the port that speaks TLS, or ask without it").hit(handshake.number, BEYOND)
}
