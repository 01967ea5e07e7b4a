//! Samples of a kernel trace point through `perf_event_open(2)`, with a ring for each processor.
//!
//! Only this file touches the shared memory; what it hands out are copies.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{SysconfVar, sysconf};

/// Length of `struct perf_event_attr`, version 5 (uapi/linux/perf_event.h).
const ATTR: usize = 112;
const PERF_TYPE_TRACEPOINT: u32 = 2;
/// TID, TIME, CPU and RAW.
const SAMPLE_TYPE: u64 = 1 << 1 | 1 << 2 | 1 << 7 | 1 << 10;
const USE_CLOCKID: u64 = 1 << 25;
/// Where `data_head` and `data_tail` lie in `struct perf_event_mmap_page`.
const HEAD: usize = 1024;
const TAIL: usize = 1032;

/// One processor's samples of one trace point.
pub(crate) struct PerfRing {
    fd: OwnedFd,
    memory: NonNull<u8>,
    page: usize,
    /// Bytes of the data behind the first page; a power of two.
    data: usize,
}

// SAFETY: the memory is owned by this value alone, and the kernel does not care who reads it.
unsafe impl Send for PerfRing {}
// SAFETY: a shared reference gives no access to the memory.
unsafe impl Sync for PerfRing {}

impl PerfRing {
    /// Begins to take samples of the trace point with this number on one processor, of all
    /// processes, each with the monotonic time, for the kernel takes no wall clock here; `pages` is a
    /// power of two.
    ///
    /// `ENODEV` and `EINVAL` stand for a processor that is not there; `EACCES` and `EPERM` for
    /// missing rights, the latter also for more memory than may be locked.
    pub(crate) fn open(id: u32, cpu: i32, pages: usize) -> io::Result<Self> {
        let attr = attributes(id);
        let (everyone, alone) = (-1_i32, -1_i32);
        // PERF_FLAG_FD_CLOEXEC
        let flags: libc::c_ulong = 8;
        // SAFETY: the structure is as long as it says and outlives the call; the rest is by value.
        let fd = unsafe {
            libc::syscall(libc::SYS_perf_event_open, attr.as_ptr(), everyone, cpu, alone, flags)
        };
        let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let page = page_size();
        let data = pages.next_power_of_two().saturating_mul(page);
        let refused = || io::Error::from_raw_os_error(libc::EINVAL);
        let size = data.checked_add(page).and_then(NonZeroUsize::new).ok_or_else(refused)?;
        let protect = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let memory = unsafe { mmap(None, size, protect, MapFlags::MAP_SHARED, &fd, 0) }?;
        Ok(Self { fd, memory: memory.cast(), page, data })
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        // SAFETY: both words lie in the first page of the mapping, which lives as long as `self`;
        // they are aligned, and both sides use them as atomic words.
        unsafe { AtomicU64::from_ptr(self.memory.add(at).as_ptr().cast()) }
    }

    /// Appends the records that came since the last call and gives their room back.
    pub(crate) fn take(&mut self, out: &mut Vec<u8>) {
        // Acquire: what the kernel wrote before it moved the head is seen after this.
        let head = self.word(HEAD).load(Ordering::Acquire);
        let tail = self.word(TAIL).load(Ordering::Relaxed);
        let len = usize::try_from(head.wrapping_sub(tail)).unwrap_or(0).min(self.data);
        let start = (tail % self.data as u64) as usize;
        // SAFETY: the data lies behind the first page, `self.data` bytes of it; between tail and
        // head, which is all that is read, the kernel writes nothing until the tail moves.
        let (first, second) = unsafe {
            let data = self.memory.add(self.page);
            let first = len.min(self.data - start);
            (
                slice::from_raw_parts(data.add(start).as_ptr(), first),
                slice::from_raw_parts(data.as_ptr(), len - first),
            )
        };
        out.extend_from_slice(first);
        out.extend_from_slice(second);
        // Release: our last look at the data comes before the kernel's next write to it.
        self.word(TAIL).store(head, Ordering::Release);
    }
}

impl AsFd for PerfRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for PerfRing {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this size; nothing borrows from it any more.
        let _ = unsafe { munmap(self.memory.cast(), self.data + self.page) };
    }
}

/// Builds `struct perf_event_attr`: every event is a sample, each wakes the reader.
fn attributes(id: u32) -> [u8; ATTR] {
    let mut attr = [0; ATTR];
    let bits = match cfg!(target_endian = "big") {
        // The flags are a bit field, which begins at the other end there.
        true => USE_CLOCKID.reverse_bits(),
        false => USE_CLOCKID,
    };
    let mut put = |at: usize, bytes: &[u8]| attr[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &PERF_TYPE_TRACEPOINT.to_ne_bytes());
    put(4, &(ATTR as u32).to_ne_bytes());
    put(8, &u64::from(id).to_ne_bytes());
    put(16, &1_u64.to_ne_bytes());
    put(24, &SAMPLE_TYPE.to_ne_bytes());
    put(40, &bits.to_ne_bytes());
    put(48, &1_u32.to_ne_bytes());
    put(92, &libc::CLOCK_MONOTONIC.to_ne_bytes());
    attr
}

/// How many processors the machine may have; some of them may be switched off.
pub(crate) fn processors() -> i32 {
    let count = sysconf(SysconfVar::_NPROCESSORS_CONF).ok().flatten();
    count.and_then(|n| i32::try_from(n).ok()).unwrap_or(1).max(1)
}

fn page_size() -> usize {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|n| usize::try_from(n).ok()).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_point_that_does_not_exist_is_refused() {
        let error = PerfRing::open(u32::MAX, 0, 1).err().expect("refused");
        assert!(error.raw_os_error().is_some(), "{error}");
        assert!(processors() >= 1 && page_size() >= 4096);
    }
}
