use nix::libc;

use crate::base::{Error, Result};
use crate::inventory::dump::{Pass, collect};
use crate::inventory::{Consistency, Dump};

const QUIET: Pass = Pass { consistent: Consistency::Yes, unreadable: 0 };
const DISTURBED: Pass = Pass { consistent: Consistency::No, unreadable: 2 };

fn failure(errno: i32) -> Error {
    let source = std::io::Error::from_raw_os_error(errno);
    Error::Netlink { request: "RTM_GETROUTE", source, ext_ack: None }
}

/// Runs a list over passes, each of which hands over its number first, twice.
fn run(passes: Vec<Result<Pass>>) -> (Result<Dump<usize>>, usize) {
    let mut passes = passes.into_iter();
    let mut made = 0;
    let pass = |each: &mut dyn FnMut(usize)| {
        made += 1;
        each(made);
        each(made);
        passes.next().expect("no more passes than these")
    };
    let dump = collect(pass, |row| *row);
    (dump, made)
}

#[test]
fn a_quiet_pass_ends_it_and_rows_are_kept_as_they_are() {
    let (dump, made) = run(vec![Ok(QUIET)]);
    assert_eq!((dump.expect("rows").items, made), (vec![1, 1], 1));
}

#[test]
fn a_disturbed_pass_is_made_again_and_its_rows_are_forgotten() {
    let (dump, made) = run(vec![Ok(DISTURBED), Ok(DISTURBED), Ok(QUIET)]);
    let dump = dump.expect("rows");
    assert_eq!((dump.items, dump.consistent, made), (vec![3, 3], Consistency::Yes, 3));
}

#[test]
fn five_disturbed_passes_give_rows_that_say_so_each_once() {
    let (dump, made) = run((0..5).map(|_| Ok(DISTURBED)).collect());
    let dump = dump.expect("rows");
    assert_eq!((dump.items, dump.consistent, made), (vec![5], Consistency::No, 5));
    assert_eq!(dump.unreadable, 2);
}

#[test]
fn lost_memory_and_full_buffers_are_tried_again() {
    for errno in [libc::ENOBUFS, libc::ENOMEM] {
        let (dump, made) = run(vec![Err(failure(errno)), Err(failure(errno)), Ok(QUIET)]);
        assert_eq!((dump.expect("rows").items, made), (vec![3, 3], 3));
        let (dump, made) = run((0..5).map(|_| Err(failure(errno))).collect());
        assert_eq!((dump.expect_err("failed").errno(), made), (Some(errno), 5));
    }
}

#[test]
fn other_failures_end_it_at_once() {
    let (dump, made) = run(vec![Err(failure(libc::EIO))]);
    assert_eq!((dump.expect_err("failed").errno(), made), (Some(libc::EIO), 1));
}

#[test]
fn a_disturbed_pass_is_better_than_a_spent_budget() {
    let (dump, made) = run(vec![Ok(DISTURBED), Err(Error::Elapsed)]);
    assert_eq!((dump.expect("rows").items, made), (vec![1], 2));
}
