use super::tls::{BEYOND, Handshake, handshakes, judged};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::greeting::fault;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::probe::CertificateFault;

const DOCS: &str = "\
The certificate is out of date: its time is over, or has not come.

How it shows: TCP connects, every TLS client refuses with `certificate has expired` or `is not yet
valid`.
How it is proved: a handshake, and the dates of the certificate that came against this host's clock.
Why it happens: nobody renewed it, a renewed one was not loaded, or a clock is wrong.
What to do: renew the certificate and make the service load it; where it is valid, set the clock.";

static META: RuleMeta = RuleMeta { cause: Cause::TlsExpired, needs: Sections::NONE, docs: DOCS };

pub(super) struct TlsExpired;

impl Rule for TlsExpired {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let hits = handshakes(scene).filter_map(|handshake| {
            let faults = &handshake.certificate()?.faults;
            let dated = faults.iter().find(|fault| is_of_date(fault))?;
            Some(finding(scene, &handshake, dated))
        });
        judged(scene, hits.collect(), "the certificate is valid at this time")
    }
}

fn is_of_date(fault: &CertificateFault) -> bool {
    matches!(
        fault,
        CertificateFault::Expired { .. }
            | CertificateFault::ChainExpired { .. }
            | CertificateFault::NotYetValid { .. }
    )
}

fn finding(
    scene: &Scene<'_>,
    handshake: &Handshake<'_, '_>,
    dated: &CertificateFault,
) -> super::Hit {
    let (place, service) = (&scene.target.name, handshake.service());
    let what = match dated {
        CertificateFault::NotYetValid { .. } => "is not valid yet",
        CertificateFault::ChainExpired { .. } => "is no longer vouched for",
        _ => "has expired",
    };
    let summary = format!("{place}: the certificate of {service} {what}: {}", fault(dated));
    let draft = handshake.draft(META.cause, summary);
    let prose = match dated {
        CertificateFault::NotYetValid { .. } => {
            "set the clock of this host, or of the one that made the certificate"
        }
        CertificateFault::ChainExpired { .. } => {
            "renew the authority's certificate, and install it with the service or the target"
        }
        _ => "renew the certificate and make the service load it",
    };
    draft.prose(prose).hit(handshake.number, BEYOND)
}
