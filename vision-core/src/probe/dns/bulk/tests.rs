use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::sim::{React, Sent, ms, place, run};
use super::super::{DnsOutcome, DnsQuery, Letters};
use super::machine::BulkMachine;
use super::random::Random;
use super::*;
use crate::wire::dns::{Name, RecordType};

fn server(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 53))
}

fn questions(count: usize) -> Vec<Question> {
    let name = |n| format!("host-{n}.example.test").parse::<Name>().expect("a name");
    (0..count).map(|n| Question::new(name(n), RecordType::A)).collect()
}

/// Numbers that repeat after 8 KiB, none twice in a row.
fn numbers(bytes: &mut [u8]) -> Result<()> {
    let mut state = 0x2545_f491_u32;
    for byte in bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = (state >> 24) as u8;
    }
    Ok(())
}

fn machine(query: DnsQuery, count: usize) -> BulkMachine {
    let mut machine = BulkMachine::new(query, questions(count), Random::from_source(numbers));
    machine.place = place();
    machine.window = 100;
    machine
}

fn query() -> DnsQuery {
    let name = "x.test".parse().expect("a name");
    DnsQuery::new(name, RecordType::A).server(server(1)).timeout(ms(200)).tries(3)
}

/// Runs to the end and keeps what was handed out.
struct Kept {
    machine: BulkMachine,
    answers: std::rc::Rc<std::cell::RefCell<Vec<DnsBulkAnswer>>>,
}

impl crate::probe::machine::Machine for Kept {
    type Command = super::super::machine::DnsCommand;
    type Input<'a> = super::super::machine::DnsInput<'a>;
    type Event = ();
    type Report = DnsBulkReport;

    fn poll(&mut self, now: Instant) -> crate::probe::machine::Step<Self::Command> {
        let step = self.machine.poll(now);
        while let Some(answer) = self.machine.next_event() {
            self.answers.borrow_mut().push(answer);
        }
        step
    }

    fn handle(&mut self, input: Self::Input<'_>, now: Instant) {
        self.machine.handle(input, now);
    }

    fn next_event(&mut self) -> Option<()> {
        None
    }

    fn finish(self, now: Instant) -> DnsBulkReport {
        self.machine.finish(now)
    }
}

fn ask(
    machine: BulkMachine,
    network: impl FnMut(&Sent) -> Vec<(Duration, React)>,
) -> (DnsBulkReport, Vec<DnsBulkAnswer>, Vec<Sent>) {
    let answers = std::rc::Rc::default();
    let kept = Kept { machine, answers: std::rc::Rc::clone(&answers) };
    let (report, sent) = run(kept, ms(600_000), network);
    let mut answers = answers.take();
    answers.sort_by_key(|answer| answer.index);
    (report, answers, sent)
}

/// The last part of an address tells the question it belongs to.
fn own(sent: &Sent) -> Vec<u8> {
    let name = sent.question().name.to_string();
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let n: u16 = digits.parse().expect("a number");
    sent.reply(0, &[&format!("10.1.{}.{}", n >> 8, n & 255)])
}

fn address_of(answer: &DnsBulkAnswer) -> String {
    match &answer.outcome {
        DnsOutcome::Answer { message, .. } => message.answers[0].data.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_question_gets_its_own_answer_in_whatever_order_they_come() {
    let mut n = 0_u64;
    let (report, answers, sent) = ask(machine(query(), 1000), |sent| {
        n = (n * 7 + 3) % 97;
        vec![(ms(1 + n), React::Reply(own(sent)))]
    });
    assert_eq!((report.asked, report.answered, report.datagrams), (1000, 1000, 1000));
    assert_eq!((answers.len(), sent.len()), (1000, 1000));
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!((answer.index, address_of(answer)), (n, format!("10.1.{}.{}", n >> 8, n & 255)));
        assert_eq!(answer.question.name.to_string(), format!("host-{n}.example.test."));
    }
    let times = report.times.expect("answers");
    // To within a thousandth.
    assert!(times.min > ms(1) * 998 / 1000 && times.max <= ms(110), "{times:?}");
}

#[test]
fn forged_replies_are_counted_and_the_true_one_is_still_found() {
    let (report, answers, _) = ask(machine(query(), 50), |sent| {
        let truth = own(sent);
        let forged = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = sent.reply(0, &["6.6.6.6"]);
            change(&mut bytes);
            bytes
        };
        let wrong_id = forged(&|bytes| bytes[1] ^= 0x55);
        let wrong_case = forged(&|bytes| bytes[13] ^= 0x20);
        let wrong_name = forged(&|bytes| bytes[14] = b'X');
        let query = forged(&|bytes| bytes[2] &= 0x7f);
        vec![
            (ms(1), React::ReplyFrom(server(9), sent.reply(0, &["6.6.6.6"]))),
            (ms(1), React::Reply(wrong_id)),
            (ms(1), React::Reply(wrong_case)),
            (ms(1), React::Reply(wrong_name)),
            (ms(1), React::Reply(query)),
            (ms(1), React::Reply(vec![0; 5])),
            (ms(2), React::Reply(truth.clone())),
            (ms(3), React::Reply(truth)),
        ]
    });
    assert!(answers.iter().all(|answer| !address_of(answer).starts_with('6')));
    assert_eq!((report.answered, report.unanswered), (50, 0));
    let ignored = &report.ignored;
    assert_eq!((ignored.wrong_source, ignored.wrong_case), (50, 50), "{ignored:?}");
    assert!(ignored.wrong_id >= 50 && ignored.wrong_question >= 50, "{ignored:?}");
}

#[test]
fn silence_is_met_by_the_next_server_and_then_by_giving_up() {
    let both = query().server(server(2));
    let (report, answers, _) = ask(machine(both, 30), |sent| match sent.to == server(2) {
        true => vec![(ms(1), React::Reply(own(sent)))],
        false => Vec::new(),
    });
    assert_eq!((report.answered, report.retries), (30, 30));
    assert!(answers.iter().all(|answer| answer.server == Some(server(2)) && answer.tries == 2));
    let (report, answers, sent) = ask(machine(query(), 3), |_| Vec::new());
    assert_eq!((report.unanswered, sent.len()), (3, 9));
    assert_eq!(answers[0].outcome, DnsOutcome::TimedOut { waited: ms(200) });
}

#[test]
fn a_truncated_answer_comes_over_tcp() {
    let (report, answers, sent) = ask(machine(query(), 5), |sent| {
        if sent.tcp {
            let reply = own(sent);
            let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
            return vec![(ms(1), React::Connected), (ms(2), React::Stream(framed))];
        }
        let mut cut = sent.reply(0, &[]);
        cut[2] |= 2;
        vec![(ms(1), React::Reply(cut))]
    });
    assert_eq!((report.answered, report.over_tcp), (5, 5));
    assert!(sent.iter().any(|sent| sent.tcp));
    assert_eq!(address_of(&answers[3]), "10.1.0.3");
}

#[test]
fn a_server_that_answers_in_another_case_is_asked_in_one_case() {
    let patient = query().tries(1);
    let (report, _, sent) = ask(machine(patient, 1), |sent| {
        let mut lower = own(sent);
        let end = lower.len();
        lower[12..end - 16].make_ascii_lowercase();
        vec![(ms(1), React::Reply(lower))]
    });
    assert_eq!(report.ignored.wrong_case, 1);
    assert!(sent.len() >= 2, "{}", sent.len());
}

#[test]
fn a_load_lasts_as_long_as_told_and_no_question_is_lost() {
    let mut machine = machine(query().letters(Letters::AsGiven), 10);
    machine.until = Some(Instant::now() + Duration::from_secs(2));
    machine.deliver = false;
    let (report, answers, sent) = ask(machine, |sent| vec![(ms(10), React::Reply(own(sent)))]);
    assert!(answers.is_empty());
    assert_eq!((report.asked, report.answered), (sent.len() as u64, sent.len() as u64));
    // A hundred at a time, ten milliseconds each.
    assert!((15_000..=20_100).contains(&report.answered), "{}", report.answered);
}

#[test]
fn the_pace_is_kept() {
    let mut machine = machine(query(), 100);
    machine.pacer = Some(Pacer::per_second(100, 1));
    let (report, _, sent) = ask(machine, |sent| vec![(ms(1), React::Reply(own(sent)))]);
    assert_eq!(report.answered, 100);
    assert!(sent[99].at >= ms(980), "{:?}", sent[99].at);
}
