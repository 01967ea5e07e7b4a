use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// Fills `buffer` with the next entries of a directory (`struct linux_dirent64`; getdents64(2))
/// and returns how many bytes it used; zero at the end.
pub(crate) fn entries(dir: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (fd, len) = (dir.as_raw_fd(), buffer.len());
    // SAFETY: the kernel writes at most `len` bytes, which the buffer has.
    let used = unsafe { libc::syscall(libc::SYS_getdents64, fd, buffer.as_mut_ptr(), len) };
    usize::try_from(used).map_err(|_| io::Error::last_os_error())
}

/// Reads where a link in a directory points to and returns the length (readlinkat(2)).
pub(crate) fn link(dir: BorrowedFd<'_>, name: &CStr, buffer: &mut [u8]) -> io::Result<usize> {
    let (fd, len) = (dir.as_raw_fd(), buffer.len());
    // SAFETY: the name ends with a zero byte; at most `len` bytes are written to the buffer.
    let used = unsafe { libc::readlinkat(fd, name.as_ptr(), buffer.as_mut_ptr().cast(), len) };
    usize::try_from(used).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn entries_come_until_there_are_none_and_links_say_where_they_lead() {
        let dir = File::open("/proc/self").expect("/proc is mounted");
        let mut buffer = [0; 512];
        let (mut rounds, mut total) = (0, 0);
        loop {
            match entries(dir.as_fd(), &mut buffer).expect("readable") {
                0 => break,
                used => (rounds, total) = (rounds + 1, total + used),
            }
        }
        assert!(rounds > 1 && total > 512, "{rounds} {total}");
        let len = link(dir.as_fd(), c"exe", &mut buffer).expect("a link");
        let exe = std::env::current_exe().expect("own path");
        assert_eq!(&buffer[..len], exe.as_os_str().as_encoded_bytes());
        assert!(link(dir.as_fd(), c"status", &mut buffer).is_err());
    }
}
