use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

/// Sets an integer socket option that the typed wrappers lack.
pub(crate) fn set_int(fd: impl AsFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the pointer and the size describe `value`, which lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), size) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Undoes what connect(2) did: a TCP connection ends with a reset, an attempt without a word, and
/// the socket can connect again.
pub(crate) fn disconnect(fd: impl AsFd) -> io::Result<()> {
    let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as u16, sa_data: [0; 14] };
    let size = size_of::<libc::sockaddr>() as libc::socklen_t;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: the pointer and the size describe `nowhere`, which lives through the call.
    match unsafe { libc::connect(fd, &raw const nowhere, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sets a socket option whose value is a structure, given as its bytes.
#[cfg(feature = "capture")]
pub(crate) fn set_bytes(fd: impl AsFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    let size = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the pointer and the size describe `value`, which lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, name, value.as_ptr().cast(), size) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads a socket option into `value` and returns how many bytes the kernel wrote.
///
/// Some options take a question from `value` first.
pub(crate) fn get_bytes(
    fd: impl AsFd,
    level: i32,
    name: i32,
    value: &mut [u8],
) -> io::Result<usize> {
    let fd = fd.as_fd().as_raw_fd();
    let mut size = libc::socklen_t::try_from(value.len()).unwrap_or(libc::socklen_t::MAX);
    let at = value.as_mut_ptr().cast();
    // SAFETY: the pointer and the size describe `value`, of which the kernel writes a part.
    match unsafe { libc::getsockopt(fd, level, name, at, &raw mut size) } {
        0 => Ok(size as usize),
        _ => Err(io::Error::last_os_error()),
    }
}
