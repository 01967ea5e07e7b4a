//! Networks that lose nothing and take their time.

use std::time::Duration;

use vision_lab::RelaySpec;

use super::*;

#[test]
fn where_on_the_way_the_time_is_spent_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let spec = RelaySpec { delay: Duration::from_millis(60), ..RelaySpec::default() };
    let ([a, .., b], _relays) =
        lab.relayed_chain(["a", "x", "r", "b"], &[(1, spec)]).expect("a chain");
    let _server = TcpServer::start(&b, "[::]:5432", TcpBehaviour::Accept).expect("listens");
    let diagnosis = examine(&a, &format!("{}:5432", b.v4()));
    let finding = diagnosis.findings.first().expect("a finding");
    let said = (finding.cause.slug(), finding.severity, finding.confidence);
    assert_eq!(said, ("latency.hop", Severity::Warning, Confidence::Proved), "{diagnosis:#?}");
    let net = b.v4().octets()[1];
    let place = format!("between 10.{net}.0.2 and 10.{net}.1.2");
    assert_eq!(finding.subject.place, place);
}
