use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

const SIOCETHTOOL: libc::c_ulong = 0x8946;

/// `struct ifreq` with a pointer in its union (linux/if.h).
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut c_void,
    /// The union is larger than the pointer.
    rest: [u64; 2],
}

/// Hands a command of ethtool's to an interface and returns its answer in the same place.
///
/// Answers whose length the driver decides need room for more than was counted: the count may have
/// grown meanwhile.
pub(crate) fn ethtool(fd: impl AsFd, name: [u8; 16], command: &mut [u8]) -> io::Result<()> {
    let data = command.as_mut_ptr().cast();
    let mut request = Request { name, data, rest: [0; 2] };
    // SAFETY: `request` is a whole ifreq, and `data` points to the command's structure, which
    // lives through the call and into which the kernel writes no more than the command says.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };
    match result {
        0.. => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
