use std::io::{self, Write};
use std::net::IpAddr;

use serde::Serialize;
use vision_core::Untrusted;
use vision_core::inventory::Sock;

use crate::output::Style;

/// A socket with the name of the interface it is bound to.
#[derive(Debug, Serialize)]
pub struct SockRow {
    #[serde(flatten)]
    sock: Sock,
    dev: Option<Untrusted>,
}

impl SockRow {
    /// Adds the name.
    pub fn new(sock: Sock, dev: Option<Untrusted>) -> Self {
        Self { sock, dev }
    }
}

/// Writes the line above the rows.
pub fn head(out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, .. } = style;
    write!(out, "{bold}{:<5} {:<10} {:>6} {:>6} ", "Netid", "State", "Recv-Q", "Send-Q")?;
    writeln!(out, "{:>30} {:<30} {:>5} {:>9}{bold:#}", "Local:Port", "Peer:Port", "uid", "inode")
}

/// Writes a row.
pub fn line(row: &SockRow, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { name, .. } = style;
    let SockRow { sock, dev } = row;
    let (protocol, state) = (sock.protocol, sock.state);
    write!(out, "{protocol:<5} {state:<10} {:>6} {:>6} ", sock.recv_q, sock.send_q)?;
    let any = sock.v6only == Some(false);
    let local = endpoint(sock.local, sock.local_port, dev.as_ref(), any);
    let remote = endpoint(sock.remote, sock.remote_port, None, any);
    writeln!(out, "{name}{local:>30}{name:#} {remote:<30} {:>5} {:>9}", sock.uid, sock.inode)
}

/// As `ss` writes it; `*` for an address of either family and for no port.
fn endpoint(addr: IpAddr, port: u16, dev: Option<&Untrusted>, any_family: bool) -> String {
    let host = match addr {
        IpAddr::V6(v6) if v6.is_unspecified() && any_family => "*".to_owned(),
        IpAddr::V6(v6) => format!("[{v6}]"),
        IpAddr::V4(v4) => v4.to_string(),
    };
    let dev = dev.map(|dev| format!("%{}", dev.escaped())).unwrap_or_default();
    match port {
        0 => format!("{host}{dev}:*"),
        port => format!("{host}{dev}:{port}"),
    }
}
