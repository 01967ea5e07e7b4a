use std::net::SocketAddr;
use std::time::Duration;

use super::machine::{Ask, DnsMachine};
use super::nonce::Nonces;
use super::report::{DnsCause, DnsMismatch, DnsOutcome, DnsReport};
use super::schedule::Verdict;
use super::sim::{React, Sent, ms, place, run};
use super::{DnsQuery, Letters, Transport};
use crate::wire::dns::{Rcode, RecordType};

const HERE: &str = "192.0.2.1";

fn query() -> DnsQuery {
    let name = "www.example.test".parse().expect("a name");
    DnsQuery::new(name, RecordType::A)
        .server("192.0.2.53:53".parse().expect("an address"))
        .timeout(ms(1000))
        .tries(3)
}

fn ask(
    query: &DnsQuery,
    network: impl FnMut(&Sent) -> Vec<(Duration, React)>,
) -> (DnsReport, Vec<Sent>) {
    let ask = query.ask();
    let nonces = Nonces::scripted(1000..2000);
    let machine = DnsMachine::new(
        ask,
        query.policy_for(&query.servers, Verdict::Any),
        nonces,
        7 << 32,
        place(),
    );
    run(machine, ms(60_000), network)
}

fn good(sent: &Sent) -> React {
    React::Reply(sent.reply(0, &[HERE]))
}

fn addresses(report: &DnsReport) -> Vec<String> {
    report.answer().map_or(Vec::new(), |m| m.answers.iter().map(|r| r.data.to_string()).collect())
}

#[test]
fn a_reply_is_an_answer_with_its_round_trip_time() {
    let (report, sent) = ask(&query(), |q| vec![(ms(12), good(q))]);
    assert_eq!((addresses(&report), sent.len()), (vec![HERE.to_owned()], 1));
    assert!(matches!(report.attempts[0].outcome,
        DnsOutcome::Answer { rtt, late: false, .. } if rtt == ms(12)));
    assert_eq!(sent[0].question().name.to_string(), "WwW.eXaMpLe.TeSt.");
    assert_eq!(report.attempts[0].query.header.id, 1000);
    assert_eq!(report.question.name.to_string(), "www.example.test.");
}

#[test]
fn a_lost_query_is_asked_again_with_another_identifier() {
    let (report, sent) = ask(&query(), |q| match q.n {
        0 | 1 => Vec::new(),
        _ => vec![(ms(5), good(q))],
    });
    assert_eq!(sent.iter().map(|q| q.at).collect::<Vec<_>>(), [ms(0), ms(1000), ms(2000)]);
    let waited = |n: usize| report.attempts[n].outcome == DnsOutcome::TimedOut { waited: ms(1000) };
    assert!(waited(0) && waited(1));
    assert_eq!(addresses(&report), [HERE]);
    assert_ne!(sent[0].message().header.id, sent[1].message().header.id);
}

#[test]
fn a_late_reply_is_taken_and_ends_the_query_under_way() {
    let (report, sent) = ask(&query(), |q| match q.n {
        0 => vec![(ms(1700), good(q))],
        _ => Vec::new(),
    });
    assert_eq!(sent.len(), 2);
    assert!(matches!(report.attempts[0].outcome,
        DnsOutcome::Answer { rtt, late: true, .. } if rtt == ms(1700)));
    assert_eq!(report.attempts[1].outcome, DnsOutcome::Abandoned);
}

#[test]
fn a_duplicate_is_counted() {
    let (report, _) = ask(&query(), |q| vec![(ms(3), good(q)), (ms(3), good(q))]);
    assert_eq!(report.attempts[0].ignored.duplicate, 1);
    assert_eq!(addresses(&report), [HERE]);
}

#[test]
fn wrong_identifier_question_case_and_source_are_ignored_until_the_truth_comes() {
    let other: SocketAddr = "192.0.2.54:53".parse().expect("an address");
    let (report, _) = ask(&query(), |q| {
        let right = q.reply(0, &[HERE]);
        let flip = |at: usize, by: u8| {
            let mut wrong = right.clone();
            wrong[at] ^= by;
            React::Reply(wrong)
        };
        vec![
            (ms(1), flip(1, 1)),
            (ms(2), flip(13, 1)),
            (ms(3), flip(13, 0x20)),
            (ms(4), React::ReplyFrom(other, right.clone())),
            (ms(5), React::Reply(q.bytes.clone())),
            (ms(6), React::Reply(vec![0x03])),
            (ms(7), good(q)),
        ]
    });
    let ignored = &report.attempts[0].ignored;
    assert_eq!((ignored.wrong_id, ignored.wrong_question, ignored.wrong_case), (1, 1, 1));
    assert_eq!((ignored.wrong_source, ignored.malformed, ignored.total()), (1, 2, 6));
    let first = ignored.first.as_ref().expect("an example");
    assert_eq!(first.why, DnsMismatch::WrongId);
    assert_eq!(addresses(&report), [HERE]);
}

#[test]
fn an_icmp_error_ends_a_try_at_once_and_names_its_sender() {
    let router = "198.51.100.1".parse().expect("an address");
    let (report, sent) = ask(&query(), |q| match q.n {
        0 => vec![(ms(2), React::Icmp(router, 3, 3))],
        1 => vec![(ms(2), React::Icmp(router, 3, 13))],
        _ => vec![(ms(2), React::Fail(nix::libc::EPERM))],
    });
    assert_eq!(sent.iter().map(|q| q.at).collect::<Vec<_>>(), [ms(0), ms(2), ms(4)]);
    let outcomes: Vec<_> = report.attempts.iter().map(|a| &a.outcome).collect();
    assert!(matches!(outcomes[0], DnsOutcome::PortClosed { from: Some(f), .. } if *f == router));
    assert!(matches!(outcomes[1], DnsOutcome::Unreachable { icmp, .. } if icmp.code == 13));
    assert!(matches!(outcomes[2], DnsOutcome::LocalError { .. }));
}

#[test]
fn an_error_that_comes_late_replaces_silence() {
    let router = "198.51.100.1".parse().expect("an address");
    let (report, _) = ask(&query().tries(2), |q| match q.n {
        0 => vec![(ms(1500), React::Icmp(router, 3, 1))],
        _ => Vec::new(),
    });
    assert!(matches!(report.attempts[0].outcome, DnsOutcome::Unreachable { .. }));
    assert!(matches!(report.attempts[1].outcome, DnsOutcome::TimedOut { .. }));
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp_unless_that_is_unwanted() {
    let network = |q: &Sent| {
        if q.tcp {
            let stream = q.framed(0, &[HERE, "192.0.2.2"]);
            let drips = stream.iter().enumerate();
            let drip = |(n, b): (usize, &u8)| (ms(10 + n as u64), React::Stream(vec![*b]));
            return std::iter::once((ms(5), React::Connected)).chain(drips.map(drip)).collect();
        }
        let mut cut = q.reply(0, &[]);
        cut[2] |= 2;
        vec![(ms(1), React::Reply(cut))]
    };
    let (report, sent) = ask(&query(), network);
    assert_eq!(addresses(&report), [HERE, "192.0.2.2"]);
    assert_eq!((sent.len(), report.attempts[1].cause), (2, DnsCause::Truncated));
    assert_eq!(report.attempts[1].connect, Some(ms(5)));
    let (report, sent) = ask(&query().transport(Transport::Udp), network);
    assert_eq!((sent.len(), addresses(&report).len()), (1, 0));
    assert!(report.answer().is_some_and(|m| m.header.flags.tc));
}

#[test]
fn a_connection_may_be_cut_reset_or_carry_another_message_first() {
    let (report, _) = ask(&query().transport(Transport::Tcp), |q| match q.n {
        0 => {
            vec![(ms(1), React::Connected), (ms(2), React::Stream(vec![0])), (ms(3), React::Closed)]
        }
        1 => vec![(ms(1), React::Connected), (ms(2), React::Fail(nix::libc::ECONNRESET))],
        _ => {
            let mut stream = vec![0, 0, 0, 2, 9, 9];
            let mut wrong = q.framed(0, &["192.0.2.66"]);
            wrong[3] ^= 1;
            stream.extend(wrong);
            stream.extend(q.framed(0, &[HERE]));
            vec![(ms(1), React::Connected), (ms(2), React::Stream(stream))]
        }
    });
    let outcomes: Vec<_> = report.attempts.iter().map(|a| &a.outcome).collect();
    assert_eq!(*outcomes[0], DnsOutcome::Cut { reason: None, received_bytes: 1 });
    assert!(matches!(outcomes[1], DnsOutcome::Cut { reason: Some(_), received_bytes: 0 }));
    assert_eq!(addresses(&report), [HERE]);
    assert_eq!(report.attempts[2].ignored.total(), 3);
}

#[test]
fn a_failing_server_is_shown_as_it_is() {
    let (report, sent) = ask(&query(), |q| vec![(ms(1), React::Reply(q.reply(2, &[])))]);
    assert_eq!(sent.len(), 1);
    assert_eq!(report.answer().map(|m| m.header.rcode), Some(Rcode::ServFail));
}

#[test]
fn a_server_without_edns_is_asked_again_without_it() {
    let (report, sent) = ask(&query(), |q| {
        let rcode = if q.message().edns.is_some() { 1 } else { 0 };
        vec![(ms(1), React::Reply(q.reply(rcode, &[HERE][..usize::from(rcode == 0)])))]
    });
    assert_eq!((sent.len(), report.attempts[1].cause), (2, DnsCause::WithoutEdns));
    assert_eq!(addresses(&report), [HERE]);
}

#[test]
fn a_server_that_changes_case_is_asked_in_the_plain_case() {
    let lower = |q: &Sent| {
        let mut reply = q.reply(0, &[HERE]);
        reply[12..29].make_ascii_lowercase();
        vec![(ms(1), React::Reply(reply))]
    };
    let (report, sent) = ask(&query(), lower);
    assert_eq!((sent.len(), report.attempts[1].cause), (2, DnsCause::PlainCase));
    assert_eq!(addresses(&report), [HERE]);
    let (_, sent) = ask(&query().letters(Letters::AsGiven), lower);
    assert_eq!(sent.len(), 1);
}

#[test]
fn a_run_that_ends_early_says_so() {
    let query = query();
    let ask = Ask { edns: None, ..query.ask() };
    let machine = DnsMachine::new(
        ask,
        query.policy_for(&query.servers, Verdict::Any),
        Nonces::scripted(0..9),
        0,
        place(),
    );
    let (report, _) = run(machine, ms(400), |_| Vec::new());
    assert_eq!(report.attempts[0].outcome, DnsOutcome::Abandoned);
    assert_eq!(report.gaps.len(), 1);
}

#[test]
fn a_server_that_wants_its_cookie_gets_it_and_a_wrong_one_is_not_believed() {
    let with_cookie = |sent: &Sent, rcode: u8, high: u8, own: &[u8], given: &[u8]| {
        let mut bytes = sent.reply(rcode, &[HERE]);
        bytes[11] = 1;
        bytes.extend([0, 0, 41, 4, 208, high, 0, 0, 0, 0, (4 + own.len() + given.len()) as u8]);
        bytes.extend([0, 10, 0, (own.len() + given.len()) as u8]);
        bytes.extend([own, given].concat());
        bytes
    };
    let cookie = |sent: &Sent| -> Vec<u8> {
        let edns = sent.message().edns.expect("an extension record");
        edns.options.iter().find(|o| o.code == 10).expect("a cookie").data.as_bytes().to_vec()
    };
    let (report, sent) = ask(&query().cookies(), |sent| {
        let own = cookie(sent);
        match own.len() {
            // BADCOOKIE is 23: seven below, one above.
            8 => vec![
                (ms(1), React::Reply(with_cookie(sent, 0, 0, b"forged!!", b"12345678"))),
                (ms(2), React::Reply(with_cookie(sent, 7, 1, &own, b"12345678"))),
            ],
            _ => vec![(ms(1), React::Reply(with_cookie(sent, 0, 0, &own[..8], b"12345678")))],
        }
    });
    assert_eq!(sent.len(), 2);
    assert_eq!(report.attempts[0].ignored.wrong_cookie, 1);
    assert_eq!(report.attempts[1].cause, DnsCause::BadCookie);
    assert_eq!(cookie(&sent[1]), [&cookie(&sent[0])[..], b"12345678"].concat());
    assert_eq!(report.answer().map(|m| m.header.rcode), Some(Rcode::NoError));
}

#[test]
fn the_bytes_are_kept_on_request() {
    let (report, sent) = ask(&query().keep_wire(), |sent| vec![(ms(1), good(sent))]);
    let wire = report.attempts[0].wire.as_ref().expect("kept");
    assert_eq!(wire.query.as_bytes(), sent[0].bytes);
    assert_eq!(wire.answer.as_bytes(), sent[0].reply(0, &[HERE]));
}
