use std::collections::HashMap;
use std::net::IpAddr;

use socket2::{SockFilter, Socket};

use crate::base::{Error, Family, Op, Result, Ttl};
use crate::probe::machine::BURST;
use crate::socket::{self, Kind, Options};
use crate::wire::icmp::strip_ipv4;

/// A raw socket that hears the resets of one host.
pub(crate) struct ResetWatch {
    socket: Socket,
    from: IpAddr,
    /// By the local port they were sent to.
    heard: HashMap<u16, Ttl>,
}

/// The RST bit of a TCP header's fourteenth byte (RFC 9293 §3.1).
const RST: u8 = 0x04;
const FLAGS_AT: usize = 13;

impl ResetWatch {
    /// Opens the socket in the namespace of the calling thread; needs `CAP_NET_RAW`.
    pub(crate) fn open(from: IpAddr) -> Result<Self> {
        let family = Family::of(from);
        let socket = socket::open(Kind::TcpRaw(family), &Options::default())?;
        socket.attach_filter(&resets_only(family)).map_err(|e| Error::sys(Op::SetOption, e))?;
        Ok(Self { socket, from, heard: HashMap::new() })
    }

    /// Returns the time to live of the reset that came to a local port.
    pub(crate) fn ttl_to(&mut self, port: u16) -> Option<Ttl> {
        self.read();
        self.heard.get(&port).copied()
    }

    fn read(&mut self) {
        let mut buffer = [0; 256];
        for _ in 0..BURST {
            let Ok(Some(got)) = socket::receive(&self.socket, &mut buffer) else {
                break;
            };
            if got.from.map(|from| from.ip()) != Some(self.from) {
                continue;
            }
            // IPv4 comes with its header, IPv6 without.
            let (ttl, segment) = match self.from {
                IpAddr::V4(_) => match strip_ipv4(got.bytes) {
                    Ok((ttl, segment)) => (Some(ttl), segment),
                    Err(_) => continue,
                },
                IpAddr::V6(_) => (got.ttl, got.bytes),
            };
            let is_reset = segment.get(FLAGS_AT).is_some_and(|flags| flags & RST != 0);
            if let (Some(ttl), Some([_, _, high, low]), true) =
                (ttl, segment.first_chunk::<4>(), is_reset)
            {
                self.heard.insert(u16::from_be_bytes([*high, *low]), ttl);
            }
        }
    }
}

/// A classic BPF program that lets resets through and nothing else: a raw socket would otherwise
/// hear every segment of the namespace (linux/bpf_common.h).
fn resets_only(family: Family) -> Vec<SockFilter> {
    let load_ip_header_length = SockFilter::new(0xb1, 0, 0, 0);
    let load_flags_behind_it = SockFilter::new(0x50, 0, 0, FLAGS_AT as u32);
    let load_flags = SockFilter::new(0x30, 0, 0, FLAGS_AT as u32);
    let reset_or_skip = SockFilter::new(0x45, 0, 1, RST.into());
    let accept = SockFilter::new(0x06, 0, 0, u32::MAX);
    let drop = SockFilter::new(0x06, 0, 0, 0);
    match family {
        Family::V4 => {
            vec![load_ip_header_length, load_flags_behind_it, reset_or_skip, accept, drop]
        }
        Family::V6 => vec![load_flags, reset_or_skip, accept, drop],
    }
}
