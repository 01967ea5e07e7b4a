//! A private look at tracefs, which need not be mounted anywhere.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::libc;

/// Makes a tracefs that nobody else sees and returns its root (kernel 5.2; needs `CAP_SYS_ADMIN`
/// over the machine).
pub(crate) fn detached() -> io::Result<OwnedFd> {
    const TRACEFS: &CStr = c"tracefs";
    const CREATE: libc::c_uint = 6;
    const CLOSE_ON_EXEC: libc::c_uint = 1;
    // MOUNT_ATTR_RDONLY, NOSUID, NODEV and NOEXEC
    const ATTRIBUTES: libc::c_uint = 1 | 2 | 4 | 8;
    // SAFETY: the name is a C string that outlives the call.
    let made = unsafe { libc::syscall(libc::SYS_fsopen, TRACEFS.as_ptr(), CLOSE_ON_EXEC) };
    let context = owned(made)?;
    let nothing = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes no key and no value.
    let done = unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), CREATE, nothing, nothing, 0)
    };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: everything is passed by value.
    let mounted =
        unsafe { libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), CLOSE_ON_EXEC, ATTRIBUTES) };
    owned(mounted)
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
