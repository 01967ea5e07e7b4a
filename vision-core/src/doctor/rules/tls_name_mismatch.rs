use super::tls::{BEYOND, Handshake, handshakes, judged};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::greeting::{by_address, fault};
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::probe::{CertificateFault, TlsOutcome};

const DOCS: &str = "\
The certificate is for other names than the one asked for.

How it shows: TCP connects, every TLS client refuses with a host name mismatch.
How it is proved: a handshake for the name, and the names in the certificate that came; or the
server's own word that it does not know the name (alert `UnrecognisedName`).
Why it happens: an ingress shows its default certificate, the name leads to another server, or the
service is asked by an address that is not in its certificate.
What to do: ask by a name in the certificate, or have the certificate issued for this one.";

static META: RuleMeta =
    RuleMeta { cause: Cause::TlsNameMismatch, needs: Sections::NONE, docs: DOCS };

pub(super) struct TlsNameMismatch;

impl Rule for TlsNameMismatch {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let hits = handshakes(scene).filter_map(|handshake| finding(scene, &handshake));
        judged(scene, hits.collect(), "the certificate is for the name asked for")
    }
}

fn finding(scene: &Scene<'_>, handshake: &Handshake<'_, '_>) -> Option<super::Hit> {
    let (place, service) = (&scene.target.name, handshake.service());
    let unknown = matches!(&handshake.report.outcome, TlsOutcome::Alert { name } if name == "UnrecognisedName");
    let summary = match unknown {
        true => format!("{place}: the server at {service} says that it does not have that name"),
        false => {
            // Whoever asks by address is told first that he has no reason to trust it.
            if by_address(scene) && handshake.has(|f| *f == CertificateFault::Untrusted) {
                return None;
            }
            let faults = &handshake.certificate()?.faults;
            let wrong = |f: &&CertificateFault| matches!(f, CertificateFault::WrongName { .. });
            let names = fault(faults.iter().find(wrong)?);
            format!("{place}: the certificate of {service} is {names}")
        }
    };
    let name = &handshake.report.name;
    let draft = handshake.draft(META.cause, summary);
    let draft = draft.prose(format!(
        "ask by a name the certificate is for, or have it issued for {name}; see that {name} leads to the right server"
    ));
    Some(draft.hit(handshake.number, BEYOND))
}
