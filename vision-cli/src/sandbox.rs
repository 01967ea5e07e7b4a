//! Giving rights up before the first byte of somebody else's making is looked at.
//!
//! Whatever a packet or a capture file does to a decoder, what is left cannot open a file outside
//! the output's folder, start a program, trace a process or use a capability.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use caps::CapSet;
use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
};
use nix::libc;
use nix::sys::prctl;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};
use vision_core::base::Op;
use vision_core::{Error, Result};

/// What must still be possible.
#[derive(Debug, Default)]
pub struct Allow {
    /// The folder in which files may still be made, renamed and removed.
    pub folder: Option<OwnedFd>,
}

/// Gives up capabilities, new privileges and the file system, for the calling thread and those it
/// starts from here on: call it before there are any.
///
/// # Errors
/// [`Error::Sys`] when the kernel does not let go of a capability.
pub fn drop_rights(allow: &Allow) -> Result<()> {
    prctl::set_no_new_privs().map_err(failed)?;
    // No core of this process, and no debugger: it holds what others sent.
    prctl::set_dumpable(false).map_err(failed)?;
    confine(allow);
    // Without CAP_SETPCAP the bounding set stays, which is no right by itself.
    for set in [CapSet::Ambient, CapSet::Bounding] {
        let _ = caps::clear(None, set);
    }
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        let cleared = caps::clear(None, set);
        cleared.map_err(|e| failed(std::io::Error::other(e.to_string())))?;
    }
    Ok(())
}

/// Leaves of all system calls those that go on reading and writing need, for every thread.
///
/// On a processor the filter is not written for, and where a container forbids filters, nothing
/// more is given up than before.
///
/// # Errors
/// None so far: the kernel's refusal only means that the container has a filter of its own.
pub fn lock(allow: &Allow) -> Result<()> {
    if let Some(program) = program(allow) {
        let _ = apply_filter_all_threads(&program);
    }
    Ok(())
}

fn failed(source: impl Into<std::io::Error>) -> Error {
    Error::Sys { op: Op::DropRights, source: source.into() }
}

/// Takes the file system and TCP away (kernel 5.13; older ones and those without it lose nothing).
fn confine(allow: &Allow) {
    let confined = || -> Result<(), landlock::RulesetError> {
        let ruleset = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V5))?
            .create()?;
        let ruleset = match &allow.folder {
            None => ruleset,
            Some(folder) => {
                let access = AccessFs::WriteFile
                    | AccessFs::MakeReg
                    | AccessFs::RemoveFile
                    | AccessFs::Truncate;
                ruleset.add_rule(PathBeneath::new(folder, access))?
            }
        };
        ruleset.restrict_self().map(drop)
    };
    let _ = confined();
}

fn program(allow: &Allow) -> Option<BpfProgram> {
    let files: &[i64] = if allow.folder.is_some() { FILES } else { &[] };
    let allowed = COMMON.iter().chain(LEGACY).chain(files);
    let rules: BTreeMap<i64, Vec<_>> = allowed.map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let arch = std::env::consts::ARCH.try_into().ok()?;
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, arch).ok()?.try_into().ok()
}

const COMMON: &[i64] = &[
    // What is open: files, pipes, the ring, netlink.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_settime,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Memory.
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_getrandom,
    // Signals and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Threads that were started before, and their ends.
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
];

/// Rotation: all below one folder where the kernel can see to that.
const FILES: &[i64] =
    &[libc::SYS_openat, libc::SYS_unlinkat, libc::SYS_renameat, libc::SYS_renameat2];

#[cfg(target_arch = "x86_64")]
const LEGACY: &[i64] =
    &[libc::SYS_poll, libc::SYS_epoll_wait, libc::SYS_newfstatat, libc::SYS_time];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[i64] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_there_and_longer_where_files_rotate() {
        let folder = std::fs::File::open(".").expect("a folder").into();
        let with = program(&Allow { folder: Some(folder) }).map(|program| program.len());
        let without = program(&Allow::default()).map(|program| program.len());
        assert!(with > without && without > Some(50), "{with:?} {without:?}");
    }
}
