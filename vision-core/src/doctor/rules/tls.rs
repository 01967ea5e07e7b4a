//! What the rules about TLS share.

use super::text::{Draft, evidence, symptom};
use super::{Answer, Hit};
use crate::doctor::greeting::{fault, handshake, outcome, shaken};
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::probe::{CertificateFault, TlsCertificate, TlsOutcome, TlsReport};

/// Where on the way what is said over a connection stands: after all that carries it.
pub(super) const BEYOND: usize = usize::MAX;

/// A handshake with a destination that takes connections.
pub(super) struct Handshake<'s, 'a> {
    pub(super) number: usize,
    pub(super) flow: &'s Flow<'a>,
    pub(super) report: &'a TlsReport,
}

impl Handshake<'_, '_> {
    pub(super) fn certificate(&self) -> Option<&TlsCertificate> {
        self.report.certificate.as_ref()
    }

    pub(super) fn has(&self, is: fn(&CertificateFault) -> bool) -> bool {
        self.certificate().is_some_and(|it| it.faults.iter().any(is))
    }

    /// What is asked, by the name the certificate has to be for.
    pub(super) fn service(&self) -> String {
        match self.report.name.parse::<std::net::IpAddr>() {
            Ok(_) => format!("{} port {}", self.report.to.ip(), self.report.to.port()),
            Err(_) => format!("{} port {}", self.report.name, self.report.to.port()),
        }
    }

    /// A finding with all that the handshake showed.
    pub(super) fn draft(&self, cause: Cause, summary: String) -> Draft {
        let here = &self.flow.hops[0];
        let (address, port) = (self.report.to.ip(), self.report.to.port());
        let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address, port };
        let at = self.report.at;
        let mut draft = Draft::new(cause, here, kind, summary);
        draft = draft.evidence(symptom(self.flow, here));
        let seen = match self.report.outcome {
            TlsOutcome::Completed => shaken(self.report),
            _ => outcome(self.report),
        };
        draft = draft.evidence(evidence(here, at, "TLS handshake", seen));
        for one in self.certificate().map_or(&[][..], |it| &it.faults) {
            draft = draft.evidence(evidence(here, at, "certificate", fault(one)));
        }
        draft
    }
}

/// The latest handshake with each destination.
pub(super) fn handshakes<'s, 'a>(
    scene: &'s Scene<'a>,
) -> impl Iterator<Item = Handshake<'s, 'a>> + use<'s, 'a> {
    let flows = scene.flows.iter().enumerate().filter(|(_, flow)| flow.outcome == Outcome::Works);
    flows.filter_map(|(number, flow)| {
        Some(Handshake { number, flow, report: handshake(scene, flow)? })
    })
}

/// The hits, or what the certificates showed instead, if any came.
pub(super) fn judged(scene: &Scene<'_>, hits: Vec<Hit>, otherwise: &str) -> Answer {
    let came = handshakes(scene).any(|handshake| handshake.certificate().is_some());
    unless(hits, came, otherwise)
}

/// The hits, or what the first bytes back showed instead, if any came.
pub(super) fn heard(scene: &Scene<'_>, hits: Vec<Hit>, otherwise: &str) -> Answer {
    let came = handshakes(scene).any(|handshake| handshake.report.first_byte.is_some());
    unless(hits, came, otherwise)
}

fn unless(hits: Vec<Hit>, came: bool, otherwise: &str) -> Answer {
    Answer::from_hits(hits, || match came {
        true => Answer::RuledOut(otherwise.to_owned()),
        false => Answer::NotApplicable,
    })
}
