use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use nix::libc;

/// linux/sockios.h
const SIOCGSKNS: libc::Ioctl = 0x894c;

/// Makes a copy of another process's descriptor (kernel 5.6; pidfd_getfd(2)); needs
/// `CAP_SYS_PTRACE` for another user's.
pub(crate) fn borrow(pidfd: impl AsFd, fd: u32) -> io::Result<OwnedFd> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: three integers go in, a new descriptor or -1 comes out.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, 0) })
}

/// Opens the network namespace a socket belongs to; needs `CAP_NET_ADMIN` over it.
pub(crate) fn namespace(socket: impl AsFd) -> io::Result<OwnedFd> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: this request takes no argument and returns a new descriptor or -1.
    owned(unsafe { libc::ioctl(fd, SIOCGSKNS) }.into())
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
