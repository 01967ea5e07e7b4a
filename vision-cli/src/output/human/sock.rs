use std::io::{self, Write};
use std::net::IpAddr;

use vision_core::Untrusted;
use vision_core::inventory::{Sock, SocketOwner, SocketOwners};

use super::word;
use crate::output::json::Object;
use crate::output::text::Put;
use crate::output::{Row, Style};

/// A socket with the name of the interface it is bound to and, if asked for, its owners.
#[derive(Debug)]
pub struct SockRow<'n> {
    sock: &'n Sock,
    dev: Option<&'n Untrusted>,
    owners: Option<&'n SocketOwners>,
    depth: Depth,
}

/// What a person sees of what a socket tells.
#[derive(Debug, Clone, Copy, Default)]
pub struct Depth {
    /// TCP's own figures.
    pub info: bool,
    /// Memory.
    pub memory: bool,
    /// Timers, cookie, mark.
    pub ext: bool,
}

impl<'n> SockRow<'n> {
    /// Adds the names.
    pub fn new(
        sock: &'n Sock,
        dev: Option<&'n Untrusted>,
        owners: Option<&'n SocketOwners>,
        depth: Depth,
    ) -> Self {
        Self { sock, dev, owners, depth }
    }

    fn owners(&self) -> impl Iterator<Item = SocketOwner<'n>> {
        self.owners.into_iter().flat_map(|owners| owners.of(self.sock.inode))
    }
}

/// Writes the line above the rows.
pub fn head(out: &mut dyn Write, style: &Style, owners: bool) -> io::Result<()> {
    let Style { bold, .. } = style;
    let last = if owners { " users" } else { "" };
    write!(out, "{bold}{:<5} {:<10} {:>6} {:>6} ", "Netid", "State", "Recv-Q", "Send-Q")?;
    write!(out, "{:>30} {:<30} {:>5} {:>9}", "Local:Port", "Peer:Port", "uid", "inode")?;
    writeln!(out, "{last}{bold:#}")
}

impl Row for SockRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let sock = self.sock;
        let mut at = out.len();
        let mut field = |out: &mut Vec<u8>, width: usize| {
            out.left(at, width);
            out.push(b' ');
            at = out.len();
        };
        word(out, sock.protocol.name(), sock.protocol.raw())?;
        field(out, 5);
        word(out, sock.state.name(), sock.state.raw())?;
        field(out, 10);
        for (number, width) in [(sock.recv_q, 6), (sock.send_q, 6)] {
            right(out, number, width);
            out.push(b' ');
        }
        let any = sock.v6only == Some(false);
        Style::paint(out, style.name, |out| {
            let start = out.len();
            endpoint(out, sock.local, sock.local_port, self.dev, any);
            out.right(start, 30);
            Ok(())
        })?;
        out.push(b' ');
        let start = out.len();
        endpoint(out, sock.remote, sock.remote_port, None, any);
        out.left(start, 30);
        for (number, width) in [(sock.uid, 5), (sock.inode, 9)] {
            out.push(b' ');
            right(out, number, width);
        }
        users(out, self.owners());
        if self.depth.ext {
            write!(out, " sk:{:x}", sock.cookie)?;
            if let Some(mark) = sock.mark.filter(|mark| *mark != 0) {
                write!(out, " fwmark:{mark:#x}")?;
            }
        }
        if let Some(details) = &sock.details {
            super::sock_details::put(out, details, sock.is_listening(), self.depth)?;
        }
        out.push(b'\n');
        Ok(())
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.members(self.sock)?;
        object.member("dev", &self.dev)?;
        match self.owners {
            Some(_) => object.member("owners", &self.owners().collect::<Vec<_>>()),
            None => Ok(()),
        }
    }
}

#[inline]
fn right(out: &mut Vec<u8>, number: u32, width: usize) {
    let start = out.len();
    out.uint(number.into());
    out.right(start, width);
}

/// As `ss -p` writes them.
#[inline]
pub(super) fn users<'n>(out: &mut Vec<u8>, owners: impl Iterator<Item = SocketOwner<'n>>) {
    let mut begun = false;
    for SocketOwner { pid, comm, fd, .. } in owners {
        out.put(if begun { ",(\"" } else { " users:((\"" });
        begun = true;
        out.name(comm);
        out.put("\",pid=");
        out.uint(pid.into());
        out.put(",fd=");
        out.uint(fd.into());
        out.put(")");
    }
    if begun {
        out.put(")");
    }
}

/// As `ss` writes it; `*` for an address of either family and for no port.
#[inline]
fn endpoint(out: &mut Vec<u8>, addr: IpAddr, port: u16, dev: Option<&Untrusted>, any_family: bool) {
    match addr {
        IpAddr::V6(v6) if v6.is_unspecified() && any_family => out.put("*"),
        IpAddr::V6(_) => {
            out.put("[");
            out.ip(addr);
            out.put("]");
        }
        IpAddr::V4(_) => out.ip(addr),
    }
    if let Some(dev) = dev {
        out.put("%");
        out.name(dev);
    }
    out.put(":");
    match port {
        0 => out.put("*"),
        port => out.uint(port.into()),
    }
}
