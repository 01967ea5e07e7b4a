use std::io;
use std::mem::zeroed;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null_mut;

use nix::libc;
use socket2::SockAddr;

/// How many datagrams one call carries.
pub(crate) const BATCH: usize = 64;

/// Bytes of a `sockaddr_in6`, the longest address that comes here.
const NAME_BYTES: usize = 28;
/// Room for a stamp and a time to live.
const CONTROL_BYTES: usize = 96;

/// Sends messages of one size, at most [`BATCH`], each to its own address, where there are fewer
/// addresses to the last of them, and without any to where the socket is connected; returns how
/// many left (sendmmsg(2)). An error is that of the first message.
pub(crate) fn send(fd: impl AsFd, bytes: &[u8], size: usize, to: &[SockAddr]) -> io::Result<usize> {
    // SAFETY: all-zero bytes are a valid value of both structures.
    let (mut parts, mut headers) =
        unsafe { (zeroed::<[libc::iovec; BATCH]>(), zeroed::<[libc::mmsghdr; BATCH]>()) };
    let mut count = 0;
    let filled = parts.iter_mut().zip(&mut headers).zip(bytes.chunks_exact(size.max(1)));
    for ((part, header), message) in filled {
        // sendmmsg(2) only reads through these pointers, which the C types do not say.
        part.iov_base = message.as_ptr().cast_mut().cast();
        part.iov_len = message.len();
        header.msg_hdr.msg_iov = part;
        header.msg_hdr.msg_iovlen = 1;
        if let Some(to) = to.get(count).or(to.last()) {
            header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = to.len();
        }
        count += 1;
    }
    let fd = fd.as_fd().as_raw_fd();
    retry(|| {
        // SAFETY: `count` headers point to `parts`, `bytes` and `to`, which live through the call.
        unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT) }
    })
}

/// Room for the datagrams that arrive in one call.
pub(crate) struct Inbox {
    room: usize,
    bytes: Vec<u8>,
    names: Vec<u8>,
    control: Vec<u8>,
}

/// One datagram of many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived<'a> {
    pub(crate) from: Option<SocketAddr>,
    /// The address as the kernel wrote it.
    #[cfg(feature = "capture")]
    pub(crate) name: &'a [u8],
    /// What came beside it, to be read with [`Arrived::stamp`].
    pub(crate) control: &'a [u8],
    pub(crate) bytes: &'a [u8],
}

impl Inbox {
    /// Keeps the first `room` bytes of each datagram.
    pub(crate) fn new(room: usize) -> Self {
        let room = room.max(1);
        Self {
            room,
            bytes: vec![0; room * BATCH],
            names: vec![0; NAME_BYTES * BATCH],
            control: vec![0; CONTROL_BYTES * BATCH],
        }
    }

    /// Takes what has arrived, at most [`BATCH`] datagrams, without blocking (recvmmsg(2)), hands
    /// each to `each` and returns how many there were.
    pub(crate) fn receive(
        &mut self,
        fd: impl AsFd,
        mut each: impl FnMut(Arrived<'_>),
    ) -> io::Result<usize> {
        // SAFETY: all-zero bytes are a valid value of both structures.
        let (mut parts, mut headers) =
            unsafe { (zeroed::<[libc::iovec; BATCH]>(), zeroed::<[libc::mmsghdr; BATCH]>()) };
        let rooms = self.bytes.chunks_exact_mut(self.room);
        let names = self.names.chunks_exact_mut(NAME_BYTES);
        let control = self.control.chunks_exact_mut(CONTROL_BYTES);
        let space = rooms.zip(names).zip(control);
        for (((room, name), control), (part, header)) in
            space.zip(parts.iter_mut().zip(&mut headers))
        {
            part.iov_base = room.as_mut_ptr().cast();
            part.iov_len = room.len();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = NAME_BYTES as libc::socklen_t;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
        }
        let fd = fd.as_fd().as_raw_fd();
        let got = retry(|| {
            // SAFETY: the headers point to `parts` and to separate pieces of this value's buffers
            // with their true lengths; nothing else uses those during the call.
            unsafe {
                let count = BATCH as u32;
                libc::recvmmsg(fd, headers.as_mut_ptr(), count, libc::MSG_DONTWAIT, null_mut())
            }
        });
        let got = match got {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            other => other?,
        };
        let rooms = self.bytes.chunks_exact(self.room);
        let names = self.names.chunks_exact(NAME_BYTES);
        let control = self.control.chunks_exact(CONTROL_BYTES);
        for (((room, name), control), header) in
            rooms.zip(names).zip(control).zip(&headers).take(got)
        {
            let named = header.msg_hdr.msg_namelen as usize;
            let noted = header.msg_hdr.msg_controllen;
            let name = name.get(..named).unwrap_or(name);
            each(Arrived {
                from: socket_addr(name),
                #[cfg(feature = "capture")]
                name,
                control: control.get(..noted).unwrap_or(control),
                bytes: room.get(..header.msg_len as usize).unwrap_or(room),
            });
        }
        Ok(got)
    }
}

fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(count) => return Ok(count),
            Err(_) => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
}

impl Arrived<'_> {
    /// Returns the kernel's time of arrival, seconds and nanoseconds of the wall clock, where the
    /// socket was told to ask (`SO_TIMESTAMPNS`).
    pub(crate) fn stamp(&self) -> Option<(i64, i64)> {
        let data = self.note(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS)?;
        let (seconds, nanos) = data.split_first_chunk::<8>()?;
        Some((i64::from_ne_bytes(*seconds), i64::from_ne_bytes(*nanos.first_chunk::<8>()?)))
    }

    /// Returns the time to live or hop limit, where the socket was told to ask.
    pub(crate) fn ttl(&self) -> Option<u8> {
        let v4 = self.note(libc::IPPROTO_IP, libc::IP_TTL);
        let data = v4.or_else(|| self.note(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT))?;
        u8::try_from(i32::from_ne_bytes(*data.first_chunk::<4>()?)).ok()
    }

    /// Finds the data of a control message (`struct cmsghdr`; cmsg(3)).
    pub(crate) fn note(&self, level: i32, kind: i32) -> Option<&[u8]> {
        const HEAD: usize = size_of::<libc::cmsghdr>();
        let mut rest = self.control;
        loop {
            let (length, after) = rest.split_first_chunk::<{ size_of::<usize>() }>()?;
            let (at_level, after) = after.split_first_chunk::<4>()?;
            let at_kind = after.first_chunk::<4>()?;
            let length = usize::from_ne_bytes(*length);
            let found = (i32::from_ne_bytes(*at_level), i32::from_ne_bytes(*at_kind));
            if found == (level, kind) {
                return rest.get(HEAD..length);
            }
            rest = rest.get(length.max(HEAD).next_multiple_of(size_of::<usize>())..)?;
        }
    }
}

/// Reads a `sockaddr_in` or `sockaddr_in6`.
fn socket_addr(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let addr = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some(SocketAddr::from((addr, port)))
        }
        libc::AF_INET6 => {
            let (flow, rest) = rest.split_first_chunk::<4>()?;
            let (addr, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            let addr = Ipv6Addr::from(*addr);
            Some(SocketAddrV6::new(addr, port, u32::from_be_bytes(*flow), scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::{Ipv4RecvTtl, Ipv6RecvHopLimit, ReceiveTimestampns};

    use super::*;

    fn there_and_back(any: &str) {
        let (a, b) = (UdpSocket::bind(any).expect("a"), UdpSocket::bind(any).expect("b"));
        setsockopt(&b, ReceiveTimestampns, &true).expect("stamps");
        match any.starts_with('[') {
            true => setsockopt(&b, Ipv6RecvHopLimit, &true).expect("hop limits"),
            false => setsockopt(&b, Ipv4RecvTtl, &true).expect("ttls"),
        }
        let to = vec![SockAddr::from(b.local_addr().expect("bound"))];
        let messages: Vec<u8> = (0..100_u8).flat_map(|n| [n; 5]).collect();
        assert_eq!(send(&a, &messages, 5, &to).expect("sent"), BATCH);
        let rest = &messages[BATCH * 5..];
        assert_eq!(send(&a, rest, 5, &to).expect("sent"), 36);
        let (mut seen, mut inbox) = (Vec::<u8>::new(), Inbox::new(3));
        let sender = a.local_addr().ok();
        while inbox
            .receive(&b, |got| {
                assert_eq!((got.from, got.ttl()), (sender, Some(64)));
                assert!(got.stamp().is_some_and(|(seconds, nanos)| seconds > 0 && nanos >= 0));
                // What is longer than the room is cut.
                assert_eq!(got.bytes.len(), 3);
                seen.extend(got.bytes.first());
            })
            .expect("readable")
            > 0
        {}
        assert_eq!(seen, (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn a_hundred_datagrams_need_two_calls_each_way() {
        there_and_back("127.0.0.1:0");
        there_and_back("[::1]:0");
    }

    #[test]
    fn a_refusal_of_the_first_message_is_an_error_and_no_message_is_none() {
        let a = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let six = [SockAddr::from(SocketAddr::from((Ipv6Addr::LOCALHOST, 9)))];
        assert!(send(&a, b"x", 1, &six).is_err());
        assert_eq!(send(&a, b"", 1, &six).expect("nothing to refuse"), 0);
    }

    #[test]
    fn every_prefix_of_a_control_message_is_safe() {
        let mut control = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0];
        control.extend([0; 20]);
        for end in 0..control.len() {
            let got = Arrived {
                from: None,
                #[cfg(feature = "capture")]
                name: &[],
                control: &control[..end],
                bytes: &[],
            };
            assert_eq!((got.stamp(), got.ttl()), (None, (end >= 20).then_some(9)));
        }
    }
}
