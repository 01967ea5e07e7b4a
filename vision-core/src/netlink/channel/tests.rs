#![allow(clippy::indexing_slicing, reason = "a panic is a failed test")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::netlink::header::NLM_F_DUMP;

/// What the kernel does next.
enum Step {
    /// A datagram from a port.
    From(u32, Vec<u8>),
    Fails(i32),
}

struct Script(RefCell<VecDeque<Step>>);

impl Transport for Script {
    fn port(&self) -> u32 {
        PORT
    }

    fn send(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn recv(&self, buffer: &mut Vec<u8>) -> io::Result<u32> {
        match self.0.borrow_mut().pop_front() {
            Some(Step::From(port, bytes)) => {
                buffer.clear();
                buffer.extend(bytes);
                Ok(port)
            }
            Some(Step::Fails(errno)) => Err(io::Error::from_raw_os_error(errno)),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Whoever waits after the last step waits in vain.
    fn wait(&self, budget: &Budget) -> Result<()> {
        match self.0.borrow().is_empty() {
            true => Err(Error::Elapsed),
            false => budget.remaining().map(drop),
        }
    }
}

const PORT: u32 = 77;

fn message(kind: u16, flags: u16, seq: u32, port: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + body.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend(port.to_ne_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn row(n: u8) -> Vec<u8> {
    message(24, NLM_F_MULTI, 1, PORT, &[n])
}

fn done(flags: u16, errno: i32) -> Vec<u8> {
    message(NLMSG_DONE, NLM_F_MULTI | flags, 1, PORT, &errno.to_ne_bytes())
}

fn kernel(bytes: Vec<u8>) -> Step {
    Step::From(0, bytes)
}

/// Runs a dump over the script; what came, how it ended, and the channel.
fn dump(steps: impl Into<VecDeque<Step>>) -> (Vec<u8>, Result<Ended>, Channel<Script>) {
    run(steps, NLM_F_DUMP)
}

fn run(steps: impl Into<VecDeque<Step>>, flags: u16) -> (Vec<u8>, Result<Ended>, Channel<Script>) {
    let mut channel = Channel::new(Script(RefCell::new(steps.into())));
    let request = Request::new("RTM_GETROUTE", 26, flags, &[0; 12]);
    let mut got = Vec::new();
    let budget = Budget::within(Duration::from_secs(5));
    let ended = channel.ask(request, &budget, |m| got.push(m.body[0]));
    (got, ended, channel)
}

#[test]
fn a_dump_over_several_datagrams_is_read_to_its_end() {
    let steps = [kernel([row(1), row(2)].concat()), kernel([row(3), done(0, 0)].concat())];
    let (got, ended, channel) = dump(steps);
    assert_eq!(got, [1, 2, 3]);
    assert!(!ended.expect("ended").interrupted && !channel.is_busy());
}

#[test]
fn an_interrupted_dump_says_so_wherever_the_flag_is() {
    let flagged = message(24, NLM_F_MULTI | NLM_F_DUMP_INTR, 1, PORT, &[1]);
    for first in [flagged, row(1)] {
        let last = if first == row(1) { NLM_F_DUMP_INTR } else { 0 };
        let (_, ended, _) = dump([kernel(first), kernel(done(last, 0))]);
        assert!(ended.expect("ended").interrupted);
    }
}

#[test]
fn forged_and_stale_messages_are_ignored_and_counted() {
    let steps = [
        Step::From(4242, [row(66), done(0, 0)].concat()),
        kernel(message(24, NLM_F_MULTI, 9, PORT, &[67])),
        kernel(message(24, NLM_F_MULTI, 1, PORT + 1, &[68])),
        kernel([row(1), done(0, 0)].concat()),
    ];
    let (got, ended, channel) = dump(steps);
    assert!(ended.is_ok());
    assert_eq!(got, [1]);
    assert_eq!(channel.ignored(), 3);
}

#[test]
fn a_single_answer_ends_a_question() {
    let (got, ended, channel) = run([kernel(message(24, 0, 1, PORT, &[5]))], 0);
    assert!(ended.is_ok() && !channel.is_busy());
    assert_eq!(got, [5]);
}

#[test]
fn an_error_carries_its_number_and_the_kernels_words_escaped() {
    let words = attr::encode(1, b"bad \x1b[31mthing\0");
    let request = message(26, 0, 1, PORT, &[0; 20]);
    let whole = [&(-22i32).to_ne_bytes()[..], &request, &words].concat();
    let capped = [&(-22i32).to_ne_bytes()[..], &request[..16], &words].concat();
    let flags = NLM_F_ACK_TLVS;
    for (flags, body) in [(flags, whole), (flags | NLM_F_CAPPED, capped)] {
        let (_, ended, channel) = run([kernel(message(NLMSG_ERROR, flags, 1, PORT, &body))], 0);
        let error = ended.expect_err("refused");
        assert_eq!(error.errno(), Some(22));
        assert_eq!(error.to_string(), "netlink RTM_GETROUTE failed: bad \\x1b[31mthing");
        assert!(!channel.is_busy());
    }
}

#[test]
fn the_kernels_recorded_refusal_is_understood() {
    let text = include_str!("../../../tests/data/nl/get.hex");
    let line = text.lines().find(|l| l.starts_with("54")).expect("recorded");
    let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hex");
    let mut bytes: Vec<u8> = (0..line.len()).step_by(2).map(byte).collect();
    bytes[12..16].copy_from_slice(&PORT.to_ne_bytes());
    let (_, ended, _) = run([kernel(bytes)], 0);
    let Err(Error::Netlink { request, source, ext_ack }) = ended else { panic!("{ended:?}") };
    assert_eq!((request, source.raw_os_error()), ("RTM_GETROUTE", Some(libc::EINVAL)));
    assert_eq!(ext_ack.as_deref(), Some("ipv6: Invalid flags for get route request"));
}

#[test]
fn an_error_at_the_end_of_a_dump_is_an_error() {
    let (got, ended, _) = dump([kernel([row(1), done(0, -105)].concat())]);
    assert_eq!(got, [1]);
    assert_eq!(ended.expect_err("failed").errno(), Some(libc::ENOBUFS));
}

#[test]
fn a_failing_socket_leaves_the_channel_to_be_replaced() {
    for errno in [libc::ENOBUFS, libc::ENOMEM, libc::EIO] {
        let (_, ended, channel) = dump([kernel(row(1)), Step::Fails(errno)]);
        assert_eq!(ended.expect_err("failed").errno(), Some(errno));
        assert!(channel.is_busy());
    }
}

#[test]
fn silence_ends_with_the_budget() {
    let (got, ended, channel) = dump([kernel(row(1)), Step::Fails(libc::EAGAIN), kernel(row(2))]);
    assert_eq!(got, [1, 2]);
    assert!(matches!(ended, Err(Error::Elapsed)) && channel.is_busy());
}

#[test]
fn datagrams_cut_anywhere_neither_panic_nor_end_the_dump() {
    let whole = [row(1), row(2)].concat();
    for cut in 0..whole.len() {
        let (got, ended, _) = dump([kernel(whole[..cut].to_vec()), kernel(done(0, 0))]);
        assert!(ended.is_ok());
        assert!(got.len() <= 2);
    }
}
