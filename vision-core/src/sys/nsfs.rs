use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;

nix::ioctl_none!(ns_get_nstype, 0xb7, 0x3);
nix::ioctl_read!(ns_get_id, 0xb7, 0xd, u64);

/// Asks the kernel which kind of namespace a descriptor stands for, as a `CLONE_NEW*` bit.
///
/// `ENOTTY` means that it is no namespace at all (kernel 4.11; fs/nsfs.c).
pub(crate) fn namespace_type(fd: impl AsFd) -> io::Result<libc::c_int> {
    // SAFETY: NS_GET_NSTYPE takes no argument and only reads the open description of a live fd.
    let kind = unsafe { ns_get_nstype(fd.as_fd().as_raw_fd()) };
    kind.map_err(io::Error::from)
}

/// Returns the namespace's identity that is never reused, the same as `SO_NETNS_COOKIE`
/// (kernel 6.18; fs/nsfs.c).
pub(crate) fn namespace_cookie(fd: impl AsFd) -> io::Result<u64> {
    let mut id = 0_u64;
    // SAFETY: NS_GET_ID writes one u64 through a pointer that is valid for the call.
    unsafe { ns_get_id(fd.as_fd().as_raw_fd(), &raw mut id) }.map_err(io::Error::from)?;
    Ok(id)
}
