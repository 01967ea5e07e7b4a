use std::io::{IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg};

use super::receive::socket_addr;

/// Datagrams moved by one system call at most.
pub(crate) const BATCH: usize = 64;
/// Room for one datagram; longer ones are cut.
const ROOM: usize = 4096;

/// Sends datagrams from one socket to one address; returns how many the kernel took, and why not
/// the next one.
pub(crate) fn send_many(
    socket: &impl AsFd,
    to: SocketAddr,
    datagrams: &[Vec<u8>],
) -> (usize, Option<Errno>) {
    let fd = socket.as_fd().as_raw_fd();
    let mut sent = 0;
    while let Some(rest) = datagrams.get(sent..).filter(|rest| !rest.is_empty()) {
        let rest = rest.get(..BATCH).unwrap_or(rest);
        let parts: Vec<_> = rest.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
        let addresses = vec![Some(SockaddrStorage::from(to)); rest.len()];
        let mut headers = MultiHeaders::preallocate(rest.len(), None);
        let flags = MsgFlags::MSG_DONTWAIT;
        match sendmmsg(fd, &mut headers, &parts, &addresses, [], flags) {
            Ok(results) => match results.count() {
                0 => return (sent, None),
                count => sent += count,
            },
            Err(Errno::EINTR) => {}
            Err(errno) => return (sent, Some(errno)),
        }
    }
    (sent, None)
}

/// Room for many datagrams that are read at once.
pub(crate) struct Inbox {
    room: Vec<u8>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { room: vec![0; BATCH * ROOM] }
    }

    /// Takes what has arrived, without blocking; returns how many there were.
    pub(crate) fn receive(
        &mut self,
        socket: &impl AsFd,
        mut on: impl FnMut(Option<SocketAddr>, &[u8]),
    ) -> Result<usize, Errno> {
        let fd = socket.as_fd().as_raw_fd();
        let mut parts: Vec<_> =
            self.room.chunks_mut(ROOM).map(|room| [IoSliceMut::new(room)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let mut headers: MultiHeaders<SockaddrStorage> = MultiHeaders::preallocate(BATCH, None);
        let received = match recvmmsg(fd, &mut headers, parts.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(errno) => return Err(errno),
        };
        let mut count = 0;
        for message in received {
            count += 1;
            let bytes = message.iovs().next().unwrap_or_default();
            on(message.address.and_then(socket_addr), bytes);
        }
        Ok(count)
    }
}
