/// Where a second cache line is asked for: the flags of TCP over IPv4 and Ethernet are there.
const FURTHER: usize = 53;

/// Asks for the cache lines that the headers of a packet lie in; returns at once.
#[inline]
pub(crate) fn headers(packet: &[u8]) {
    line(packet.as_ptr());
    line(packet.as_ptr().wrapping_add(FURTHER));
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    // SAFETY: a hint that reads nothing and takes any address, also one past the end.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn line(at: *const u8) {
    // SAFETY: a hint that reads nothing and takes any address, also one past the end.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) at,
            options(nostack, preserves_flags, readonly));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn line(_at: *const u8) {}
