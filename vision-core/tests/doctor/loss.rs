//! Networks that lose a share of the packets, or keep them waiting.

use super::*;

#[test]
fn a_rule_that_drops_a_share_is_named_though_connects_come_through() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("a chain");
    let _server = TcpServer::start(&b, "[::]:5432", TcpBehaviour::Accept).expect("listens");
    let _kept = (r.sleeper(), b.sleeper());
    r.sh("nft 'table inet t { chain c { type filter hook forward priority 0; policy accept; numgen random mod 10 < 1 counter drop; }; }'");
    let diagnosis = examine(&a, &format!("{}:5432", b.v4()));
    let finding = diagnosis.findings.first().expect("a finding");
    assert_eq!(finding.cause.slug(), "loss.path", "{diagnosis:#?}");
    assert_eq!(finding.confidence, Confidence::Proved, "{diagnosis:#?}");
    let place = finding.subject.netns.expect("a namespace");
    assert_eq!(place.ino, r.inode(), "{finding:?}");
}

#[test]
fn answers_that_are_limited_are_not_lost() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let _server = TcpServer::start(&b, "[::]:5432", TcpBehaviour::Accept).expect("listens");
    b.sh("nft 'table ip t { chain c { type filter hook input priority 0; policy accept; icmp type echo-request limit rate 5/second accept; icmp type echo-request drop; }; }'");
    must_be_healthy(&examine(&a, &format!("{}:5432", b.v4())));
    must_be_healthy(&examine(&a, &b.v4().to_string()));
}
