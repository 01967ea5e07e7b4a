use super::tls::{BEYOND, Handshake, handshakes, heard};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::greeting::lost_nothing;
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Confidence};
use crate::inventory::Sections;
use crate::probe::TlsOutcome;

const DOCS: &str = "\
The service takes connections and the beginning of a TLS handshake, and says nothing.

How it shows: TCP connects, TLS clients hang until they give up.
How it is proved: a ClientHello was sent and not a byte came back within three seconds, while nothing
had to be sent again and full-size packets were answered: its kernel has taken it, and an answer would
have come. Otherwise it is only likely.
Why it happens: the service speaks another protocol and waits for its words, it is stuck, or a proxy
waits for a backend of its own.
What to do: see what listens on the port and what it is busy with.";

static META: RuleMeta = RuleMeta { cause: Cause::TlsSilent, needs: Sections::NONE, docs: DOCS };

pub(super) struct TlsSilent;

impl Rule for TlsSilent {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let hits = handshakes(scene)
            .filter(|handshake| handshake.report.outcome == TlsOutcome::Silent)
            .map(|handshake| finding(scene, &handshake));
        heard(scene, hits.collect(), "the service answered the ClientHello")
    }
}

fn finding(scene: &Scene<'_>, handshake: &Handshake<'_, '_>) -> super::Hit {
    let (place, service) = (&scene.target.name, handshake.service());
    let summary =
        format!("{place}: {service} takes connections and does not answer a TLS handshake");
    let confidence = match lost_nothing(scene, handshake.flow) {
        true => Confidence::Proved,
        false => Confidence::Likely,
    };
    let draft = handshake.draft(META.cause, summary).confidence(confidence);
    draft
        .prose(format!(
            "see what listens on port {} and what it waits for",
            handshake.report.to.port()
        ))
        .hit(handshake.number, BEYOND)
}
