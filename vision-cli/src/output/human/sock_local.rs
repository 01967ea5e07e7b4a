use std::io::{self, Write};

use vision_core::Untrusted;
use vision_core::inventory::{PacketSock, SocketOwner, SocketOwners, UnixSock};

use super::sock::{Depth, users};
use super::sock_details::put_memory;
use crate::output::json::Object;
use crate::output::text::Put;
use crate::output::{Row, Style};

/// A unix socket with its owners.
#[derive(Debug)]
pub struct UnixRow<'n> {
    sock: &'n UnixSock,
    owners: Option<&'n SocketOwners>,
    depth: Depth,
}

impl<'n> UnixRow<'n> {
    /// Adds owners.
    pub fn new(sock: &'n UnixSock, owners: Option<&'n SocketOwners>, depth: Depth) -> Self {
        Self { sock, owners, depth }
    }

    fn owners(&self) -> impl Iterator<Item = SocketOwner<'n>> {
        self.owners.into_iter().flat_map(|owners| owners.of(self.sock.inode))
    }
}

impl Row for UnixRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let sock = self.sock;
        write!(out, "{:<5} {:<10} {:>6} {:>6} ", sock.kind, sock.state, sock.recv_q, sock.send_q)?;
        Style::paint(out, style.name, |out| {
            match &sock.name {
                Some(name) => out.name(name),
                None => out.put("*"),
            }
            Ok(())
        })?;
        write!(out, " {}", sock.inode)?;
        match sock.peer_inode {
            Some(peer) => write!(out, " -> {peer}")?,
            None => out.put(" -> *"),
        }
        if let Some(uid) = sock.uid {
            write!(out, " uid:{uid}")?;
        }
        if let Some(shut) = sock.shutdown {
            write!(out, " shutdown:{shut}")?;
        }
        if let Some(memory) = sock.memory.as_ref().filter(|_| self.depth.memory) {
            put_memory(out, memory)?;
        }
        users(out, self.owners());
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.member("family", &"unix")?;
        object.members(self.sock)?;
        match self.owners {
            Some(_) => object.member("owners", &self.owners().collect::<Vec<_>>()),
            None => Ok(()),
        }
    }
}

/// A packet socket with the name of its interface and its owners.
#[derive(Debug)]
pub struct PacketRow<'n> {
    sock: &'n PacketSock,
    dev: Option<&'n Untrusted>,
    owners: Option<&'n SocketOwners>,
    depth: Depth,
}

impl<'n> PacketRow<'n> {
    /// Adds names.
    pub fn new(
        sock: &'n PacketSock,
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

impl Row for PacketRow<'_> {
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let sock = self.sock;
        let received = sock.memory.as_ref().and_then(|memory| memory.recv_bytes).unwrap_or(0);
        write!(out, "{:<5} ", if sock.cooked { "p_dgr" } else { "p_raw" })?;
        write!(out, "{:<10} {received:>6} {:>6} ", "UNCONN", 0)?;
        match sock.ethertype {
            0 => out.put("no packets"),
            3 => out.put("all packets"),
            other => write!(out, "{other:#06x}")?,
        }
        match sock.ifindex {
            None => out.put(" any interface"),
            index => super::dev(out, self.dev, index, style)?,
        }
        write!(out, " inode {}", sock.inode)?;
        if let Some(uid) = sock.uid {
            write!(out, " uid:{uid}")?;
        }
        if sock.ring {
            out.put(" ring");
        }
        if let Some(group) = sock.fanout_group {
            write!(out, " fanout {group}")?;
        }
        if let Some(instructions) = sock.filter_instructions {
            write!(out, " filter of {instructions} instructions")?;
        }
        if let Some(memory) = sock.memory.as_ref().filter(|_| self.depth.memory) {
            put_memory(out, memory)?;
        }
        users(out, self.owners());
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.member("family", &"packet")?;
        object.members(self.sock)?;
        object.member("dev", &self.dev)?;
        match self.owners {
            Some(_) => object.member("owners", &self.owners().collect::<Vec<_>>()),
            None => Ok(()),
        }
    }
}
