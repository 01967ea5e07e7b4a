use super::text::evidence;
use super::tls::{BEYOND, Handshake, handshakes, judged};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::greeting::AUTHORITIES;
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Confidence};
use crate::inventory::Sections;
use crate::probe::CertificateFault;

const DOCS: &str = "\
Nobody whom this target trusts has signed the certificate.

How it shows: TCP connects, TLS clients refuse with `unknown authority` or `self-signed certificate`.
How it is proved: a handshake; no chain leads from the certificate to the authorities the target has,
those of SSL_CERT_FILE and SSL_CERT_DIR or of its distribution (`ca-certificates.crt`, /etc/ssl/certs).
Where it has none, or not all can be read, it is only likely. A program with authorities of its own
may think otherwise.
Why it happens: a private authority is not installed in the container, an intermediate certificate
is not sent by the server, or the certificate is self-signed.
What to do: install the authority in the container, or make the server send the whole chain.";

static META: RuleMeta = RuleMeta { cause: Cause::TlsUntrusted, needs: Sections::NONE, docs: DOCS };

pub(super) struct TlsUntrusted;

impl Rule for TlsUntrusted {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let hits = handshakes(scene)
            .filter(|handshake| handshake.has(|fault| *fault == CertificateFault::Untrusted))
            .map(|handshake| finding(scene, &handshake));
        judged(scene, hits.collect(), "the certificate's chain leads to a trusted authority")
    }
}

fn finding(scene: &Scene<'_>, handshake: &Handshake<'_, '_>) -> super::Hit {
    let (place, service) = (&scene.target.name, handshake.service());
    let certificate = handshake.certificate();
    let self_signed = certificate.is_some_and(|it| it.self_signed);
    let issuer = certificate.and_then(|it| it.issuer.as_ref());
    let summary = match issuer.filter(|_| !self_signed) {
        Some(issuer) => format!(
            "{place}: the certificate of {service} is signed by {}, whom nothing here trusts",
            issuer.escaped()
        ),
        None if self_signed => {
            format!("{place}: the certificate of {service} is signed by nobody but itself")
        }
        None => format!("{place}: the certificate of {service} is signed by nobody trusted here"),
    };
    // Who knows what else it trusts.
    let mut gaps = scene.target.rounds.iter().flat_map(|round| &round.gaps);
    let confidence = match gaps.any(|gap| gap.what == AUTHORITIES) {
        true => Confidence::Likely,
        false => Confidence::Proved,
    };
    let mut draft = handshake.draft(META.cause, summary).confidence(confidence);
    if let Some(certificate) = certificate {
        let (here, at) = (&handshake.flow.hops[0], handshake.report.at);
        let seen = format!("{} with the certificate", certificate.intermediates);
        draft = draft
            .evidence(evidence(here, at, "intermediate certificates", seen))
            .evidence(evidence(here, at, "authorities trusted", certificate.trusted.clone()));
    }
    let prose = match self_signed {
        true => "install this certificate among the target's authorities, or have one issued",
        false => {
            "install the authority among the target's, or make the server send the whole chain"
        }
    };
    draft.prose(prose).hit(handshake.number, BEYOND)
}
