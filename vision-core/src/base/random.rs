use super::{Error, Op, Result};

/// Fills a buffer with unpredictable bytes from the kernel (getrandom(2)).
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        let errno = error.raw_os_error().unwrap_or(nix::libc::EIO);
        Error::sys(Op::Random, std::io::Error::from_raw_os_error(errno))
    })
}
